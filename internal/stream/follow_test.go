package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

var errEnough = errors.New("enough")

// read follows a partition from an offset on until it has n records.
func read(t *testing.T, client *stream.Client, partition int32, from int64, n int) []string {
	t.Helper()
	var got []string
	err := client.FollowFrom(t.Context(), stream.Evidence, partition, from, func(_ context.Context, records []*stream.Record) error {
		for _, record := range records {
			got = append(got, fmt.Sprintf("%d/%d", record.Partition, record.Offset))
		}
		if len(got) >= n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return got
}

// Who keeps state goes on where it stopped, in its own partition, and is told when that is not there.
func TestFollowFrom(t *testing.T) {
	client := streamtest.Client(t, streamtest.Broker(t))
	if err := client.EnsureTopics(t.Context(), stream.Evidence); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		for partition := range int32(2) {
			record := &stream.Record{Topic: stream.Evidence, Partition: partition, Key: []byte{byte(n)}, Value: []byte{1}}
			if err := client.Produce(t.Context(), record); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{"1/0", "1/1", "1/2", "1/3", "1/4", "1/5"}, read(t, client, 1, 0, 6)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1/4", "1/5"}, read(t, client, 1, 4, 2)); diff != "" {
		t.Error(diff)
	}
	err := client.FollowFrom(t.Context(), stream.Evidence, 1, 60, func(context.Context, []*stream.Record) error { return nil })
	if !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("following from behind the log's end: %v", err)
	}
}

// An extent tells a topic from its successor of the same name.
func TestExtent(t *testing.T) {
	brokers := streamtest.Broker(t)
	client := streamtest.Client(t, brokers)
	var ids []string
	for range 2 {
		if err := client.EnsureTopics(t.Context(), stream.Evidence); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			if err := client.Produce(t.Context(), &stream.Record{Topic: stream.Evidence, Partition: 2, Key: []byte{byte(n)}}); err != nil {
				t.Fatal(err)
			}
		}
		// Another client: one that knows the first topic would go on with it.
		extent, err := streamtest.Client(t, brokers).Extent(t.Context(), stream.Evidence, 2)
		if err != nil {
			t.Fatal(err)
		}
		if extent.Start != 0 || extent.End != 3 {
			t.Errorf("extent is %+v, want 0 to 3", extent)
		}
		if strings.Trim(extent.TopicID, "A=0-") == "" || slices.Contains(ids, extent.TopicID) {
			t.Errorf("topic id %q after %q", extent.TopicID, ids)
		}
		ids = append(ids, extent.TopicID)
		streamtest.Delete(t, brokers, stream.Evidence)
		client = streamtest.Client(t, brokers)
	}
	if _, err := client.Extent(t.Context(), stream.Evidence, 2); err == nil {
		t.Error("a topic that is not there has an extent")
	}
}
