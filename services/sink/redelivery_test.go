package sink_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A sink whose commit does not arrive delivers the range again when it is started again, and ClickHouse drops it.
func TestRangeDeliveredAgainDoublesNothing(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	cluster := streamtest.Cluster(t)
	r.brokers = cluster.ListenAddrs()
	r.kafka = streamtest.Client(t, r.brokers)
	r.ensureTopics()

	r.mayFail = true
	var refused atomic.Int64
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		refused.Add(1)
		return nil, errors.New("the broker does not take commits"), true
	})
	known := event(1, "Signed Up")
	known.Person.Valid, known.Person.Value.Email, known.Traits = true, "a@example.com", `{"tier":"gold"}`
	r.produce(known, event(2, "Product Viewed"))
	r.run()
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "2")
	poll(t, func() bool { return refused.Load() > 0 }, func() string { return "no commit was tried" })
	_ = r.stop() // it fails or not, as the refused commit was met before the stop or after
	if got := r.committed(); got != 0 {
		t.Fatalf("committed %d, want 0", got)
	}

	refused.Store(0)
	r.run()
	poll(t, func() bool { return refused.Load() > 0 }, func() string { return "the range was not delivered again" })
	for table, want := range map[string]string{"events": "2", "contacts": "1", "traits": "1"} {
		r.eventually("SELECT count() FROM "+table+" WHERE workspace = %s", want)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.tokens) < 2 || n.tokens[0] != n.tokens[1] {
		t.Errorf("tokens are %q, want the same twice", n.tokens)
	}
}
