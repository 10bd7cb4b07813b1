package attributes

import (
	"context"
	"testing"
	"time"

	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// A broker that is slow to answer is no empty topic: who begins without a refusal that stands in it would enrich those who refused.
func TestWaitDoesNotTakeASlowBrokerForCompaction(t *testing.T) {
	cluster := streamtest.Cluster(t)
	client := streamtest.Client(t, cluster.ListenAddrs())
	if err := client.EnsureTopics(t.Context(), stream.Attributes, stream.IdentityMap); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{
		Config: DefaultConfig(), Workspace: testWorkspace(), Kafka: client, Registry: registrytest.Client(t), Log: zap.NewNop(),
		Metrics: prometheus.NewRegistry(), patience: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	set := facts.For("default", facts.OfNode(node(1)), facts.Self)
	set.Party, set.Purpose = facts.FirstParty, "analytics"
	set.Values = []facts.Value{{Name: FactConsent, Type: facts.String, Text: `{"denied":["*"]}`, Source: "web", At: 1}}
	if err := client.Produce(t.Context(), s.codec.Record(set)); err != nil {
		t.Fatal(err)
	}
	// Nothing is fetched for much longer than the store is patient.
	released := make(chan struct{})
	time.AfterFunc(400*time.Millisecond, func() { close(released) })
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-released })
		return nil, nil, false
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if err := s.Wait(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if k, err := s.Of(alone(node(1)), 1_000_000); err != nil || k.LastConsent() == nil {
		t.Errorf("after the wait %+v is known (%v), want the refusal", k, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
