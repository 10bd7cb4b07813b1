package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// A member that its group has forgotten, as after a pause that was too long, joins again and goes on; it does not
// end.
func TestConsumeOutlivesItsSession(t *testing.T) {
	brokers := streamtest.Broker(t)
	cfg := streamtest.Config(brokers)
	cfg.ClientID = "forgotten"
	client := streamtest.Connect(t, cfg)
	if err := client.EnsureTopics(deadline(t), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	produce(t, client, 50)
	ctx, stop := context.WithCancel(deadline(t))
	first, ended := make(chan struct{}), make(chan error, 1)
	handled := 0
	go func() {
		ended <- client.Consume(ctx, consumer("sessions"), func(_ context.Context, batch []stream.Range) error {
			if handled == 0 {
				close(first)
			}
			for _, part := range batch {
				handled += len(part.Records)
			}
			return nil
		})
	}()
	<-first
	streamtest.Expel(t, brokers, cfg.ClientID, "sessions")
	// It comes back, and commits what is written meanwhile.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for back := false; ; {
		select {
		case err := <-ended:
			t.Fatalf("Consume ended with its session: %v", err)
		case <-tick.C:
		}
		if !back && streamtest.Owner(t, brokers, "sessions", stream.Touchpoints, 0) != "" {
			back = true
			produce(t, client, 50)
		}
		lag, err := client.GroupLag(deadline(t), "sessions", stream.Touchpoints)
		if err != nil {
			t.Fatal(err)
		}
		if back && lag[stream.Touchpoints] == 0 {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if handled < 100 {
		t.Errorf("%d of 100 records were handled", handled)
	}
}
