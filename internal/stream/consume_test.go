package stream_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const wait = 30 * time.Second

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, client *stream.Client, n int) {
	t.Helper()
	records := make([]*stream.Record, n)
	for i := range records {
		records[i] = &stream.Record{
			Topic: stream.Touchpoints,
			Key:   fmt.Appendf(nil, "key-%d", i%17),
			Value: fmt.Appendf(nil, "value-%d", i),
		}
	}
	if err := client.Produce(deadline(t), records...); err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T) *stream.Client {
	t.Helper()
	client := streamtest.Client(t, streamtest.Broker(t))
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	return client
}

func consumer(group string) stream.Consumer {
	return stream.Consumer{Group: group, Topics: []string{stream.Touchpoints}, MaxRecords: 100}
}

// seen counts values across consumers.
type seen struct {
	mu     sync.Mutex
	values map[string]int
}

func (s *seen) add(batch []stream.Range) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = make(map[string]int)
	}
	for _, r := range batch {
		for _, record := range r.Records {
			s.values[string(record.Value)]++
		}
	}
	return len(s.values)
}

func TestConsumeReadsEverythingOnceAndStopsCleanly(t *testing.T) {
	client := ready(t)
	produce(t, client, 1000)
	ctx, stop := context.WithCancel(deadline(t))
	var all seen
	err := client.Consume(ctx, consumer("once"), func(_ context.Context, batch []stream.Range) error {
		for _, r := range batch {
			if !slices.IsSortedFunc(r.Records, func(a, b *stream.Record) int { return int(a.Offset - b.Offset) }) {
				t.Errorf("records of partition %d are out of order", r.Partition)
			}
		}
		if all.add(batch) == 1000 {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for value, times := range all.values {
		if times != 1 {
			t.Errorf("%s was handled %d times", value, times)
		}
	}
	lag, err := client.GroupLag(deadline(t), "once", stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	if lag[stream.Touchpoints] != 0 {
		t.Errorf("lag is %d after a clean stop, want 0: the last batch was not committed", lag[stream.Touchpoints])
	}
}

// A batch whose handler fails must come again: nothing of it may have been committed.
func TestConsumeCommitsNothingWhenTheHandlerFails(t *testing.T) {
	client := ready(t)
	produce(t, client, 300)
	broken := errors.New("broken")
	err := client.Consume(deadline(t), consumer("failing"), func(context.Context, []stream.Range) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatalf("Consume returned %v, want the handler's error", err)
	}
	committed, err := client.Committed(deadline(t), "failing", stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != 0 {
		t.Errorf("offsets %v are committed though the handler failed", maps.Clone(committed))
	}
	ctx, stop := context.WithCancel(deadline(t))
	var all seen
	if err := client.Consume(ctx, consumer("failing"), func(_ context.Context, batch []stream.Range) error {
		if all.add(batch) == 300 {
			stop()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Two members share a group while both are busy: every record is handled at least once, and nothing
// waits for a member that left.
func TestConsumeSharesAndHandsOver(t *testing.T) {
	client := ready(t)
	const total = 2000
	ctx, stop := context.WithCancel(deadline(t))
	firstCtx, stopFirst := context.WithCancel(ctx)
	var (
		all   seen
		left  atomic.Bool
		group sync.WaitGroup
	)
	handle := func(_ context.Context, batch []stream.Range) error {
		n := all.add(batch)
		if n > total/4 && left.CompareAndSwap(false, true) {
			stopFirst()
		}
		if n == total {
			stop()
		}
		return nil
	}
	for _, member := range []context.Context{firstCtx, ctx} {
		group.Go(func() {
			if err := client.Consume(member, consumer("shared"), handle); err != nil {
				t.Error(err)
			}
		})
	}
	produce(t, client, total)
	group.Wait()
	if n := all.add(nil); n != total {
		t.Errorf("%d of %d records were handled", n, total)
	}
}

func TestConsumeGathersUntilFullOrOld(t *testing.T) {
	client := ready(t)
	produce(t, client, 250)
	ctx, stop := context.WithCancel(deadline(t))
	var sizes []int
	c := consumer("gather")
	c.MaxWait = 200 * time.Millisecond
	total := 0
	if err := client.Consume(ctx, c, func(_ context.Context, batch []stream.Range) error {
		n := 0
		for _, r := range batch {
			n += len(r.Records)
		}
		sizes = append(sizes, n)
		if total += n; total == 250 {
			stop()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sizes, []int{100, 100, 50}) {
		t.Errorf("batches of %v records, want 100, 100 and, once old, 50", sizes)
	}
}

// Promise 1: Produce must not say that a record is kept when the broker did not.
func TestProduceReportsWhatTheBrokerRefuses(t *testing.T) {
	cluster := streamtest.Cluster(t)
	client := streamtest.Client(t, cluster.ListenAddrs())
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range request.(*kmsg.ProduceRequest).Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, kerr.TopicAuthorizationFailed.Code
				answer.Partitions = append(answer.Partitions, refused)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	err := client.Produce(deadline(t), &stream.Record{Topic: stream.Touchpoints, Value: []byte("x")})
	if err == nil {
		t.Fatal("Produce said yes to a record that the broker refused")
	}
}

// A caller with a deadline is answered by it even when the broker says nothing at all.
func TestProduceKeepsTheCallersDeadline(t *testing.T) {
	cluster := streamtest.Cluster(t)
	client := streamtest.Client(t, cluster.ListenAddrs())
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-released })
		return nil, nil, false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := client.Produce(ctx, &stream.Record{Topic: stream.Touchpoints, Value: []byte("x")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Produce returned %v, want the deadline's error", err)
	}
}

func TestFollowReadsStateFromItsStart(t *testing.T) {
	client := ready(t)
	produce(t, client, 100)
	ctx, stop := context.WithCancel(deadline(t))
	n := 0
	err := client.Follow(ctx, stream.Touchpoints, func(_ context.Context, records []*stream.Record) error {
		if n += len(records); n == 100 {
			produce(t, client, 50)
		}
		if n == 150 {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEnsureTopicsHoldsEqualPartitions(t *testing.T) {
	brokers := streamtest.Broker(t)
	four := streamtest.Client(t, brokers)
	if err := four.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	if err := four.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	cfg := streamtest.Config(brokers)
	cfg.Partitions = 6
	six := streamtest.Connect(t, cfg)
	if err := six.EnsureTopics(deadline(t), stream.Touchpoints, stream.Identified); err == nil {
		t.Fatal("stages with 4 and 6 partitions were accepted: copies of one event would not meet")
	}
}

// A broker that lost the end of its log, as after an unclean election, does not end the group for ever.
func TestConsumeGoesOnAfterALoss(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	raw, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var beyond kadm.Offsets
	for partition := range int32(stream.DefaultConfig().Partitions) {
		beyond.Add(kadm.Offset{Topic: stream.Touchpoints, Partition: partition, At: 1000, LeaderEpoch: 0})
	}
	if _, err := kadm.NewClient(raw).CommitOffsets(deadline(t), "g", beyond); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	ended := make(chan error, 1)
	got := make(chan struct{}, 1)
	go func() {
		ended <- client.Consume(ctx, consumer("g"), func(context.Context, []stream.Range) error {
			select {
			case got <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		produce(t, client, 17) // what came before the group found the loss is behind its new place
		select {
		case <-got:
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			return
		case err := <-ended:
			t.Fatalf("the group ended: %v", err)
		case <-tick.C:
		}
	}
}
