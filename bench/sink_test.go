package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

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
)

// sinkRows is how many rows one iteration brings into ClickHouse.
const sinkRows = 100_000

// enriched is the i-th event of a shop: one in ten an order, the others page views.
func enriched(i int) *schemas.EnrichedTouchpoint {
	e := &schemas.EnrichedTouchpoint{}
	e.Touchpoint = *orderCompleted()
	if i%10 != 0 {
		e.Type, e.Name, e.Commerce = "page", "Category", schemas.Optional[schemas.Commerce]{}
	}
	node := uuid.NewSHA1(uuid.NameSpaceOID, []byte(strconv.Itoa(i/7)))
	e.EventID = uuid.NewSHA1(uuid.NameSpaceURL, []byte(strconv.Itoa(i)))
	e.MessageID = e.EventID.String()
	now := schemas.MillisOf(time.Now())
	e.OccurredAt, e.ReceivedAt = now, now
	e.OriginalTimestamp, e.SentAt = schemas.Some(now), schemas.Some(now)
	e.Identifiers = []schemas.Identifier{{Type: "user_id", Value: node.String()}, {Type: "anonymous_id", Value: e.MessageID}}
	e.Properties = `{"list":"home","position":` + strconv.Itoa(i%24) + `}`
	e.Anchor, e.AnchorType, e.CustomerID = node, "user_id", node
	e.Device = schemas.Some(schemas.Device{Class: "desktop", Brand: "Apple", OS: "macOS", OSVersion: "10.15", Browser: "Safari", BrowserVersion: "17.4"})
	e.Traffic = schemas.Some(schemas.Traffic{Source: "newsletter", Medium: "email", Campaign: "soldes-hiver", ChannelGroup: "email"})
	e.Calendar = schemas.Some(schemas.Calendar{Timezone: "Europe/Paris", LocalDate: schemas.DateOf(2026, 3, 14), Hour: 16, Weekday: 6, IsWeekend: true})
	e.Enrichments = []schemas.Enrichment{{Name: "device", Version: "1", Status: "applied"}, {Name: "campaign", Version: "1", Status: "applied"}, {Name: "calendar", Version: "1", Status: "applied"}}
	return e
}

// BenchmarkSink brings rows into ClickHouse: by the whole sink from a broker in this process, and, as the limit of it,
// the same rows as Native blocks that were ready in memory. Broker and sink are "own" processor time, ClickHouse is "engine".
func BenchmarkSink(b *testing.B) {
	cfg := sink.DefaultConfig()
	cfg.ClickHouse.Addresses = []string{enginetest.Start(b)}
	if err := warehouse.Migrate(b.Context(), cfg.ClickHouse, sink.Migrations(), zap.NewNop()); err != nil {
		b.Fatal(err)
	}
	db, err := warehouse.Open(cfg.ClickHouse)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	b.Run("kafka", func(b *testing.B) { benchKafka(b, cfg) })
	b.Run("ready_blocks", func(b *testing.B) { benchReadyBlocks(b, db, cfg.BatchRecords/streamtest.Config(nil).Partitions) })
}

func benchKafka(b *testing.B, cfg sink.Config) {
	brokers := streamtest.Broker(b)
	kafka := streamtest.Client(b, brokers)
	reg := registrytest.Client(b)
	rows := sinkRows * b.N
	load(b, kafka, reg, rows)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	before, engine := spentSoFar(b), engineCPU(b)
	b.ResetTimer()
	go func() {
		done <- sink.Run(ctx, cfg, service.Platform{
			Workspace: workspace.DefaultConfig(), Kafka: kafka, Registry: reg,
			Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: service.NewHost(zap.NewNop()).Ready,
		})
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for committed(b, kafka) < int64(rows) {
		select {
		case err := <-done:
			b.Fatalf("the sink ended: %v", err)
		case <-tick.C:
		}
	}
	b.StopTimer()
	report(b, before, engine, rows)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// load fills the topic before the sink is started.
func load(b *testing.B, kafka *stream.Client, reg *registry.Registry, rows int) {
	b.Helper()
	if err := kafka.EnsureTopics(b.Context(), stream.Enriched, stream.Rejected, stream.IdentityMap); err != nil {
		b.Fatal(err)
	}
	id, err := reg.Register(b.Context(), stream.Enriched, schemas.EnrichedTouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	var batch []*stream.Record
	for i := range rows {
		e := enriched(i)
		batch = append(batch, &stream.Record{Topic: stream.Enriched, Key: []byte(e.Anchor.String()), Value: e.AppendAvro(schemas.AppendHeader(nil, id))})
		if len(batch) == 5000 || i == rows-1 {
			if err := kafka.Produce(b.Context(), batch...); err != nil {
				b.Fatal(err)
			}
			batch = nil
		}
	}
}

func committed(b *testing.B, kafka *stream.Client) int64 {
	b.Helper()
	offsets, err := kafka.Committed(b.Context(), sink.GroupTouchpoints, stream.Enriched)
	if err != nil {
		b.Fatal(err)
	}
	total := int64(0)
	for _, offset := range offsets {
		total += offset
	}
	return total
}

// benchReadyBlocks inserts blocks that ClickHouse itself wrote from the rows of the sink.
func benchReadyBlocks(b *testing.B, db *warehouse.Warehouse, block int) {
	stream, err := db.Stream(b.Context(), "Native", fmt.Sprintf("SELECT * FROM parcours.events ORDER BY _offset LIMIT %d SETTINGS max_block_size = %d", block, block))
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(stream)
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		b.Fatal(err)
	}
	names, err := db.Query(b.Context(), "SELECT name FROM system.columns WHERE database = 'parcours' AND table = 'events' ORDER BY position")
	if err != nil {
		b.Fatal(err)
	}
	var columns []string
	for _, row := range names.Rows {
		columns = append(columns, row[0])
	}
	rows := 0
	before, engine := spentSoFar(b), engineCPU(b)
	b.ResetTimer()
	for rows < sinkRows*b.N {
		if err := db.InsertNative(b.Context(), "events", columns, uuid.NewString(), body); err != nil {
			b.Fatal(err)
		}
		rows += block
	}
	b.StopTimer()
	report(b, before, engine, rows)
}

// engineCPU is what the children of this process, of which the engine is one, have used.
func engineCPU(b *testing.B) time.Duration {
	b.Helper()
	var total time.Duration
	for _, child := range children(b, os.Getpid()) {
		total += processCPU(b, child)
	}
	return total
}

func report(b *testing.B, before spent, engine time.Duration, rows int) {
	b.Helper()
	cpu, allocations := before.since(b, float64(rows))
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(cpu, "own_cpu_us/row")
	b.ReportMetric(allocations, "own_allocs/row")
	b.ReportMetric(float64((engineCPU(b)-engine).Microseconds())/float64(rows), "engine_cpu_us/row")
	b.ReportMetric(0, "ns/op")
}
