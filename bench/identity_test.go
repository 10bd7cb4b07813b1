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

// BenchmarkIdentity runs the stage between two runs of its limit loop: with events of a lone cookie, with people known
// by one pair, all of whose events after the first say nothing new, and with one event in thirty-three, or in five,
// that brings a new pair.
func BenchmarkIdentity(b *testing.B) {
	cfg := identity.DefaultConfig()
	mix := func(traffic traffic) stage {
		return stage{
			in: stream.Touchpoints, out: stream.Identified, events: identityEvents,
			fill: func(b *testing.B, p service.Platform) { traffic.fill(b, p) },
			run:  func(ctx context.Context, p service.Platform) error { return identity.Run(ctx, cfg, p) },
		}
	}
	known := mix(traffic{events: identityEvents, visitors: identityVisitors})
	single := mix(traffic{events: identityEvents, visitors: identityVisitors, single: true})
	some := mix(traffic{events: identityEvents, visitors: identityVisitors, fresh: 33})
	many := mix(traffic{events: identityEvents, visitors: identityVisitors, fresh: 5})
	limit := known
	limit.run = known.limit(stream.Consumer{
		Group: "limit", Topics: []string{stream.Touchpoints},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, identitySuffix)
	for b.Loop() {
		for _, round := range []struct {
			name string
			stage
		}{{"limit", limit}, {"single", single}, {"known", known}, {"new_3_percent", some}, {"new_20_percent", many}, {"limit", limit}} {
			round.round(b).report(b, round.name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// traffic is a stream of events of visitors with a cookie and an account, or with a cookie alone. Every freshth event
// has a cookie never seen; 0 is none.
type traffic struct {
	events, visitors, fresh int
	single                  bool
	// from numbers the first event.
	from int
}

func (t traffic) fill(b *testing.B, p service.Platform) {
	b.Helper()
	next := t.maker(b, p)
	var records []*stream.Record
	for i := range t.events {
		if records = append(records, next(t.from+i)); len(records) == 5000 || i == t.events-1 {
			if err := p.Kafka.Produce(b.Context(), records...); err != nil {
				b.Fatal(err)
			}
			records = nil
		}
	}
}

// maker makes the traffic's events by number.
func (t traffic) maker(b *testing.B, p service.Platform) func(i int) *stream.Record {
	b.Helper()
	id, err := p.Registry.Register(b.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	event := *orderCompleted()
	event.Workspace = p.Workspace.Name
	return func(i int) *stream.Record {
		visitor := i % t.visitors
		cookie := fmt.Sprintf("cookie-%d", visitor)
		if t.fresh > 0 && i%t.fresh == 0 {
			cookie = fmt.Sprintf("new-cookie-%d", i)
		}
		event.Identifiers = []schemas.Identifier{{Type: "anonymous_id", Value: cookie}}
		if !t.single {
			event.Identifiers = append(event.Identifiers, schemas.Identifier{Type: "user_id", Value: fmt.Sprintf("user-%d", visitor)})
		}
		return &stream.Record{
			Topic: stream.Touchpoints, Key: fmt.Appendf(nil, "visitor-%d", visitor), Value: event.AppendAvro(schemas.AppendHeader(nil, id)),
		}
	}
}
