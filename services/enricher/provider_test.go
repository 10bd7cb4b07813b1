package enricher

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func boughtFrom(url string) provider.Config {
	return provider.Config{
		Name: "acme", URL: url + "/${email_sha256}", Subject: provider.Email, Purpose: purposeProfiling, Licence: "contract",
		Attributes: []provider.Attribute{{Name: "segment", Type: "string", Required: true}}, Allow: []string{"127.0.0.1"},
		Timeout: 300 * time.Millisecond, Breaker: provider.BreakerConfig{Failures: 2, OpenFor: time.Hour},
	}
}

func boughtConfig(url string) Config {
	cfg := DefaultConfig()
	cfg.Purposes.Profiling.Enabled = true
	cfg.Providers = []provider.Config{boughtFrom(url)}
	return cfg
}

// node of a person, as identity would write it.
func node(person int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, person)) }

func personal(person int, consent string) schemas.IdentifiedTouchpoint {
	var e schemas.IdentifiedTouchpoint
	e.MessageID, e.Workspace, e.Channel, e.Type = fmt.Sprint(person), "default", "web", "identify"
	e.OccurredAt = schemas.MillisOf(time.Date(2026, 12, 25, 9, 0, 0, 0, time.UTC))
	e.Person = schemas.Some(schemas.Person{Email: fmt.Sprintf("canary%d@example.org", person)})
	e.Identifiers = []schemas.Identifier{{Type: identifier.Email, Value: node(person).String()}}
	e.Anchor, e.CustomerID, e.AnchorType = node(person), node(person), identifier.Email
	if consent != "" {
		e.Consent = schemas.Some(schemas.Consent{Granted: []string{consent}})
	}
	return e
}

func (h *house) personal(person int, consent string) *stream.Record {
	e := personal(person, consent)
	return &stream.Record{Topic: stream.Identified, Key: fmt.Append(nil, person), Value: e.AppendAvro(schemas.AppendHeader(nil, h.schema))}
}

// outcomes are those of provider.acme on the events, with the attributes.
func (h *house) outcomes(t *testing.T, count int) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, record := range h.read(t, stream.Enriched, count) {
		id, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := h.Registry.Decoder(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var event schemas.EnrichedTouchpoint
		if err := decoder.Decode(body, &event); err != nil {
			t.Fatal(err)
		}
		for _, e := range event.Enrichments {
			if e.Name == "provider.acme" {
				all[event.MessageID] = strings.Clone(e.Status + " " + e.Reason + " " + event.Attributes)
			}
		}
	}
	return all
}

func TestProviderOnTheStream(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{"segment":"family"}`)
	}))
	defer s.Close()
	h := newHouse(t, registrytest.Client(t))
	stop := h.start(t, boughtConfig(s.URL))
	// Whose consent does not cover it is not asked for.
	h.produce(t, h.personal(1, ""), h.personal(2, "analytics"))
	for person, want := range map[string]string{"1": "skipped consent_missing {}", "2": "skipped consent_denied {}"} {
		if got := h.outcomes(t, 2)[person]; got != want {
			t.Errorf("event %s: %q, want %q", person, got, want)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the provider was asked %d times for people who did not agree", asked.Load())
	}
	h.produce(t, h.personal(3, "profiling"), h.personal(3, "profiling"), h.personal(4, "profiling"))
	out := h.outcomes(t, 5)
	if want := `applied  {"acme":{"segment":"family"}}`; out["3"] != want || out["4"] != want {
		t.Errorf("events are %v", out)
	}
	if asked.Load() != 2 {
		t.Errorf("the provider was asked %d times for two people", asked.Load())
	}
	h.waitCommitted(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	stored := map[uuid.UUID]bool{}
	for _, record := range h.read(t, stream.Attributes, 2) {
		if _, subject, by, err := facts.ParseKey(record.Key); err == nil && by == "acme" {
			stored[subject.Node] = true
		}
		if strings.Contains(string(record.Value), "canary") {
			t.Error("a record holds the clear address")
		}
	}
	if !stored[node(3)] || !stored[node(4)] {
		t.Errorf("stored are %v", stored)
	}
	if got := count(t, h.metrics, "parcours_enricher_enrichments_total", "provider.acme"); got != 5 {
		t.Errorf("%v outcomes of provider.acme are counted for 5 events", got)
	}
	if got := count(t, h.metrics, "parcours_enricher_enrichments_total", Calendar); got != 5 {
		t.Errorf("%v outcomes of calendar are counted for 5 events, of which 2 went through the chain twice", got)
	}
}

func count(t *testing.T, registry *prometheus.Registry, metric, link string) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != metric {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "enrichment" && label.GetValue() == link {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// A provider that hangs, answers garbage or fails costs no event; what it missed is asked again later, once.
func TestBrokenProviderCostsNoEventAndIsReplayed(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{
		"hangs":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"fails":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			var mended atomic.Bool
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if !mended.Load() {
					broken(w, r)
					return
				}
				fmt.Fprint(w, `{"segment":"family"}`)
			}))
			defer s.Close()
			h := newHouse(t, registrytest.Client(t))
			cfg := boughtConfig(s.URL)
			stop := h.start(t, cfg)
			const people = 40
			var records []*stream.Record
			for person := range people {
				records = append(records, h.personal(person, "profiling"))
			}
			h.produce(t, records...)
			for person, got := range h.outcomes(t, people) {
				if !strings.HasPrefix(got, StatusFailed+" ") {
					t.Errorf("event %s: %s", person, got)
				}
			}
			h.waitCommitted(t)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if got := asked.Load(); got > 20 {
				t.Errorf("a broken provider was asked %d times for %d people", got, people)
			}
			mended.Store(true)
			replay := Replay{
				Config: cfg, Workspace: h.Workspace, Identifiers: identifier.DefaultConfig(), Kafka: h.Kafka, Registry: h.Registry, Provider: "acme",
				Erased: func(n uuid.UUID) bool { return n == node(7) },
			}
			dry := replay
			dry.DryRun = true
			before := asked.Load()
			if r, err := dry.Run(t.Context()); err != nil || r.Failed != people || r.Erased != 1 || asked.Load() != before {
				t.Errorf("dry run: %+v %v", r, err)
			}
			if r, err := replay.Run(t.Context()); err != nil || r.Answered != people-1 || len(r.Missed) > 0 {
				t.Errorf("replay: %+v %v", r, err)
			}
			if r, err := replay.Run(t.Context()); err != nil || r.Asked != 0 || r.Known != people-1 {
				t.Errorf("second replay: %+v %v", r, err)
			}
		})
	}
}

func TestWithProvider(t *testing.T) {
	f := func(object, name, says, want string) {
		t.Helper()
		if got := withProvider(object, name, says); got != want {
			t.Errorf("%s with %s: %s, want %s", object, name, got, want)
		}
	}
	f("", "b", `{"x":1}`, `{"b":{"x":1}}`)
	f("{}", "b", `{"x":1}`, `{"b":{"x":1}}`)
	f(`{"b":{"x":1}}`, "a", `{}`, `{"a":{},"b":{"x":1}}`)
	f(`{"b":{"x":1}}`, "c", `{}`, `{"b":{"x":1},"c":{}}`)
	f(`{"a":{"t":"}\"{"},"c":{"y":{"z":2}}}`, "b", `{"x":1}`, `{"a":{"t":"}\"{"},"b":{"x":1},"c":{"y":{"z":2}}}`)
	f(`{"a":{"t":"\\"},"b":{"y":1},"c":{}}`, "b", `{"x":1}`, `{"a":{"t":"\\"},"b":{"x":1},"c":{}}`)
}

// What is not permitted is withheld by provider, and named; the nearest to the person counts.
func TestImportedAttributes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Purposes.Profiling.Enabled = true
	cfg.Enrichments = []Entry{{Name: Attributes, Enabled: true}}
	link, rules := linksOf(t, cfg, reference.NewSnapshot())[0], newPolicy(cfg.Purposes)
	known := &attributes.Known{Providers: []attributes.Provided{
		{Provider: "acme", Purpose: purposeProfiling, Values: []facts.Value{{Name: "segment", Type: facts.String, Text: `a "b"`}}},
		{Provider: "crm", Purpose: purposeAnalytics, Values: []facts.Value{{Name: "score", Type: facts.Number, Text: "4.5"}, {Name: "vip", Type: facts.Boolean, Text: "true"}}},
	}}
	f := func(consent, attributes, reason string) {
		t.Helper()
		event := personal(1, "")
		if consent != "" {
			event.Consent = schemas.Some(schemas.Consent{Granted: strings.Split(consent, ",")})
		}
		added := Suffix{Known: known, Permissions: rules.ask(&event, nil)}
		if outcome := link.Apply(&event, &added); added.Attributes != attributes || outcome.Reason != reason {
			t.Errorf("consent %q: %s %q, want %s %q", consent, added.Attributes, outcome.Reason, attributes, reason)
		}
	}
	f("profiling,analytics", `{"acme":{"segment":"a \"b\""},"crm":{"score":4.5,"vip":true}}`, "")
	f("analytics", `{"crm":{"score":4.5,"vip":true}}`, "consent_denied:acme")
	f("profiling", `{"acme":{"segment":"a \"b\""}}`, "consent_denied:crm")
	f("", `{"crm":{"score":4.5,"vip":true}}`, "consent_missing:acme")
	f("nothing", ``, "consent_denied:acme,consent_denied:crm")
}

// BenchmarkProvider compares the chain without a provider, with one whose answers are remembered, and with one that is left alone.
func BenchmarkProvider(b *testing.B) {
	run := func(b *testing.B, cfg Config) {
		b.Helper()
		cfg.Purposes.Profiling.Enabled = true
		asked, err := openProviders(b.Context(), cfg, workspaceOf(), registrytest.Client(b), providerOptions(zap.NewNop(), prometheus.NewRegistry()))
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- asked.run(ctx) }()
		links, err := build(parts{
			cfg: cfg, workspace: workspaceOf(), identifiers: identifier.DefaultConfig(), data: reference.NewSnapshot(), lasting: &lasting{providers: asked}, log: zap.NewNop(),
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		chain, err := NewChain(links, cfg.Purposes, nil)
		if err != nil {
			b.Fatal(err)
		}
		events := make([]schemas.EnrichedTouchpoint, 100)
		var added Suffix
		for i := range events {
			events[i].IdentifiedTouchpoint = personal(i, "profiling")
			events[i].Context.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
		}
		asked.begin()
		for i := range events {
			_ = chain.Run(&events[i], &added) // asks
		}
		asked.wait(b.Context())
		asked.begin()
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if err := chain.Run(&events[n%len(events)], &added); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		stop()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	healthy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"segment":"a"}`) }))
	defer healthy.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer broken.Close()
	b.Run("none", func(b *testing.B) { run(b, DefaultConfig()) })
	b.Run("cached", func(b *testing.B) { run(b, boughtConfig(healthy.URL)) })
	b.Run("open", func(b *testing.B) { run(b, boughtConfig(broken.URL)) })
}

func workspaceOf() workspace.Config {
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	return ws
}
