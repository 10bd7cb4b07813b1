package identity

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// bench is a stitcher whose evidence is applied at once: what is measured is this package, without the
// broker's share.
type bench struct {
	*stitcher
	position int64
}

func newBench(b testing.TB) *bench {
	b.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	cfg := DefaultConfig()
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		b.Fatal(err)
	}
	conf := registry.DefaultConfig()
	conf.URL = registrytest.Serve(b)
	reg, err := registry.New(conf, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	rejects, err := quarantine.New(b.Context(), reg, "identity")
	if err != nil {
		b.Fatal(err)
	}
	m := newMetrics(prometheus.NewRegistry())
	replica, err := openReplica(b.Context(), opening{
		workspace: ws.Name, suppression: func(node uuid.UUID) evidence.SuppressionKey { return ids.SuppressionKey(node) },
		extent: stream.Extent{TopicID: "bench"}, log: zap.NewNop(), metrics: m,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := replica.store.Close(); err != nil {
			b.Error(err)
		}
	})
	s := &bench{stitcher: &stitcher{
		cfg: cfg, workspace: ws.Name, ids: ids, registry: reg, quarantine: rejects, metrics: m, log: zap.NewNop(),
		replica: replica, inputs: make(map[int32]*input),
	}}
	rules, err := ruleset(cfg, ids)
	if err != nil {
		b.Fatal(err)
	}
	s.apply(b, &evidence.Rules{Workspace: ws.Name, Rules: rules})
	return s
}

// apply applies records as if they had been in the log and published.
func (s *bench) apply(b testing.TB, records ...evidence.Record) {
	b.Helper()
	messages := make([]*stream.Record, len(records))
	for i, record := range records {
		messages[i] = evidenceRecord(s.workspace, record)
		messages[i].Offset = s.position
		s.position++
	}
	if err := s.replica.forget(s.position); err != nil {
		b.Fatal(err)
	}
	if err := s.replica.apply(b.Context(), messages); err != nil {
		b.Fatal(err)
	}
}

// process is handle without Kafka.
func (s *bench) process(b testing.TB, records []*stream.Record) {
	s.batch.reset()
	if err := s.readAll(b.Context(), &s.batch, []stream.Range{{Records: records}}); err != nil {
		b.Fatal(err)
	}
	s.collect(&s.batch)
	missing := make([]evidence.Record, len(s.batch.missing))
	for i := range s.batch.missing {
		missing[i] = &s.batch.missing[i]
	}
	s.apply(b, missing...)
	if !s.resolve(&s.batch) {
		b.Fatal("somebody was erased meanwhile")
	}
	if n := len(s.batch.output()); n != len(records) {
		b.Fatalf("%d records became %d", len(records), n)
	}
}

// touchpoints makes n events of an ordinary mix of known people: page views of one cookie, cookies of
// people who are signed in, tickets with a card and an e-mail. Of the signed-in ones, fresh per thousand
// show a new cookie.
func touchpoints(b testing.TB, reg *registry.Registry, from, n, fresh int) []*stream.Record {
	b.Helper()
	schemaID, err := reg.Register(b.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	const people = 20_000
	records := make([]*stream.Record, n)
	for i := range n {
		who := (from + i) * 7919 % people
		cookie := schemas.Identifier{Type: "anonymous_id", Value: fmt.Sprintf("8f14e45f-ceea-467f-a5b6-%012d", who)}
		if i%1000 < fresh {
			cookie.Value = fmt.Sprintf("8f14e45f-ceea-467f-ffff-%012d", from+i)
		}
		user := schemas.Identifier{Type: "user_id", Value: fmt.Sprintf("user-%08d", who)}
		at := schemas.MillisOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).Add(time.Duration(from+i) * time.Millisecond))
		t := schemas.Touchpoint{
			EventID: uuid.New(), MessageID: uuid.NewString(), Workspace: "default", Source: "web", Channel: "web", Type: "track",
			Name: "Product Viewed", OccurredAt: at, ReceivedAt: at, Properties: `{"product_id":"p-1","list":"home","position":4}`, Traits: "{}",
		}
		t.Context.UserAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
		switch {
		case i%1000 < fresh, i%10 >= 6:
			t.Identifiers = []schemas.Identifier{cookie, user}
		case i%10 == 5:
			t.Identifiers = []schemas.Identifier{
				{Type: "loyalty_card", Value: fmt.Sprintf("29900%08d", who)},
				{Type: "email", Value: fmt.Sprintf("client.%d@orange.fr", who)},
				{Type: "phone", Value: fmt.Sprintf("06 12 %02d %02d %02d", who/10000, who/100%100, who%100)},
			}
		default:
			t.Identifiers = []schemas.Identifier{cookie}
		}
		records[i] = &stream.Record{
			Topic: stream.Touchpoints, Key: make([]byte, 36), Value: t.AppendAvro(schemas.AppendHeader(nil, schemaID)),
		}
	}
	return records
}

// BenchmarkStitch measures this stage alone, without the broker: events a second of one goroutine, when
// every pair is known and when 3 in 100 events bring a new one.
func BenchmarkStitch(b *testing.B) {
	const size = 5_000
	for _, c := range []struct {
		name  string
		fresh int
	}{{"all_known", 0}, {"three_percent_new", 30}} {
		b.Run(c.name, func(b *testing.B) {
			s := newBench(b)
			known := touchpoints(b, s.registry, 0, 40_000, 0)
			for i := 0; i < len(known); i += size {
				s.process(b, known[i:i+size])
			}
			b.ReportAllocs()
			measure(b, size, func(i int) []*stream.Record {
				if c.fresh == 0 {
					return known[i%8*size:][:size]
				}
				return touchpoints(b, s.registry, (i+100)*size, size, c.fresh)
			}, func(records []*stream.Record) { s.process(b, records) })
		})
	}
}

// measure reports wall time and the CPU time of the process (with the broker, where there is one), which
// says more on a busy machine.
func measure(b *testing.B, size int, prepare func(i int) []*stream.Record, work func([]*stream.Record)) {
	b.Helper()
	var cpu time.Duration
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		records := prepare(i)
		before := cpuTime(b)
		b.StartTimer()
		work(records)
		b.StopTimer()
		cpu += cpuTime(b) - before
		b.StartTimer()
	}
	b.StopTimer()
	events := float64(b.N) * float64(size)
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/events, "cpu-ns/event")
	b.ReportMetric(0, "ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkHandle measures the whole step with the broker in process: evidence appended and awaited,
// events written and acknowledged.
func BenchmarkHandle(b *testing.B) {
	const size = 5_000
	for _, fresh := range []int{0, 30} {
		b.Run(fmt.Sprintf("new_per_thousand=%d", fresh), func(b *testing.B) {
			s := newBench(b)
			cfg := streamtest.Config(streamtest.Broker(b))
			kafka, err := stream.Connect(cfg, zap.NewNop(), prometheus.NewRegistry())
			if err != nil {
				b.Fatal(err)
			}
			defer kafka.Close()
			if err := kafka.EnsureTopics(b.Context(), stream.Identified, stream.Evidence, stream.Rejected); err != nil {
				b.Fatal(err)
			}
			s.kafka = kafka
			// The log has the rules, too.
			rules, _ := s.replica.graph.Rules()
			if err := kafka.Produce(b.Context(), evidenceRecord(s.workspace, &rules)); err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			followed := make(chan error, 1)
			go func() {
				followed <- kafka.FollowFrom(ctx, stream.Evidence, s.replica.partition, s.position, s.replica.apply)
			}()
			known := touchpoints(b, s.registry, 0, 40_000, 0)
			for i := 0; i < len(known); i += size {
				if err := s.handle(b.Context(), []stream.Range{{Records: known[i : i+size]}}); err != nil {
					b.Fatal(err)
				}
			}
			measure(b, size, func(i int) []*stream.Record {
				if fresh == 0 {
					return known[i%8*size:][:size]
				}
				return touchpoints(b, s.registry, (i+100)*size, size, fresh)
			}, func(records []*stream.Record) {
				if err := s.handle(b.Context(), []stream.Range{{Records: records}}); err != nil {
					b.Fatal(err)
				}
			})
			stop()
			if err := <-followed; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// A known event costs one allocation for the text of its nodes, and the bookkeeping of a batch little.
func TestHotPathAllocations(t *testing.T) {
	if underRace {
		t.Skip("allocations are not counted under the race detector")
	}
	s := newBench(t)
	const size = 2_000
	known := touchpoints(t, s.registry, 0, size, 0)
	s.process(t, known)
	s.process(t, known)
	perEvent := testing.AllocsPerRun(5, func() { s.process(t, known) }) / size
	if perEvent > 1.1 {
		t.Errorf("%.2f allocations an event, want 1", perEvent)
	}
	if len(s.batch.missing) != 0 {
		t.Errorf("%d known pairs are missing", len(s.batch.missing))
	}
}

// Somebody can be erased while a batch waits for its evidence: it must not go out with what was read before.
func TestErasedWhileABatchIsInHand(t *testing.T) {
	s := newBench(t)
	records := []stream.Range{{Records: touchpoints(t, s.registry, 0, 10, 0)}}
	read := func() {
		t.Helper()
		s.batch.reset()
		if err := s.readAll(t.Context(), &s.batch, records); err != nil {
			t.Fatal(err)
		}
	}
	read()
	e := s.batch.events[0]
	erased := s.batch.resolved[s.batch.order[e.orderFrom]].Node
	s.apply(t, &evidence.Erase{Workspace: s.workspace, Nodes: []uuid.UUID{erased}, Note: evidence.Note{At: e.firstSeen}})
	if s.resolve(&s.batch) {
		t.Fatal("a batch that was read before the erasure went out")
	}
	read()
	if !s.resolve(&s.batch) || s.batch.forgotten == 0 {
		t.Errorf("read again, %d events are dropped", s.batch.forgotten)
	}
	for i := range s.batch.resolved {
		if s.batch.resolved[i].Node == erased {
			t.Error("the erased node is still there")
		}
	}
}
