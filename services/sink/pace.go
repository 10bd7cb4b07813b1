package sink

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	shortestGap = 100 * time.Millisecond
	longestGap  = 10 * time.Second
)

// pace keeps inserts apart while ClickHouse says that it has too much to do: too many parts, queries or bytes. Records that wait
// meanwhile make the next ranges larger, which is what such a server wants.
type pace struct {
	gauge prometheus.Gauge // seconds between inserts

	mu   sync.Mutex
	gap  time.Duration
	next time.Time // when the next insert may go
}

// wait returns when it is an insert's turn.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	turn := now
	if p.gap > 0 {
		if p.next.After(now) {
			turn = p.next
		}
		p.next = turn.Add(p.gap)
	}
	p.mu.Unlock()
	if !turn.After(now) {
		return nil
	}
	timer := time.NewTimer(turn.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// overloaded widens the gap, after an insert that found the server with too much to do.
func (p *pace) overloaded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(2*p.gap, shortestGap), longestGap)
	if next := time.Now().Add(p.gap); next.After(p.next) { // others wait for the turns before
		p.next = next
	}
	p.gauge.Set(p.gap.Seconds())
}

// eased narrows the gap, after an insert that went well.
func (p *pace) eased() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gap /= 2; p.gap < shortestGap {
		p.gap = 0
	}
	p.gauge.Set(p.gap.Seconds())
}
