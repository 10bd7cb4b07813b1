package sink_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/services/sink"
	"pgregory.net/rapid"
)

// state is what F says of a node at a position.
type state struct {
	customer uuid.UUID
	shared   bool
}

// seen is an event, with what identity said of it at iv.
type seen struct {
	id, anchor, customer uuid.UUID
	standIns             []uuid.UUID
	iv                   int
}

// society is what is true, at every position; the database is told of it bit by bit.
type society struct {
	*rapid.T
	r       *rig
	nodes   []uuid.UUID
	states  []map[uuid.UUID]state // by position
	told    int                   // position up to which the map was written
	settled int                   // no event that comes now was resolved before it
	events  []seen
}

func newSociety(t *rapid.T, r *rig) *society {
	s := &society{T: t, r: r, states: []map[uuid.UUID]state{{}}}
	for range rapid.IntRange(3, 7).Draw(t, "nodes") {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "node"))
		s.nodes = append(s.nodes, id)
		s.states[0][id] = state{customer: id}
	}
	return s
}

func (s *society) now() int { return len(s.states) - 1 }

// truth is the customer of an event at a position: that of its strongest identifier that is not shared.
func (s *society) truth(e *seen, position int) uuid.UUID {
	for _, id := range append([]uuid.UUID{e.anchor}, e.standIns...) {
		if at := s.states[position][id]; !at.shared {
			return at.customer
		}
	}
	return e.anchor
}

// change lets a few things happen to nodes: they come to another customer, become shared, cease to be.
func (s *society) change() {
	for range rapid.IntRange(1, 3).Draw(s.T, "changes") {
		next := make(map[uuid.UUID]state, len(s.nodes))
		for id, at := range s.states[s.now()] {
			next[id] = at
		}
		for range rapid.IntRange(1, 3).Draw(s.T, "nodes changed") {
			id := rapid.SampledFrom(s.nodes).Draw(s.T, "changed")
			next[id] = state{customer: rapid.SampledFrom(s.nodes).Draw(s.T, "customer")}
			if rapid.IntRange(0, 2).Draw(s.T, "shared") == 0 {
				next[id] = state{customer: id, shared: true}
			}
		}
		s.states = append(s.states, next)
	}
}

var beginning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is when the evidence of a position was written.
func at(position int) time.Time { return beginning.Add(time.Duration(position) * time.Second) }

const mapColumns = " (workspace, node, type, canonical, version, shared, reason, previous, at, _ingested_at) VALUES "

// tell writes the map's rows of the positions not told yet, and some of them a second time.
func (s *society) tell() {
	var history []string
	for position := 1; position <= s.now(); position++ {
		again := position <= s.told
		if again && rapid.IntRange(0, 9).Draw(s.T, "again") > 0 {
			continue
		}
		// What was pruned does not come back from the log: it has its newest row only.
		if again && position <= s.settled {
			continue
		}
		var rows []string
		for _, id := range s.nodes {
			before, after := s.states[position-1][id], s.states[position][id]
			if before != after {
				rows = append(rows, fmt.Sprintf("('%s', '%s', 'email', '%s', %d, %t, 'joined', '%s', fromUnixTimestamp64Milli(%d), now64(3))",
					s.r.workspace, id, after.customer, position, after.shared, before.customer, at(position).UnixMilli()))
			}
		}
		// Each position is an insert of its own, so that versions of one node stand beside each other.
		if len(rows) > 0 {
			s.exec("INSERT INTO identity_map" + mapColumns + strings.Join(rows, ", "))
		}
		history = append(history, rows...)
	}
	if len(history) > 0 {
		s.exec("INSERT INTO identity_changes" + mapColumns + strings.Join(history, ", "))
	}
	s.told = s.now()
	if rapid.IntRange(0, 3).Draw(s.T, "merge") == 0 {
		s.exec("OPTIMIZE TABLE identity_map FINAL")
	}
	s.exec("SYSTEM RELOAD DICTIONARY parcours.identity_map_dict")
	s.exec("SYSTEM RELOAD DICTIONARY parcours.identity_changes_dict")
}

// happen lets events come in that were resolved at some position since all before it was settled.
func (s *society) happen() {
	var events, traits []string
	month := rapid.SampledFrom([]int{2, 2, 2, 3}).Draw(s.T, "month") // March is open
	for range rapid.IntRange(1, 4).Draw(s.T, "events") {
		ids := rapid.Permutation(s.nodes).Draw(s.T, "identifiers")[:rapid.IntRange(1, 3).Draw(s.T, "how many")]
		e := seen{id: uuid.New(), anchor: ids[0], standIns: ids[1:], iv: rapid.IntRange(s.settled, s.now()).Draw(s.T, "iv")}
		e.customer = s.truth(&e, e.iv)
		if e.customer == e.anchor && s.untouched(e.anchor, e.iv) {
			e.iv = 0
		}
		s.events = append(s.events, e)
		others := make([]string, len(e.standIns))
		for i, id := range e.standIns {
			others[i] = "'" + id.String() + "'"
		}
		base := fmt.Sprintf("'%s', '%s', '%s', '%s', %d, [%s]", s.r.workspace, e.id, e.anchor, e.customer, e.iv, strings.Join(others, ", "))
		events = append(events, fmt.Sprintf("(%s, '2026-0%d-15 12:00:00', now64(3))", base, month))
		traits = append(traits, fmt.Sprintf("(%s, '%s', now64(3), now64(3))", base, e.id))
	}
	s.exec("INSERT INTO events (workspace, event_id, anchor, customer_id, iv, stand_ins, occurred_at, received_at) VALUES " + strings.Join(events, ", "))
	s.exec("INSERT INTO traits (workspace, event_id, anchor, customer_id, iv, stand_ins, field, received_at, _ingested_at) VALUES " + strings.Join(traits, ", "))
}

// untouched says that no evidence was needed to know the node up to a position.
func (s *society) untouched(id uuid.UUID, position int) bool {
	for p := 1; p <= position; p++ {
		if s.states[p][id] != s.states[p-1][id] {
			return false
		}
	}
	return true
}

func (s *society) exec(statement string) {
	if err := s.r.db.Exec(s.r.t.Context(), statement); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
}

// compare holds the views to the truth.
func (s *society) compare(when string) {
	want := make(map[string]string, 2*len(s.events))
	for i := range s.events {
		for _, view := range []string{"events ", "traits "} {
			want[view+s.events[i].id.String()] = s.truth(&s.events[i], s.now()).String()
		}
	}
	got := make(map[string]string, 2*len(s.events))
	for _, row := range s.r.rows("SELECT 'events ' || toString(event_id), customer_id FROM customer_events WHERE workspace = %[1]s UNION ALL SELECT 'traits ' || toString(event_id), customer_id FROM customer_traits WHERE workspace = %[1]s") {
		got[row[0]] = row[1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("views, %s (-want +got):\n%s", when, diff)
	}
}

// place is a small warehouse that is written by hand, in months that are over.
type place struct{ *rig }

func (p place) exec(statement string, arguments ...any) {
	p.t.Helper()
	if err := p.db.Exec(p.t.Context(), fmt.Sprintf(statement, arguments...)); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

// maps writes a row of the map and its history.
func (p place) maps(id, customer byte, position int, shared bool) {
	p.t.Helper()
	for _, table := range []string{"identity_changes", "identity_map"} {
		p.exec("INSERT INTO "+table+" (workspace, node, canonical, version, shared, reason, previous, at, _ingested_at) VALUES ('%s', '%s', '%s', %d, %t, 'joined', '%s', fromUnixTimestamp64Milli(%d), now64(3))",
			p.workspace, node(id), node(customer), position, shared, node(id), at(position).UnixMilli())
	}
	p.exec("SYSTEM RELOAD DICTIONARY parcours.identity_map_dict")
	p.exec("SYSTEM RELOAD DICTIONARY parcours.identity_changes_dict")
}

// event is anchored at a node and belonged to a customer as of iv.
func (p place) event(anchor, customer byte, iv int, standIn byte) {
	p.t.Helper()
	p.exec("INSERT INTO events (workspace, event_id, anchor, customer_id, iv, stand_ins, occurred_at, received_at) VALUES ('%s', '%s', '%s', '%s', %d, ['%s'], '2026-01-15 12:00:00', now64(3))",
		p.workspace, uuid.New(), node(anchor), node(customer), iv, node(standIn))
}

// squash rewrites January; what is younger than a position is not settled.
func (p place) squash(settled int) {
	p.t.Helper()
	run := sink.Squash{ClickHouse: p.cfg.ClickHouse, Until: time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC), Settled: at(settled), Report: func(sink.SquashStep) error { return nil }}
	if err := run.Run(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// has compares what a table says, in the order of the selected columns.
func (p place) has(what, where string, want ...string) {
	p.t.Helper()
	var got []string
	for _, row := range p.rows("SELECT " + what + " FROM " + where + " WHERE workspace = %s ORDER BY ALL") {
		got = append(got, strings.Join(row, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("%s of %s (-want +got):\n%s", what, where, diff)
	}
}

const (
	customerNumber = "substring(toString(customer_id), 36)"
	nodeNumber     = "substring(toString(node), 36)"
)

// A row of the map that says of a node that it is shared tells every event of it to ask its stand-in, also those that
// knew it when they came in.
func TestSquashKeepsRowsOfSharedNodes(t *testing.T) {
	const kiosk, ana, account, alone = 1, 2, 3, 4
	p := place{newRig(t)}
	p.maps(kiosk, kiosk, 5, true)
	p.maps(alone, account, 5, false)
	p.event(kiosk, ana, 5, ana)
	p.squash(9)
	p.has(nodeNumber, "identity_map", "1")
	p.maps(ana, account, 9, false)
	p.has(customerNumber, "customer_events", "3")
}

// A row of a shared anchor keeps the customer that was true at its iv: the map's is the anchor itself, and at no position
// was that the event's.
func TestSquashLeavesEventsOfSharedAnchors(t *testing.T) {
	const kiosk, ana, account, ben, alone = 1, 2, 3, 4, 5
	p := place{newRig(t)}
	p.event(kiosk, account, 3, ana)
	p.event(alone, alone, 0, ana)
	p.maps(kiosk, kiosk, 5, true)
	p.maps(alone, ben, 5, false)
	p.squash(9)
	p.has(customerNumber+", iv", "events", "3 3", "4 5")
	p.has(customerNumber, "customer_events", "2", "4")
}

// A row of the map that is not settled stays: an event that was resolved before it may still come in.
func TestSquashKeepsRowsThatAreNotSettled(t *testing.T) {
	const settled, young, account = 1, 2, 3
	p := place{newRig(t)}
	p.maps(settled, account, 5, false)
	p.maps(young, account, 6, false)
	p.squash(6)
	p.has(nodeNumber, "identity_map", "2")
	p.event(young, young, 4, settled)
	p.has(customerNumber, "customer_events", "3")
	p.squash(7)
	p.has("iv", "events", "6")
	p.has(nodeNumber, "identity_map")
}

var errKilled = errors.New("killed")

// squash runs until it is done or killed, and more happens after each of its steps.
func (s *society) squash() {
	// Mostly all is settled and the run goes to its end, or little would be pruned.
	s.settled = rapid.SampledFrom([]int{s.now(), s.now(), (s.settled + s.now()) / 2}).Draw(s.T, "settled")
	kill := rapid.SampledFrom([]int{0, 0, 0, 2, 4, 5, 6}).Draw(s.T, "kill at")
	done := 0
	run := sink.Squash{
		ClickHouse: s.r.cfg.ClickHouse, Until: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Settled: at(s.settled),
		Report: func(step sink.SquashStep) error {
			done++
			s.compare(fmt.Sprintf("after %s of %s %s", step.Step, step.Table, step.Partition))
			if rapid.IntRange(0, 3).Draw(s.T, "meanwhile") == 0 {
				s.change()
				s.tell()
				s.happen()
				s.compare(fmt.Sprintf("after a change after %s of %s %s", step.Step, step.Table, step.Partition))
			}
			if done == kill {
				return errKilled
			}
			return nil
		},
	}
	if err := run.Run(s.r.t.Context()); err != nil && !errors.Is(err, errKilled) {
		s.Fatal(err)
	}
}

// checks limits how often rapid repeats what is slow.
func checks(t *testing.T, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	if f.DefValue != before { // somebody asked for a number
		return
	}
	set := func(value string) {
		if err := flag.Set("rapid.checks", value); err != nil {
			t.Fatal(err)
		}
	}
	set(fmt.Sprint(n))
	t.Cleanup(func() { set(before) })
}

// Whatever identity changes its mind about, and whenever squash runs, is killed and runs again: the views say of each
// event, late ones too, the customer that F gives it now.
func TestViewsTellTheCustomerOfNowAlsoWhileSquashRuns(t *testing.T) {
	r := newRig(t)
	checks(t, 8)
	rapid.Check(t, func(rt *rapid.T) {
		r.workspace = "w" + uuid.NewString()[:8]
		s := newSociety(rt, r)
		for range rapid.SampledFrom([]int{2, 2, 3}).Draw(rt, "rounds") {
			s.change()
			s.tell()
			s.happen()
			s.compare("after a change")
			s.squash()
			s.compare("after squash")
		}
		// What squash took away shows when somebody's customer changes.
		s.change()
		s.tell()
		s.compare("in the end")
		for _, table := range []string{"events", "traits", "contacts", "identity_map", "identity_changes"} {
			s.exec("TRUNCATE TABLE " + table)
		}
	})
}
