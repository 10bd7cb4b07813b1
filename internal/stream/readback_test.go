package stream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// log is a partition with records of known times, one a minute.
func log(t *testing.T, n int) (client *stream.Client, brokers []string, first time.Time) {
	t.Helper()
	brokers = streamtest.Broker(t)
	client = streamtest.Client(t, brokers)
	if err := client.EnsureTopics(deadline(t), stream.Evidence); err != nil {
		t.Fatal(err)
	}
	first = time.UnixMilli(time.Now().Add(-24 * time.Hour).UnixMilli())
	for i := range n {
		record := &stream.Record{Topic: stream.Evidence, Partition: 1, Value: []byte{byte(i)}, Timestamp: first.Add(time.Duration(i) * time.Minute)}
		if err := client.Produce(deadline(t), record); err != nil {
			t.Fatal(err)
		}
	}
	return client, brokers, first
}

// truncate deletes the records before an offset, as retention does.
func truncate(t *testing.T, brokers []string, topic string, partition int32, to int64) {
	t.Helper()
	raw, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: to})
	deleted, err := kadm.NewClient(raw).DeleteRecords(deadline(t), offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func readBack(t *testing.T, client *stream.Client, from, to int64) []int64 {
	t.Helper()
	var got []int64
	err := client.ReadBack(deadline(t), stream.Evidence, 1, from, to, func(_ context.Context, records []*stream.Record) error {
		for _, record := range records {
			got = append(got, record.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func run(from, to int64) (offsets []int64) {
	for ; from < to; from++ {
		offsets = append(offsets, from)
	}
	return offsets
}

func TestReadBack(t *testing.T) {
	client, brokers, _ := log(t, 20)
	f := func(from, to int64, want []int64) {
		t.Helper()
		if got := readBack(t, client, from, to); !slices.Equal(got, want) {
			t.Errorf("read back %d to %d: %v, want %v", from, to, got, want)
		}
	}
	f(0, 20, run(0, 20))
	f(3, 7, run(3, 7))
	f(7, 7, nil)
	f(15, 99, run(15, 20))
	f(30, 99, nil)
	truncate(t, brokers, stream.Evidence, 1, 8)
	f(0, 12, run(8, 12))
	f(0, 8, nil)
	truncate(t, brokers, stream.Evidence, 1, 20)
	f(0, 20, nil)
}

// What retention deletes between the question and the reading does not hold the reader up.
func TestReadBackOfWhatIsDeletedMeanwhile(t *testing.T) {
	cluster := streamtest.Cluster(t)
	client := streamtest.Client(t, cluster.ListenAddrs())
	if err := client.EnsureTopics(deadline(t), stream.Evidence); err != nil {
		t.Fatal(err)
	}
	if err := client.Produce(deadline(t), &stream.Record{Topic: stream.Evidence, Partition: 1, Value: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { once.Do(func() { truncate(t, cluster.ListenAddrs(), stream.Evidence, 1, 1) }) })
		return nil, nil, false
	})
	if got := readBack(t, client, 0, 1); len(got) > 0 {
		t.Errorf("read back %v, which was deleted", got)
	}
}

func TestReadBackEndsWithItsCaller(t *testing.T) {
	client, _, _ := log(t, 20)
	broken := errors.New("broken")
	if err := client.ReadBack(deadline(t), stream.Evidence, 1, 0, 20, func(context.Context, []*stream.Record) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("ReadBack returned %v, want the error of its caller", err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	cancel()
	if err := client.ReadBack(ctx, stream.Evidence, 1, 0, 20, func(context.Context, []*stream.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadBack returned %v though its context had ended", err)
	}
}

func TestOffsetAt(t *testing.T) {
	client, brokers, first := log(t, 20)
	f := func(at time.Time, want int64) {
		t.Helper()
		got, err := client.OffsetAt(deadline(t), stream.Evidence, 1, at)
		if err != nil || got != want {
			t.Errorf("offset at %s is %d (%v), want %d", at.Sub(first), got, err, want)
		}
	}
	f(first.Add(-time.Hour), 0)
	f(first, 0)
	f(first.Add(time.Millisecond), 1)
	f(first.Add(5*time.Minute), 5)
	f(first.Add(19*time.Minute), 19)
	f(first.Add(time.Hour), 20)
	truncate(t, brokers, stream.Evidence, 1, 8)
	f(first, 8)
	if _, err := client.OffsetAt(deadline(t), stream.Evidence, 99, first); err == nil {
		t.Error("a partition that is not there has an offset")
	}
}
