package demo

import (
	"cmp"
	"slices"
	"strings"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/identifier"
)

// Why two people were taken for one, and why one person was left in parts. The causes are found from what the events
// showed and which hard cases touched them, as the truth has it: the pipeline is not asked for its reasons.

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
	kind   string
	cases  counts
	people []int32 // numbered within the customer
	events int64
}

// counts are events by hard case.
type counts [32]int64

func (n *counts) add(s simulate.Cases) {
	for _, c := range s.List() {
		n[c]++
	}
}

// most is the case of the most events among those that the filter lets pass; the first of equals.
func (n *counts) most(passes func(simulate.Case) bool) (best simulate.Case, events int64) {
	for _, c := range simulate.AllCases() {
		if n[c] > events && passes(c) {
			best, events = c, n[c]
		}
	}
	return best, events
}

// words is a case as the report prints it.
func words(c simulate.Case) string { return strings.ReplaceAll(c.String(), "_", " ") }

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
	uses := map[node]*bridge{}
	var order []*bridge
	for _, e := range events {
		for _, n := range e.nodes {
			u := uses[n]
			if u == nil {
				u = &bridge{kind: n.kind}
				uses[n] = u
				order = append(order, u)
			}
			u.events++
			u.cases.add(e.cases)
			if who := number[e.person]; !slices.Contains(u.people, who) {
				u.people = append(u.people, who)
			}
		}
	}
	var shared []bridge
	for _, u := range order {
		if len(u.people) > 1 {
			shared = append(shared, *u)
		}
	}
	slices.SortStableFunc(shared, func(a, b bridge) int { return cmp.Compare(b.events, a.events) })
	return shared
}

// sharing are the cases that put two people on one identifier, with the types of identifier that they do it by.
var sharing = map[simulate.Case][]string{
	simulate.FamilyTablet:       {identifier.AnonymousID},
	simulate.OpenAccount:        {identifier.UserID, identifier.AnonymousID, identifier.Email, identifier.EmailCanon},
	simulate.LentPhone:          {identifier.AnonymousID},
	simulate.SharedPhone:        {identifier.AnonymousID, identifier.DeviceID},
	simulate.SecondHandComputer: {identifier.AnonymousID},
	simulate.ShopKiosk:          {identifier.AnonymousID},
	simulate.HouseholdCard:      {identifier.LoyaltyCard},
	simulate.LentCard:           {identifier.LoyaltyCard},
	simulate.CashierCard:        {identifier.LoyaltyCard},
	simulate.HouseholdBankCard:  {identifier.PaymentReference},
	simulate.RecycledPhone:      {identifier.Phone},
	simulate.HouseholdLandLine:  {identifier.Phone},
	simulate.MisspeltAddress:    {identifier.Email, identifier.EmailCanon},
	simulate.AnothersAddress:    {identifier.Email, identifier.EmailCanon},
	simulate.MadeUpAddress:      {identifier.Email, identifier.EmailCanon},
	simulate.FamilyAddress:      {identifier.Email, identifier.EmailCanon},
}

func (b *bridge) cause() string {
	if c, n := b.cases.most(func(c simulate.Case) bool { return slices.Contains(sharing[c], b.kind) }); n > 0 {
		return words(c)
	}
	return "one " + strings.ReplaceAll(b.kind, "_", " ") + " used by several people"
}

// part is the events of one person that share identifiers with each other, as far as they are of one customer.
type part struct {
	component int32
	customer  int32
	events    int64
	cases     counts
	strongest int  // place in strengths
	theirs    bool // most of the customer's events are this person's
}

// strengths of identifier types, the strongest first.
var strengths = []string{
	identifier.UserID, identifier.LoyaltyCard, identifier.Email, identifier.EmailCanon, identifier.Phone,
	identifier.PaymentReference, identifier.DeviceID, identifier.AnonymousID, identifier.TillRecord,
}

// missedPairs goes through every person found in parts. within counts the pairs that identifiers connect.
func missedPairs(stored []event) (causes []Cause, within int64) {
	charged := tally{}
	cells, _, customers := contingency(stored)
	for _, events := range groups(stored, func(e *event) int32 { return e.person }) {
		list := parts(events)
		for i := range list {
			list[i].theirs = 2*cells[cell{events[0].person, list[i].customer}] >= customers[list[i].customer]
		}
		for i := range list {
			for j := range i {
				a, b := &list[i], &list[j]
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
	at, strongest := map[place]int{}, map[int32]int{}
	var list []part
	for i, e := range events {
		component := components.find(int32(i))
		n, met := at[place{component, e.customer}]
		if !met {
			n = len(list)
			at[place{component, e.customer}] = n
			list = append(list, part{component: component, customer: e.customer})
		}
		list[n].events++
		list[n].cases.add(e.cases)
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
	}
	return list
}

// touched is the case that at least half of the part's events are touched by.
func (p *part) touched(passes func(simulate.Case) bool) (string, bool) {
	c, n := p.cases.most(passes)
	return words(c), n > 0 && 2*n >= p.events
}

// connected: identifiers tell that both parts are one person, and they were left apart all the same.
func connected(a, b *part) string {
	odd := a // the part that is with somebody else, or the smaller one
	if a.theirs && !b.theirs || a.theirs == b.theirs && b.events < a.events {
		odd = b
	}
	what, is := odd.touched(ties)
	switch {
	case is && odd.theirs:
		return what + ": link refused"
	case is:
		return what + ": given to somebody else"
	case odd.theirs:
		return "a link refused by the rules"
	}
	return "given to somebody else"
}

// ties tells cases by which a link is made or doubted.
func ties(c simulate.Case) bool {
	return c == simulate.GmailVariant || sharing[c] != nil && c != simulate.MisspeltAddress
}

// unconnected: nothing tells that both parts are one person.
func unconnected(a, b *part) string {
	weak := a
	if b.strongest > a.strongest || b.strongest == a.strongest && b.events < a.events {
		weak = b
	}
	if what, is := weak.touched(func(simulate.Case) bool { return true }); is {
		return what
	}
	if weak.strongest == len(strengths) {
		return "nothing usable on the event"
	}
	switch strengths[weak.strongest] {
	case identifier.AnonymousID, identifier.DeviceID:
		return "browser that never signed in"
	case identifier.TillRecord:
		return "ticket paid cash without card"
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
