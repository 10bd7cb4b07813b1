package sink

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestPaceFollowsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gap"})}
		took := func() time.Duration {
			began := time.Now()
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		for range 3 {
			if d := took(); d != 0 {
				t.Fatalf("an insert waited %s for a server that is well", d)
			}
			p.eased()
		}
		for _, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
			p.overloaded()
			if d := took(); d != want {
				t.Errorf("waited %s, want %s", d, want)
			}
			if got := testutil.ToFloat64(p.gauge); got != want.Seconds() {
				t.Errorf("the gauge says %v, want %v", got, want.Seconds())
			}
		}
		if d := took(); d != 400*time.Millisecond {
			t.Errorf("waited %s after the last insert, want 400ms", d)
		}
		for range 20 {
			p.overloaded()
		}
		if d := took(); d != longestGap {
			t.Errorf("waited %s, want the longest gap of %s", d, longestGap)
		}
		for range 10 {
			p.eased()
		}
		took() // was still to come
		if d := took(); d != 0 || testutil.ToFloat64(p.gauge) != 0 {
			t.Errorf("waited %s after many inserts that went well", d)
		}
	})
}

// A partition that is taken away does not wait for its turn.
func TestPaceHearsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gap"})}
		p.overloaded()
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		cancel(gone)
		if err := p.wait(ctx); !errors.Is(err, gone) {
			t.Errorf("got %v, want %v", err, gone)
		}
	})
}

// Who waits already keeps its turn to itself, whatever the server says meanwhile.
func TestPaceGivesATurnToOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gap"})}
		p.overloaded()
		began := time.Now()
		turns := make(chan time.Duration, 4)
		wait := func() {
			if err := p.wait(t.Context()); err != nil {
				t.Error(err)
			}
			turns <- time.Since(began)
		}
		for range 3 {
			go wait()
			synctest.Wait()
		}
		p.overloaded()
		go wait()
		last := time.Duration(0)
		for range cap(turns) {
			turn := <-turns
			if turn-last < shortestGap {
				t.Errorf("inserts go %s and %s after the beginning", last, turn)
			}
			last = turn
		}
	})
}
