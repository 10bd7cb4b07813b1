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

// wipeKafka gives the test a broker without topics of ours. On a broker which the test did not start that destroys
// data, so it must be allowed in so many words.
func wipeKafka(t testing.TB, brokers []string) {
	t.Helper()
	there := streamtest.Topics(t, brokers, ourTopics...)
	if len(there) == 0 {
		return
	}
	if os.Getenv(WipeEnv) != "1" {
		t.Fatalf("the broker at %s has the topics %s already: give an empty broker, or set %s=1 to have the tests delete them",
			strings.Join(brokers, ","), strings.Join(there, ", "), WipeEnv)
	}
	streamtest.Delete(t, brokers, there...)
}
