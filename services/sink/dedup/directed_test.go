package dedup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const hour = int64(time.Hour / time.Millisecond)

// Over weeks the disk and the filters hold a window, not more, and the floor rises with the time.
func TestOldIDsGo(t *testing.T) {
	l := &fakeLog{}
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	mustAssign(t, x, 0)
	rng := rand.New(rand.NewPCG(3, 4))
	const perHour = 400
	day := func(n int) {
		for h := range int64(24) {
			from := l.end()
			for i := range int64(perHour) {
				l.add(entry(rng.Uint64(), (int64(n)*24+h)*hour+i*hour/perHour))
			}
			ask(t, x, l, from, l.end())
			mustApply(t, x, l, from, l.end())
		}
		if err := x.db.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := x.db.Compact(t.Context(), []byte{0}, []byte{keyID + 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		day(n)
	}
	disk, filters := settledBytes(x), testutil.ToFloat64(x.metrics.filterBytes)
	for n := range 23 {
		day(5 + n)
	}
	if got := settledBytes(x); got > 1.5*disk {
		t.Errorf("after four weeks there are %.0f bytes on the disk, after five days there were %.0f", got, disk)
	}
	if got := testutil.ToFloat64(x.metrics.filterBytes); got > 1.5*filters {
		t.Errorf("after four weeks the filters take %.0f bytes, after five days they took %.0f", got, filters)
	}
	held := 0
	for _, h := range x.partitions[name{testTopic, 0}].hours {
		held += h.ids()
	}
	if most := (48 + 1 + 2*6) * perHour; held > most {
		t.Errorf("%d ids are held, the window and what belongs to it are %d", held, most)
	}
	if extends := testutil.ToFloat64(x.metrics.extends); extends != 0 {
		t.Errorf("more was read back %v times in a log in its order", extends)
	}
	mustClose(t, x)
}

// settledBytes is what live tables take: those that compaction has made superfluous are deleted some time later, in the background.
func settledBytes(x *Index) float64 {
	m := x.db.Metrics()
	return float64(m.DiskSpaceUsage() - m.Table.ObsoleteSize - m.Table.ZombieSize - m.WAL.ObsoletePhysicalSize)
}

// A record older than what is kept has it read back, and what was read back is kept until it has served.
func TestLateRecord(t *testing.T) {
	l := &fakeLog{}
	x := mustOpen(t, vfs.NewMem(), l, 10*time.Hour)
	mustAssign(t, x, 0)
	l.add(entry(1, 100*hour))
	for h := range int64(100) {
		l.add(entry(1000+uint64(h), (100+h)*hour))
	}
	for offset := range l.end() {
		mustApply(t, x, l, offset, offset+1)
	}
	if floor := x.partitions[name{testTopic, 0}].floor; floor < 150*hour {
		t.Fatalf("the floor is at hour %d", floor/hour)
	}
	l.add(entry(1, 105*hour), entry(1001, 105*hour), entry(1, 111*hour), entry(1002, 200*hour))
	if diff := cmp.Diff([]bool{true, true, true, false}, ask(t, x, l, 101, 105)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bool{true, true, true, false}, ask(t, x, l, 101, 105)); diff != "" {
		t.Error(diff)
	}
	if extends := testutil.ToFloat64(x.metrics.extends); extends != 1 {
		t.Errorf("more was read back %v times", extends)
	}
	read := l.read
	mustApply(t, x, l, 101, 105)
	// The next ones are in time again, and then one is late once more.
	l.add(entry(2, 200*hour), entry(3, 201*hour), entry(1003, 105*hour))
	mustApply(t, x, l, 105, 107)
	if diff := cmp.Diff([]bool{true}, ask(t, x, l, 107, 108)); diff != "" {
		t.Error(diff)
	}
	if l.read != read {
		t.Errorf("%d records were read back a second time", l.read-read)
	}
	mustClose(t, x)
}

// What retention has cut is said, once, and the rest is answered.
func TestTruncatedLog(t *testing.T) {
	l := &fakeLog{}
	for i := range int64(20) {
		l.add(entry(uint64(i%5), (100+i)*hour))
	}
	l.start = 12
	core, logs := observer.New(zapcore.WarnLevel)
	x, err := openOn(vfs.NewMem(), Config{Dir: testDir, Window: 48 * time.Hour}, l, zap.New(core), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	mustAssign(t, x, 14)
	if diff := cmp.Diff([]bool{false, false, false, true, true, true}, ask(t, x, l, 14, 20)); diff != "" {
		t.Error(diff)
	}
	mustApply(t, x, l, 14, 20)
	l.add(entry(3, 90*hour))
	if diff := cmp.Diff([]bool{true}, ask(t, x, l, 20, 21)); diff != "" {
		t.Error(diff)
	}
	if cuts := testutil.ToFloat64(x.metrics.truncated); cuts != 1 || logs.Len() != 1 {
		t.Errorf("counted %v times, said %d times", cuts, logs.Len())
	}
	mustClose(t, x)
}

// An index whose own part of the log is whole says nothing about what was cut before it; one that slept too long does.
func TestTruncatedBehindIndex(t *testing.T) {
	l := &fakeLog{}
	for i := range int64(40) {
		l.add(entry(uint64(i), (100+i)*hour))
	}
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	mustAssign(t, x, 20)
	l.start = 15
	mustAssign(t, x, 25)
	if cuts := testutil.ToFloat64(x.metrics.truncated); cuts != 0 {
		t.Error("the index has what was cut")
	}
	l.start = 30
	mustAssign(t, x, 35)
	if cuts := testutil.ToFloat64(x.metrics.truncated); cuts != 1 {
		t.Errorf("offsets 25 to 30 were never seen: counted %v times", cuts)
	}
	mustClose(t, x)
}

// A filter that always says perhaps costs reads, and drops nothing.
func TestFalseHits(t *testing.T) {
	l := &fakeLog{}
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	mustAssign(t, x, 0)
	for i := range uint64(200) {
		l.add(entry(i, 100*hour+int64(i)))
	}
	mustApply(t, x, l, 0, 100)
	for _, h := range x.partitions[name{testTopic, 0}].hours {
		for i := range h.filters {
			for j := range h.filters[i].lines {
				for k := range h.filters[i].lines[j] {
					h.filters[i].lines[j][k] = ^uint64(0)
				}
			}
		}
	}
	for i, repeated := range ask(t, x, l, 100, 200) {
		if repeated {
			t.Fatalf("offset %d is new, and was dropped", 100+i)
		}
	}
	if hits := testutil.ToFloat64(x.metrics.falseHits); hits != 100 {
		t.Errorf("%v false hits are counted, 100 were made", hits)
	}
	// Written on the word of the full filter alone they are merged with nothing, and are there all the same.
	mustApply(t, x, l, 100, 200)
	l.add(l.entries[150], l.entries[50])
	if diff := cmp.Diff([]bool{true, true}, ask(t, x, l, 200, 202)); diff != "" {
		t.Error(diff)
	}
	mustClose(t, x)
}

// The share of false hits is what the memory is given for.
func TestFilter(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	h := newHours(0, 0)
	hashes := make([]uint64, 50_000)
	for i := range hashes {
		hashes[i] = rng.Uint64()
		h.add(hashes[i])
	}
	for _, hash := range hashes {
		if !h.has(hash) {
			t.Fatal("an id that was added is not found")
		}
	}
	one, hits := newFilter(len(hashes)), 0
	for _, hash := range hashes {
		one.add(hash)
	}
	for range hashes {
		if one.has(rng.Uint64()) {
			hits++
		}
	}
	if share := float64(hits) / float64(len(hashes)); share > 0.01 {
		t.Errorf("a full filter says perhaps to %.2f %% of what it does not have", 100*share)
	}
	if size := one.bytes() * 8; size > bitsPerID*int64(len(hashes))+lineBits {
		t.Errorf("a filter of %d ids has %d bits", len(hashes), size)
	}
	if got := h.ids(); got != len(hashes) {
		t.Errorf("%d ids are counted", got)
	}
}

// Partitions are independent, also when they are asked at once.
func TestPartitionsAtOnce(t *testing.T) {
	l := &fakeLog{}
	for i := range int64(600) {
		l.add(entry(uint64(i)%170, 100*hour+i*hour/10))
	}
	x := mustOpen(t, vfs.NewMem(), l, 20*time.Hour)
	var wg sync.WaitGroup
	for partition := range int32(4) {
		wg.Go(func() {
			if err := run(t, x, l, partition); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustClose(t, x)
}

func run(t *testing.T, x *Index, l *fakeLog, partition int32) error {
	// Each is elsewhere in the log, and with ranges of its own.
	position := int64(partition) * 40
	if err := x.Assign(t.Context(), testTopic, partition, position); err != nil {
		return err
	}
	for position < 600 {
		to := min(600, position+10+int64(partition))
		got, err := x.Duplicates(t.Context(), testTopic, partition, l.entries[position:to], nil)
		if err != nil {
			return err
		}
		for i, repeated := range got {
			if want := repeats(l.entries, int(position)+i, 20*hour); want != repeated {
				return fmt.Errorf("partition %d offset %d: %v, want %v", partition, int(position)+i, repeated, want)
			}
		}
		if err := x.Apply(testTopic, partition, l.entries[position:to], to); err != nil {
			return err
		}
		position = to
	}
	x.Release(testTopic, partition)
	return nil
}

// Times before 1970, and such as no clock has, are times.
func TestStrangeTimes(t *testing.T) {
	l := &fakeLog{}
	l.add(entry(1, -1), entry(1, 0), entry(2, -50*hour), entry(2, -3*hour), entry(2, 0),
		entry(3, 1<<62), entry(3, -1<<62), entry(3, 5), entry(4, -1<<62), entry(4, -1<<62))
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	mustAssign(t, x, 0)
	want := []bool{false, true, false, true, true, false, true, true, false, true}
	for offset := range l.end() {
		if got := ask(t, x, l, offset, offset+1)[0]; got != want[offset] {
			t.Errorf("offset %d: %v", offset, got)
		}
		mustApply(t, x, l, offset, offset+1)
	}
	mustClose(t, x)
}

func TestConfigIsChecked(t *testing.T) {
	f := func(c Config, says string) {
		t.Helper()
		_, err := openOn(vfs.NewMem(), c, &fakeLog{}, zap.NewNop(), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", c, err, says)
		}
	}
	f(Config{Window: time.Hour}, "dir is empty")
	f(Config{Dir: testDir}, "window is 0s")
	f(Config{Dir: testDir, Window: 1e6 * time.Hour}, "window is 1000000h0m0s")
	f(Config{Dir: testDir, Window: time.Hour, CacheBytes: -1}, "cache_bytes is -1")
}

// What would make the answer another one is refused.
func TestMisuse(t *testing.T) {
	l := &fakeLog{}
	for i := range uint64(10) {
		l.add(entry(i, 100*hour))
	}
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	if _, err := x.Duplicates(t.Context(), testTopic, 0, l.entries, nil); !errors.Is(err, errUnassigned) {
		t.Errorf("without Assign: %v", err)
	}
	mustAssign(t, x, 5)
	if _, err := x.Duplicates(t.Context(), testTopic, 0, l.entries[4:], nil); err == nil {
		t.Error("a record that was applied would repeat itself")
	}
	if err := x.Apply(testTopic, 0, l.entries[4:], 10); err == nil {
		t.Error("a record is applied twice")
	}
	if err := x.Apply(testTopic, 0, l.entries[5:], 9); err == nil {
		t.Error("a record lies beyond what is said to be known")
	}
	l.refuse = errors.New("the broker is away")
	if err := x.Assign(t.Context(), testTopic, 0, 8); !errors.Is(err, l.refuse) {
		t.Errorf("an error of the log: %v", err)
	}
	if _, err := x.Duplicates(t.Context(), testTopic, 0, l.entries[8:], nil); !errors.Is(err, l.refuse) {
		t.Errorf("after an Assign that did not end: %v", err)
	}
	if err := x.Apply(testTopic, 0, l.entries[8:], 10); err == nil {
		t.Error("records are applied to an index that is behind")
	}
	l.refuse = nil
	if diff := cmp.Diff([]bool{false, false}, ask(t, x, l, 8, 10)); diff != "" {
		t.Error(diff)
	}
	x.Release(testTopic, 0)
	if _, err := x.Duplicates(t.Context(), testTopic, 0, l.entries[8:], nil); !errors.Is(err, errUnassigned) {
		t.Errorf("after Release: %v", err)
	}
	mustClose(t, x)
	mustClose(t, x)
	if err := x.Assign(t.Context(), testTopic, 0, 8); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The folder of another process is left alone, and the error says what to do.
func TestFolderInUse(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Window: time.Hour}
	x, err := Open(cfg, &fakeLog{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(cfg, &fakeLog{}, zap.NewNop(), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), cfg.Dir) || !strings.Contains(err.Error(), "end that process") {
		t.Errorf("a folder in use: %v", err)
	}
	mustClose(t, x)
}

// What a full disk refuses is no reason to throw the index away.
func TestMachineIsNoDamage(t *testing.T) {
	if err := damage("write", syscall.ENOSPC); errors.Is(err, errDamaged) {
		t.Error(err)
	}
	if err := damage("read", pebble.ErrCorruption); !errors.Is(err, errDamaged) {
		t.Error(err)
	}
}
