package identity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
)

// A browser, an identify call, a till with a loyalty card, a mailing: one customer, named by the best of
// all identifiers, and the map brings the anonymous history to it.
func TestJourneyBecomesOneCustomer(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.collect(w.touch(1, id("anonymous_id", "c-1")))
	if alone := w.untilEvents(1)["m-1"]; alone.CustomerID != w.node("anonymous_id", "c-1") || alone.Anchor != alone.CustomerID || alone.IV != 0 {
		t.Errorf("alone: customer %s, anchor %s, iv %d", alone.CustomerID, alone.Anchor, alone.IV)
	}
	if n := len(w.edges()); n != 0 {
		t.Errorf("a lone identifier left %d pairs in the log", n)
	}

	w.collect(w.touch(2, id("anonymous_id", "c-1"), id("email", "Léa.Petit@free.fr")))
	w.untilEvents(2)
	w.collect(w.touch(3, id("loyalty_card", "2990 0000 1234 5"), id("email", "léa.petit@FREE.fr")))
	w.untilEvents(3)
	w.collect(w.touch(4, id("user_id", "u-77"), id("loyalty_card", "2990000012345")))
	w.untilEvents(4)
	w.collect(w.touch(5, id("anonymous_id", "c-1")))
	events := w.untilEvents(5)

	user := w.node("user_id", "u-77")
	if got := events["m-4"]; got.CustomerID != user || got.AnchorType != "user_id" || got.IV == 0 {
		t.Errorf("with the user id: customer %s (want %s), anchor type %s, iv %d", got.CustomerID, user, got.AnchorType, got.IV)
	}
	if got := events["m-5"]; got.CustomerID != user || got.Anchor != w.node("anonymous_id", "c-1") {
		t.Errorf("the browser later: customer %s (want %s), anchor %s", got.CustomerID, user, got.Anchor)
	}
	identities := w.untilPublished()
	for message, event := range events {
		if got := identities.customer(event.Anchor); got != user {
			t.Errorf("%s: the map says %s of its anchor, want %s", message, got, user)
		}
	}
	// Version and previous tell the story of a node.
	cookie := identities[w.node("anonymous_id", "c-1")]
	if cookie.Version != 5 || cookie.Previous != w.node("loyalty_card", "2990000012345") || cookie.Workspace != w.ws.Name {
		t.Errorf("the cookie's row is %+v", cookie)
	}
}

// All that identity does not own goes through byte for byte; identifiers come out as nodes only, strongest
// first.
func TestRestOfTheEventIsUntouched(t *testing.T) {
	w := newWorld(t)
	w.start()
	in := w.touch(1,
		id("email", "Lea@gmail.com"), id("user_id", "null"), id("phone", "06 12 34 56 78"), id("email", "lea@GMAIL.com"), id("shoe_size", "43"))
	in.Person = schemas.Some(schemas.Person{})
	in.Context.UserAgent = "Mozilla/5.0"
	record := w.record(in)
	record.Headers = []stream.Header{{Key: "traceparent", Value: []byte("00-1")}}
	w.send(record)
	out := w.identified.untilCount(1)[0]
	got := w.decode(out)

	want := in
	want.Identifiers = []schemas.Identifier{
		id("email", w.node("email", "lea@gmail.com").String()),
		id("phone", w.node("phone", "+33612345678").String()),
		id("email_canon", w.node("email_canon", "lea@gmail.com").String()),
	}
	if diff := cmp.Diff(want, got.Touchpoint); diff != "" {
		t.Error(diff)
	}
	ignored := []schemas.IgnoredIdentifier{{Type: "user_id", Reason: "blocked"}, {Type: "shoe_size", Reason: "unknown_type"}}
	if diff := cmp.Diff(ignored, got.IgnoredIdentifiers); diff != "" {
		t.Error(diff)
	}
	if string(out.Key) != string(record.Key) {
		t.Errorf("key is %s, want the input's %s", out.Key, record.Key)
	}
	if diff := cmp.Diff(record.Headers, out.Headers); diff != "" {
		t.Error(diff)
	}
}

// I6: what was seen, seen again, in any shape of delivery, appends nothing.
func TestRedeliveryAppendsNoEvidence(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	events := []schemas.Touchpoint{
		w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1"), id("email", "a.b@free.fr")),
		w.touch(2, id("anonymous_id", "c-2"), id("email", "a.b@free.fr")),
		w.touch(3, id("anonymous_id", "c-2"), id("email", "a.b@free.fr")),
	}
	w.collect(events...)
	w.untilEvents(3)
	w.untilPublished()
	before := len(w.edges())
	if before != 4 {
		t.Errorf("3 events with 4 pairs left %d in the log", before)
	}
	w.collect(events...)
	w.identified.untilCount(6)
	first.stop()
	second := w.start()
	w.collect(events...)
	w.identified.untilCount(9)
	if after := len(w.edges()); after != before {
		t.Errorf("redelivery took the log from %d to %d", before, after)
	}
	if n := second.counter("parcours_identity_evidence_appended_total"); n != 0 {
		t.Errorf("a restarted instance appended %v pairs", n)
	}
}

// An earlier first sight or a better class is news even of a known pair: without it the arrival order
// would decide who names the customer.
func TestEarlierSightOfAKnownPairIsLogged(t *testing.T) {
	w := newWorld(t)
	w.start()
	// Two loyalty cards: the one first seen earlier names the customer.
	w.collect(w.touch(100, id("loyalty_card", "111"), id("email", "a.b@free.fr")))
	w.untilEvents(1)
	w.collect(w.touch(200, id("loyalty_card", "222"), id("email", "a.b@free.fr")))
	if got := w.untilEvents(2)["m-200"].CustomerID; got != w.node("loyalty_card", "111") {
		t.Errorf("customer is %s, want the card seen first", got)
	}
	late := w.touch(50, id("loyalty_card", "222"), id("email", "a.b@free.fr"))
	late.ReceivedAt = schemas.MillisOf(noon.Add(time.Hour))
	w.collect(late)
	if got := w.untilEvents(3)["m-50"].CustomerID; got != w.node("loyalty_card", "222") {
		t.Errorf("customer is %s, want the card that was seen earlier after all", got)
	}
	if got := w.untilPublished().customer(w.node("loyalty_card", "111")); got != w.node("loyalty_card", "222") {
		t.Errorf("the map says %s of the other card", got)
	}
	// A bad clock goes back 30 days at most.
	before := len(w.edges())
	wrong := w.touch(51, id("loyalty_card", "333"), id("email", "a.b@free.fr"))
	wrong.OccurredAt = schemas.MillisOf(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC))
	older := w.touch(52, id("loyalty_card", "333"), id("email", "a.b@free.fr"))
	older.OccurredAt, older.ReceivedAt = 0, wrong.ReceivedAt
	w.collect(wrong)
	w.untilEvents(4)
	w.collect(older)
	w.untilEvents(5)
	if after := len(w.edges()); after != before+1 {
		t.Errorf("two times before the limit are two pieces of evidence: %d", after-before)
	}
}

func TestPoisonIsQuarantinedAndBlocksNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	good := w.record(w.touch(1, id("user_id", "u-1")))
	key := good.Key
	poison := func(value []byte) *stream.Record {
		return &stream.Record{Topic: stream.Touchpoints, Key: key, Value: value}
	}
	other := w.touch(2, id("user_id", "u-1"))
	other.Workspace = "other"
	foreign, err := w.registry.Register(w.soon(), "elsewhere", `{"type":"record","name":"Order","fields":[{"name":"n","type":"long"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	w.send(
		poison(nil),
		poison([]byte("{\"json\":true}")),
		poison(schemas.AppendHeader(nil, 9999)),
		poison(append(schemas.AppendHeader(nil, foreign), 2)),
		poison(good.Value[:40]),
		poison(append(schemas.AppendHeader(nil, w.schemaID), 0xff, 0xff, 0xff)),
		w.record(other),
		w.record(w.touch(3, id("user_id", "undefined"), id("phone", "0600000000"))),
		w.record(w.touch(4)),
		good,
	)
	if got := w.untilEvents(1)["m-1"]; got.CustomerID != w.node("user_id", "u-1") {
		t.Errorf("the event behind the poison has customer %s", got.CustomerID)
	}
	reasons := map[string]int{}
	decoder, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range w.rejected.untilCount(9) {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		var rejected schemas.RejectedTouchpoint
		if err := decoder.Decode(body, &rejected); err != nil {
			t.Fatal(err)
		}
		if rejected.Stage != "identity" || rejected.Topic != stream.Touchpoints || !rejected.Offset.Valid || rejected.Detail == "" {
			t.Errorf("rejected without a trace: %+v", rejected)
		}
		reasons[rejected.Reason]++
	}
	want := map[string]int{"undecodable": 6, "unknown_workspace": 1, "no_usable_identifier": 2}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
}

// Land lines, office mailboxes and guesses are evidence that joins nobody by default.
func TestWeakEvidenceIsKeptAndJoinsNobody(t *testing.T) {
	w := newWorld(t)
	w.start()
	household := id("phone", "01 40 20 50 50")
	w.collect(w.touch(1, id("user_id", "mother"), household), w.touch(2, id("user_id", "son"), household))
	events := w.untilEvents(2)
	for message, user := range map[string]string{"m-1": "mother", "m-2": "son"} {
		if got := events[message].CustomerID; got != w.node("user_id", user) {
			t.Errorf("%s is %s", user, got)
		}
	}
	if n := len(w.edges()); n != 2 {
		t.Errorf("%d pairs are in the log, want 2", n)
	}
}

// An event with many identifiers brings the pairs of its five strongest.
func TestCliqueIsBounded(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.collect(w.touch(1, id("anonymous_id", "a"), id("anonymous_id", "b"), id("till_record", "s/r/1"), id("user_id", "u"), id("device_id", "d"),
		id("loyalty_card", "1"), id("email", "a.b@free.fr"), id("payment_reference", "p")))
	event := w.untilEvents(1)["m-1"]
	if n := len(w.edges()); n != 10 {
		t.Errorf("8 identifiers left %d pairs, want those of 5", n)
	}
	if event.CustomerID != w.node("user_id", "u") || len(event.Identifiers) != 8 {
		t.Errorf("customer %s with %d identifiers", event.CustomerID, len(event.Identifiers))
	}
}

func TestConfig(t *testing.T) {
	if err := identity.DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	f := func(change func(*identity.Config)) {
		t.Helper()
		cfg := identity.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("accepted: %+v", cfg)
		}
	}
	f(func(c *identity.Config) { c.LinkClass = "certain" })
	f(func(c *identity.Config) { c.MaxCluster = 1 })
	f(func(c *identity.Config) { c.MaxComponent = c.MaxCluster - 1 })
	f(func(c *identity.Config) { c.SnapshotDir = "snapshots" })
	f(func(c *identity.Config) { c.SnapshotEvery = 0 })
	f(func(c *identity.Config) { c.DigestEvery = 0 })
	f(func(c *identity.Config) { c.BatchRecords = 0 })
	f(func(c *identity.Config) { c.BatchBytes = 0 })
	f(func(c *identity.Config) { c.BatchWait = time.Minute })
	f(func(c *identity.Config) { c.EvidenceWait = 0 })
}
