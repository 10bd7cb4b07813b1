package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
)

const (
	identityEvents   = 100_000
	identityVisitors = 5_000
	// identitySuffix is what identity adds to the bytes of an event: three ids and a position.
	identitySuffix = 60
)

// BenchmarkIdentity runs the stage between two runs of its limit loop: with a person known by one pair, all of whose
// events after the first say nothing new, and with one event in thirty-three that brings a new pair.
func BenchmarkIdentity(b *testing.B) {
	cfg := identity.DefaultConfig()
	known := stage{
		in: stream.Touchpoints, out: stream.Identified, events: identityEvents,
		fill: func(b *testing.B, p service.Platform) { identityFill(b, p, 0) },
		run:  func(ctx context.Context, p service.Platform) error { return identity.Run(ctx, cfg, p) },
	}
	fresh := known
	fresh.fill = func(b *testing.B, p service.Platform) { identityFill(b, p, 33) }
	limit := known
	limit.run = known.limit(stream.Consumer{
		Group: "limit", Topics: []string{stream.Touchpoints},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, identitySuffix)
	for b.Loop() {
		for _, round := range []struct {
			name string
			stage
		}{{"limit", limit}, {"known", known}, {"new_3_percent", fresh}, {"limit", limit}} {
			round.round(b).report(b, round.name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// identityFill writes events of visitors with a cookie and an account; every freshth event has a cookie never seen.
func identityFill(b *testing.B, p service.Platform, fresh int) {
	b.Helper()
	id, err := p.Registry.Register(b.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	event := *orderCompleted()
	event.Workspace = "default"
	var records []*stream.Record
	for i := range identityEvents {
		visitor := i % identityVisitors
		cookie := fmt.Sprintf("cookie-%d", visitor)
		if fresh > 0 && i%fresh == 0 {
			cookie = fmt.Sprintf("new-cookie-%d", i)
		}
		event.Identifiers = []schemas.Identifier{
			{Type: "user_id", Value: fmt.Sprintf("user-%d", visitor)}, {Type: "anonymous_id", Value: cookie},
		}
		records = append(records, &stream.Record{
			Topic: stream.Touchpoints, Key: fmt.Appendf(nil, "visitor-%d", visitor), Value: event.AppendAvro(schemas.AppendHeader(nil, id)),
		})
		if len(records) == 5000 {
			if err := p.Kafka.Produce(b.Context(), records...); err != nil {
				b.Fatal(err)
			}
			records = nil
		}
	}
}
