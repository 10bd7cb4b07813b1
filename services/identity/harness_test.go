package identity_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

const patience = 30 * time.Second

// world is a broker and a registry with a collector's hand in it, and ears on every topic that identity
// writes.
type world struct {
	t        *testing.T
	cluster  *kfake.Cluster
	kafka    *stream.Client
	registry *registry.Registry
	url      string
	ws       workspace.Config
	ids      *identifier.Identifiers
	schemaID int32
	admin    *service.Admin // nil: nobody operates

	identified, rejected, evidence, identities, audit *ear
}

func newWorld(t *testing.T, opts ...kfake.Opt) *world {
	t.Helper()
	w := &world{t: t, cluster: streamtest.Cluster(t, opts...), url: registrytest.Serve(t), ws: workspace.DefaultConfig()}
	w.ws.HashKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	w.kafka = streamtest.Client(t, w.cluster.ListenAddrs())
	w.registry = w.newRegistry()
	ctx := w.soon()
	if err := w.kafka.EnsureTopics(ctx, stream.Touchpoints, stream.Identified, stream.Rejected, stream.Evidence, stream.IdentityMap, stream.IdentityAudit); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.schemaID, err = w.registry.Register(ctx, stream.Touchpoints, schemas.TouchpointSchema()); err != nil {
		t.Fatal(err)
	}
	if w.ids, err = identifier.New(identifier.DefaultConfig(), w.ws); err != nil {
		t.Fatal(err)
	}
	w.identified, w.rejected = w.listen(stream.Identified), w.listen(stream.Rejected)
	w.evidence, w.identities, w.audit = w.listen(stream.Evidence), w.listen(stream.IdentityMap), w.listen(stream.IdentityAudit)
	return w
}

func (w *world) newRegistry() *registry.Registry {
	w.t.Helper()
	cfg := registry.DefaultConfig()
	cfg.URL = w.url
	client, err := registry.New(cfg, zap.NewNop())
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) soon() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// ear keeps all records of a topic.
type ear struct {
	t       *testing.T
	topic   string
	mu      sync.Mutex
	records []*stream.Record
	heard   chan struct{}
}

func (w *world) listen(topic string) *ear {
	e := &ear{t: w.t, topic: topic, heard: make(chan struct{})}
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- w.kafka.Follow(ctx, topic, func(_ context.Context, records []*stream.Record) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.records = append(e.records, records...)
			close(e.heard)
			e.heard = make(chan struct{})
			return nil
		})
	}()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("follow %s: %v", topic, err)
		}
	})
	return e
}

func (e *ear) all() []*stream.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*stream.Record(nil), e.records...)
}

// until waits until enough is true of the topic's records.
func (e *ear) until(what string, enough func([]*stream.Record) bool) []*stream.Record {
	e.t.Helper()
	timeout := time.After(patience)
	for {
		e.mu.Lock()
		records, heard := append([]*stream.Record(nil), e.records...), e.heard
		e.mu.Unlock()
		if enough(records) {
			return records
		}
		select {
		case <-heard:
		case <-timeout:
			e.t.Fatalf("%s: waited for %s; there are %d records", e.topic, what, len(records))
		}
	}
}

func (e *ear) untilCount(n int) []*stream.Record {
	e.t.Helper()
	return e.until(fmt.Sprintf("%d records", n), func(records []*stream.Record) bool { return len(records) >= n })
}

// instance is a running identity service.
type instance struct {
	t       *testing.T
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
	ready   *service.Readiness
	metrics *prometheus.Registry
	logs    *observer.ObservedLogs
}

func (w *world) start(change ...func(*identity.Config)) *instance {
	w.t.Helper()
	cfg := identity.DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	i := &instance{t: w.t, done: make(chan struct{}), ready: service.NewReadiness(), metrics: prometheus.NewRegistry(), logs: logs}
	kafka, err := stream.Connect(streamtest.Config(w.cluster.ListenAddrs()), zap.New(core), prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	i.cancel = cancel
	platform := service.Platform{
		Workspace: w.ws, Identifiers: identifier.DefaultConfig(), Kafka: kafka, Registry: w.newRegistry(), Log: zap.New(core), Metrics: i.metrics, Ready: i.ready, Admin: w.admin,
	}
	i.ready.Set("evidence", false, "not started")
	go func() {
		defer close(i.done)
		defer kafka.Close()
		i.err = identity.Run(ctx, cfg, platform)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-i.done
		if w.t.Failed() {
			w.t.Logf("identity returned %v, waits for %v", i.err, i.ready.Waiting())
			for _, line := range logs.All() {
				w.t.Log(line.Level, line.Message, line.ContextMap())
			}
		}
	})
	return i
}

// startReady starts an instance and waits until it works.
func (w *world) startReady(change ...func(*identity.Config)) *instance {
	w.t.Helper()
	i := w.start(change...)
	w.eventually("readiness", func() bool { return len(i.ready.Waiting()) == 0 })
	return i
}

// stop asks for a clean stop.
func (i *instance) stop() {
	i.t.Helper()
	i.cancel()
	if err := i.wait(); err != nil {
		i.t.Fatalf("stop: %v", err)
	}
}

// wait returns what Run returned.
func (i *instance) wait() error {
	i.t.Helper()
	select {
	case <-i.done:
		return i.err
	case <-time.After(patience):
		stacks := make([]byte, 8<<20)
		i.t.Fatalf("identity does not end\n%s", stacks[:runtime.Stack(stacks, true)])
		return nil
	}
}

// counter sums a metric over its labels.
func (i *instance) counter(name string) float64 {
	i.t.Helper()
	families, err := i.metrics.Gather()
	if err != nil {
		i.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func id(typ, value string) schemas.Identifier { return schemas.Identifier{Type: typ, Value: value} }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// touch makes a touchpoint; n is its place in time.
func (w *world) touch(n int, ids ...schemas.Identifier) schemas.Touchpoint {
	at := noon.Add(time.Duration(n) * time.Second)
	return schemas.Touchpoint{
		EventID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)), MessageID: fmt.Sprintf("m-%d", n),
		Workspace: w.ws.Name, Source: "web", Channel: "web", Type: "track", Name: "Product Viewed",
		OccurredAt: schemas.MillisOf(at), ReceivedAt: schemas.MillisOf(at.Add(time.Second)),
		Identifiers: ids,
		Person:      schemas.Optional[schemas.Person]{},
		Properties:  fmt.Sprintf(`{"n":%d}`, n), Traits: "{}",
	}
}

// record does to a touchpoint what the collector does.
func (w *world) record(t schemas.Touchpoint) *stream.Record {
	anchor, _, _ := w.ids.Anchor(t.Identifiers)
	return &stream.Record{
		Topic: stream.Touchpoints, Key: []byte(anchor.String()),
		Value: t.AppendAvro(schemas.AppendHeader(nil, w.schemaID)),
	}
}

func (w *world) send(records ...*stream.Record) {
	w.t.Helper()
	if err := w.kafka.Produce(w.soon(), records...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) collect(touchpoints ...schemas.Touchpoint) {
	w.t.Helper()
	records := make([]*stream.Record, len(touchpoints))
	for i, t := range touchpoints {
		records[i] = w.record(t)
	}
	w.send(records...)
}

// node is the hash of an identifier.
func (w *world) node(typ, value string) uuid.UUID {
	w.t.Helper()
	node, reason := w.ids.Node(typ, value)
	if reason != "" {
		w.t.Fatalf("%s %q: %s", typ, value, reason)
	}
	return node
}

// decode reads an identified record with the schema that it names.
func (w *world) decode(record *stream.Record) schemas.IdentifiedTouchpoint {
	w.t.Helper()
	schemaID, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		w.t.Fatal(err)
	}
	decoder, err := w.registry.Decoder(w.soon(), schemaID)
	if err != nil {
		w.t.Fatal(err)
	}
	var all schemas.EnrichedTouchpoint
	if err := decoder.Decode(body, &all); err != nil {
		w.t.Fatal(err)
	}
	return all.IdentifiedTouchpoint
}

// byMessage has the first copy of each event.
func (w *world) byMessage(records []*stream.Record) map[string]schemas.IdentifiedTouchpoint {
	w.t.Helper()
	events := make(map[string]schemas.IdentifiedTouchpoint, len(records))
	for _, record := range records {
		event := w.decode(record)
		if _, known := events[event.MessageID]; !known {
			events[event.MessageID] = event
		}
	}
	return events
}

// untilEvents waits until n different events are identified.
func (w *world) untilEvents(n int) map[string]schemas.IdentifiedTouchpoint {
	w.t.Helper()
	var events map[string]schemas.IdentifiedTouchpoint
	w.identified.until(fmt.Sprintf("%d events", n), func(records []*stream.Record) bool {
		if len(records) < n {
			return false
		}
		events = w.byMessage(records)
		return len(events) >= n
	})
	return events
}

// poll lets a moment pass between two looks at something that has no event to wait for.
func poll(ctx context.Context, t *testing.T) {
	t.Helper()
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
}

// eventually looks until a condition holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			w.t.Fatalf("waited for %s", what)
		default:
			poll(ctx, w.t)
		}
	}
}

// partition is that of the workspace in the evidence log.
func (w *world) partition() int32 { return stream.EvidencePartition(w.ws.Name) }

// logEnd is the offset after the last record of the workspace's evidence.
func (w *world) logEnd() int64 {
	w.t.Helper()
	extent, err := w.kafka.Extent(w.soon(), stream.Evidence, w.partition())
	if err != nil {
		w.t.Fatal(err)
	}
	return extent.End
}

// logged is what the evidence log has, in its order; bytes that are no evidence are left out.
func (w *world) logged() []evidence.Record {
	w.t.Helper()
	end := w.logEnd()
	records := w.evidence.until("the end of the log", func(records []*stream.Record) bool {
		return end == 0 || slices.ContainsFunc(records, func(r *stream.Record) bool { return r.Partition == w.partition() && r.Offset == end-1 })
	})
	var list []evidence.Record
	for _, record := range records {
		if parsed, err := evidence.Parse(record.Key, record.Value); err == nil && record.Partition == w.partition() {
			list = append(list, parsed)
		}
	}
	return list
}

// edges are the records about pairs in the log.
func (w *world) edges() []*evidence.Edge {
	w.t.Helper()
	return ofKind[*evidence.Edge](w.logged())
}

func ofKind[T evidence.Record](records []evidence.Record) []T {
	var list []T
	for _, record := range records {
		if wanted, ok := record.(T); ok {
			list = append(list, wanted)
		}
	}
	return list
}

// rule appends records to the evidence log, as an operator's tool would, and returns the position at which
// they are true.
func (w *world) rule(records ...evidence.Record) int64 {
	w.t.Helper()
	messages := make([]*stream.Record, len(records))
	for i, record := range records {
		messages[i] = &stream.Record{Topic: stream.Evidence, Partition: w.partition(), Key: record.AppendKey(nil), Value: record.AppendValue(nil)}
	}
	w.send(messages...)
	return messages[len(messages)-1].Offset + 1
}

func contains(record *stream.Record, text string) bool {
	lower := bytes.ToLower([]byte(text))
	return bytes.Contains(bytes.ToLower(record.Key), lower) || bytes.Contains(bytes.ToLower(record.Value), lower)
}
