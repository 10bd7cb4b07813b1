package identity_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Two instances share the work while members come and go in the middle of the stream: nothing is lost,
// and the map is F of the evidence, with the customers that we sent.
func TestInstancesComeAndGo(t *testing.T) {
	w := newWorld(t)
	const people, rounds, perRound = 60, 8, 150
	random := rand.New(rand.NewPCG(1, 2))
	// Every person has a user id, a card, an e-mail and three cookies; an event shows two of them.
	identifiers := func(person int) []schemas.Identifier {
		all := []schemas.Identifier{
			id("user_id", fmt.Sprintf("u-%d", person)), id("loyalty_card", fmt.Sprintf("29900%05d", person)),
			id("email", fmt.Sprintf("person.%d@free.fr", person)), id("anonymous_id", fmt.Sprintf("a-%d", person)),
			id("anonymous_id", fmt.Sprintf("b-%d", person)), id("anonymous_id", fmt.Sprintf("c-%d", person)),
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all[:2]
	}
	running := []*instance{w.start()}
	sent := 0
	for round := range rounds {
		events := make([]schemas.Touchpoint, perRound)
		for i := range events {
			sent++
			events[i] = w.touch(sent, identifiers(random.IntN(people))...)
		}
		w.collect(events...)
		switch round {
		case 1, 4:
			running = append(running, w.start())
		case 3, 6:
			running[0].stop()
			running = running[1:]
		}
		// The next round begins when this one is half done, so that members change with work in hand.
		w.untilEvents(sent - perRound/2)
	}
	events := w.untilEvents(sent)
	identities := w.untilPublished()
	w.wantMap(identities)
	if len(running) != 1+2-2 {
		t.Fatalf("%d instances run", len(running))
	}

	// Who we sent is who came out: two events are of one customer if and only if the evidence joins them.
	customers := map[uuid.UUID]bool{}
	for message, event := range events {
		customer := identities.customer(event.Anchor)
		customers[customer] = true
		for _, identifier := range event.Identifiers {
			if got := identities.customer(uuid.MustParse(identifier.Value)); got != customer {
				t.Errorf("%s: its anchor is of %s, its %s of %s", message, customer, identifier.Type, got)
			}
		}
	}
	if len(customers) != people {
		t.Errorf("%d customers came of %d people", len(customers), people)
	}
}

// kill runs an instance into a fault that ends it before it can commit, as a crash at that step would.
func (w *world) kill(fault kfake.Fault) {
	w.t.Helper()
	fault.Count = -1
	installed := w.cluster.Fault(fault)
	victim := w.start()
	if err := victim.wait(); err == nil {
		w.t.Fatal("the instance survived")
	}
	installed.Remove()
	if installed.Hits() == 0 {
		w.t.Fatal("the fault did not strike")
	}
}

func at(key kmsg.Key) []kmsg.Key { return []kmsg.Key{key} }

// Killed between step 2 (evidence appended) and step 4 (events written): the repeated batch appends
// nothing and the events come out with their customer.
func TestKilledBetweenEvidenceAndOutput(t *testing.T) {
	w := newWorld(t)
	w.collect(
		w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")),
		w.touch(2, id("anonymous_id", "c-1"), id("email", "a.b@free.fr")),
	)
	w.kill(kfake.Fault{Keys: at(kmsg.Produce), Topic: stream.Identified, Err: kerr.InvalidRecord})
	before := len(w.edges())
	if before != 2 || len(w.identified.all()) != 0 {
		t.Fatalf("%d pairs and %d events were written before the kill, want 2 and 0", before, len(w.identified.all()))
	}
	w.start()
	for message, event := range w.untilEvents(2) {
		if event.CustomerID != w.node("user_id", "u-1") {
			t.Errorf("%s has customer %s", message, event.CustomerID)
		}
	}
	if after := len(w.edges()); after != before {
		t.Errorf("the repeated batch took the log from %d to %d", before, after)
	}
	w.wantMap(w.untilPublished())
}

// Killed between step 4 (events written) and the commit: the events come again, the evidence does not.
func TestKilledBeforeTheCommit(t *testing.T) {
	w := newWorld(t)
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	w.kill(kfake.Fault{Keys: at(kmsg.OffsetCommit), Group: "parcours-identity", Err: kerr.GroupAuthorizationFailed})
	before := len(w.edges())
	w.start()
	copies := w.identified.untilCount(2)
	if one, two := w.decode(copies[0]), w.decode(copies[1]); one.EventID != two.EventID || one.CustomerID != two.CustomerID {
		t.Errorf("two copies differ: %+v and %+v", one, two)
	}
	if after := len(w.edges()); after != before {
		t.Errorf("redelivery took the log from %d to %d", before, after)
	}
}

// A publisher that is killed after its rows and before its commit, or before its rows: the next one
// writes them all, under the same versions.
func TestKilledPublisher(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"before its rows":   {Keys: at(kmsg.Produce), Topic: stream.IdentityMap, Err: kerr.InvalidRecord},
		"before its commit": {Keys: at(kmsg.OffsetCommit), Group: "parcours-identity-publisher.default", Err: kerr.GroupAuthorizationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.start()
			w.collect(w.touch(1, id("anonymous_id", "c-1"), id("email", "a.b@free.fr")))
			w.untilEvents(1)
			w.untilPublished()
			first.stop()
			w.collect(
				w.touch(2, id("loyalty_card", "111"), id("email", "a.b@free.fr")),
				w.touch(3, id("user_id", "u-1"), id("loyalty_card", "111")),
			)
			w.kill(fault)
			w.start()
			w.untilEvents(3)
			identities := w.untilPublished()
			w.wantMap(identities)
			for node, row := range identities {
				if row.Canonical != w.node("user_id", "u-1") {
					t.Errorf("%s is of %s", node, row.Canonical)
				}
			}
			if len(identities) != 3 {
				t.Errorf("the map has %d rows, want 3", len(identities))
			}
		})
	}
}

// Two instances can append one pair without seeing each other's record. When the later record says less,
// the publisher appends what is known once more: compaction keeps the last.
func TestPublisherMendsTheLastRecordOfAPair(t *testing.T) {
	w := newWorld(t)
	good := evidence.NewEdge(w.ws.Name,
		evidence.End{Node: w.node("user_id", "u-1"), Type: "user_id"}, evidence.End{Node: w.node("email", "a.b@free.fr"), Type: "email"})
	good.FirstSeen, good.Source = 5_000, "first"
	worse := good
	worse.FirstSeen, worse.Source = 9_000, "second"
	w.rule(&good, &worse)
	w.start()
	w.eventually("the mended record", func() bool { return len(w.edges()) == 3 })
	w.wantMap(w.untilPublished())
	if n := len(w.edges()); n != 3 {
		t.Errorf("mending went on: the log has %d records", n)
	}
	if diff := cmp.Diff(&good, w.edges()[2]); diff != "" {
		t.Error(diff)
	}
	// Nothing is lost when only the last record of the pair is left. The last batch is never compacted.
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-2")))
	w.untilEvents(1)
	w.cluster.Compact()
	end := w.logEnd()
	left := w.listen(stream.Evidence).until("the end", func(records []*stream.Record) bool {
		return len(records) > 0 && records[len(records)-1].Offset == end-1
	})
	var about []evidence.Record
	for _, record := range left {
		if bytes.Equal(record.Key, good.AppendKey(nil)) {
			parsed, err := evidence.Parse(record.Key, record.Value)
			if err != nil {
				t.Fatal(err)
			}
			about = append(about, parsed)
		}
	}
	if diff := cmp.Diff([]evidence.Record{&good}, about); diff != "" {
		t.Errorf("after compaction: %s", diff)
	}
}

// One batch may show a pair several times; one record with the best of all is appended.
func TestPairsOfOneBatchAreJoined(t *testing.T) {
	w := newWorld(t)
	pair := []schemas.Identifier{id("email", "a.b@free.fr"), id("anonymous_id", "c-1")}
	w.collect(w.touch(300, pair...), w.touch(100, pair...), w.touch(200, pair...))
	w.start()
	w.untilEvents(3)
	if len(w.edges()) != 1 {
		t.Fatalf("the log has %d pairs, want 1", len(w.edges()))
	}
	edge := w.edges()[0]
	if want := int64(w.touch(100).OccurredAt); edge.FirstSeen != want || edge.Source != "web" || edge.Normaliser != identifier.Version || edge.Event != w.touch(100).EventID {
		t.Errorf("the pair is logged as %+v, want first seen %d", edge, want)
	}
}

// Evidence that cannot be read in time does not hold events back: they go on with the customer known now,
// and the map brings them home.
func TestEventsGoOnWhenEvidenceIsLate(t *testing.T) {
	w := newWorld(t)
	i := w.start(func(c *identity.Config) { c.EvidenceWait = 200 * time.Millisecond })
	w.eventually("readiness", func() bool { return len(i.ready.Waiting()) == 0 })
	stuck := w.cluster.Fault(kfake.Fault{Keys: at(kmsg.Fetch), Topic: stream.Evidence, Err: kerr.LeaderNotAvailable, Count: -1})
	w.collect(w.touch(1, id("loyalty_card", "111"), id("user_id", "u-1")), w.touch(2, id("loyalty_card", "111"), id("email", "a.b@free.fr")))
	events := w.untilEvents(2)
	if got := events["m-2"]; got.CustomerID != w.node("loyalty_card", "111") {
		t.Errorf("customer is %s, want the anchor", got.CustomerID)
	}
	if i.counter("parcours_identity_evidence_wait_missed_total") == 0 {
		t.Error("the missed deadline is not counted")
	}
	stuck.Remove()
	identities := w.untilPublished()
	w.wantMap(identities)
	if got := identities.customer(events["m-2"].Anchor); got != w.node("user_id", "u-1") {
		t.Errorf("the map says %s", got)
	}
}

// An instance takes no events before it has read the evidence log to where it ended when it started:
// it would take known pairs for new ones and customers for strangers.
func TestNotReadyBeforeTheLogIsRead(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	w.untilEvents(1)
	first.stop()
	stuck := w.cluster.Fault(kfake.Fault{Keys: at(kmsg.Fetch), Topic: stream.Evidence, Err: kerr.LeaderNotAvailable, Count: -1})
	w.collect(w.touch(2, id("anonymous_id", "c-1")))
	second := w.start()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := stuck.Wait(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if waiting := second.ready.Waiting(); len(waiting) != 1 || !strings.Contains(waiting[0], "evidence") {
		t.Errorf("waits for %v, want the evidence log", waiting)
	}
	if n := len(w.identified.all()); n != 1 {
		t.Errorf("%d events came out before the log was read", n)
	}
	stuck.Remove()
	if got := w.untilEvents(2)["m-2"]; got.CustomerID != w.node("user_id", "u-1") {
		t.Errorf("the cookie's customer is %s", got.CustomerID)
	}
	w.eventually("readiness", func() bool { return len(second.ready.Waiting()) == 0 })
}

// Bytes that are no evidence are passed over by all alike, and so is evidence of other workspaces.
func TestMalformedEvidenceIsPassedOver(t *testing.T) {
	w := newWorld(t)
	broken := evidence.NewEdge(w.ws.Name,
		evidence.End{Node: w.node("user_id", "u-1"), Type: "user_id"}, evidence.End{Node: w.node("email", "a.b@free.fr"), Type: "email"})
	broken.Class = 77
	foreign := evidence.NewEdge("elsewhere", broken.A, broken.B)
	w.send(
		&stream.Record{Topic: stream.Evidence, Partition: w.partition(), Key: []byte{1, 2, 3}, Value: []byte{1}},
		&stream.Record{Topic: stream.Evidence, Partition: w.partition(), Value: []byte{1}},
	)
	w.rule(&broken, &foreign)
	i := w.start()
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	if got := w.untilEvents(1)["m-1"]; got.CustomerID != w.node("user_id", "u-1") || got.IV != 7 {
		t.Errorf("customer %s at %d", got.CustomerID, got.IV)
	}
	if n := i.counter("parcours_identity_evidence_malformed_total"); n != 3 {
		t.Errorf("%v malformed records are counted, want 3", n)
	}
	identities := w.untilPublished()
	if got := identities.customer(w.node("email", "a.b@free.fr")); got != w.node("email", "a.b@free.fr") {
		t.Errorf("evidence of another workspace made a customer of %s", got)
	}
}

// Evidence of an engine that is newer than this one means that others see another partition: stop, say so,
// and publish nothing past it, at the next start neither.
func TestNewerEvidenceStops(t *testing.T) {
	const workspace = "default"
	for name, newer := range map[string]*stream.Record{
		"an unknown kind": {Key: append([]byte{99, byte(len(workspace))}, workspace...), Value: []byte{1}},
		"an engine above ours": {
			Key:   (&evidence.Engine{Workspace: workspace, Number: 99}).AppendKey(nil),
			Value: (&evidence.Engine{Workspace: workspace, Number: 99}).AppendValue(nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			i := w.start()
			w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
			w.untilEvents(1)
			before := len(w.untilPublished())
			newer.Topic, newer.Partition = stream.Evidence, w.partition()
			late := evidence.NewEdge(w.ws.Name,
				evidence.End{Node: w.node("user_id", "u-1"), Type: "user_id"}, evidence.End{Node: w.node("email", "a.b@free.fr"), Type: "email"})
			w.send(newer)
			w.rule(&late)
			for range 2 {
				if err := i.wait(); err == nil || !strings.Contains(err.Error(), "update this service") {
					t.Errorf("ended with %v", err)
				}
				if waiting := i.ready.Waiting(); len(waiting) != 1 || !strings.Contains(waiting[0], "update this service") {
					t.Errorf("readiness says %v", waiting)
				}
				i = w.start()
			}
			if after := len(w.readMap(w.identities.all())); after != before {
				t.Errorf("the map went from %d to %d rows past evidence that is not understood", before, after)
			}
		})
	}
}

// What is logged for another workspace, in the same partition and about the same nodes, moves nobody here, whatever its
// kind; not even what stops the instances of that workspace.
func TestWorkspacesNeverInteract(t *testing.T) {
	w := newWorld(t)
	i := w.start()
	nodes := []uuid.UUID{w.node("anonymous_id", "c-1"), w.node("user_id", "u-1"), w.node("anonymous_id", "c-2"), w.node("user_id", "u-2")}
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")), w.touch(2, id("anonymous_id", "c-2"), id("user_id", "u-2")))
	w.untilEvents(2)
	before := w.untilPublished()

	const other = "elsewhere"
	foreign := []evidence.Record{
		&evidence.Rules{Workspace: other, Rules: evidence.Ruleset{LinkClass: 3, MaxCluster: 10, MaxComponent: 10}},
		&evidence.Erase{Workspace: other, Request: uuid.New(), Nodes: nodes[:1]},
		&evidence.Suppress{Workspace: other, Key: w.ids.SuppressionKey(nodes[1]), At: noon.Add(time.Hour).UnixMilli()},
		&evidence.Engine{Workspace: other, Number: evidence.EngineNumber + 1},
		&evidence.Digest{Workspace: other, Position: 1},
	}
	types := []string{"anonymous_id", "user_id", "anonymous_id", "user_id"}
	for a := range nodes {
		foreign = append(foreign, &evidence.Verdict{Workspace: other, Node: nodes[a], Ruling: evidence.Blocked})
		for b := range a {
			edge := evidence.NewEdge(other, evidence.End{Node: nodes[a], Type: types[a]}, evidence.End{Node: nodes[b], Type: types[b]})
			foreign = append(foreign, &edge, &evidence.Cut{Workspace: other, A: edge.A.Node, B: edge.B.Node})
		}
	}
	w.rule(foreign...)
	w.collect(w.touch(3, id("anonymous_id", "c-1")), w.touch(4, id("anonymous_id", "c-2"), id("user_id", "u-2")))
	events := w.untilEvents(4)
	for message, want := range map[string]uuid.UUID{"m-3": nodes[1], "m-4": nodes[3]} {
		if got := events[message].CustomerID; got != want {
			t.Errorf("%s is of %s, want %s", message, got, want)
		}
	}
	if diff := cmp.Diff(before, w.untilPublished()); diff != "" {
		t.Errorf("the map moved (-before +after)\n%s", diff)
	}
	if n := i.counter("parcours_identity_evidence_malformed_total"); n != 0 {
		t.Errorf("%v records are called malformed", n)
	}
}
