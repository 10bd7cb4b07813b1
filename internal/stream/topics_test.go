package stream_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// Topics that are state must not forget: a graph that is read anew from what is left would be another one.
func TestEnsureTopicsHoldsCompaction(t *testing.T) {
	f := func(policy, want string) {
		t.Helper()
		brokers := streamtest.Broker(t)
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		configs := map[string]*string{"cleanup.policy": kadm.StringPtr(policy)}
		if made, err := kadm.NewClient(client).CreateTopic(deadline(t), stream.EvidencePartitions, 1, configs, stream.Evidence); err != nil || made.Err != nil {
			t.Fatal(err, made.Err)
		}
		err = streamtest.Client(t, brokers).EnsureTopics(deadline(t), stream.Evidence, stream.IdentityMap, stream.IdentityAudit, stream.Touchpoints)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("a log with policy %q: %v, want %q", policy, err, want)
		}
	}
	f("compact", "")
	f("delete", `identity.evidence has cleanup.policy "delete"`)
	f("compact,delete", `identity.evidence has cleanup.policy "compact,delete"`)
}
