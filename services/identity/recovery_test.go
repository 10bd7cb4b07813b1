package identity_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// inFolder gives an instance a data directory.
func inFolder(dir string) func(*identity.Config) {
	return func(c *identity.Config) { c.DataDir = dir }
}

// often makes the publisher log digests at once.
func often(c *identity.Config) { c.DigestEvery = 20 * time.Millisecond }

// lowestFetch watches the lowest offset of the workspace's evidence that anybody asks for.
func (w *world) lowestFetch() func() int64 {
	var lowest atomic.Int64
	lowest.Store(1 << 60)
	w.cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		for _, topic := range request.(*kmsg.FetchRequest).Topics {
			for _, partition := range topic.Partitions {
				if w.isEvidence(&topic) && partition.Partition == w.partition() {
					lowest.Store(min(lowest.Load(), partition.FetchOffset))
				}
			}
		}
		return nil, nil, false
	})
	return lowest.Load
}

func (w *world) isEvidence(topic *kmsg.FetchRequestTopic) bool {
	if topic.Topic == stream.Evidence {
		return true
	}
	info := w.cluster.TopicInfo(stream.Evidence)
	return info != nil && topic.TopicID == info.TopicID
}

// A restart reads of the log what it has not read, and knows everything else.
func TestRestartReadsTheRestOnly(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	first := w.start(inFolder(dir))
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")), w.touch(2, id("anonymous_id", "c-1"), id("email", "a.b@free.fr")))
	w.untilEvents(2)
	w.untilPublished()
	first.stop()
	position, logged := w.logEnd(), len(w.edges())
	// Somebody else goes on meanwhile.
	other := w.start()
	w.collect(w.touch(3, id("loyalty_card", "111"), id("user_id", "u-1")))
	w.untilEvents(3)
	w.untilPublished()
	other.stop()

	lowest := w.lowestFetch()
	second := w.start(inFolder(dir))
	w.collect(w.touch(4, id("anonymous_id", "c-1"), id("email", "a.b@free.fr")), w.touch(5, id("loyalty_card", "111")))
	events := w.untilEvents(5)
	for _, message := range []string{"m-4", "m-5"} {
		if got := events[message].CustomerID; got != w.node("user_id", "u-1") {
			t.Errorf("%s is of %s", message, got)
		}
	}
	if n := len(w.edges()); n != logged+1 {
		t.Errorf("the restarted instance took the log to %d pairs", n)
	}
	if got := lowest(); got < position {
		t.Errorf("the log was read again from %d, the store was at %d", got, position)
	}
	w.wantMap(w.untilPublished())
	if n := second.counter("parcours_identity_rebuilds_total"); n != 0 {
		t.Errorf("%v rebuilds", n)
	}
}

// tamper changes one pair in a stopped instance's store, sums included, so that nothing but another
// instance can tell.
func (w *world) tamper(dir string) {
	w.t.Helper()
	extent, err := w.kafka.Extent(w.soon(), stream.Evidence, w.partition())
	if err != nil {
		w.t.Fatal(err)
	}
	kept, err := store.Open(store.Options{Dir: filepath.Join(dir, w.ws.Name), Workspace: w.ws.Name, Topic: extent.TopicID})
	if err != nil {
		w.t.Fatal(err)
	}
	edge := *w.edges()[0]
	edge.FirstSeen = 7
	batch := kept.Begin()
	batch.Put(&edge)
	if err := batch.Commit(kept.Position(), kept.Sums(), time.Now()); err != nil {
		w.t.Fatal(err)
	}
	g := graph.New(func(node uuid.UUID) evidence.SuppressionKey { return w.ids.SuppressionKey(node) })
	if err := g.Load(kept.Records(), kept.Position()); err != nil {
		w.t.Fatal(err)
	}
	if g.Sums() == kept.Sums() {
		w.t.Fatal("the sums do not see what was changed")
	}
	if err := errors.Join(kept.Begin().Commit(kept.Position(), g.Sums(), time.Now()), kept.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// An instance whose graph is not the others' finds out, stops before it does more harm, and rebuilds.
func TestDisagreementIsFoundAndMended(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	first := w.start(inFolder(dir))
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")), w.touch(2, id("anonymous_id", "c-1"), id("email", "a.b@free.fr")))
	w.untilEvents(2)
	w.untilPublished()
	first.stop()
	w.tamper(dir)

	// Both log digests, whoever of them publishes.
	wrong := w.startReady(inFolder(dir), often)
	right := w.startReady(often)
	w.collect(w.touch(3, id("anonymous_id", "c-3"), id("user_id", "u-3")))
	if err := wrong.wait(); err == nil || !strings.Contains(err.Error(), "thrown away and rebuilt") {
		t.Fatalf("the instance with another graph ended with %v", err)
	}
	if n := wrong.counter("parcours_identity_digest_mismatches_total"); n != 1 {
		t.Errorf("%v mismatches are counted", n)
	}
	if n := wrong.counter("parcours_identity_rebuilds_total"); n != 1 {
		t.Errorf("%v rebuilds are counted", n)
	}
	// The other one ends as well if it was the one that found out; both come back and agree.
	lowest := w.lowestFetch()
	mended := w.startReady(inFolder(dir), often)
	if got := lowest(); got != 0 {
		t.Errorf("the store was rebuilt from %d on", got)
	}
	select {
	case <-right.done:
		right = w.startReady(often)
	default:
	}
	w.collect(w.touch(4, id("anonymous_id", "c-4"), id("user_id", "u-4")))
	w.untilEvents(4)
	w.eventually("a digest that both compare", func() bool {
		return mended.counter("parcours_identity_digests_compared_total") > 0 && right.counter("parcours_identity_digests_compared_total") > 0
	})
	for _, i := range []*instance{mended, right} {
		if n := i.counter("parcours_identity_digest_mismatches_total"); n != 0 {
			t.Errorf("after the rebuild there are %v mismatches", n)
		}
	}
	w.wantMap(w.untilPublished())
}

// Digests are logged when there is news, and are no news themselves.
func TestDigestsAreNoNews(t *testing.T) {
	w := newWorld(t)
	i := w.start(often)
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	w.untilEvents(1)
	w.eventually("a digest", func() bool { return i.counter("parcours_identity_digests_compared_total") > 0 })
	w.untilPublished()
	end := w.logEnd()
	w.collect(w.touch(2, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	w.untilEvents(2)
	w.collect(w.touch(3, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	w.untilEvents(3)
	if after := w.logEnd(); after > end+1 {
		t.Errorf("without news the log went from %d to %d", end, after)
	}
}
