package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap/zaptest"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// buffered is the gauge of what the ranges of a client hold.
func buffered(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, family := range families {
		if family.GetName() == "parcours_stream_buffered_bytes" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

func TestRangesHoldNoMoreThanTheirBuffer(t *testing.T) {
	brokers := streamtest.Broker(t)
	single(t, brokers, 5000) // of some 15 bytes each
	reg := prometheus.NewRegistry()
	client, err := stream.Connect(streamtest.Config(brokers), zaptest.NewLogger(t), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithCancel(deadline(t))
	conf := ranged("bounded")
	conf.MaxRecords, conf.BufferBytes, conf.MaxWait = 10_000, 8000, time.Hour
	look := func() {
		if held := buffered(t, reg); held > 8000 {
			t.Errorf("%v bytes are held, want 8000 at most", held)
		}
	}
	all := &receiver{deliver: func(context.Context, stream.Delivery) error {
		// It fills up while the range is in hand.
		eventually(t, "the buffer is full, or the log is at its end", func() bool {
			look()
			lag, err := client.GroupLag(ctx, "bounded", stream.Touchpoints)
			return buffered(t, reg) > 7000 || err == nil && lag[stream.Touchpoints] < 600
		})
		look()
		return nil
	}}
	all.committed = func(r stream.Range) error {
		look()
		if r.Last() >= 4500 {
			stop() // what is left does not fill the buffer
		}
		return nil
	}
	if err := client.ConsumeRanges(ctx, conf, all); err != nil {
		t.Fatal(err)
	}
	if all.sum() < 4500 {
		t.Errorf("%d of 5000 records are committed", all.sum())
	}
}

// Partitions whose ranges fail give way: neither workers nor memory are theirs alone.
func TestFailingPartitionsDoNotHoldTheOthers(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	produce(t, client, 4000)
	ends, err := client.EndOffsets(deadline(t), stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(deadline(t))
	conf := ranged("failing")
	conf.BufferBytes, conf.MaxRecords, conf.RetryWait = 4000, 200, 20*time.Millisecond
	var healed atomic.Bool
	all := &receiver{deliver: func(_ context.Context, d stream.Delivery) error {
		if d.Partition != 0 && !healed.Load() {
			return errors.New("refused")
		}
		return nil
	}}
	all.committed = func(r stream.Range) error {
		if r.Partition == 0 && r.Last()+1 == ends[0] {
			healed.Store(true)
		}
		if all.sum() == 4000 {
			stop()
		}
		return nil
	}
	if err := client.ConsumeRanges(ctx, conf, all); err != nil {
		t.Fatal(err)
	}
	all.same(t)
	if all.sum() != 4000 {
		t.Errorf("%d of 4000 records are committed", all.sum())
	}
	attempts := make(map[at]int)
	for _, d := range all.attempts {
		place := at{d.Partition, d.First()}
		attempts[place]++
		if d.Attempt != attempts[place] || d.Replayed != (d.Attempt > 1) {
			t.Errorf("attempt %d at %v says that it is %d, replayed %t", attempts[place], place, d.Attempt, d.Replayed)
		}
	}
	stacks := make([]byte, 1<<20)
	if stacks = stacks[:runtime.Stack(stacks, true)]; bytes.Contains(stacks, []byte("stream.(*sharing)")) {
		t.Errorf("a goroutine has outlived ConsumeRanges:\n%s", stacks)
	}
}

// Ranges that fail do not keep the whole buffer from a partition that comes later.
func TestFailingPartitionsGiveMemoryBack(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Evidence); err != nil {
		t.Fatal(err)
	}
	write := func(partition int32, n int) {
		records := make([]*stream.Record, n)
		for i := range records {
			records[i] = &stream.Record{Topic: stream.Evidence, Partition: partition, Value: make([]byte, 10)}
		}
		if err := client.Produce(deadline(t), records...); err != nil {
			t.Error(err)
		}
	}
	for partition := range int32(3) {
		write(partition+1, 1000)
	}
	ctx, stop := context.WithCancel(deadline(t))
	conf := ranged("memory")
	conf.Topics, conf.BufferBytes, conf.MaxRecords, conf.MaxWait, conf.RetryWait = []string{stream.Evidence}, 4000, 5000, 10*time.Millisecond, time.Hour
	var late atomic.Int32
	all := &receiver{deliver: func(_ context.Context, d stream.Delivery) error {
		if d.Partition == 0 {
			return nil
		}
		if late.Add(1) == 3 {
			write(0, 300)
		}
		return errors.New("refused")
	}}
	all.committed = func(r stream.Range) error {
		if r.Last() == 299 {
			stop()
		}
		return nil
	}
	if err := client.ConsumeRanges(ctx, conf, all); err != nil {
		t.Fatal(err)
	}
	all.same(t)
	if all.sum() != 300 {
		t.Errorf("%d of 300 records of the partition that does not fail are committed", all.sum())
	}
}

// Plans that were made with more memory than there is now are gathered one after the other.
func TestPlansLargerThanTheBufferAreReplayed(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	produce(t, client, 2000)
	all := &receiver{}
	for _, buffer := range []int{1 << 20, 1000} {
		ctx, stop := context.WithCancel(deadline(t))
		conf := ranged("large")
		conf.MaxRecords, conf.MaxWait, conf.BufferBytes, conf.Parallel = 5000, time.Second, buffer, 4
		var failed atomic.Int32
		all.deliver = func(context.Context, stream.Delivery) error {
			if buffer < 1<<20 {
				return nil
			}
			if failed.Add(1) == 4 {
				stop()
			}
			return errors.New("refused")
		}
		all.committed = func(stream.Range) error {
			if all.sum() == 2000 {
				stop()
			}
			return nil
		}
		if err := client.ConsumeRanges(ctx, conf, all); err != nil {
			t.Fatal(err)
		}
		stop()
	}
	all.same(t)
	if all.sum() != 2000 {
		t.Errorf("%d of 2000 records are committed", all.sum())
	}
}

// A stop lets ranges in hand come to their end, but not for ever; what did not is replayed.
func TestRangesInHandAtAStop(t *testing.T) {
	f := func(name string, grace time.Duration, want int64) {
		t.Run(name, func(t *testing.T) {
			brokers := streamtest.Broker(t)
			single(t, brokers, 30)
			cfg := streamtest.Config(brokers)
			cfg.StopGrace = grace
			client := streamtest.Connect(t, cfg)
			ctx, stop := context.WithCancel(deadline(t))
			conf := ranged("stopped")
			conf.MaxRecords = 10
			all := &receiver{deliver: func(ctx context.Context, _ stream.Delivery) error {
				stop()
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(50 * time.Millisecond): // the work that is in hand
					return nil
				}
			}}
			if err := client.ConsumeRanges(ctx, conf, all); err != nil {
				t.Fatal(err)
			}
			if plan := position(t, client, "stopped"); plan.Position != want || plan.Open() != (want == 0) || len(all.attempts) != 1 {
				t.Errorf("%d deliveries, then %+v; want position %d", len(all.attempts), plan, want)
			}
		})
	}
	f("in time", wait, 10)
	f("too late", time.Millisecond, 0)
}

// A log that ends before the group's position does not end the group, and nothing is planned beyond its end.
// Kafka finds out by the leader epoch that was committed; without one the log is read from its start again.
func TestRangesGoOnAfterALoss(t *testing.T) {
	for _, epoch := range []int32{0, -1} {
		t.Run(fmt.Sprint("epoch ", epoch), func(t *testing.T) { goesOnAfterALoss(t, epoch) })
	}
}

func goesOnAfterALoss(t *testing.T, epoch int32) {
	t.Helper()
	brokers := streamtest.Broker(t)
	single(t, brokers, 30)
	raw, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var beyond kadm.Offsets
	beyond.Add(kadm.Offset{Topic: stream.Touchpoints, At: 1000, LeaderEpoch: epoch, Metadata: "to=1010 at=1"})
	if _, err := kadm.NewClient(raw).CommitOffsets(deadline(t), "lossy", beyond); err != nil {
		t.Fatal(err)
	}
	client := member(t, brokers, "one")
	ctx, stop := context.WithCancel(deadline(t))
	var positions []int64
	all := &receiver{assign: func(_ context.Context, _ int32, from stream.Plan) error {
		positions = append(positions, from.Position)
		return nil
	}}
	all.committed = func(stream.Range) error { stop(); return nil }
	ended := make(chan error, 1)
	go func() { ended <- client.ConsumeRanges(ctx, ranged("lossy"), all) }()
	eventually(t, "a range is committed", func() bool {
		produce(t, client, 17)
		return ctx.Err() != nil
	})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if d := all.attempts[0]; d.Replayed || d.Last() > 1000 || positions[len(positions)-1] > d.First() {
		t.Errorf("%d-%d (replayed %t) after positions %v", d.First(), d.Last(), d.Replayed, positions)
	}
}
