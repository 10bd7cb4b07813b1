package demo

import (
	"cmp"
	"slices"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// Why two people were taken for one, and why one person was left in parts. The causes are found from what the events
// showed, as the truth has it: the pipeline is not asked for its reasons.

// sets is a union-find over small numbers.
type sets []int32

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s sets) find(a int32) int32 {
	for s[a] != a {
		s[a] = s[s[a]]
		a = s[a]
	}
	return a
}

// groups splits events by a key, in the order of the events.
func groups(stored []event, key func(*event) int32) [][]*event {
	at := map[int32]int{}
	var all [][]*event
	for i := range stored {
		e := &stored[i]
		n, met := at[key(e)]
		if !met {
			n = len(all)
			at[key(e)] = n
			all = append(all, nil)
		}
		all[n] = append(all[n], e)
	}
	return all
}

// bridge is an identifier that two or more people of one customer used.
type bridge struct {
	kind    string
	trouble string
	people  []int32 // numbered within the customer
	events  int
}

// wrongPairs goes through every customer made of several people, joins them by the identifiers that they share, and
// charges the pairs of each joint to the identifier that makes it.
func wrongPairs(stored []event) []Cause {
	charged := tally{}
	for _, events := range groups(stored, func(e *event) int32 { return e.customer }) {
		number := map[int32]int32{}
		var sizes []int64
		for _, e := range events {
			n, met := number[e.person]
			if !met {
				n = int32(len(sizes))
				number[e.person] = n
				sizes = append(sizes, 0)
			}
			sizes[n]++
		}
		if len(sizes) > 1 {
			chargeCustomer(charged, bridges(events, number), sizes)
		}
	}
	return charged.causes()
}

func chargeCustomer(charged tally, shared []bridge, sizes []int64) {
	joined := newSets(len(sizes))
	join := func(a, b int32, cause string) {
		if a, b = joined.find(a), joined.find(b); a != b {
			charged[cause] += sizes[a] * sizes[b]
			sizes[a] += sizes[b]
			joined[b] = a
		}
	}
	for _, b := range shared {
		for _, other := range b.people[1:] {
			join(b.people[0], other, b.cause())
		}
	}
	for other := 1; other < len(sizes); other++ {
		join(0, int32(other), "no identifier in common")
	}
}

// bridges lists what the people of a customer share, the most used first.
func bridges(events []*event, number map[int32]int32) []bridge {
	type use struct {
		bridge
		troubles map[string]int
	}
	uses := map[node]*use{}
	var order []*use
	for _, e := range events {
		for _, n := range e.nodes {
			u := uses[n]
			if u == nil {
				u = &use{bridge: bridge{kind: n.kind}, troubles: map[string]int{}}
				uses[n] = u
				order = append(order, u)
			}
			u.events++
			u.troubles[e.trouble]++
			if who := number[e.person]; !slices.Contains(u.people, who) {
				u.people = append(u.people, who)
			}
		}
	}
	var shared []bridge
	for _, u := range order {
		if len(u.people) > 1 {
			u.trouble = most(u.troubles)
			shared = append(shared, u.bridge)
		}
	}
	slices.SortStableFunc(shared, func(a, b bridge) int { return cmp.Compare(b.events, a.events) })
	return shared
}

// most is the most frequent trouble; ordinary events do not count.
func most(counts map[string]int) string {
	best, name := 0, ""
	for trouble, n := range counts {
		if trouble != "" && (n > best || n == best && trouble < name) {
			best, name = n, trouble
		}
	}
	return name
}

// sharing are the troubles that put two people on one identifier, with the types of identifier that they do it by.
var sharing = map[string][]string{
	"shared tablet":                      {identifier.AnonymousID, identifier.UserID},
	"lent phone":                         {identifier.AnonymousID, identifier.UserID},
	"second-hand computer":               {identifier.AnonymousID},
	"kiosk in a shop":                    {identifier.AnonymousID},
	"account of somebody else left open": {identifier.UserID, identifier.AnonymousID, identifier.Email},
	"card of the household":              {identifier.LoyaltyCard},
	"card of the cashier":                {identifier.LoyaltyCard},
	"made-up address typed at the till":  {identifier.Email},
	"address misspelt at the till":       {identifier.Email},
}

func (b bridge) cause() string {
	if slices.Contains(sharing[b.trouble], b.kind) {
		return b.trouble
	}
	switch b.kind {
	case identifier.PaymentReference:
		return "one bank card in the household"
	case identifier.LoyaltyCard:
		return "card of the household"
	case identifier.AnonymousID, identifier.DeviceID:
		return "one browser used by several people"
	case identifier.Phone:
		return "telephone number given out again"
	case identifier.Email, identifier.EmailCanon:
		return "one e-mail address used by several people"
	}
	return "one " + b.kind + " used by several people"
}

// part is the events of one person that share identifiers with each other, as far as they are of one customer.
type part struct {
	component int32
	customer  int32
	events    int64
	trouble   string
	strongest int // place in strengths
}

// strengths of identifier types, the strongest first.
var strengths = []string{
	identifier.UserID, identifier.LoyaltyCard, identifier.Email, identifier.EmailCanon, identifier.Phone,
	identifier.PaymentReference, identifier.DeviceID, identifier.AnonymousID, identifier.TillRecord,
}

// missedPairs goes through every person found in parts. within counts the pairs that identifiers connect.
func missedPairs(stored []event) (causes []Cause, within int64) {
	charged := tally{}
	for _, events := range groups(stored, func(e *event) int32 { return e.person }) {
		list := parts(events)
		for i := range list {
			for j := range i {
				a, b := list[i], list[j]
				if a.customer == b.customer {
					continue
				}
				n := a.events * b.events
				if a.component == b.component {
					within += n
					charged[connected(a, b)] += n
					continue
				}
				charged[unconnected(a, b)] += n
			}
		}
	}
	return charged.causes(), within
}

func parts(events []*event) []part {
	components := newSets(len(events))
	first := map[node]int32{}
	for i, e := range events {
		for _, n := range e.nodes {
			if at, met := first[n]; met {
				components[components.find(int32(i))] = components.find(at)
			} else {
				first[n] = int32(i)
			}
		}
	}
	type place struct{ component, customer int32 }
	at, troubles := map[place]int{}, []map[string]int{}
	strongest := map[int32]int{}
	var list []part
	for i, e := range events {
		component := components.find(int32(i))
		n, met := at[place{component, e.customer}]
		if !met {
			n = len(list)
			at[place{component, e.customer}] = n
			list = append(list, part{component: component, customer: e.customer})
			troubles = append(troubles, map[string]int{})
		}
		list[n].events++
		troubles[n][e.trouble]++
		best, known := strongest[component]
		if !known {
			best = len(strengths)
		}
		for _, id := range e.nodes {
			if s := slices.Index(strengths, id.kind); s >= 0 {
				best = min(best, s)
			}
		}
		strongest[component] = best
	}
	for i := range list {
		list[i].strongest = strongest[list[i].component]
		list[i].trouble = most(troubles[i])
	}
	return list
}

// connected: identifiers tell that both parts are one person, and they were left apart all the same.
func connected(a, b part) string {
	small := a
	if b.events < a.events {
		small = b
	}
	if small.trouble != "" {
		return small.trouble + ", given to the other person"
	}
	return "a link refused by the rules"
}

// unconnected: nothing tells that both parts are one person.
func unconnected(a, b part) string {
	weak := a
	if b.strongest > a.strongest || b.strongest == a.strongest && b.events < a.events {
		weak = b
	}
	if weak.trouble == "address misspelt at the till" || weak.trouble == "account of somebody else left open" {
		return weak.trouble
	}
	if weak.strongest == len(strengths) {
		return "nothing usable on the event"
	}
	switch strengths[weak.strongest] {
	case identifier.AnonymousID, identifier.DeviceID:
		return "browser that never signed in"
	case identifier.TillRecord:
		return "ticket without card, paid cash"
	case identifier.PaymentReference:
		return "ticket known by its bank card only"
	case identifier.LoyaltyCard:
		return "loyalty card never tied to the account"
	case identifier.Email, identifier.EmailCanon:
		return "e-mail address never tied to the rest"
	case identifier.Phone:
		return "telephone number never tied to the rest"
	}
	return "two identities with nothing in common"
}
