package sink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

var evidenceTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// mapped writes rows of the map as identity does.
func (r *rig) mapped(rows ...identitymap.Row) {
	r.t.Helper()
	var records []*stream.Record
	for i := range rows {
		rows[i].Workspace, rows[i].At = r.workspace, evidenceTime.UnixMilli()
		records = append(records, &stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, &rows[i]), Value: identitymap.Append(nil, &rows[i])})
	}
	r.send(records...)
}

func (r *rig) audited(audits ...identitymap.Audit) {
	r.t.Helper()
	var records []*stream.Record
	for i := range audits {
		audits[i].Workspace, audits[i].At = r.workspace, evidenceTime.UnixMilli()
		records = append(records, &stream.Record{Topic: stream.IdentityAudit, Key: identitymap.AppendAuditKey(nil, &audits[i]), Value: identitymap.AppendAudit(nil, &audits[i])})
	}
	r.send(records...)
}

// Every field of a record of the map and of the audit has its column; tombstones and what cannot be read make no row.
func TestMapAndAuditArriveWhole(t *testing.T) {
	r := newRig(t)
	r.run()
	r.mapped(identitymap.Row{Node: node(1), Type: "email", Canonical: node(2), Version: 7, Reason: identitymap.Hub, Previous: node(3), Shared: true, Event: node(4)})
	r.send(
		&stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, &identitymap.Row{Workspace: r.workspace, Node: node(1)})},
		&stream.Record{Topic: stream.IdentityAudit, Key: []byte(r.workspace), Value: []byte("no audit")},
	)
	r.audited(identitymap.Audit{
		Position: 7, Sequence: 3, Kind: identitymap.AuditRefused, A: node(1), B: node(2), TypeA: "email", TypeB: "phone", Class: 2,
		FirstSeen: evidenceTime.Add(-time.Hour).UnixMilli(), Limit: "user_id", Count: 6, Source: "web", Event: node(4), Author: "ana", Reason: "she said so",
	})
	r.eventually("SELECT count() FROM identity_audit WHERE workspace = %s", "1")
	r.eventually("SELECT count() > 0 FROM rejected_events WHERE %s != '' AND origin_topic = 'identity.audit'", "1")
	for _, table := range []string{"identity_map", "identity_changes"} {
		r.eventually("SELECT count() FROM "+table+" WHERE workspace = %s", "1")
		r.golden("SELECT node, type, canonical, version, shared, reason, previous, event_id, at, _topic FROM "+table+" WHERE workspace = %s", [][]string{{
			node(1).String(), "email", node(2).String(), "7", "true", "hub", node(3).String(), node(4).String(), "2026-03-01 12:00:00.000", "identity.map",
		}})
	}
	r.golden("SELECT position, sequence, at, kind, node, type, other_node, other_type, class, first_seen, limited_by, count, source, event_id, author, reason, _topic FROM identity_audit WHERE workspace = %s", [][]string{{
		"7", "3", "2026-03-01 12:00:00.000", "refused", node(1).String(), "email", node(2).String(), "phone", "2", "2026-03-01 11:00:00.000",
		"user_id", "6", "web", node(4).String(), "ana", "she said so", "identity.audit",
	}})
}

// with gives an event identifiers after its anchor.
func with(e *schemas.EnrichedTouchpoint, others ...byte) *schemas.EnrichedTouchpoint {
	for _, other := range others {
		e.Identifiers = append(e.Identifiers, schemas.Identifier{Type: "device_id", Value: node(other).String()})
	}
	return e
}

// A kiosk's events belong to who stood before it, from the moment that it is known for one, and back.
func TestSharedAnchorGivesWayToTheNextIdentifier(t *testing.T) {
	const kiosk, ana, ben, account = 1, 2, 3, 4
	r := newRig(t)
	r.run()
	r.produce(with(event(kiosk, "a"), ana), with(event(kiosk, "b"), ben, ana), event(kiosk, "c"))
	customers := "SELECT arrayStringConcat(groupArray(concat(name, '=', substring(toString(customer_id), 36))), ' ') FROM (SELECT * FROM customer_events WHERE workspace = %s ORDER BY name)"
	r.eventually(customers, "a=1 b=1 c=1")
	r.mapped(
		identitymap.Row{Node: node(kiosk), Canonical: node(kiosk), Version: 5, Reason: identitymap.Hub, Shared: true},
		identitymap.Row{Node: node(ana), Canonical: node(account), Version: 5, Reason: identitymap.Neighbour},
		identitymap.Row{Node: node(ben), Canonical: node(ben), Version: 5, Reason: identitymap.Neighbour},
	)
	r.eventually(customers, "a=4 b=3 c=1")
	// No event is anchored at those who stand for the kiosk, so the map may forget them; the history does not.
	squash := sink.Squash{ClickHouse: r.cfg.ClickHouse, Until: time.Now(), Settled: time.Now(), Report: func(sink.SquashStep) error { return nil }}
	if err := squash.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.golden("SELECT count() FROM identity_map WHERE workspace = %s", [][]string{{"1"}})
	r.golden(customers, [][]string{{"a=4 b=3 c=1"}})
	// Where nobody is signed in there is nobody, and the views say so.
	r.golden("SELECT name FROM customer_events WHERE workspace = %s AND shared", [][]string{{"c"}})
	r.golden("SELECT customer_id = '"+node(kiosk).String()+"', events FROM customers WHERE workspace = %s AND shared", [][]string{{"1", "1"}})
	r.mapped(identitymap.Row{Node: node(ben), Canonical: node(ben), Version: 6, Reason: identitymap.Blocked, Shared: true})
	r.eventually(customers, "a=4 b=4 c=1")
	r.mapped(identitymap.Row{Node: node(kiosk), Canonical: node(kiosk), Version: 8, Reason: identitymap.Lifted})
	r.eventually(customers, "a=1 b=1 c=1")
	r.golden("SELECT count() FROM customer_events WHERE workspace = %s AND shared", [][]string{{"0"}})
}

// Identifiers are told with whose they are, since when and why, paired or not, and once however often they are delivered.
func TestIdentifiersAndTheirHistory(t *testing.T) {
	r := newRig(t)
	r.run()
	first, second := with(event(1, "Signed Up"), 2), event(2, "Product Viewed")
	second.Identifiers[0].Type = "device_id"
	r.produce(first, second, second, event(3, "Alone"))
	again := with(event(1, "Opened"), 2)
	again.Source, again.OccurredAt = "app", again.OccurredAt+5
	r.produce(again)
	pair := identitymap.Audit{Position: 5, Kind: identitymap.AuditLinked, A: node(1), B: node(2), TypeA: "anonymous_id", TypeB: "device_id", Class: 1, Source: "web", Event: first.EventID}
	r.audited(pair, pair)
	r.mapped(
		identitymap.Row{Node: node(2), Type: "device_id", Canonical: node(1), Version: 5, Reason: identitymap.Joined, Previous: node(2), Event: first.EventID},
		identitymap.Row{Node: node(2), Type: "device_id", Canonical: node(1), Version: 6, Reason: identitymap.Neighbour, Previous: node(1)},
		identitymap.Row{Node: node(9), Type: "email", Canonical: node(9), Version: 6, Reason: identitymap.Blocked, Previous: node(9), Shared: true},
		// Values that the rules block, one of which came; the other is there for readers of the map, and is no identifier.
		identitymap.Row{Node: node(3), Canonical: node(3), Version: 1, Reason: identitymap.Rules, Previous: node(3), Shared: true},
		identitymap.Row{Node: node(8), Canonical: node(8), Version: 1, Reason: identitymap.Rules, Previous: node(8), Shared: true},
	)
	r.awaitCommitted(5)
	r.eventually("SELECT count() FROM identity_changes WHERE workspace = %s", "5")
	r.eventually("SELECT uniqExact(position) FROM identity_audit WHERE workspace = %s", "1")
	short := func(column string) string { return "substring(toString(" + column + "), 36)" }
	r.golden("SELECT "+short("node")+", type, "+short("customer_id")+", shared, first_seen, last_seen, toString(sources), events, customer_since, customer_reason, version, linked_at, "+short("linked_node")+", linked_type, linked_class, linked_source, linked_event_id = '"+first.EventID.String()+"' FROM identifiers WHERE workspace = %s ORDER BY node", [][]string{
		{"1", "anonymous_id", "1", "false", "2026-03-01 10:00:01.000", "2026-03-01 10:00:01.005", "['app','web']", "2", "", "", "0", "2026-03-01 12:00:00.000", "2", "device_id", "1", "web", "1"},
		{"2", "device_id", "1", "false", "2026-03-01 10:00:01.000", "2026-03-01 10:00:02.000", "['app','web']", "3", "2026-03-01 12:00:00.000", "joined", "5", "2026-03-01 12:00:00.000", "1", "anonymous_id", "1", "web", "1"},
		{"3", "anonymous_id", "3", "true", "2026-03-01 10:00:03.000", "2026-03-01 10:00:03.000", "['web']", "1", "2026-03-01 12:00:00.000", "rules", "1", "", "", "", "", "", ""},
		{"9", "email", "9", "true", "", "", "[]", "0", "2026-03-01 12:00:00.000", "blocked", "6", "", "", "", "", "", ""},
	})
	// A query that was written for Segment's Profiles Sync: profiles created and merged, by what triggered it.
	r.golden(`SELECT if(canonical_segment_id = segment_id, 'profile creation', 'profile merge') AS profile_event, triggering_event_type, triggering_event_name, triggering_event_source_slug, count(DISTINCT triggering_event_id)
FROM id_graph_updates WHERE workspace = %s AND reason != 'neighbour' AND triggering_event_id IS NOT NULL GROUP BY ALL ORDER BY ALL`, [][]string{
		{"profile creation", "track", "Alone", "web", "1"},
		{"profile creation", "track", "Signed Up", "web", "1"},
		{"profile merge", "track", "Signed Up", "web", "1"},
	})
	r.golden("SELECT "+short("segment_id")+", "+short("canonical_segment_id")+", seq, reason FROM id_graph_updates WHERE workspace = %s ORDER BY segment_id, seq", [][]string{
		{"1", "1", "0", "created"},
		{"2", "2", "0", "created"},
		{"2", "1", "5", "joined"},
		{"2", "1", "6", "neighbour"},
		{"3", "3", "0", "created"},
		{"3", "3", "1", "rules"},
		{"9", "9", "6", "blocked"},
	})
}

// Once identity says that a node is erased, what was clear of the person is gone; what is another's stays.
func TestErasedPersonLosesClearValues(t *testing.T) {
	const erased, other, kiosk = 1, 2, 3
	r := newRig(t)
	r.run()
	said := func(anchor byte, name string, others ...byte) *schemas.EnrichedTouchpoint {
		e := with(event(anchor, name), others...)
		e.Person = schemas.Some(schemas.Person{Email: name + "@example.com"})
		e.Traits = fmt.Sprintf(`{"tier":%q}`, name)
		e.Profile = schemas.Some(schemas.Profile{HouseholdID: "household of " + name})
		return e
	}
	r.produce(said(erased, "gone"), said(other, "stays", erased), said(kiosk, "gone-too", erased), said(kiosk, "stays-too", other))
	r.eventually("SELECT count() FROM contacts WHERE workspace = %s", "4")
	r.mapped(
		identitymap.Row{Node: node(kiosk), Canonical: node(kiosk), Version: 2, Reason: identitymap.Hub, Shared: true},
		identitymap.Row{Node: node(erased), Canonical: node(other), Version: 3, Reason: identitymap.Joined, Previous: node(erased)},
	)
	r.audited(identitymap.Audit{Position: 3, Kind: identitymap.AuditLinked, A: node(erased), B: node(other)}, identitymap.Audit{Position: 4, Kind: identitymap.AuditHubRaised, A: node(kiosk)})
	r.eventually("SELECT count() FROM identity_audit WHERE workspace = %s", "2")
	r.eventually("SELECT uniqExact(customer_id) FROM customer_contacts WHERE workspace = %s", "1")

	r.mapped(identitymap.Row{Node: node(erased), Canonical: node(erased), Version: 9, Reason: identitymap.Erased, Previous: node(other)})
	r.eventually("SELECT arrayStringConcat(arraySort(groupArray(email)), ' ') FROM contacts WHERE workspace = %s", "stays-too@example.com stays@example.com")
	r.eventually("SELECT arrayStringConcat(arraySort(groupArray(value)), ' ') FROM traits WHERE workspace = %s", "stays stays-too")
	r.eventually("SELECT arrayStringConcat(groupArray(kind), ' ') FROM identity_audit WHERE workspace = %s", "hub_raised")
	r.eventually("SELECT arrayStringConcat(groupArray(reason), ' ') FROM identity_changes WHERE workspace = %s AND node = '"+node(erased).String()+"'", "erased")
	r.golden("SELECT count() FROM events WHERE workspace = %s", [][]string{{"4"}})
	// What a person shares with the family would lead from the events that stay to those who live there, and to the person who comes back.
	r.eventually("SELECT arrayStringConcat(arraySort(groupArray(profile_household_id)), ', ') FROM events WHERE workspace = %s AND profile_household_id != ''", "household of stays, household of stays-too")
	// On disk too: a part without deleted rows has no mask.
	r.eventually("SELECT countIf(has_lightweight_delete) FROM system.parts WHERE %s != '' AND database = 'parcours' AND table = 'contacts' AND active", "0")
}

// The two columns of one mutation are evaluated together: squash rests on it, because a dictionary may be loaded anew in
// the middle, and a row must not get the position of a newer state than its customer's.
func TestMutationEvaluatesAnExpressionOnce(t *testing.T) {
	r := newRig(t)
	exec := func(statement string) {
		t.Helper()
		if err := r.db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	table := "once_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec("CREATE TABLE " + table + " (n UInt64, a UInt64, b UInt64) ENGINE = MergeTree ORDER BY n")
	t.Cleanup(func() { enginetest.Exec(t, r.cfg.ClickHouse.Addresses[0], "DROP TABLE parcours."+table+" SYNC") })
	exec("INSERT INTO " + table + " SELECT number, 0, 0 FROM numbers(100000)")
	exec("ALTER TABLE " + table + " UPDATE a = if(tupleElement((rand64(), 1), 2) = 1, tupleElement((rand64(), 1), 1), 0), b = if(tupleElement((rand64(), 1), 2) = 1, tupleElement((rand64(), 1), 1), 0) WHERE tupleElement((rand64(), 1), 2) = 1 SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1")
	r.golden("SELECT countIf(a != b), uniqExact(a) > 1000 FROM "+table+" WHERE %s != ''", [][]string{{"0", "1"}})
}

// What a squash reports is what it does; a dry run does nothing and counts the same.
func TestSquashReports(t *testing.T) {
	r := newRig(t)
	for _, table := range []string{"events", "traits", "contacts", "identity_map"} {
		if err := r.db.Exec(t.Context(), "TRUNCATE TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	r.run()
	closed, open := event(1, "closed"), event(2, "open")
	open.OccurredAt = schemas.MillisOf(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
	r.produce(closed, event(3, "other"), open, with(event(8, "lifted"), 9))
	r.awaitCommitted(4)
	// Two versions of one node stand beside each other until they are merged.
	merges := func(do string) {
		enginetest.Exec(t, r.cfg.ClickHouse.Addresses[0], "SYSTEM "+do+" MERGES parcours.identity_map")
	}
	merges("STOP")
	t.Cleanup(func() { merges("START") })
	r.mapped(
		identitymap.Row{Node: node(1), Canonical: node(5), Version: 2, Reason: identitymap.Joined},
		identitymap.Row{Node: node(8), Canonical: node(8), Version: 2, Reason: identitymap.Hub, Shared: true},
	)
	r.eventually("SELECT count() FROM identity_map WHERE workspace = %s", "2")
	r.mapped(
		identitymap.Row{Node: node(8), Canonical: node(8), Version: 3, Reason: identitymap.Lifted},
		identitymap.Row{Node: node(1), Canonical: node(9), Version: 3, Reason: identitymap.Joined},
		identitymap.Row{Node: node(2), Canonical: node(9), Version: 3, Reason: identitymap.Joined},
		identitymap.Row{Node: node(7), Canonical: node(9), Version: 4, Reason: identitymap.Joined},
	)
	r.eventually("SELECT count() FROM identity_map WHERE workspace = %s", "6")
	r.eventually("SELECT count() FROM customer_events WHERE workspace = %s AND customer_id = '"+node(9).String()+"'", "2")
	var steps []string
	squash := sink.Squash{ClickHouse: r.cfg.ClickHouse, Until: time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC), Settled: time.Now(), Report: func(s sink.SquashStep) error {
		steps = append(steps, strings.TrimSpace(fmt.Sprintf("%s %s %s %d", s.Step, s.Table, s.Partition, s.Rows)))
		return nil
	}}
	f := func(dry bool, want ...string) {
		t.Helper()
		steps, squash.DryRun = nil, dry
		if err := squash.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(steps, "; ")
		for i := range min(len(steps), len(want)) {
			if prefix, free := strings.CutSuffix(want[i], "?"); free && strings.HasPrefix(steps[i], prefix) {
				steps[i] = want[i]
			}
		}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("dry %t: got %s (-want +got)\n%s", dry, got, diff)
		}
	}
	tables := []string{"rewrite events 202603 2", "rewrite contacts  0", "rewrite traits  0"}
	// Of nodes 1 and 8 a dry run counts the old versions alone: while they stand there, the newer ones must.
	f(true, append(tables[:3:3], "outdated identity_map  2", "prune identity_map  1", "reload identity_map_dict  4")...)
	// From here on a merge may take the old versions before the squash does.
	merges("START")
	f(false, append(tables, "outdated identity_map  ?", "prune identity_map  3", "reload identity_map_dict  1")...)
	f(false, "rewrite events 202603 0", "rewrite contacts  0", "rewrite traits  0", "outdated identity_map  0", "prune identity_map  0", "reload identity_map_dict  1")
	r.golden("SELECT name, customer_id = '"+node(9).String()+"', iv FROM events WHERE workspace = %s ORDER BY name", [][]string{{"closed", "1", "3"}, {"lifted", "0", "3"}, {"open", "0", "0"}, {"other", "0", "0"}})
	r.eventually("SELECT count() FROM customer_events WHERE workspace = %s AND customer_id = '"+node(9).String()+"'", "2")

	// The version that said that 8 is shared does not come to light again.
	r.golden("SELECT customer_id FROM customer_events WHERE workspace = %s AND name = 'lifted'", [][]string{{node(8).String()}})

	squash.Partition = "202604"
	if err := squash.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "its month is not over") {
		t.Errorf("open partition: got %v", err)
	}
}
