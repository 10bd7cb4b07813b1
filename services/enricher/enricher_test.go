package enricher

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest"
)

const patience = 20 * time.Second

// house is the platform of a test, with what is needed to feed it and to look at what it wrote.
type house struct {
	service.Platform
	metrics *prometheus.Registry
	schema  int32
}

func newHouse(t *testing.T, reg *registry.Registry) *house {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	h := &house{metrics: prometheus.NewRegistry(), Platform: service.Platform{
		Workspace: ws, Kafka: streamtest.Client(t, streamtest.Broker(t)), Registry: reg,
		Log: zaptest.NewLogger(t), Ready: service.NewReadiness(),
	}}
	h.Metrics = h.metrics
	if err := h.Kafka.EnsureTopics(t.Context(), stream.Identified, stream.Enriched, stream.Rejected); err != nil {
		t.Fatal(err)
	}
	id, err := reg.Register(t.Context(), stream.Identified, schemas.IdentifiedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	h.schema = id
	return h
}

// start runs the service; the function it returns ends it and gives back its error.
func (h *house) start(t *testing.T, cfg Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, h.Platform) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Fatal("the service does not stop")
			return nil
		}
	}
}

func (h *house) event(number int) *stream.Record {
	var e schemas.IdentifiedTouchpoint
	e.MessageID, e.Workspace, e.Channel, e.Type = fmt.Sprint(number), "default", "web", "page"
	e.OccurredAt = schemas.MillisOf(time.Date(2026, 12, 25, 9, 0, number, 0, time.UTC))
	e.Context.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
	e.Context.Page.URL, e.Context.Page.Referrer = "https://www.boutique.fr/", "https://www.google.fr/"
	return &stream.Record{
		Topic: stream.Identified, Key: fmt.Appendf(nil, "visitor-%d", number%7), Value: e.AppendAvro(schemas.AppendHeader(nil, h.schema)),
		Headers: []stream.Header{{Key: "trace", Value: fmt.Append(nil, number)}},
	}
}

func (h *house) produce(t *testing.T, records ...*stream.Record) {
	t.Helper()
	if err := h.Kafka.Produce(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

// read returns the records of a topic once there are that many.
func (h *house) read(t *testing.T, topic string, count int) []*stream.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []*stream.Record
	err := h.Kafka.Follow(ctx, topic, func(_ context.Context, records []*stream.Record) error {
		if all = append(all, records...); len(all) >= count {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < count {
		t.Fatalf("%d records in %s, want %d", len(all), topic, count)
	}
	return all
}

func (h *house) rejected(t *testing.T, count int) []schemas.RejectedTouchpoint {
	t.Helper()
	decoder, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	var all []schemas.RejectedTouchpoint
	for _, record := range h.read(t, stream.Rejected, count) {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		var one schemas.RejectedTouchpoint
		if err := decoder.Decode(body, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// waitCommitted waits until the group has committed everything there is.
func (h *house) waitCommitted(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		lag, err := h.Kafka.GroupLag(ctx, Group, stream.Identified)
		if err == nil && lag[stream.Identified] == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the group is %v records behind (%v)", lag, err)
		}
	}
}

func (h *house) decodeOutput(t *testing.T, record *stream.Record) schemas.EnrichedTouchpoint {
	t.Helper()
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
	return event
}

func TestTheStreamIsEnrichedAndPoisonIsKept(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	const events = 500
	good := h.event(0)
	poison := map[string][]byte{
		"no header":      []byte("x"),
		"wrong magic":    append([]byte{9}, good.Value[1:]...),
		"unknown schema": append(schemas.AppendHeader(nil, 4711), good.Value[schemas.HeaderSize:]...),
		"cut off":        good.Value[:len(good.Value)-3],
		"too long":       append(bytes.Clone(good.Value), 0, 0),
		"empty":          nil,
	}
	cfg := DefaultConfig()
	cfg.Enrichments = []Entry{{Name: UserAgent, Enabled: true}, {Name: Traffic, Enabled: true}, {Name: Calendar, Enabled: true}}
	stop := h.start(t, cfg)
	// Poison stands between the events of the same keys: it must not hold them up.
	var records []*stream.Record
	for i := range events {
		records = append(records, h.event(i))
		if i == events/2 {
			for _, value := range poison {
				records = append(records, &stream.Record{Topic: stream.Identified, Key: []byte("visitor-3"), Value: value})
			}
		}
	}
	for part := range slices.Chunk(records, 60) {
		h.produce(t, part...)
	}
	inputs := map[string]*stream.Record{}
	for _, record := range h.read(t, stream.Identified, events+len(poison)) {
		if len(record.Headers) > 0 {
			inputs[string(record.Headers[0].Value)] = record
		}
	}
	last := map[string]int{}
	for _, record := range h.read(t, stream.Enriched, events) {
		input := inputs[string(record.Headers[0].Value)]
		if !bytes.Equal(record.Key, input.Key) || record.Partition != input.Partition {
			t.Fatalf("key %s of partition %d came out as %s of %d", input.Key, input.Partition, record.Key, record.Partition)
		}
		if !bytes.HasPrefix(record.Value[schemas.HeaderSize:], input.Value[schemas.HeaderSize:]) {
			t.Fatal("the bytes of the event were changed")
		}
		event := h.decodeOutput(t, record)
		var number int
		if _, err := fmt.Sscan(event.MessageID, &number); err != nil {
			t.Fatal(err)
		}
		if before, seen := last[string(record.Key)]; seen && before >= number {
			t.Fatalf("event %d of %s came after %d", number, record.Key, before)
		}
		last[string(record.Key)] = number
		if event.Device.Value.Browser != "Firefox" || event.Traffic.Value.ChannelGroup != "organic_search" || event.Calendar.Value.Holiday != "christmas" {
			t.Fatalf("event %d: %+v %+v %+v", number, event.Device, event.Traffic, event.Calendar)
		}
	}
	var payloads, reasons []string
	for _, rejected := range h.rejected(t, len(poison)) {
		if rejected.Stage != "enricher" || rejected.Topic != stream.Identified || !rejected.Offset.Valid || rejected.Detail == "" {
			t.Errorf("a rejection says too little: %+v", rejected)
		}
		payloads = append(payloads, string(rejected.Payload))
		reasons = append(reasons, rejected.Reason)
	}
	for name, value := range poison {
		if !slices.Contains(payloads, string(value)) {
			t.Errorf("%s: the original bytes are not in quarantine", name)
		}
	}
	slices.Sort(reasons)
	want := []string{reasonMalformed, reasonMalformed, reasonMalformed, reasonMalformed, reasonMalformed, reasonUnknownSchema}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
	h.waitCommitted(t)
	if err := stop(); err != nil {
		t.Errorf("a clean stop answers %v", err)
	}
	expectMetrics(t, h, events, len(poison))
}

func expectMetrics(t *testing.T, h *house, events, poison int) {
	t.Helper()
	want := fmt.Sprintf(`
# HELP parcours_enricher_enrichments_total Enrichments by what became of them: applied, skipped or failed, and why.
# TYPE parcours_enricher_enrichments_total counter
parcours_enricher_enrichments_total{enrichment="calendar",reason="",status="applied"} %[1]d
parcours_enricher_enrichments_total{enrichment="traffic",reason="",status="applied"} %[1]d
parcours_enricher_enrichments_total{enrichment="user_agent",reason="",status="applied"} %[1]d
# HELP parcours_enricher_events_total Touchpoints by result: enriched or quarantined.
# TYPE parcours_enricher_events_total counter
parcours_enricher_events_total{result="enriched"} %[1]d
parcours_enricher_events_total{result="quarantined"} %[2]d
# HELP parcours_enricher_user_agent_cache_lookups Look-ups in the user agent cache since the start, by result: hit or miss.
# TYPE parcours_enricher_user_agent_cache_lookups gauge
parcours_enricher_user_agent_cache_lookups{result="hit"} %[3]d
parcours_enricher_user_agent_cache_lookups{result="miss"} 1
`, events, poison, events-1)
	if err := testutil.GatherAndCompare(h.metrics, strings.NewReader(want), "parcours_enricher_events_total",
		"parcours_enricher_enrichments_total", "parcours_enricher_user_agent_cache_lookups"); err != nil {
		t.Error(err)
	}
}

func TestARequiredEnrichmentThatFailsQuarantinesTheEvent(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	cfg := DefaultConfig()
	cfg.Enrichments[slices.IndexFunc(cfg.Enrichments, func(e Entry) bool { return e.Name == Calendar })].Required = true
	var timeless schemas.IdentifiedTouchpoint
	timeless.MessageID, timeless.Channel = "timeless", "web"
	bad := &stream.Record{Topic: stream.Identified, Key: []byte("visitor-1"), Value: timeless.AppendAvro(schemas.AppendHeader(nil, h.schema))}
	h.produce(t, h.event(1), bad, h.event(8))
	stop := h.start(t, cfg)
	for _, record := range h.read(t, stream.Enriched, 2) {
		if h.decodeOutput(t, record).MessageID == "timeless" {
			t.Error("the event went on without a required enrichment")
		}
	}
	rejected := h.rejected(t, 1)[0]
	if rejected.Reason != reasonRequired || rejected.Field != Calendar || !bytes.Equal(rejected.Payload, bad.Value) {
		t.Errorf("rejection %+v", rejected)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A registry that is down is no fault of the events: nothing is rejected and nothing is committed, and all of it is there when it is back.
func TestARegistryThatIsDownRejectsNothing(t *testing.T) {
	target, err := url.Parse(registrytest.Serve(t))
	if err != nil {
		t.Fatal(err)
	}
	var down atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() && strings.HasPrefix(r.URL.Path, "/schemas/ids/") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	client := func() *registry.Registry {
		cfg := registry.DefaultConfig()
		cfg.URL = front.URL
		reg, err := registry.New(cfg, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		return reg
	}
	h := newHouse(t, client())
	// What the service itself writes with is registered: that needs more than a look at a schema.
	for topic, schema := range map[string]string{stream.Rejected: schemas.RejectedTouchpointSchema(), stream.Attributes: schemas.AttributeSetSchema()} {
		if _, err := h.Registry.Register(t.Context(), topic, schema); err != nil {
			t.Fatal(err)
		}
	}
	h.Registry = client() // One that has cached nothing.
	for i := range 20 {
		h.produce(t, h.event(i))
	}
	down.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Run(ctx, DefaultConfig(), h.Platform); err == nil || !strings.Contains(err.Error(), "fetch schema") {
		t.Fatalf("got %v, want that the schema cannot be fetched", err)
	}
	committed, err := h.Kafka.Committed(t.Context(), Group, stream.Identified)
	if err != nil && !strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND") { // A group that committed nothing does not exist.
		t.Fatal(err)
	}
	if len(committed) > 0 {
		t.Errorf("committed %v, want nothing", committed)
	}
	down.Store(false)
	h.Registry, h.Metrics = client(), prometheus.NewRegistry()
	stop := h.start(t, DefaultConfig())
	h.read(t, stream.Enriched, 20)
	h.waitCommitted(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if ends, err := h.Kafka.EndOffsets(t.Context(), stream.Rejected); err != nil || total(ends) != 0 {
		t.Errorf("%v in quarantine (%v), want nothing", ends, err)
	}
}

func total(offsets map[int32]int64) (sum int64) {
	for _, offset := range offsets {
		sum += offset
	}
	return sum
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	for round := range 3 {
		stop := h.start(t, DefaultConfig())
		for i := range 50 {
			h.produce(t, h.event(50*round+i))
		}
		h.waitCommitted(t)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		h.Metrics = prometheus.NewRegistry()
	}
	ends, err := h.Kafka.EndOffsets(t.Context(), stream.Enriched)
	if err != nil {
		t.Fatal(err)
	}
	if total(ends) != 150 {
		t.Errorf("%d events came out, want 150", total(ends))
	}
}
