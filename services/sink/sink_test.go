package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

func TestMain(m *testing.M) {
	if sink.IsLedgerSink() {
		sink.RunLedgerSink()
		return
	}
	enginetest.Main(m)
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// rig is the sink with a broker and a registry of its own, on the tests' engine.
type rig struct {
	t         *testing.T
	workspace string
	// priorities of sources, as configured.
	priorities []workspace.SourcePriority
	brokers    []string
	kafka      *stream.Client
	registry   *registry.Registry
	db         *warehouse.Warehouse
	cfg        sink.Config
	schemaID   int32
	metrics    *prometheus.Registry
	ready      *service.Readiness
	stop       func() error
	mayFail    bool // the sink is not expected to stop cleanly
}

// newRig prepares all but does not run the sink. Tests share one database, so each has a workspace of its own.
func newRig(t *testing.T) *rig {
	t.Helper()
	cfg := sink.DefaultConfig()
	cfg.ClickHouse.Addresses = []string{enginetest.Start(t)}
	cfg.BatchWait = 50 * time.Millisecond
	cfg.RetryWait = 200 * time.Millisecond
	r := &rig{
		t: t, workspace: "w" + uuid.NewString()[:8], cfg: cfg,
		brokers: streamtest.Broker(t), registry: registrytest.Client(t),
	}
	r.kafka = streamtest.Client(t, r.brokers)
	if err := warehouse.Migrate(t.Context(), cfg.ClickHouse, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	r.db = open(t, cfg.ClickHouse)
	var err error
	if r.schemaID, err = r.registry.Register(t.Context(), stream.Enriched, schemas.EnrichedTouchpointSchema()); err != nil {
		t.Fatal(err)
	}
	r.ensureTopics()
	return r
}

// alone takes away the events of other tests. Their logs have the names and offsets of this one's, so that the sink takes
// it for one that goes back, and asks what is there.
func (r *rig) alone() {
	r.t.Helper()
	for _, table := range []string{"events", "rejected_events"} {
		if err := r.db.Exec(r.t.Context(), "TRUNCATE TABLE "+table); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) ensureTopics() {
	r.t.Helper()
	if err := r.kafka.EnsureTopics(r.t.Context(), stream.Enriched, stream.Rejected, stream.IdentityMap, stream.IdentityAudit, stream.Attributes); err != nil {
		r.t.Fatal(err)
	}
}

func open(t testing.TB, cfg warehouse.Config) *warehouse.Warehouse {
	t.Helper()
	db, err := warehouse.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// platform is what the sink runs on; its metrics and readiness are its own.
func (r *rig) platform() service.Platform {
	log := zaptest.NewLogger(r.t)
	host := service.NewHost(log)
	r.metrics, r.ready = prometheus.NewRegistry(), host.Ready
	return service.Platform{
		Workspace: workspace.Config{Name: r.workspace, Currency: "EUR", SourcePriorities: r.priorities},
		Kafka:     r.kafka, Registry: r.registry, Log: log.Named("sink"), Metrics: r.metrics, Ready: host.Ready,
	}
}

// run starts the sink; it stops with the test, or earlier with r.stop.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	platform := r.platform()
	go func() { done <- sink.Run(ctx, r.cfg, platform) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	r.t.Cleanup(func() {
		if err := r.stop(); err != nil && !r.mayFail && !errors.Is(err, context.Canceled) {
			r.t.Error(err)
		}
	})
}

// produce writes touchpoints to one partition, framed, in order.
func (r *rig) produce(touchpoints ...*schemas.EnrichedTouchpoint) {
	r.t.Helper()
	records := make([]*stream.Record, len(touchpoints))
	for i, t := range touchpoints {
		records[i] = r.record(t)
	}
	r.send(records...)
}

func (r *rig) send(records ...*stream.Record) {
	r.t.Helper()
	if err := r.kafka.Produce(r.t.Context(), records...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) record(t *schemas.EnrichedTouchpoint) *stream.Record {
	t.Workspace = r.workspace
	value := t.AppendAvro(schemas.AppendHeader(nil, r.schemaID))
	return &stream.Record{Topic: stream.Enriched, Key: []byte(r.workspace), Value: value}
}

// rows answers a query; %s in it is the workspace, quoted.
func (r *rig) rows(query string) [][]string {
	r.t.Helper()
	table, err := r.db.Query(r.t.Context(), fmt.Sprintf(query, "'"+r.workspace+"'"))
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return table.Rows
}

// eventually polls the query until its only value is want.
func (r *rig) eventually(query, want string) {
	r.t.Helper()
	var got string
	poll(r.t, func() bool {
		got = ""
		if rows := r.rows(query); len(rows) > 0 {
			got = rows[0][0]
		}
		return got == want
	}, func() string {
		rejected := r.rows("SELECT reason, field, detail FROM rejected_events WHERE %s != '' ORDER BY _ingested_at DESC LIMIT 3")
		return fmt.Sprintf("%s is %q, want %q; last rejected: %q", query, got, want, rejected)
	})
}

// poll waits until done, or fails with what is the matter.
func poll(t testing.TB, done func() bool, matter func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if done() {
			return
		}
	}
	t.Fatalf("after %s: %s", patience, matter())
}

// metric is the sum of a metric over those of its labels that contain the text.
func (r *rig) metric(name, label string) float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if strings.Contains(fmt.Sprint(m.GetLabel()), label) {
				sum += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func node(n byte) uuid.UUID { return uuid.UUID{15: n} }

// event is the smallest touchpoint the tables take.
func event(n byte, name string) *schemas.EnrichedTouchpoint {
	t := &schemas.EnrichedTouchpoint{}
	t.EventID = uuid.New()
	t.MessageID = t.EventID.String()
	t.Source, t.Channel, t.Type, t.Name = "web", "web", "track", name
	t.OccurredAt = schemas.MillisOf(time.Date(2026, 3, 1, 10, 0, int(n), 0, time.UTC))
	t.ReceivedAt = schemas.MillisOf(time.Now()) // rows are kept for a time from here
	t.Anchor, t.AnchorType, t.CustomerID = node(n), "anonymous_id", node(n)
	t.Identifiers = []schemas.Identifier{{Type: "anonymous_id", Value: node(n).String()}}
	return t
}

func TestEventsArrive(t *testing.T) {
	r := newRig(t)
	r.run()
	r.produce(event(1, "Product Viewed"), event(2, "Product Added"))
	r.eventually("SELECT count() FROM customer_events WHERE workspace = %s", "2")
}
