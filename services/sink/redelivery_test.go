package sink_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A sink whose commit does not arrive finds its plan when it is started again, asks what is there, and inserts nothing.
func TestRangeDeliveredAgainDoublesNothing(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	cluster := streamtest.Cluster(t)
	r.brokers = cluster.ListenAddrs()
	r.kafka = streamtest.Client(t, r.brokers)
	r.ensureTopics()

	r.mayFail = true
	var refused, planned atomic.Int64
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if isPlan(request.(*kmsg.OffsetCommitRequest)) {
			planned.Add(1)
			return nil, nil, false
		}
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
	if planned.Load() == 0 {
		t.Fatal("rows were inserted without a plan")
	}

	refused.Store(0)
	r.run()
	poll(t, func() bool { return refused.Load() > 0 }, func() string { return "the range was not delivered again" })
	for table, want := range map[string]string{"events": "2", "contacts FINAL": "1", "traits FINAL": "1"} {
		r.eventually("SELECT count() FROM "+table+" WHERE workspace = %s", want)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.tokens) != 1 {
		t.Errorf("inserts of events have the tokens %q, want one: what is there is not inserted again", n.tokens)
	}
}

func isPlan(request *kmsg.OffsetCommitRequest) bool {
	for _, topic := range request.Topics {
		for _, partition := range topic.Partitions {
			if partition.Metadata != nil && *partition.Metadata != "" {
				return true
			}
		}
	}
	return false
}

// Whatever is sent again is one row: in one batch, in later ones, after a restart with and without the index.
func TestRepeatsAreOneRow(t *testing.T) {
	r := newRig(t)
	r.cfg.DataDir = t.TempDir()
	first, second := event(1, "Product Viewed"), event(2, "Product Viewed")
	first.Person.Valid, first.Person.Value.Email = true, "a@example.com"
	r.produce(first, first, second)
	r.run()
	r.awaitCommitted(3)
	r.produce(second, first, event(3, "Product Viewed"))
	r.awaitCommitted(6)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.produce(first, event(4, "Product Viewed"))
	r.run()
	r.awaitCommitted(8)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.cfg.DataDir = t.TempDir()
	r.produce(second, event(5, "Product Viewed"))
	r.run()
	r.awaitCommitted(10)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "5" || rows[0][1] != "5" {
		t.Errorf("rows and events are %v, want 5 of both", rows[0])
	}
	if got := r.metric("parcours_sink_dedup_duplicates_total", stream.Enriched); got != 1 {
		t.Errorf("the last run counted %v duplicates, want 1", got)
	}
}

// A repair that was put back stands beside the event that was rejected, and is made once.
func TestRepairIsNoRepetition(t *testing.T) {
	r := newRig(t)
	r.run()
	broken := event(1, "Product Viewed")
	broken.Properties = `{"size": 12`
	r.produce(broken)
	r.eventually("SELECT count() FROM rejected_events WHERE workspace = %s AND stage = 'sink' AND message_id = '"+broken.MessageID+"'", "1")
	repaired := *broken
	repaired.Properties = `{"size": 12}`
	rejection := uuid.New()
	for range 2 {
		record := r.record(&repaired)
		record.Headers = []stream.Header{{Key: sink.ReplayHeader, Value: rejection[:]}}
		r.send(record)
	}
	r.awaitCommitted(3)
	if rows := r.rows("SELECT count() FROM events WHERE workspace = %s"); rows[0][0] != "1" {
		t.Errorf("%s rows, want 1", rows[0][0])
	}
}

// A group that goes back, because somebody set its offsets or Kafka lost them, meets rows that are there already, cut
// into other ranges than before.
func TestGroupThatGoesBackDoublesNothing(t *testing.T) {
	r := newRig(t)
	r.run()
	for n := range byte(4) {
		r.produce(event(n, "Product Viewed"))
		r.awaitCommitted(int64(n) + 1)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	streamtest.Rewind(t, r.brokers, sink.GroupTouchpoints, stream.Enriched)
	r.produce(event(5, "Product Viewed"))
	r.run()
	r.awaitCommitted(5)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "5" || rows[0][1] != "5" {
		t.Errorf("rows and events are %v, want 5 of both", rows[0])
	}
}

// An insert that was sent before the group went back may arrive after: its rows are looked for when their range comes again.
func TestLateInsertOfAGroupThatWentBack(t *testing.T) {
	r := newRig(t)
	r.alone()
	const first, sent, lost, late = 0, 1, 2, 3
	var state atomic.Int32
	held := make(chan struct{})
	r.cross(func(table string, forward func()) bool {
		switch at := state.Load(); {
		case at == sent && table == "events":
			// The insert is done, and what it did is held back.
			forward()
			r.exec("CREATE TABLE parcours.held ENGINE = Memory AS SELECT * FROM parcours.events WHERE workspace = '" + r.workspace + "' AND _offset > 1")
			r.exec("ALTER TABLE parcours.events DELETE WHERE workspace = '" + r.workspace + "' AND _offset > 1 SETTINGS mutations_sync = 2")
			state.Store(lost)
			close(held)
			return false
		case at == lost:
			return false
		case at == late && table == "contacts":
			r.exec("INSERT INTO parcours.events SELECT * FROM parcours.held")
			state.Store(first)
		}
		forward()
		return true
	})
	known := event(1, "Signed Up")
	known.Person.Valid, known.Person.Value.Email = true, "a@example.com"
	r.run()
	r.produce(known, event(2, "Product Viewed"))
	r.awaitCommitted(2)
	state.Store(sent)
	r.produce(event(3, "Product Viewed"), event(4, "Product Viewed"))
	<-held
	_ = r.stop() // what it has in hand fails
	streamtest.Rewind(t, r.brokers, sink.GroupTouchpoints, stream.Enriched)
	state.Store(late)
	r.cfg.BatchRecords = 1
	r.run()
	r.awaitCommitted(4)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "4" || rows[0][1] != "4" {
		t.Errorf("rows and events are %v, want 4 of both", rows[0])
	}
}
