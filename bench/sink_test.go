package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// enriched is the i-th event of a shop: one in ten an order, the others page views; seven of each visitor.
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
	e.Identifiers = []schemas.Identifier{{Type: "user_id", Value: node.String()}, {Type: "anonymous_id", Value: uuid.NewSHA1(uuid.NameSpaceDNS, node[:]).String()}}
	e.Properties = `{"list":"home","position":` + strconv.Itoa(i%24) + `}`
	e.Anchor, e.AnchorType, e.CustomerID = node, "user_id", node
	e.Device = schemas.Some(schemas.Device{Class: "desktop", Brand: "Apple", OS: "macOS", OSVersion: "10.15", Browser: "Safari", BrowserVersion: "17.4"})
	e.Traffic = schemas.Some(schemas.Traffic{Source: "newsletter", Medium: "email", Campaign: "soldes-hiver", ChannelGroup: "email"})
	e.Calendar = schemas.Some(schemas.Calendar{Timezone: "Europe/Paris", LocalDate: schemas.DateOf(2026, 3, 14), Hour: 16, Weekday: 6, IsWeekend: true})
	e.Enrichments = []schemas.Enrichment{{Name: "device", Version: "1", Status: "applied"}, {Name: "campaign", Version: "1", Status: "applied"}, {Name: "calendar", Version: "1", Status: "applied"}}
	return e
}

// BenchmarkSink brings the same events into ClickHouse in several ways, each alone in a process of its own, in turn:
//
//   - ready blocks: their columns as Native blocks that ClickHouse itself wrote, from memory. It is the limit: no Kafka,
//     nothing to decode, nothing to remember.
//   - sink: the sink as it runs in production, from Kafka.
//   - goavro loop: a map of each record, a row appended for each, commit after send.
//   - JSON passthrough: the events as JSON on a topic, by a stream processor over HTTP; only with PARCOURS_BENCH_CONNECT.
//     Once with the columns alone that have a value, and once with every column, as all others but the loop write.
//
// A round of each is measured from the moment at which all its events are there until the last is committed. The engine
// merges nothing meanwhile: what the merges of the parts that a round has left take is measured apart, when it is over.
func BenchmarkSink(b *testing.B) {
	y := newYard(b)
	y.prepare(b)
	ways := []way{y.readyBlocks(), y.sinkWay(), y.loopWay()}
	if program := os.Getenv(connectEnv); program != "" {
		ways = append(ways, y.connectWay(program, "JSON passthrough", y.json), y.connectWay(program, "JSON, every column", y.fullJSON))
	} else {
		b.Logf("JSON passthrough is left out: name the program with %s, as make bench-sink does", connectEnv)
	}
	y.execute(b, "SYSTEM STOP MERGES")
	rounds := make([][]round, len(ways))
	for b.Loop() {
		for i, way := range ways {
			y.empty(b)
			rounds[i] = append(rounds[i], way.run(b))
			b.Logf("%-18s %s", way.name, rounds[i][len(rounds[i])-1])
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	limit, ours := average(rounds[0]), average(rounds[1])
	for i, way := range ways {
		m := average(rounds[i])
		b.Logf("%-18s mean of %d: %s; of ready blocks: wall %.2f, all CPU %.2f, engine's %.2f; the sink of it: wall %.2f, all CPU %.2f, engine's %.2f",
			way.name, len(rounds[i]), m, m.rate/limit.rate, (m.own+m.engine)/(limit.own+limit.engine), m.engine/limit.engine,
			ours.rate/m.rate, (ours.own+ours.engine)/(m.own+m.engine), ours.engine/m.engine)
		name := strings.NewReplacer(" ", "_", ",", "").Replace(way.name)
		b.ReportMetric(m.rate, name+"_rows/s")
		b.ReportMetric(m.own, name+"_own_cpu_us/row")
		b.ReportMetric(m.engine, name+"_engine_cpu_us/row")
	}
}

const (
	// sinkRows are the rows of a round; the slow ways get fewer.
	sinkRows = 400_000
	slowRows = 50_000
	// warmRows go before, so that the start is not measured.
	warmRows = 24_000
	// preparedRows are those of which the blocks and the JSON are made.
	preparedRows = 120_000
	// memoryRows is N: the memory of the sink is read after so many, and after four times as many.
	memoryRows = 400_000
)

// way is one of the ways.
type way struct {
	name string
	run  func(b *testing.B) round
}

// round is a result: rows a second, processor time in microseconds a row of the process, of the engine and of its
// merges afterwards, rows of an insert, and the largest resident memory of the process in MB.
type round struct{ rate, own, engine, merges, block, peak float64 }

func (r round) String() string {
	return fmt.Sprintf("%7.0f rows/s, CPU us a row: own %5.1f, engine %5.1f, its merges %5.1f; %6.0f rows an insert; at most %4.0f MB resident", r.rate, r.own, r.engine, r.merges, r.block, r.peak)
}

func average(rounds []round) (m round) {
	n := float64(len(rounds))
	for _, r := range rounds {
		m.rate, m.own, m.engine, m.merges = m.rate+r.rate/n, m.own+r.own/n, m.engine+r.engine/n, m.merges+r.merges/n
		m.block, m.peak = m.block+r.block/n, max(m.peak, r.peak)
	}
	return m
}

// yard is what all ways share: the engine, a registry, and what was prepared.
type yard struct {
	address  string
	engine   int
	registry string
	schema   int32
	cfg      sink.Config
	db       *warehouse.Warehouse
	columns  []string
	blocks   []string // files
	json     [][]byte // rows, without the columns that have no value
	fullJSON [][]byte
}

func newYard(b *testing.B) *yard {
	b.Helper()
	y := &yard{address: enginetest.Start(b), registry: registrytest.Serve(b)}
	for _, child := range children(b, os.Getpid()) {
		y.engine = child
	}
	y.cfg = mover{ClickHouse: y.address}.sink()
	if err := warehouse.Migrate(b.Context(), y.cfg.ClickHouse, sink.Migrations(), zap.NewNop()); err != nil {
		b.Fatal(err)
	}
	var err error
	if y.db, err = warehouse.Open(y.cfg.ClickHouse); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := y.db.Close(); err != nil {
			b.Error(err)
		}
	})
	conf := registry.DefaultConfig()
	conf.URL = y.registry
	reg, err := registry.New(conf, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	if y.schema, err = reg.Register(b.Context(), stream.Enriched, schemas.EnrichedTouchpointSchema()); err != nil {
		b.Fatal(err)
	}
	return y
}

// records are events as the enricher writes them.
func (y *yard) records(from, to int) []*stream.Record {
	records := make([]*stream.Record, 0, to-from)
	for i := from; i < to; i++ {
		e := enriched(i)
		records = append(records, &stream.Record{Topic: stream.Enriched, Key: []byte(e.Anchor.String()), Value: e.AppendAvro(schemas.AppendHeader(nil, y.schema))})
	}
	return records
}

func (y *yard) sinkWay() way {
	return way{kindSink, func(b *testing.B) round {
		bus := newBus(b, stream.Enriched, sink.GroupTouchpoints)
		m := mover{Kind: kindSink, Brokers: bus.brokers, Registry: y.registry, ClickHouse: y.address, DataDir: b.TempDir()}
		return y.drain(b, bus, sinkRows, y.records, func() *moverProcess { return m.start(b) })
	}}
}

func (y *yard) loopWay() way {
	return way{kindLoop, func(b *testing.B) round {
		bus := newBus(b, stream.Enriched, loopGroup)
		m := mover{Kind: kindLoop, Brokers: bus.brokers, Registry: y.registry, ClickHouse: y.address}
		return y.drain(b, bus, slowRows, y.records, func() *moverProcess { return m.start(b) })
	}}
}

func (y *yard) readyBlocks() way {
	return way{kindReady, func(b *testing.B) round {
		m := mover{Kind: kindReady, ClickHouse: y.address, Blocks: y.blocks, Columns: y.columns}
		p := m.start(b)
		p.answers(b, "ready")
		p.order(b, strconv.Itoa(warmRows))
		p.answers(b, "done")
		rows := y.stored(b)
		measured := y.measure(b, p)
		p.order(b, strconv.Itoa(sinkRows))
		p.answers(b, "done")
		r := measured(func() int { return y.stored(b) - rows })
		p.stop(b)
		return r
	}}
}

// drain lets a process at rest find rows of events, and waits until it has committed all.
func (y *yard) drain(b *testing.B, bus *bus, rows int, records func(from, to int) []*stream.Record, start func() *moverProcess) round {
	b.Helper()
	bus.produce(b, records(0, warmRows))
	batch := records(warmRows, warmRows+rows)
	p := start()
	bus.await(b, p, warmRows)
	// It sees all of them at once.
	p.signal(b, syscall.SIGSTOP)
	bus.produce(b, batch)
	measured := y.measure(b, p)
	p.signal(b, syscall.SIGCONT)
	bus.await(b, p, int64(warmRows+rows))
	r := measured(func() int { return rows })
	if stored := y.stored(b); stored != warmRows+rows {
		b.Fatalf("%d rows are stored of %d", stored, warmRows+rows)
	}
	p.stop(b)
	return r
}

// measure starts the clocks; what it returns stops them.
func (y *yard) measure(b *testing.B, p *moverProcess) func(rows func() int) round {
	b.Helper()
	y.rest(b)
	parts := y.parts(b)
	began, own, engine := time.Now(), processCPU(b, p.pid()), processCPU(b, y.engine)
	return func(rows func() int) round {
		took := time.Since(began)
		own, engine = processCPU(b, p.pid())-own, processCPU(b, y.engine)-engine
		n := float64(rows())
		perRow := func(d time.Duration) float64 { return float64(d.Microseconds()) / n }
		r := round{
			rate: n / took.Seconds(), own: perRow(own), engine: perRow(engine),
			block: n / (y.parts(b) - parts),
			peak:  megabytes(b, p, "VmHWM"),
		}
		before := processCPU(b, y.engine)
		y.execute(b, "SYSTEM START MERGES")
		y.rest(b)
		r.merges = perRow(processCPU(b, y.engine) - before)
		y.execute(b, "SYSTEM STOP MERGES")
		return r
	}
}

// parts are the parts of the table, one for each insert while nothing is merged.
func (y *yard) parts(b *testing.B) float64 {
	b.Helper()
	return y.number(b, "SELECT count() FROM system.parts WHERE database = 'parcours' AND table = 'events' AND active")
}

// rest waits until the engine merges nothing and has needed next to no processor time for a while.
func (y *yard) rest(b *testing.B) {
	b.Helper()
	const idle, pause = 30 * time.Millisecond, 700 * time.Millisecond
	for before := time.Duration(0); ; {
		now := processCPU(b, y.engine)
		if now-before <= idle && y.number(b, "SELECT count() FROM system.merges") == 0 {
			return
		}
		before = now
		<-time.After(pause)
	}
}

func (y *yard) execute(b *testing.B, statement string) {
	b.Helper()
	if err := y.db.Exec(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}

// empty takes the rows of the round before away.
func (y *yard) empty(b *testing.B) {
	b.Helper()
	for _, table := range []string{"events", "contacts", "traits", "identifier_sightings"} {
		y.execute(b, "TRUNCATE TABLE parcours."+table+" SYNC")
	}
}

func (y *yard) stored(b *testing.B) int {
	b.Helper()
	return int(y.number(b, "SELECT count() FROM parcours.events"))
}

func (y *yard) number(b *testing.B, query string) float64 {
	b.Helper()
	var n float64
	if err := y.db.ScanRow(b.Context(), []any{&n}, "SELECT toFloat64(("+query+"))"); err != nil {
		b.Fatal(err)
	}
	return n
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
