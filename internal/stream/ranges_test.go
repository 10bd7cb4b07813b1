package stream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
)

func ranged(group string) stream.RangeConsumer {
	return stream.RangeConsumer{
		Group: group, Topics: []string{stream.Touchpoints}, MaxRecords: 50, MaxBytes: 1 << 20, MaxWait: 20 * time.Millisecond,
		BufferBytes: 8 << 20, Parallel: 2, RetryWait: 50 * time.Millisecond,
	}
}

// at is a place in a topic.
type at struct {
	partition int32
	offset    int64
}

// receiver is a handler that keeps what it was given; its functions may be nil.
type receiver struct {
	assign    func(ctx context.Context, partition int32, from stream.Plan) error
	deliver   func(ctx context.Context, d stream.Delivery) error
	committed func(r stream.Range) error
	release   func(partition int32)

	mu       sync.Mutex
	attempts []stream.Delivery
	done     []stream.Delivery
	settled  map[int32]int64 // by partition, the offset after the last range that was committed
	times    map[at]int      // how often each record was delivered with success
}

func (r *receiver) Assign(ctx context.Context, _ string, partition int32, from stream.Plan) error {
	if r.assign != nil {
		return r.assign(ctx, partition, from)
	}
	return nil
}

func (r *receiver) Deliver(ctx context.Context, d stream.Delivery) error {
	r.mu.Lock()
	r.attempts = append(r.attempts, d)
	r.mu.Unlock()
	if r.deliver != nil {
		if err := r.deliver(ctx, d); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = make(map[at]int)
	}
	for _, record := range d.Records {
		r.times[at{d.Partition, record.Offset}]++
	}
	r.done = append(r.done, d)
	return nil
}

func (r *receiver) Committed(_ context.Context, done stream.Range) error {
	r.mu.Lock()
	if r.settled == nil {
		r.settled = make(map[int32]int64)
	}
	r.settled[done.Partition] = done.Last() + 1
	r.mu.Unlock()
	if r.committed != nil {
		return r.committed(done)
	}
	return nil
}

func (r *receiver) Release(_ string, partition int32) {
	if r.release != nil {
		r.release(partition)
	}
}

func (r *receiver) sum() (records int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, next := range r.settled {
		records += next
	}
	return records
}

func TestConsumeRangesDeliversAllInContiguousRanges(t *testing.T) {
	client := ready(t)
	produce(t, client, 1000)
	ctx, stop := context.WithCancel(deadline(t))
	all := &receiver{}
	all.committed = func(stream.Range) error {
		if all.sum() == 1000 {
			stop()
		}
		return nil
	}
	if err := client.ConsumeRanges(ctx, ranged("all"), all); err != nil {
		t.Fatal(err)
	}
	next := make(map[int32]int64)
	for _, d := range all.done {
		if d.First() != next[d.Partition] || len(d.Records) > 50 || d.Replayed || d.Attempt != 1 || d.Planned.IsZero() {
			t.Errorf("range %d-%d of partition %d with %d records (%+v) after %d", d.First(), d.Last(), d.Partition, len(d.Records), d.Attempt, next[d.Partition])
		}
		next[d.Partition] = d.Last() + 1
	}
	lag, err := client.GroupLag(deadline(t), "all", stream.Touchpoints)
	if err != nil || lag[stream.Touchpoints] != 0 {
		t.Errorf("lag is %v (%v) after a clean stop, want 0", lag, err)
	}
	plans, err := client.Plans(deadline(t), "all", stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	for partition, plan := range plans {
		if plan.Open() || plan.Position != next[partition] {
			t.Errorf("partition %d is left with %+v, want no plan at %d", partition, plan, next[partition])
		}
	}
}
