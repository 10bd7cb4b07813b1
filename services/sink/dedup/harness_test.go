package dedup

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

const (
	testDir   = "/index"
	testTopic = "touchpoints.enriched"
)

// entry is one with an id that the number stands for; the log gives it its offset.
func entry(id uint64, at int64) Entry {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[8:], id)
	return Entry{ID: u, At: at}
}

// fakeLog is the log of each partition that is asked for: the same one.
type fakeLog struct {
	mu      sync.Mutex
	entries []Entry
	// start is the first offset that can be read.
	start int64
	// chunk is how many entries are handed over at once; 0 is all.
	chunk int
	// read counts the entries that were handed over.
	read int
	// blind has OffsetAt find nothing, as a broker does when what it would find was deleted from below.
	blind bool
	// refuse is answered by ReadBack once it has handed over the first chunk.
	refuse error
}

func (l *fakeLog) add(entries ...Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		e.Offset = int64(len(l.entries))
		l.entries = append(l.entries, e)
	}
}

func (l *fakeLog) end() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.entries))
}

func (l *fakeLog) OffsetAt(_ context.Context, _ string, _ int32, at time.Time) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := l.start; i < int64(len(l.entries)); i++ {
		if !l.blind && l.entries[i].At >= at.UnixMilli() {
			return i, nil
		}
	}
	return int64(len(l.entries)), nil
}

func (l *fakeLog) Start(context.Context, string, int32) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, nil
}

func (l *fakeLog) ReadBack(_ context.Context, _ string, _ int32, from, to int64, handle func([]Entry) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from > to || to > int64(len(l.entries)) {
		return fmt.Errorf("offsets %d to %d are asked of a log of %d", from, to, len(l.entries))
	}
	for from = max(from, l.start); from < to; {
		next := to
		if l.chunk > 0 {
			next = min(to, from+int64(l.chunk))
		}
		// What is handed over may not be kept.
		chunk := append([]Entry(nil), l.entries[from:next]...)
		l.read += len(chunk)
		err := handle(chunk)
		clear(chunk)
		if err != nil {
			return err
		}
		if l.refuse != nil {
			return l.refuse
		}
		from = next
	}
	return nil
}

func mustOpen(t testing.TB, files vfs.FS, l Log, window time.Duration) *Index {
	t.Helper()
	x, err := openOn(files, Config{Dir: testDir, Window: window}, l, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func mustClose(t testing.TB, x *Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAssign(t testing.TB, x *Index, position int64) {
	t.Helper()
	if err := x.Assign(t.Context(), testTopic, 0, position); err != nil {
		t.Fatal(err)
	}
}

func ask(t testing.TB, x *Index, l *fakeLog, from, to int64) []bool {
	t.Helper()
	answer, err := x.Duplicates(t.Context(), testTopic, 0, l.entries[from:to], nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func mustApply(t testing.TB, x *Index, l *fakeLog, from, to int64) {
	t.Helper()
	if err := x.Apply(testTopic, 0, l.entries[from:to], to); err != nil {
		t.Fatal(err)
	}
}
