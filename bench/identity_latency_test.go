package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
)

const (
	latencyRate    = 2_000 // events per second, whether the stage follows or not
	latencySeconds = 4
	latencyEvents  = latencyRate * latencySeconds
	latencyTick    = 5 * time.Millisecond
	sentHeader     = "sent"
	kioskUsers     = 100_000
)

// BenchmarkIdentityLatency measures from produce to the identified event in a consumer's hand, at a constant rate,
// between two runs of the limit loop.
func BenchmarkIdentityLatency(b *testing.B) {
	cfg := identity.DefaultConfig()
	run := func(ctx context.Context, p service.Platform) error { return identity.Run(ctx, cfg, p) }
	limit := stage{out: stream.Identified}.limit(stream.Consumer{
		Group: "limit", Topics: []string{stream.Touchpoints},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, identitySuffix)
	for b.Loop() {
		latencyRound(b, "limit", limit, 0, nil)
		latencyRound(b, "known", run, 0, nil)
		latencyRound(b, "new_3_percent", run, 33, nil)
		latencyRound(b, "new_20_percent", run, 5, nil)
		latencyRound(b, "limit", limit, 0, nil)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdentityKiosk measures the events of people who have never been near a kiosk with a hundred thousand users
// while one event in four is its, and while it stands still.
func BenchmarkIdentityKiosk(b *testing.B) {
	run := func(ctx context.Context, p service.Platform) error {
		return identity.Run(ctx, identity.DefaultConfig(), p)
	}
	for b.Loop() {
		for range 2 {
			latencyRound(b, "without_kiosk", run, 0, nil)
			latencyRound(b, "with_kiosk", run, 0, kioskEvent)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// kioskEvent is the event of one more user of the kiosk.
func kioskEvent(event *schemas.Touchpoint, i int) {
	event.Identifiers = []schemas.Identifier{
		{Type: "device_id", Value: "the-kiosk"}, {Type: "user_id", Value: fmt.Sprintf("kiosk-user-%d", i)},
	}
}

// latencyRound brings the stage up with everything known, and then sends at the constant rate. With a special, every
// fourth event is one, after as many of them as the kiosk has users, and they are not in the latency.
func latencyRound(b *testing.B, name string, run func(context.Context, service.Platform) error, fresh int, special func(*schemas.Touchpoint, int)) {
	b.Helper()
	p := newPlatform(b)
	if err := p.Kafka.EnsureTopics(b.Context(), stream.Touchpoints, stream.Identified, stream.Rejected); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ran, followed := make(chan error, 1), make(chan error, 1)
	go func() { ran <- run(ctx, p) }()
	people := traffic{events: identityVisitors, visitors: identityVisitors}
	people.fill(b, p)
	before := identityVisitors
	schemaID, err := p.Registry.Register(b.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	event := *orderCompleted()
	event.Workspace = p.Workspace.Name
	kiosk := func(i int) *stream.Record {
		special(&event, i)
		return &stream.Record{Topic: stream.Touchpoints, Key: fmt.Appendf(nil, "kiosk-%d", i), Value: event.AppendAvro(schemas.AppendHeader(nil, schemaID))}
	}
	if special != nil {
		var records []*stream.Record
		for i := range kioskUsers {
			if records = append(records, kiosk(i)); len(records) == 5_000 {
				if err := p.Kafka.Produce(b.Context(), records...); err != nil {
					b.Fatal(err)
				}
				records = records[:0]
			}
		}
		before += kioskUsers
	}
	stage{out: stream.Identified}.wait(b, p.Kafka, before)

	latencies, done := make([]time.Duration, 0, latencyEvents), make(chan struct{})
	want := latencyEvents
	if special != nil {
		want -= latencyEvents / 4
	}
	go func() {
		followed <- p.Kafka.Tail(ctx, stream.Identified, func(_ context.Context, records []*stream.Record) error {
			now := time.Now().UnixNano()
			for _, record := range records {
				for _, header := range record.Headers {
					if header.Key == sentHeader {
						latencies = append(latencies, time.Duration(now-int64(binary.BigEndian.Uint64(header.Value))))
					}
				}
			}
			if len(latencies) == want {
				close(done)
			}
			return nil
		})
	}()
	people.fresh = fresh
	next := people.maker(b, p)
	produced := make(chan error, latencyEvents)
	send := func(from, n int) {
		records := make([]*stream.Record, n)
		for i := range records {
			if special != nil && (from+i)%4 == 0 {
				records[i] = kiosk(kioskUsers + from + i)
				continue
			}
			records[i] = next(identityVisitors + from + i)
			records[i].Headers = []stream.Header{{Key: sentHeader, Value: binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))}}
		}
		go func() { produced <- p.Kafka.Produce(ctx, records...) }()
	}
	warm(b, p, next)
	began, tick := time.Now(), time.NewTicker(latencyTick)
	defer tick.Stop()
	sent, calls := 0, 0
	for sent < latencyEvents {
		<-tick.C
		if n := min(int(time.Since(began).Seconds()*latencyRate), latencyEvents) - sent; n > 0 {
			send(sent, n)
			sent, calls = sent+n, calls+1
		}
	}
	for range calls {
		if err := <-produced; err != nil {
			b.Fatal(err)
		}
	}
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		b.Fatalf("%d of %d events came", len(latencies), want)
	}
	stop()
	for _, err := range []error{<-ran, <-followed} {
		if err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return float64(latencies[int(q*float64(len(latencies)-1))].Microseconds()) / 1000
	}
	b.Logf("%-15s p50 %5.1f ms  p90 %5.1f ms  p99 %5.1f ms  max %5.1f ms", name, at(0.5), at(0.9), at(0.99), at(1))
	b.ReportMetric(at(0.5), name+"_p50_ms")
	b.ReportMetric(at(0.99), name+"_p99_ms")
}

// warm sends events until they come out: the reader stands at the end of the topic then.
func warm(b *testing.B, p service.Platform, next func(i int) *stream.Record) {
	b.Helper()
	const rounds = 20
	for i := range rounds {
		ends, err := p.Kafka.EndOffsets(b.Context(), stream.Identified)
		if err != nil {
			b.Fatal(err)
		}
		sum := 1
		for _, end := range ends {
			sum += int(end)
		}
		if err := p.Kafka.Produce(b.Context(), next(i+1)); err != nil {
			b.Fatal(err)
		}
		stage{out: stream.Identified}.wait(b, p.Kafka, sum)
	}
}
