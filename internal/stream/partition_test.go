package stream_test

import (
	"testing"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// The evidence of a workspace stays in one partition whatever its keys are, for ever: these numbers may
// not change.
func TestEvidencePartition(t *testing.T) {
	f := func(workspace string, want int32) {
		t.Helper()
		if got := stream.EvidencePartition(workspace); got != want {
			t.Errorf("%s: partition %d, want %d", workspace, got, want)
		}
	}
	f("default", 2)
	f("paris", 0)
	f("lyon", 3)
	f("lille", 1)
}

func TestEvidenceGoesWhereItsRecordSays(t *testing.T) {
	client := streamtest.Client(t, streamtest.Broker(t))
	if err := client.EnsureTopics(t.Context(), stream.Evidence, stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	for partition := range int32(stream.EvidencePartitions) {
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			record := &stream.Record{Topic: stream.Evidence, Partition: partition, Key: []byte(key), Value: []byte("v")}
			if err := client.Produce(t.Context(), record); err != nil {
				t.Fatal(err)
			}
			if record.Partition != partition {
				t.Errorf("key %s went to partition %d, want %d", key, record.Partition, partition)
			}
		}
	}
	// Every other topic goes by key.
	spread := map[int32]bool{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		record := &stream.Record{Topic: stream.Touchpoints, Key: []byte(key), Value: []byte("v")}
		if err := client.Produce(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		spread[record.Partition] = true
	}
	if len(spread) < 2 {
		t.Errorf("8 keys went to %d partition", len(spread))
	}
}

// A service asks what its group committed before it ever joined.
func TestNothingIsCommittedByAGroupThatNeverWas(t *testing.T) {
	client := ready(t)
	committed, err := client.Committed(deadline(t), "nobody", stream.Touchpoints)
	if err != nil || len(committed) != 0 {
		t.Errorf("committed %v, %v", committed, err)
	}
}
