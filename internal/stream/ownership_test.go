package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// single is a topic of one partition with n records.
func single(t *testing.T, brokers []string, n int) {
	t.Helper()
	cfg := streamtest.Config(brokers)
	cfg.Partitions = 1
	client := streamtest.Connect(t, cfg)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	produce(t, client, n)
}

// member is a client of its own to the brokers.
func member(t *testing.T, brokers []string, name string) *stream.Client {
	t.Helper()
	cfg := streamtest.Config(brokers)
	cfg.ClientID = name
	return streamtest.Connect(t, cfg)
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx := deadline(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, wait)
		case <-tick.C:
		}
	}
}

func position(t *testing.T, client *stream.Client, group string) stream.Plan {
	t.Helper()
	plans, err := client.Plans(deadline(t), group, stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	return plans[0]
}

var errCrash = errors.New("crash")

// Whoever dies wherever: the ranges that are handed over cut the log in one way only.
func TestRangesAreTheSameWhoeverDies(t *testing.T) {
	cluster := streamtest.Cluster(t)
	single(t, cluster.ListenAddrs(), 200)
	var refuse atomic.Bool // commits after a delivery
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		commit := request.(*kmsg.OffsetCommitRequest)
		if !refuse.Load() || *commit.Topics[0].Partitions[0].Metadata != "" {
			return nil, nil, false
		}
		return refusal(commit, kerr.RebalanceInProgress.Code), nil, true
	})
	client := member(t, cluster.ListenAddrs(), "one")
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		group := fmt.Sprint("life-", run)
		bounds := make(map[int64]int64) // first to last
		planned := make(map[int64]time.Time)
		end := int64(0)
		for life := 0; end < 200; life++ {
			conf := ranged(group)
			conf.MaxRecords = rapid.IntRange(1, 60).Draw(rt, "max_records")
			conf.MaxBytes = rapid.IntRange(8, 2000).Draw(rt, "max_bytes")
			conf.MaxWait = time.Duration(rapid.IntRange(0, 5).Draw(rt, "max_wait")) * time.Millisecond
			conf.BufferBytes = rapid.IntRange(100, 4000).Draw(rt, "buffer")
			crash := rapid.SampledFrom([]string{"deliver", "delivered", "commit", "none"}).Draw(rt, "crash")
			after := rapid.IntRange(1, 6).Draw(rt, "after")
			ctx, stop := context.WithCancel(deadline(t))
			refuse.Store(false)
			n := 0
			all := &receiver{deliver: func(_ context.Context, d stream.Delivery) error {
				last, seen := bounds[d.First()]
				if seen && (last != d.Last() || !d.Replayed || !planned[d.First()].Equal(d.Planned)) {
					rt.Errorf("life %d: range %d-%d (replayed %t, planned %s) was %d-%d before, planned %s", life, d.First(), d.Last(), d.Replayed, d.Planned, d.First(), last, planned[d.First()])
				}
				if !seen && d.First() != end {
					rt.Errorf("life %d: range %d-%d follows %d", life, d.First(), d.Last(), end)
				}
				bounds[d.First()], planned[d.First()] = d.Last(), d.Planned
				end = max(end, d.Last()+1)
				if n++; n == after && crash != "none" {
					if crash == "commit" {
						refuse.Store(true)
						stop()
						return nil
					}
					stop()
					return errCrash
				}
				return nil
			}}
			all.committed = func(r stream.Range) error {
				if r.Last() == 199 {
					stop()
				}
				return nil
			}
			if err := client.ConsumeRanges(ctx, conf, all); err != nil {
				rt.Fatal(err)
			}
			stop()
		}
	})
}

func refusal(commit *kmsg.OffsetCommitRequest, code int16) *kmsg.OffsetCommitResponse {
	response := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, topic := range commit.Topics {
		answer := kmsg.NewOffsetCommitResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			refused := kmsg.NewOffsetCommitResponseTopicPartition()
			refused.Partition, refused.ErrorCode = partition.Partition, code
			answer.Partitions = append(answer.Partitions, refused)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}

// Nothing is delivered before the group has the plan.
func TestRangesArePlannedBeforeTheyAreDelivered(t *testing.T) {
	cluster := streamtest.Cluster(t)
	single(t, cluster.ListenAddrs(), 100)
	var refused atomic.Int32
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if refused.Add(1) > 3 {
			return nil, nil, false
		}
		return refusal(request.(*kmsg.OffsetCommitRequest), kerr.RebalanceInProgress.Code), nil, true
	})
	client := member(t, cluster.ListenAddrs(), "one")
	ctx, stop := context.WithCancel(deadline(t))
	conf := ranged("planned")
	conf.MaxRecords = 7
	all := &receiver{}
	all.deliver = func(_ context.Context, d stream.Delivery) error {
		plan := position(t, client, "planned")
		if plan.Position != d.First() || plan.To != d.Last() || !plan.At.Equal(d.Planned) {
			t.Errorf("the group has %+v when %d-%d is delivered", plan, d.First(), d.Last())
		}
		if refused.Load() < 3 {
			t.Errorf("delivered after %d of 3 refusals", refused.Load())
		}
		if d.Replayed {
			t.Errorf("%d-%d is said to be delivered before", d.First(), d.Last())
		}
		return nil
	}
	all.committed = func(r stream.Range) error {
		if plan := position(t, client, "planned"); plan.Open() || plan.Position != r.Last()+1 {
			t.Errorf("the group has %+v when %d-%d is committed", plan, r.First(), r.Last())
		}
		if r.Last() == 99 {
			stop()
		}
		return nil
	}
	if err := client.ConsumeRanges(ctx, conf, all); err != nil {
		t.Fatal(err)
	}
	if all.sum() != 100 {
		t.Errorf("%d of 100 records are committed", all.sum())
	}
}

// A member that the group has given up can neither commit nor plan, however it learns of it; and what another has
// committed meanwhile stays.
func TestAZombieCommitsNothing(t *testing.T) {
	// It learns of it by its heartbeat, or is told to join again and does so under a new name.
	f := func(name string, rejoins bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := streamtest.Cluster(t)
			brokers := cluster.ListenAddrs()
			single(t, brokers, 40)
			ctx, stop := context.WithCancel(deadline(t))
			defer stop()
			zombie, other := member(t, brokers, "zombie"), member(t, brokers, "other")
			entered, release, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
			var once, onceReleased sync.Once
			var inside atomic.Bool
			slow := &receiver{release: func(int32) {
				if inside.Load() {
					t.Error("the partition is released while a worker delivers a range of it")
				}
				onceReleased.Do(func() { close(released) })
			}, deliver: func(_ context.Context, d stream.Delivery) error {
				inside.Store(true)
				defer inside.Store(false)
				once.Do(func() {
					close(entered)
					<-release // deaf to its context, as one in a system call is
				})
				return nil
			}}
			conf := ranged("zombies")
			conf.MaxRecords, conf.MaxWait = 10, time.Millisecond
			var group sync.WaitGroup
			group.Go(func() {
				if err := zombie.ConsumeRanges(ctx, conf, slow); err != nil {
					t.Error(err)
				}
			})
			<-entered
			if rejoins {
				forceRejoin(cluster)
			}
			streamtest.Expel(t, brokers, "zombie", "zombies")
			conf.MaxRecords = 15
			fast := &receiver{}
			otherCtx, stopOther := context.WithCancel(ctx)
			group.Go(func() {
				if err := other.ConsumeRanges(otherCtx, conf, fast); err != nil {
					t.Error(err)
				}
			})
			eventually(t, "the other commits all", func() bool { return position(t, other, "zombies").Position == 40 })
			if d := fast.attempts[0]; d.First() != 0 || d.Last() != 9 || !d.Replayed {
				t.Errorf("the other begins with %d-%d (replayed %t), want the zombie's plan 0-9", d.First(), d.Last(), d.Replayed)
			}
			if rejoins {
				eventually(t, "the zombie is in the group under another name", func() bool { return joined(t, brokers, "zombies", "zombie") })
			}
			close(release)
			<-released
			if plan := position(t, other, "zombies"); plan.Position != 40 || plan.Open() {
				t.Errorf("the zombie has committed %+v over the other's 40", plan)
			}
			stopOther()
			produce(t, member(t, brokers, "producer"), 40) // more keys, one partition
			eventually(t, "the zombie is back and goes on", func() bool { return position(t, other, "zombies").Position == 80 })
			stop()
			group.Wait()
			for _, d := range slow.attempts[1:] {
				if d.First() < 40 {
					t.Errorf("the zombie delivers %d-%d, which the other has committed", d.First(), d.Last())
				}
			}
		})
	}
	f("by heartbeat", false)
	f("by joining", true)
}

// joined is whether a client is a member of a group, and no rebalance under way.
func joined(t *testing.T, brokers []string, group, name string) bool {
	t.Helper()
	raw, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	described, err := kadm.NewClient(raw).DescribeGroups(deadline(t), group)
	if err != nil {
		t.Fatal(err)
	}
	return described[group].State == "Stable" && slices.ContainsFunc(described[group].Members, func(m kadm.DescribedGroupMember) bool { return m.ClientID == name })
}

// forceRejoin tells the next heartbeat that there is a rebalance: the member joins under its old name.
func forceRejoin(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.Heartbeat), func(request kmsg.Request) (kmsg.Response, error, bool) {
		response := request.ResponseKind().(*kmsg.HeartbeatResponse)
		response.ErrorCode = kerr.RebalanceInProgress.Code
		return response, nil, true
	})
}

// Two members share while they work: each record comes once, as no one dies.
func TestRangesAreHandedOver(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	const total = 3000
	ctx, stop := context.WithCancel(deadline(t))
	all := &receiver{}
	conf := ranged("handed")
	conf.MaxRecords, conf.MaxWait = 20, time.Millisecond
	joined := make(chan struct{})
	var once sync.Once
	all.committed = func(stream.Range) error {
		switch sum := all.sum(); {
		case sum == total:
			stop()
		case sum > total/4:
			once.Do(func() { close(joined) })
		}
		return nil
	}
	var group sync.WaitGroup
	consume := func(ctx context.Context, name string) {
		group.Go(func() {
			if err := member(t, brokers, name).ConsumeRanges(ctx, conf, all); err != nil {
				t.Error(err)
			}
		})
	}
	first, stopFirst := context.WithCancel(ctx)
	consume(first, "first")
	produce(t, client, total/2)
	<-joined
	consume(ctx, "second")
	eventually(t, "the second has a partition", func() bool {
		for partition := range int32(4) {
			if streamtest.Owner(t, brokers, "handed", stream.Touchpoints, partition) == "second" {
				return true
			}
		}
		return ctx.Err() != nil
	})
	produce(t, client, total/2)
	stopFirst()
	group.Wait()
	all.same(t)
	if len(all.times) != total {
		t.Errorf("%d of %d records were delivered", len(all.times), total)
	}
}

// same reports ranges that overlap and are not the same.
func (r *receiver) same(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	covered := make(map[at]at)
	for _, d := range r.attempts {
		bounds := at{int32(d.First()), d.Last()}
		for _, record := range d.Records {
			where := at{d.Partition, record.Offset}
			if before, seen := covered[where]; seen && before != bounds {
				t.Errorf("offset %d of partition %d came in %v and in %v", where.offset, where.partition, before, bounds)
			}
			covered[where] = bounds
		}
	}
}
