package streamtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const adminTimeout = 30 * time.Second

// Topics returns those of the topics that the brokers have.
func Topics(t testing.TB, brokers []string, topics ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	return listed(ctx, t, admin(t, brokers), topics)
}

// Delete deletes the topics, with the offsets that groups committed for them, and returns when they are gone.
func Delete(t testing.TB, brokers []string, topics ...string) {
	t.Helper()
	// Not the test's context, which has ended when a clean-up deletes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), adminTimeout)
	defer cancel()
	client := admin(t, brokers)
	answers, err := client.DeleteTopics(ctx, topics...)
	if err != nil {
		t.Fatalf("delete topics: %v", err)
	}
	for topic, answer := range answers {
		if answer.Err != nil && !errors.Is(answer.Err, kerr.UnknownTopicOrPartition) {
			t.Fatalf("delete topic %s: %v", topic, answer.Err)
		}
	}
	// A broker deletes behind its answer, and refuses to make a topic that it is still deleting.
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for len(listed(ctx, t, client, topics)) > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("topics %v are still there after %s", topics, adminTimeout)
		case <-ticker.C:
		}
	}
}

func listed(ctx context.Context, t testing.TB, client *kadm.Client, topics []string) []string {
	t.Helper()
	details, err := client.ListTopics(ctx)
	if err != nil {
		t.Fatalf("list topics: %v", err)
	}
	var there []string
	for _, topic := range details.Names() {
		if slices.Contains(topics, topic) {
			there = append(there, topic)
		}
	}
	return there
}

func admin(t testing.TB, brokers []string) *kadm.Client {
	t.Helper()
	return kadm.NewClient(connect(t, brokers))
}

func connect(t testing.TB, brokers []string) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}
