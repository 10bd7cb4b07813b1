package enricher

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	known "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
)

// counter sends events and sees them enriched.
type counter struct {
	*house
	t    *testing.T
	sent int
}

var (
	cardNode   = uuid.MustParse("8c5f0d9e-3f11-4f6e-9b1c-9d1f2f6a7b01")
	mailNode   = uuid.MustParse("0a7d1c55-6f6b-4c39-8a60-0c5bb3d1e702")
	cookieNode = uuid.MustParse("f2b7c0de-52a4-4c0e-a6ff-1a3e4b5c6d03")
)

// send sends an event of an anchor and gives back what became of it.
func (s *counter) send(anchor uuid.UUID, fill func(e *schemas.IdentifiedTouchpoint)) schemas.EnrichedTouchpoint {
	s.t.Helper()
	var e schemas.IdentifiedTouchpoint
	e.Workspace, e.Channel, e.Source, e.Type = "default", "web", "site", "page"
	e.OccurredAt = schemas.MillisOf(time.Date(2026, 6, 15, 9, s.sent, 0, 0, time.UTC))
	e.Anchor, e.CustomerID, e.AnchorType = anchor, anchor, "anonymous_id"
	if fill != nil {
		fill(&e)
	}
	s.produce(s.t, &stream.Record{Topic: stream.Identified, Key: []byte("one partition"), Value: e.AppendAvro(schemas.AppendHeader(nil, s.schema))})
	s.sent++
	records := s.read(s.t, stream.Enriched, s.sent)
	id, body, err := schemas.SplitHeader(records[s.sent-1].Value)
	if err != nil {
		s.t.Fatal(err)
	}
	decoder, err := s.Registry.Decoder(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var out schemas.EnrichedTouchpoint
	if err := decoder.Decode(body, &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// eventually sends page views of an anchor until what is known is as wanted: the map is followed beside the stream.
func (s *counter) eventually(what string, anchor uuid.UUID, want func(c schemas.Optional[schemas.KnownCustomer]) bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		e := s.send(anchor, nil)
		if want(e.Customer) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: the event carries %+v", what, e.Customer)
		}
	}
}

func (s *counter) mapped(node, customer uuid.UUID, version uint64, reason identitymap.Reason) {
	s.t.Helper()
	row := identitymap.Row{Workspace: "default", Node: node, Canonical: customer, Version: version, Reason: reason}
	key := identitymap.AppendKey(nil, &row)
	records := []*stream.Record{{Topic: stream.IdentityMap, Key: key, Value: identitymap.Append(nil, &row)}}
	if reason == identitymap.Erased {
		records = append(records, &stream.Record{Topic: stream.IdentityMap, Key: key})
	}
	s.produce(s.t, records...)
}

func TestAPageViewCarriesWhatIsKnownOfItsCustomer(t *testing.T) {
	s := &counter{house: newHouse(t, registrytest.Client(t)), t: t}
	cfg := DefaultConfig()
	cfg.DataDir = t.TempDir()
	stop := s.start(t, cfg)
	// An identify call carries its own facts.
	said := s.send(mailNode, func(e *schemas.IdentifiedTouchpoint) {
		e.Type, e.AnchorType = "identify", "email"
		e.Person = schemas.Some(schemas.Person{BirthDate: schemas.Some(schemas.DateOf(1990, 6, 20)), Gender: "F", PostalCode: "75011", LastName: "Durand", Email: "a@example.fr"})
		e.Traits = `{"loyaltyTier":"gold","segment":"A","vip":true,"secret":"never"}`
	})
	want := schemas.KnownCustomer{AgeBand: "35-44", Gender: "female", LoyaltyTier: "gold", OrdersBand: "0", Traits: `{"segment":"A","vip":true}`}
	if diff := cmp.Diff(schemas.Some(want), said.Customer); diff != "" {
		t.Fatalf("the identify call (-want +got):\n%s", diff)
	}
	// An order counts for its own event and the next ones.
	ordered := func(e *schemas.IdentifiedTouchpoint) {
		e.Type, e.Name, e.Commerce = "track", "Order Completed", schemas.Some(schemas.Commerce{OrderID: "W-1"})
	}
	s.send(mailNode, ordered)
	want.OrdersBand, want.FirstOrderDate = "1", schemas.Some(schemas.DateOf(2026, 6, 15))
	if diff := cmp.Diff(schemas.Some(want), s.send(mailNode, nil).Customer); diff != "" {
		t.Fatalf("a page view after it (-want +got):\n%s", diff)
	}
	if e := s.send(cookieNode, nil); e.Customer.Valid {
		t.Fatalf("a stranger is known by %+v", e.Customer.Value)
	}
	// The cookie turns out to be the customer's.
	s.send(cardNode, func(e *schemas.IdentifiedTouchpoint) { e.AnchorType, e.Traits = "loyalty_card", `{"segment":"B"}` })
	s.mapped(cookieNode, mailNode, 5, identitymap.Joined)
	s.mapped(cardNode, mailNode, 6, identitymap.Joined)
	s.eventually("merged", cookieNode, func(c schemas.Optional[schemas.KnownCustomer]) bool {
		return c.Value.AgeBand == "35-44" && c.Value.LoyaltyTier == "gold" && c.Value.Traits == `{"segment":"B","vip":true}`
	})
	// A restart goes on with it.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.Metrics, s.Ready = prometheus.NewRegistry(), service.NewReadiness()
	stop = s.start(t, cfg)
	if e := s.send(cookieNode, nil); e.Customer.Value.LoyaltyTier != "gold" {
		t.Fatalf("after a restart the event carries %+v", e.Customer)
	}
	// A cut parts them.
	s.mapped(cardNode, cardNode, 9, identitymap.Cut)
	s.eventually("cut", cookieNode, func(c schemas.Optional[schemas.KnownCustomer]) bool {
		return c.Value.LoyaltyTier == "gold" && c.Value.Traits == `{"segment":"A","vip":true}`
	})
	s.eventually("cut, the other", cardNode, func(c schemas.Optional[schemas.KnownCustomer]) bool {
		return c.Value.LoyaltyTier == "" && c.Value.Traits == `{"segment":"B"}`
	})
	// An erasure takes all of it, here and in the topic.
	s.mapped(mailNode, mailNode, 12, identitymap.Erased)
	s.eventually("erased", cookieNode, func(c schemas.Optional[schemas.KnownCustomer]) bool { return !c.Valid })
	if e := s.send(mailNode, nil); e.Customer.Valid {
		t.Errorf("somebody erased is known by %+v", e.Customer.Value)
	}
	s.awaitTombstone(known.AppendKey(nil, "default", known.OfNode(mailNode), known.Self))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// awaitTombstone waits until the topic takes back what it says under the key.
func (s *counter) awaitTombstone(key []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	gone := false
	err := s.Kafka.Follow(ctx, stream.Attributes, func(_ context.Context, records []*stream.Record) error {
		for _, r := range records {
			if string(r.Key) == string(key) && r.Value == nil {
				gone = true
				cancel()
			}
		}
		return nil
	})
	if err != nil || !gone {
		s.t.Errorf("the topic keeps what it says of somebody erased (%v)", err)
	}
}

// What consent forbids is not kept; the statement itself is, and holds for the events after it. Bots and strangers leave nothing.
func TestNothingIsKeptThatConsentForbids(t *testing.T) {
	s := &counter{house: newHouse(t, registrytest.Client(t)), t: t}
	stop := s.start(t, DefaultConfig())
	refuses := schemas.Some(schemas.Consent{Denied: []string{"analytics"}})
	s.send(mailNode, func(e *schemas.IdentifiedTouchpoint) {
		e.AnchorType, e.Traits, e.Consent = "email", `{"tier":"gold"}`, refuses
	})
	e := s.send(mailNode, func(e *schemas.IdentifiedTouchpoint) { e.AnchorType, e.Traits = "email", `{"tier":"gold"}` })
	if e.Customer.Valid || e.Enrichments[0].Reason != reasonDenied {
		t.Errorf("after a refusal the event carries %+v, %+v", e.Customer, e.Enrichments[0])
	}
	s.send(cardNode, func(e *schemas.IdentifiedTouchpoint) {
		e.Traits, e.Context.UserAgent = `{"tier":"gold"}`, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
	})
	s.send(cookieNode, func(e *schemas.IdentifiedTouchpoint) {
		e.Consent = schemas.Some(schemas.Consent{Granted: []string{"analytics"}})
	})
	e = s.send(mailNode, func(e *schemas.IdentifiedTouchpoint) {
		e.AnchorType, e.Traits, e.Consent = "email", `{"tier":"gold"}`, schemas.Some(schemas.Consent{Granted: []string{"analytics"}})
	})
	if e.Customer.Value.LoyaltyTier != "gold" {
		t.Errorf("after consent the event carries %+v", e.Customer)
	}
	codec, err := known.NewCodec(t.Context(), s.Registry)
	if err != nil {
		t.Fatal(err)
	}
	records := s.read(t, stream.Attributes, 2)
	for i, names := range [][]string{{"consent"}, {"consent", "loyalty_tier"}} {
		set, err := codec.Parse(t.Context(), records[i])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range set.Values {
			got = append(got, v.Name)
		}
		if diff := cmp.Diff(names, got); diff != "" || set.Node != mailNode {
			t.Errorf("record %d of %s has (-want +got):\n%s", i, set.Node, diff)
		}
	}
	if len(records) != 2 {
		t.Errorf("%d records were written, want two", len(records))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
