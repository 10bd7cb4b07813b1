package sink

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var ledgerGroups = map[string]string{
	GroupTouchpoints: stream.Enriched, GroupRejected: stream.Rejected, GroupIdentityMap: stream.IdentityMap, GroupIdentityAudit: stream.IdentityAudit, GroupAttributes: stream.Attributes,
}

// ledgerFault is one of the schedule. Fire returns when it has happened, or false when it did not within ctx.
type ledgerFault struct {
	kind string
	fire func(ctx context.Context) bool
}

// ledgerSteps are where sinks are killed; some are met more than once in one range.
var ledgerSteps = []string{
	"planned", "deduplicated", "decoded", "inserted/events", "inserted/contacts", "inserted/traits", "inserted/rejected_events",
	"inserted/identity_changes", "inserted/identity_map", "asked/events", "asked/rejected_events", "settled", "quarantined", "committed", "indexed",
}

// faults are all kinds, of the wire, of the engine, and of the broker.
func (l *ledger) faults(rng *rand.Rand) []ledgerFault {
	var all []ledgerFault
	for _, f := range []wireFault{
		{kind: wireLost, table: "events"},
		{kind: wireLost, table: "rejected_events"},
		{kind: wireBad, table: "events"},
		{kind: wireRefused, table: "events"},
		{kind: wireRefused, table: "traits"},
		{kind: wireParts, table: "events"},
		{kind: wireStall, table: "events"},
		{kind: wireLate, table: "events"},
		{kind: wireLate, table: "rejected_events"},
		{kind: wireHalf, table: "events"},
		{kind: wireHalf, table: "contacts"},
		{kind: wireKillIn, table: "events"},
		{kind: wireKillAt, table: "events", delay: time.Duration(rng.IntN(40)) * time.Millisecond},
	} {
		all = append(all, ledgerFault{kind: f.kind + " (" + f.table + ")", fire: func(ctx context.Context) bool {
			if f.kind == wireLate {
				return l.late(ctx, f.table, nil)
			}
			return await(ctx, l.wire.arm(f))
		}})
	}
	for _, f := range []struct {
		kind  string
		fault kfake.Fault
	}{
		{"commit refused for a while", kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: GroupTouchpoints, Err: kerr.RebalanceInProgress, Count: 2}},
		{"commit obeyed, answer lost", kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: GroupTouchpoints, Err: kerr.RequestTimedOut, Count: 2}},
		{"commit of another generation", kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: GroupTouchpoints, Err: kerr.IllegalGeneration}},
		{"fetch fails", kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: stream.Enriched, Err: kerr.KafkaStorageError, Count: 4}},
		{"no coordinator", kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit}, Group: GroupTouchpoints, Err: kerr.NotCoordinator, Count: 3}},
		{"heartbeat says rebalance", kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: GroupTouchpoints, Err: kerr.RebalanceInProgress, TopLevel: true}},
		{"heartbeat of nobody", kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: GroupTouchpoints, Err: kerr.UnknownMemberID, TopLevel: true}},
		{"quarantine written, answer lost", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: stream.Rejected, Err: kerr.NotEnoughReplicasAfterAppend}},
	} {
		all = append(all, ledgerFault{kind: f.kind, fire: func(ctx context.Context) bool { return l.broker(ctx, f.fault) }})
	}
	return append(all,
		ledgerFault{"partitions moved", func(context.Context) bool {
			l.cluster.ShufflePartitionLeaders()
			return true
		}},
		ledgerFault{"coordinators moved", func(context.Context) bool {
			l.cluster.RehashCoordinators()
			return true
		}},
		ledgerFault{"expelled while it delivers", func(ctx context.Context) bool {
			return l.late(ctx, "events", func() bool {
				all := 0
				for _, name := range []string{"ledger-a", "ledger-b"} {
					gone, err := streamtest.TryExpel(ctx, l.brokers, name, GroupTouchpoints)
					if err != nil {
						return false
					}
					all += gone
				}
				return all > 0
			})
		}},
	)
}

// late holds an insert back until its repetition is done, and waits for that: a group that goes back meanwhile cuts other
// ranges, whose tokens do not cover it. Between is what happens while the insert is held.
func (l *ledger) late(ctx context.Context, table string, between func() bool) bool {
	before := l.times(wireLate)
	return await(ctx, l.wire.arm(wireFault{kind: wireLate, table: table})) && (between == nil || between()) &&
		until(ctx, func() bool { return l.times(wireLate) > before })
}

// lostAnswers make sinks ask.
func (l *ledger) lostAnswers() (all []ledgerFault) {
	for _, table := range []string{"events", "rejected_events"} {
		all = append(all, ledgerFault{wireLost + " (" + table + ")", func(ctx context.Context) bool { return await(ctx, l.wire.arm(wireFault{kind: wireLost, table: table})) }})
	}
	return all
}

func await(ctx context.Context, met <-chan struct{}) bool {
	select {
	case <-met:
		return true
	case <-ctx.Done():
		return false
	}
}

// broker has the broker fail requests.
func (l *ledger) broker(ctx context.Context, fault kfake.Fault) bool {
	handle := l.cluster.Fault(fault)
	defer handle.Remove()
	if err := handle.Wait(ctx, max(fault.Count, 1)); err != nil {
		return false
	}
	return true
}
