package sink

import (
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
)

// A token is believed only for as long as it is remembered for certain.
func TestTokensAreTrustedForAWhile(t *testing.T) {
	i := insertion{lane: &lane{sink: &sink{trust: time.Minute}}}
	delivery := func(age time.Duration, replayed bool) stream.Delivery {
		r := stream.Range{Records: []*stream.Record{{Offset: 7}}}
		return stream.Delivery{Range: r, Planned: time.Now().Add(-age), Replayed: replayed}
	}
	f := func(d stream.Delivery, want bool, why string) {
		t.Helper()
		if got := i.inDoubt(d); got != want {
			t.Errorf("in doubt is %t, want %t: %s", got, want, why)
		}
	}
	f(delivery(0, false), false, "nothing is known against it")
	f(delivery(0, true), true, "it may have been delivered before")
	f(delivery(2*time.Minute, false), true, "its token may be forgotten")
	i.read = map[int32]int64{0: 8}
	f(delivery(0, false), true, "it was in the log when the group went back")
	i.read[0] = 7
	f(delivery(0, false), false, "what was in the log when the group went back ends before it")
}
