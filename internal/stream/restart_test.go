package stream

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

// idle is a handler to which nothing is delivered.
type idle struct{}

func (idle) Assign(context.Context, string, int32, Plan) error { return nil }
func (idle) Deliver(context.Context, Delivery) error           { return nil }
func (idle) Committed(context.Context, Range) error            { return nil }
func (idle) Release(string, int32)                             {}

// What was read and not committed when the log was cut behind it is read again, with its plan; a position beyond the
// log begins where the log ends.
func TestACutLogIsReadFromThePosition(t *testing.T) {
	f := func(position, next, cut int64, rejoins bool) {
		t.Helper()
		session, end := context.WithCancelCause(t.Context())
		s := &sharing{
			c: &Client{log: zaptest.NewLogger(t), metrics: newMetrics(prometheus.NewRegistry())}, handler: idle{},
			session: session, end: end, work: session, shares: make(map[string]map[int32]*share),
		}
		s.changed, s.changes = context.WithCancel(session)
		s.adopt(&share{topic: Touchpoints, position: position, next: next, plan: Plan{To: -1}})
		s.restart(Touchpoints, 0, cut)
		if cause := context.Cause(session); errors.Is(cause, errRejoin) != rejoins {
			t.Errorf("position %d, log cut at %d: session ended with %v, want rejoining %t", position, cut, cause, rejoins)
		}
		if own := s.shares[Touchpoints][0]; !rejoins && (own.position != cut || own.next != cut) {
			t.Errorf("position %d, log cut at %d: goes on at %d and reads from %d", position, cut, own.position, own.next)
		}
	}
	f(50, 100, 90, true)
	f(-1, 100, 90, true)
	f(100, 100, 90, false)
	f(90, 100, 90, false)
}
