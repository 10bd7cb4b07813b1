package identity_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// untilPosition waits until the publisher has committed the log up to a position, and returns the map.
func (w *world) untilPosition(position int64) idMap {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the publisher at %d", position), func() bool {
		committed, err := w.kafka.Committed(w.soon(), "parcours-identity-publisher."+w.ws.Name, stream.Evidence)
		return err == nil && committed[w.partition()] >= position
	})
	return w.untilPublished()
}

func (w *world) cut(a, b schemas.Identifier, lifted bool) *evidence.Cut {
	e := evidence.NewEdge(w.ws.Name, evidence.End{Node: w.node(a.Type, a.Value)}, evidence.End{Node: w.node(b.Type, b.Value)})
	return &evidence.Cut{Workspace: w.ws.Name, A: e.A.Node, B: e.B.Node, Lifted: lifted, Note: evidence.Note{At: 1, Author: "claire", Reason: "two people"}}
}

// audits are the audit's rows of one kind.
func (w *world) audits(kind identitymap.AuditKind) []identitymap.Audit {
	w.t.Helper()
	ends, err := w.kafka.EndOffsets(w.soon(), stream.IdentityAudit)
	if err != nil {
		w.t.Fatal(err)
	}
	total := 0
	for _, end := range ends {
		total += int(end)
	}
	var list []identitymap.Audit
	for _, record := range w.audit.untilCount(total) {
		audit, err := identitymap.ParseAudit(record.Key, record.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		if audit.Kind == kind {
			list = append(list, audit)
		}
	}
	return list
}

// A cut takes a customer apart, for past events as well, and lifting it gives back exactly the ids there
// were; the map has a row for each node that changed, and only for those.
func TestCutAndLift(t *testing.T) {
	w := newWorld(t)
	w.start()
	user, mail, cookie := id("user_id", "u-1"), id("email", "a.b@free.fr"), id("anonymous_id", "c-1")
	w.collect(w.touch(1, user, mail), w.touch(2, mail, cookie), w.touch(3, id("user_id", "u-2"), id("anonymous_id", "c-2")))
	w.untilEvents(3)
	before := w.untilPublished()

	position := w.rule(w.cut(user, mail, false))
	apart := w.untilPosition(position)
	w.wantMap(apart)
	for _, part := range []schemas.Identifier{mail, cookie} {
		row := apart[w.node(part.Type, part.Value)]
		if row.Canonical != w.node(mail.Type, mail.Value) || row.Reason != identitymap.Cut || row.Version != uint64(position) || row.Previous != w.node(user.Type, user.Value) {
			t.Errorf("the row of the %s is %+v", part.Type, row)
		}
	}
	w.collect(w.touch(4, cookie))
	if got := w.untilEvents(4)["m-4"].CustomerID; got != w.node(mail.Type, mail.Value) {
		t.Errorf("after the cut the cookie's customer is %s", got)
	}

	lifted := w.untilPosition(w.rule(w.cut(user, mail, true)))
	w.wantMap(lifted)
	for node, row := range lifted {
		if row.Canonical != before.customer(node) {
			t.Errorf("%s was of %s and is of %s", node, before.customer(node), row.Canonical)
		}
	}
	if row, there := lifted[w.node("anonymous_id", "c-2")]; !there || row.Version >= uint64(position) {
		t.Errorf("a node that a cut is not about has the row %+v", row)
	}
	cuts := w.audits(identitymap.AuditCut)
	if len(cuts) != 1 || cuts[0].Author != "claire" || cuts[0].Reason != "two people" || cuts[0].Position != uint64(position) {
		t.Errorf("the audit has the cuts %+v", cuts)
	}
	if n := len(w.audits(identitymap.AuditCutLifted)); n != 1 {
		t.Errorf("the audit has %d lifted cuts", n)
	}
}

// A kiosk on which hundreds sign in costs the log as many records as its limit; it joins
// nobody, and who else uses the shop is not hurt. Its events are of whoever is signed in.
func TestKioskHurtsNobody(t *testing.T) {
	w := newWorld(t)
	const users, batch = 400, 20
	w.start(func(c *identity.Config) { c.BatchRecords = batch })
	kiosk := id("device_id", "6d92078a-8246-4ba4-ae5b-76104861e7dc")
	w.collect(w.touch(1, id("user_id", "alice"), id("anonymous_id", "alice-1")), w.touch(2, id("user_id", "alice"), kiosk))
	w.untilEvents(2)
	sent := 2
	for range users / batch {
		var events []schemas.Touchpoint
		for range batch {
			sent++
			events = append(events, w.touch(sent, kiosk, id("user_id", fmt.Sprintf("u-%d", sent))))
		}
		w.collect(events...)
		w.untilEvents(sent)
	}
	events := w.untilEvents(sent)
	identities := w.untilPublished()
	w.wantMap(identities)
	if n := len(w.edges()); n != 1+4+graph.Reserve {
		t.Errorf("%d users of a kiosk left %d pairs in the log", users, n)
	}
	for n := 2; n <= sent; n++ {
		event := events[fmt.Sprintf("m-%d", n)]
		user := event.Identifiers[0]
		if user.Type != "user_id" || event.CustomerID.String() != user.Value && n > 2 {
			t.Fatalf("event %d of the kiosk: customer %s, identifiers %v", n, event.CustomerID, event.Identifiers)
		}
	}
	last := events[fmt.Sprintf("m-%d", sent)]
	if diff := cmp.Diff([]schemas.IgnoredIdentifier{{Type: "device_id", Reason: "hub"}}, last.IgnoredIdentifiers); diff != "" {
		t.Error(diff)
	}
	if got := identities.customer(w.node("anonymous_id", "alice-1")); got != w.node("user_id", "alice") {
		t.Errorf("alice's cookie is of %s", got)
	}
	if row := identities[w.node(kiosk.Type, kiosk.Value)]; !row.Shared || row.Reason != identitymap.Hub {
		t.Errorf("the kiosk's row is %+v", row)
	}
	// An event of the kiosk with nobody signed in is the kiosk's own.
	w.collect(w.touch(sent+1, kiosk))
	alone := w.untilEvents(sent + 1)[fmt.Sprintf("m-%d", sent+1)]
	if alone.CustomerID != w.node(kiosk.Type, kiosk.Value) || alone.Anchor != alone.CustomerID {
		t.Errorf("the kiosk alone is %s, anchor %s", alone.CustomerID, alone.Anchor)
	}
}

// A node that an operator blocks stays the anchor of its events, which are those of the next identifier; when
// it is allowed again everything is as before.
func TestBlockAndAllow(t *testing.T) {
	w := newWorld(t)
	w.start()
	card, mail := id("loyalty_card", "2990000012345"), id("email", "a.b@free.fr")
	w.collect(w.touch(1, card, mail))
	w.untilEvents(1)
	before := w.untilPublished()
	verdict := func(ruling evidence.Ruling) idMap {
		return w.untilPosition(w.rule(&evidence.Verdict{Workspace: w.ws.Name, Node: w.node(card.Type, card.Value), Ruling: ruling, Note: evidence.Note{Author: "claire"}}))
	}
	blocked := verdict(evidence.Blocked)
	w.wantMap(blocked)
	if row := blocked[w.node(card.Type, card.Value)]; !row.Shared || row.Reason != identitymap.Blocked {
		t.Errorf("the card's row is %+v", row)
	}
	logged := len(w.edges())
	w.collect(w.touch(2, card, mail), w.touch(3, card, id("user_id", "u-9")))
	events := w.untilEvents(3)
	got := events["m-2"]
	if got.Anchor != w.node(card.Type, card.Value) || got.CustomerID != w.node(mail.Type, mail.Value) {
		t.Errorf("anchor %s and customer %s", got.Anchor, got.CustomerID)
	}
	if diff := cmp.Diff([]schemas.IgnoredIdentifier{{Type: "loyalty_card", Reason: "blocked_by_operator"}}, got.IgnoredIdentifiers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"loyalty_card", "email"}, []string{got.Identifiers[0].Type, got.Identifiers[1].Type}); diff != "" {
		t.Error(diff)
	}
	if n := len(w.edges()); n != logged {
		t.Errorf("pairs with a blocked node took the log from %d to %d", logged, n)
	}
	allowed := verdict(evidence.Neutral)
	w.wantMap(allowed)
	for _, one := range []schemas.Identifier{card, mail} {
		node := w.node(one.Type, one.Value)
		if allowed.customer(node) != before.customer(node) || allowed[node].Shared {
			t.Errorf("the %s was of %s, its row is %+v", one.Type, before.customer(node), allowed[node])
		}
	}
}

// An erasure takes the person out of the evidence and the map, for good: late events are dropped, and who
// comes back is a stranger.
func TestErasure(t *testing.T) {
	w := newWorld(t)
	i := w.start()
	user, mail, cookie := id("user_id", "u-1"), id("email", "a.b@free.fr"), id("anonymous_id", "c-1")
	w.collect(w.touch(1, user, mail), w.touch(2, mail, cookie), w.touch(3, id("user_id", "u-2"), id("anonymous_id", "c-2")))
	w.untilEvents(3)
	w.rule(w.cut(user, id("user_id", "u-2"), false))
	nodes := []uuid.UUID{w.node(user.Type, user.Value), w.node(mail.Type, mail.Value), w.node(cookie.Type, cookie.Value)}
	erased := w.touch(100).OccurredAt
	position := w.rule(&evidence.Erase{Workspace: w.ws.Name, Request: uuid.New(), Nodes: nodes, Note: evidence.Note{At: int64(erased), Author: "dpo", Reason: "asked for"}})
	w.untilPosition(position)
	identities := w.untilPublished()
	w.wantMap(identities)
	for _, node := range nodes {
		if row := identities[node]; row.Reason != identitymap.Erased || row.Canonical != node {
			t.Errorf("the row of an erased node is %+v", row)
		}
		last := slices.IndexFunc(w.identities.all(), func(r *stream.Record) bool { return contains(r, string(node[:])) && r.Value == nil })
		if last < 0 {
			t.Errorf("the map has no tombstone of %s", node)
		}
	}
	if n := len(w.audits(identitymap.AuditErased)); n != len(nodes) {
		t.Errorf("the audit has %d erasures, want %d", n, len(nodes))
	}
	wantGone := func() {
		t.Helper()
		// The last batch of a partition is never compacted: another one follows.
		w.rule(&evidence.Digest{Workspace: w.ws.Name, Position: 1})
		w.cluster.Compact()
		end := w.logEnd()
		left := w.listen(stream.Evidence).until("the end", func(records []*stream.Record) bool {
			return len(records) > 0 && records[len(records)-1].Offset == end-1
		})
		for _, record := range left {
			for _, node := range nodes {
				if record.Value != nil && contains(record, string(node[:])) {
					t.Errorf("after compaction the log has %s at %d, kind %d", node, record.Offset, record.Key[0])
				}
			}
		}
	}
	wantGone()

	// What was seen before it comes late, to this instance and to one that read the compacted log.
	late := w.touch(50, mail, cookie)
	late.ReceivedAt = schemas.MillisOf(noon.Add(time.Hour))
	w.collect(late, w.touch(200, id("anonymous_id", "c-2")))
	w.untilEvents(4)
	w.eventually("a count of the dropped event", func() bool { return i.counter("parcours_identity_events_total") == 5 })
	i.stop()
	i = w.start()
	w.collect(late, w.touch(201, id("anonymous_id", "c-2")))
	events := w.untilEvents(5)
	if _, there := events["m-50"]; there || len(w.rejected.all()) > 0 {
		t.Errorf("an event of the erased person came out (%v), %d are in the quarantine", there, len(w.rejected.all()))
	}
	// Who comes back is somebody else.
	w.collect(w.touch(300, user, cookie))
	back := w.untilEvents(6)["m-300"]
	if slices.Contains(nodes, back.Anchor) || slices.Contains(nodes, back.CustomerID) || back.CustomerID != back.Anchor {
		t.Errorf("the returning person has anchor %s and customer %s", back.Anchor, back.CustomerID)
	}
	again := w.untilPublished()
	w.wantMap(again)
	if row := again[uuid.MustParse(back.Identifiers[1].Value)]; row.Canonical != back.CustomerID {
		t.Errorf("the returning person's cookie has the row %+v", row)
	}
	wantGone()
}

// An instance that had not heard of an erasure can append evidence of the erased person after it: its key
// gets a tombstone.
func TestEvidenceAfterAnErasureIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.collect(w.touch(1, id("user_id", "u-1"), id("email", "a.b@free.fr")))
	w.untilEvents(1)
	edge := *w.edges()[0]
	edge.FirstSeen -= 1000
	position := w.rule(
		&evidence.Erase{Workspace: w.ws.Name, Request: uuid.New(), Nodes: []uuid.UUID{edge.A.Node}, Note: evidence.Note{At: 1 << 42}},
		&edge)
	w.untilPosition(position)
	key := edge.AppendKey(nil)
	tombstones := 0
	for _, tombstone := range ofKind[*evidence.Tombstone](w.logged()) {
		if cmp.Equal(tombstone.AppendKey(nil), key) {
			tombstones++
		}
	}
	if tombstones != 2 {
		t.Errorf("the pair has %d tombstones, want one for the erasure and one for what came after", tombstones)
	}
}

// The erasure's own tombstone says that everything that follows from it is written: it waits for the map.
func TestErasureEndsLast(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.collect(w.touch(1, id("user_id", "u-1"), id("email", "a.b@free.fr")))
	w.untilEvents(1)
	w.untilPublished()
	stuck := w.cluster.Fault(kfake.Fault{Keys: at(kmsg.Produce), Topic: stream.IdentityMap, Err: kerr.LeaderNotAvailable, Count: -1})
	erase := evidence.Erase{Workspace: w.ws.Name, Request: uuid.New(), Nodes: []uuid.UUID{w.node("user_id", "u-1")}, Note: evidence.Note{At: 1 << 42}}
	position := w.rule(&erase)
	tombstones := func() (pairs, erasures int) {
		for _, tombstone := range ofKind[*evidence.Tombstone](w.logged()) {
			switch tombstone.Of.(type) {
			case *evidence.Edge:
				pairs++
			case *evidence.Erase:
				erasures++
			}
		}
		return pairs, erasures
	}
	if err := stuck.Wait(w.soon(), 3); err != nil {
		t.Fatal(err)
	}
	w.eventually("the pair's tombstone", func() bool { pairs, _ := tombstones(); return pairs == 1 })
	if _, erasures := tombstones(); erasures != 0 {
		t.Error("the erasure ended before the map had it")
	}
	if n := len(ofKind[*evidence.Suppress](w.logged())); n != 1 {
		t.Errorf("the log has %d suppressions, want 1", n)
	}
	stuck.Remove()
	w.untilPosition(position)
	if _, erasures := tombstones(); erasures != 1 {
		t.Errorf("the erasure has %d tombstones", erasures)
	}
}

// Rules are configuration that is logged: changed, they are evaluated over everything and published for what
// they change only; the same again, they are not even logged.
func TestChangedRulesAreLoggedAndPublished(t *testing.T) {
	w := newWorld(t)
	strict := w.start()
	// Two spellings of one mailbox, which is inferred.
	w.collect(w.touch(1, id("user_id", "lea"), id("email", "lea.petit@gmail.com")), w.touch(2, id("anonymous_id", "c-1"), id("email", "leapetit@gmail.com")),
		w.touch(3, id("user_id", "u-2"), id("anonymous_id", "c-2")))
	w.untilEvents(3)
	w.untilPublished()
	strict.stop()
	before, rows := w.logEnd(), len(w.identities.all())

	w.startReady().stop()
	if end := w.logEnd(); end != before {
		t.Errorf("a restart with the same configuration took the log from %d to %d", before, end)
	}

	inferred := func(c *identity.Config) { c.LinkClass = "inferred" }
	loose := w.start(inferred)
	identities := w.untilPosition(before + 1)
	w.wantMap(identities)
	cookie, lea := identities[w.node("anonymous_id", "c-1")], w.node("user_id", "lea")
	if cookie.Canonical != lea || cookie.Reason != identitymap.Rules || cookie.Version != uint64(before)+1 {
		t.Errorf("the cookie's row is %+v", cookie)
	}
	if written := len(w.identities.all()) - rows; written != 3 {
		t.Errorf("%d rows were written, want those of the cookie, its e-mail and the mailbox", written)
	}
	w.collect(w.touch(4, id("anonymous_id", "c-1")))
	if got := w.untilEvents(4)["m-4"].CustomerID; got != lea {
		t.Errorf("the cookie is of %s, want lea", got)
	}
	loose.stop()
	end := w.logEnd()
	w.startReady(inferred).stop()
	if after := w.logEnd(); after != end {
		t.Errorf("a restart took the log from %d to %d", end, after)
	}
	var configured []string
	for _, rules := range ofKind[*evidence.Rules](w.logged()) {
		configured = append(configured, rules.Configuration)
	}
	if len(configured) != 2 || configured[0] == configured[1] || slices.Contains(configured, "") {
		t.Errorf("the log has rules of the configurations %v", configured)
	}
	if diff := cmp.Diff([]string{"configuration", "configuration"}, authors(w.audits(identitymap.AuditRules)), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Error(diff)
	}
}

func authors(audits []identitymap.Audit) (list []string) {
	for _, audit := range audits {
		list = append(list, audit.Author)
	}
	return list
}

// A kiosk's users may all come in one batch: the log gets as many pairs as make the kiosk a hub, and one that could
// make a hub of its other end is none of those left out.
func TestKioskOfOneBatchLogsItsLimit(t *testing.T) {
	w := newWorld(t)
	const users = 300
	var events []schemas.Touchpoint
	for n := range users {
		events = append(events, w.touch(n, id("device_id", "kiosk"), id("user_id", fmt.Sprintf("u-%d", n))))
	}
	// The cashier's address is no hub yet, and each user is one step more to it, kiosk or not.
	for n := range 3 {
		events = append(events, w.touch(users+n, id("device_id", "kiosk"), id("user_id", fmt.Sprintf("u-%d", n)), id("email", "caisse@magasin.fr")))
	}
	w.collect(events...)
	i := w.start()
	w.untilEvents(users + 3)
	// Four users and the reserve make the kiosk a hub for good; the address has three users, and the kiosk.
	if n := i.counter("parcours_identity_evidence_appended_total"); n < 4+graph.Reserve+3 || n > 4+graph.Reserve+3+1 {
		t.Errorf("%d users at a kiosk left %v pairs in the log", users, n)
	}
	for _, event := range w.untilEvents(users + 3) {
		if event.AnchorType == "user_id" && event.CustomerID != event.Anchor {
			t.Errorf("%s is joined to %s", event.Anchor, event.CustomerID)
		}
	}
}
