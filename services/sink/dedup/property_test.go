package dedup

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

// repeats is the function that the index is a cache of, word by word.
func repeats(log []Entry, offset int, window int64) bool {
	for _, e := range log[:offset] {
		if e.ID == log[offset].ID && e.At >= log[offset].At-window {
			return true
		}
	}
	return false
}

// history is an index, its disk and its log, while everything happens to them that may.
type history struct {
	t     *rapid.T
	log   *fakeLog
	disk  *vfs.MemFS
	index *Index
	// now is the time that new records have, more or less.
	now int64
	// positions are what the group has committed, by partition; behind says that the index was not told, so that it
	// is assigned again first.
	positions [2]int64
	behind    [2]bool
	met       *met
}

// met counts what the histories went through: a test that does not get there proves nothing.
type met struct{ duplicates, extends, ahead, crashes, expiries, lost int }

const testWindow = 10 * time.Hour

func (h *history) open() {
	x, err := openOn(h.disk, Config{Dir: testDir, Window: testWindow}, h.log, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	// The clock of the process is anywhere.
	x.now = func() time.Time {
		return time.UnixMilli(h.now + rapid.Int64Range(-30, 30).Draw(h.t, "clock")*time.Hour.Milliseconds())
	}
	h.index = x
}

func (h *history) close() {
	h.met.extends += int(testutil.ToFloat64(h.index.metrics.extends))
	h.met.ahead += int(testutil.ToFloat64(h.index.metrics.resets.WithLabelValues("ahead")))
	if err := h.index.Close(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) assign(partition int32) {
	h.log.chunk = rapid.IntRange(0, 5).Draw(h.t, "chunk")
	if rapid.IntRange(0, 9).Draw(h.t, "refuse") == 0 {
		h.log.refuse = errors.New("the broker is away")
		if err := h.index.Assign(h.t.Context(), testTopic, partition, h.positions[partition]); err == nil && h.log.refuse == nil {
			h.t.Fatal("an error of the log went unheard")
		}
		h.log.refuse = nil
	}
	if err := h.index.Assign(h.t.Context(), testTopic, partition, h.positions[partition]); err != nil {
		h.t.Fatal(err)
	}
	h.behind[partition] = false
}

// append has records come in: in their order, mostly, and with times that may be anywhere.
func (h *history) append() {
	hour := time.Hour.Milliseconds()
	for range rapid.IntRange(1, 12).Draw(h.t, "records") {
		at := h.now
		switch rapid.IntRange(0, 19).Draw(h.t, "time") {
		case 0:
			at += rapid.Int64Range(-60, 60).Draw(h.t, "hours off") * hour
		case 1, 2, 3:
			at += rapid.Int64Range(-3, 3).Draw(h.t, "hours off") * hour
		case 4:
			h.now += rapid.Int64Range(1, 20).Draw(h.t, "hours on") * hour
		default:
			h.now += rapid.Int64Range(0, hour).Draw(h.t, "on")
		}
		h.log.add(entry(rapid.Uint64Range(0, 25).Draw(h.t, "id"), at))
	}
}

// deliver asks for a range, as often as it has to be tried, and commits it.
func (h *history) deliver(partition int32) {
	if h.behind[partition] {
		h.assign(partition)
	}
	from := h.positions[partition]
	to := min(h.log.end(), from+rapid.Int64Range(1, 15).Draw(h.t, "range"))
	if from == to {
		return
	}
	want := make([]bool, 0, to-from)
	for offset := from; offset < to; offset++ {
		want = append(want, repeats(h.log.entries, int(offset), testWindow.Milliseconds()))
	}
	for range rapid.IntRange(1, 2).Draw(h.t, "attempts") {
		got, err := h.index.Duplicates(h.t.Context(), testTopic, partition, h.log.entries[from:to], nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			h.t.Fatalf("offsets %d to %d: %s", from, to, diff)
		}
	}
	for _, repeated := range want {
		if repeated {
			h.met.duplicates++
		}
	}
	h.positions[partition] = to
	if rapid.IntRange(0, 7).Draw(h.t, "told") == 0 {
		h.behind[partition] = true
		return
	}
	floor := h.index.partitions[name{testTopic, partition}].floor
	if err := h.index.Apply(testTopic, partition, h.log.entries[from:to], to); err != nil {
		h.t.Fatal(err)
	}
	if h.index.partitions[name{testTopic, partition}].floor > floor {
		h.met.expiries++
	}
}

func (h *history) happen() {
	partition := rapid.Int32Range(0, 1).Draw(h.t, "partition")
	switch rapid.IntRange(0, 15).Draw(h.t, "what") {
	case 0, 1, 2, 3:
		h.append()
	case 4: // The partition was elsewhere, or somebody set the group's offsets.
		h.positions[partition] = rapid.Int64Range(0, h.log.end()).Draw(h.t, "position")
		if rapid.Bool().Draw(h.t, "released") {
			h.index.Release(testTopic, partition)
		}
		h.assign(partition)
	case 5: // The process is killed, and the disk has what it was told to have, and some of the rest.
		share := rapid.SampledFrom([]int{0, 50, 100}).Draw(h.t, "share")
		seed := rapid.Uint64().Draw(h.t, "seed")
		after := h.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: share, RNG: rand.New(rand.NewPCG(seed, 1))})
		h.close()
		h.disk = after
		h.open()
		h.met.crashes++
		h.behind = [2]bool{true, true}
	case 6: // An orderly end.
		h.close()
		h.open()
		h.behind = [2]bool{true, true}
	case 7:
		if err := h.index.db.Flush(); err != nil {
			h.t.Fatal(err)
		}
	case 8:
		if err := h.index.db.Compact(h.t.Context(), []byte{0}, []byte{keyID + 1}, false); err != nil {
			h.t.Fatal(err)
		}
	case 9: // The disk is lost, now and then.
		if rapid.IntRange(0, 3).Draw(h.t, "lost") == 0 {
			h.close()
			h.disk = vfs.NewCrashableMem()
			h.open()
			h.met.lost++
			h.behind = [2]bool{true, true}
		}
	default:
		h.deliver(partition)
	}
}

// Whatever happens, each answer is that of the function over the whole log.
func TestAnswersAreTheFunctionOfTheLog(t *testing.T) {
	var all met
	rapid.Check(t, func(t *rapid.T) {
		h := &history{t: t, log: &fakeLog{}, disk: vfs.NewCrashableMem(), met: &all, now: 1_790_000_000_000, behind: [2]bool{true, true}}
		h.open()
		for range rapid.IntRange(20, 120).Draw(t, "length") {
			h.happen()
		}
		h.close()
	})
	if t.Failed() {
		return
	}
	t.Logf("%+v", all)
	if min(all.duplicates, all.extends, all.ahead, all.crashes, all.expiries, all.lost) == 0 {
		t.Errorf("the histories did not get everywhere: %+v", all)
	}
}
