package enricher

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// missed is an event that the provider was asked for in vain, or one of the same customer whose consent does not cover it.
func (h *house) missed(t *testing.T, id int32, person, minute int, status, reason string, change func(e *schemas.EnrichedTouchpoint)) *stream.Record {
	t.Helper()
	var e schemas.EnrichedTouchpoint
	e.IdentifiedTouchpoint = personal(person, "")
	e.OccurredAt += schemas.Millis(minute * 60_000)
	e.Attributes = noAttributes
	e.Enrichments = []schemas.Enrichment{{Name: "provider.acme", Version: "v", Status: status, Reason: reason}}
	if change != nil {
		change(&e)
	}
	value := e.AppendSuffix(e.IdentifiedTouchpoint.AppendAvro(schemas.AppendHeader(nil, id)))
	at := time.UnixMilli(int64(e.OccurredAt))
	return &stream.Record{Topic: stream.Enriched, Key: fmt.Append(nil, person), Value: value, Timestamp: at}
}

// Who refused since is not asked for, on whatever channel the refusal came and however late, and what may not be stored is not.
func TestReplayAsksForNobodyWhoRefusedSince(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{"segment":"family"}`)
	}))
	defer s.Close()
	h := newHouse(t, registrytest.Client(t))
	id, err := h.Registry.Register(t.Context(), stream.Enriched, schemas.EnrichedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := func(e *schemas.EnrichedTouchpoint) { // A visit that the map gives to the customer, without the address.
		e.Identifiers, e.Person = nil, schemas.Optional[schemas.Person]{}
		e.Anchor, e.AnchorType = uuid.NewSHA1(uuid.NameSpaceOID, []byte("cookie")), "anonymous_id"
	}
	h.produce(t,
		h.missed(t, id, 1, 0, StatusFailed, provider.ReasonTimeout, nil),
		h.missed(t, id, 2, 0, StatusFailed, provider.ReasonTimeout, nil),
		h.missed(t, id, 3, 0, StatusFailed, provider.ReasonTimeout, nil),
		h.missed(t, id, 1, 10, StatusSkipped, reasonDenied, elsewhere),
		h.missed(t, id, 2, 90, StatusSkipped, reasonDenied, nil),
	)
	begun := personal(1, "").OccurredAt.Time()
	replay := Replay{
		Config: boughtConfig(s.URL), Workspace: h.Workspace, Identifiers: identifier.DefaultConfig(), Kafka: h.Kafka, Registry: h.Registry, Provider: "acme",
		To: begun.Add(time.Hour),
	}
	if r, err := replay.Run(t.Context()); err != nil || r.Refused != 2 || r.Answered != 1 || asked.Load() != 1 {
		t.Errorf("replay: %+v %v, the provider was asked %d times", r, err, asked.Load())
	}
	replay.Config.Providers[0].DoNotStore = true
	if _, err := replay.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "do_not_store") {
		t.Errorf("replay of a provider whose answers may not be stored: %v", err)
	}
}

// Of two addresses identity took one and left the other: that it left must not be sent as if it were the one it took.
func TestAnIdentifierThatIdentityLeftIsNotAskedFor(t *testing.T) {
	cfg := boughtConfig("http://127.0.0.1:1")
	asked, err := openProviders(t.Context(), cfg, workspaceOf(), registrytest.Client(t), providerOptions(zap.NewNop(), prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	link, err := newBought(parts{
		name: Provider + ".acme", cfg: cfg, workspace: workspaceOf(), identifiers: identifier.DefaultConfig(), data: reference.NewSnapshot(),
		lasting: &lasting{providers: asked}, log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	asked.begin()
	event := personal(1, "profiling")
	event.IgnoredIdentifiers = []schemas.IgnoredIdentifier{{Type: identifier.Phone, Reason: "hub"}}
	if outcome := link.Apply(&event, new(Suffix)); outcome.Status != statusAsked {
		t.Errorf("with another identifier left: %+v", outcome)
	}
	event = personal(2, "profiling")
	event.IgnoredIdentifiers = []schemas.IgnoredIdentifier{{Type: identifier.Email, Reason: "blocked"}}
	if outcome := link.Apply(&event, new(Suffix)); outcome.Status != StatusSkipped || outcome.Reason != reasonAmbiguous {
		t.Errorf("with an address left: %+v", outcome)
	}
}
