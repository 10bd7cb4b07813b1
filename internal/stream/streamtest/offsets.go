package streamtest

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// DeleteRecords deletes the records of a partition below an offset, as retention does.
func DeleteRecords(t testing.TB, brokers []string, topic string, partition int32, below int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, partition, below, -1)
	answers, err := admin(t, brokers).DeleteRecords(ctx, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatalf("delete records of %s/%d: %v", topic, partition, err)
	}
}

// Rewind makes a group that has no members begin a topic anew.
func Rewind(t testing.TB, brokers []string, group, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	client := admin(t, brokers)
	ends, err := client.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatalf("list end offsets of %s: %v", topic, err)
	}
	offsets := make(kadm.Offsets)
	for partition := range ends[topic] {
		offsets.AddOffset(topic, partition, 0, -1)
	}
	if err := client.CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Fatalf("rewind group %s: %v", group, err)
	}
}
