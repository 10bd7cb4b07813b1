package demo

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

// Score is precision and recall of finding together what belongs together, from 0 to 1.
type Score struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

func score(precision, recall float64) Score {
	s := Score{Precision: precision, Recall: recall}
	if precision+recall > 0 {
		s.F1 = 2 * precision * recall / (precision + recall)
	}
	return s
}

// Cause is a reason for errors and how many pairs of events it spoils.
type Cause struct {
	Name  string `json:"cause"`
	Pairs int64  `json:"pairs"`
}

// Quality compares the customers found with the people there are, on pairs of events: a pair is right when both
// events are of one person and of one customer.
type Quality struct {
	Events    int `json:"events"`
	People    int `json:"people"`
	Customers int `json:"customers"`
	// Whole people are one customer that is nobody else's as well; Mixed customers hold several people.
	Whole int `json:"whole_people"`
	Mixed int `json:"mixed_customers"`
	// Lost are events of the truth that were neither wrong on purpose nor stored.
	Lost     int   `json:"lost"`
	Pairwise Score `json:"pairwise"`
	BCubed   Score `json:"b_cubed"`
	// Linkable is Pairwise with the recall on those pairs only that some chain of the person's own usable
	// identifiers connects, whatever the rules think of it. The others, above all a browser that never signed in and a
	// ticket paid cash, can be linked by nobody; they count in Pairwise and in BCubed all the same.
	Linkable Score `json:"linkable"`
	// Wrong are pairs of two people put together, Missed pairs of one person left apart, each by cause; each cause
	// is read off the hard cases that the truth notes with the events, and the sums are those of all errors.
	Wrong  []Cause `json:"wrong"`
	Missed []Cause `json:"missed"`
}

// event is one stored event: who did it, whose it was taken for, and what it showed.
type event struct {
	person, customer int32
	cases            simulate.Cases
	nodes            []node
}

type node struct {
	id   uuid.UUID
	kind string
}

// Truth is who is really who, ready to be compared.
type Truth struct {
	ids    *identifier.Identifiers
	people map[string]int32
	events map[string]event // by message id; the customer is not known yet
}

// ReadTruth reads what parcours simulate --truth wrote. Crawlers are left out: they are nobody's customers.
func ReadTruth(in io.Reader) (*Truth, error) {
	// The key does not matter: nodes are only compared with each other.
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("00", 32)
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	t := &Truth{ids: ids, people: map[string]int32{}, events: map[string]event{}}
	crawlers := map[string]bool{}
	err = simulate.ReadTruth(in, func(l *simulate.TruthLine) error {
		switch {
		case l.Kind == simulate.TruthPerson:
			crawlers[l.Person] = l.Persona == "bot"
		case l.Wrong == "" && !crawlers[l.Person]:
			return t.add(l)
		}
		return nil
	})
	return t, err
}

func (t *Truth) add(l *simulate.TruthLine) error {
	who, met := t.people[l.Person]
	if !met {
		who = int32(len(t.people))
		t.people[l.Person] = who
	}
	e := event{person: who}
	for _, name := range l.Cases {
		c, err := simulate.ParseCase(name)
		if err != nil {
			return fmt.Errorf("read truth of event %s: %w", l.MessageID, err)
		}
		e.cases = e.cases.With(c)
	}
	sent := make([]schemas.Identifier, len(l.IDs))
	for i, id := range l.IDs {
		sent[i] = schemas.Identifier{Type: id.Type, Value: id.Value}
	}
	for _, r := range t.ids.Resolve(sent, 0, nil, nil) {
		if r.Reason == "" {
			e.nodes = append(e.nodes, node{r.Node, r.Type})
		}
	}
	t.events[l.MessageID] = e
	return nil
}

// Compare measures the customers found: customerOf gives the customer of every stored message id.
func (t *Truth) Compare(customerOf map[string]string) Quality {
	customers := map[string]int32{}
	var stored []event
	q := Quality{}
	// In a fixed order, so that equal counts are attributed to the same cause on every run.
	for _, id := range slices.Sorted(maps.Keys(t.events)) {
		name, ok := customerOf[id]
		if !ok {
			q.Lost++
			continue
		}
		number, met := customers[name]
		if !met {
			number = int32(len(customers))
			customers[name] = number
		}
		e := t.events[id]
		e.customer = number
		stored = append(stored, e)
	}
	q.Events, q.Customers = len(stored), len(customers)
	q.measure(stored)
	q.Wrong = wrongPairs(stored)
	var within int64
	q.Missed, within = missedPairs(stored)
	right := found(stored)
	q.Linkable = score(q.Pairwise.Precision, share(right, right+within))
	return q
}

func pairs(n int64) int64 { return n * (n - 1) / 2 }

type cell struct{ person, customer int32 }

// contingency counts events by person and customer.
func contingency(stored []event) (cells map[cell]int64, people, customers map[int32]int64) {
	cells, people, customers = map[cell]int64{}, map[int32]int64{}, map[int32]int64{}
	for i := range stored {
		e := &stored[i]
		cells[cell{e.person, e.customer}]++
		people[e.person]++
		customers[e.customer]++
	}
	return cells, people, customers
}

func found(stored []event) int64 {
	cells, _, _ := contingency(stored)
	right := int64(0)
	for _, n := range cells {
		right += pairs(n)
	}
	return right
}

func (q *Quality) measure(stored []event) {
	cells, people, customers := contingency(stored)
	q.People = len(people)
	holds := map[int32]int{}
	for at := range cells {
		holds[at.customer]++
	}
	for _, n := range holds {
		if n > 1 {
			q.Mixed++
		}
	}
	var right, said, truly int64
	var precision, recall float64
	// In a fixed order: sums of fractions depend on it.
	for _, at := range slices.SortedFunc(maps.Keys(cells), func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.customer, b.customer))
	}) {
		n := cells[at]
		right += pairs(n)
		if n == people[at.person] && n == customers[at.customer] {
			q.Whole++
		}
		precision += float64(n*n) / float64(customers[at.customer])
		recall += float64(n*n) / float64(people[at.person])
	}
	for _, n := range customers {
		said += pairs(n)
	}
	for _, n := range people {
		truly += pairs(n)
	}
	q.Pairwise = score(share(right, said), share(right, truly))
	total := float64(max(len(stored), 1))
	q.BCubed = score(precision/total, recall/total)
}

// share of nothing is whole: without pairs there is no wrong one.
func share(part, whole int64) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// tally adds pairs up by cause.
type tally map[string]int64

func (t tally) causes() []Cause {
	list := make([]Cause, 0, len(t))
	for name, n := range t {
		if n > 0 {
			list = append(list, Cause{name, n})
		}
	}
	slices.SortFunc(list, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Name, b.Name))
	})
	return list
}
