package backend

import (
	"os"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
)

// ourTopics are all the topics that the services make.
var ourTopics = []string{
	stream.Touchpoints, stream.Rejected, stream.Identified, stream.Enriched,
	stream.Evidence, stream.IdentityMap, stream.IdentityAudit, stream.Attributes,
}

// wipeKafka deletes our topics before and after the test. Before it, on a broker that the test did not start, that
// destroys data, so it must be allowed in so many words; after it, a failed test's topics stay to be looked at.
func wipeKafka(t testing.TB, brokers []string) {
	t.Helper()
	if there := streamtest.Topics(t, brokers, ourTopics...); len(there) > 0 {
		if os.Getenv(WipeEnv) != "1" {
			t.Fatalf("the broker at %s has the topics %s already: give an empty broker, or set %s=1 to have the tests delete them",
				strings.Join(brokers, ","), strings.Join(there, ", "), WipeEnv)
		}
		streamtest.Delete(t, brokers, there...)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			streamtest.Delete(t, brokers, ourTopics...)
		}
	})
}
