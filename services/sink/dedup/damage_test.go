package dedup

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const damageWindow = 20 * time.Hour

// damageLog is one whose records repeat each other near and far.
func damageLog() *fakeLog {
	l := &fakeLog{}
	for i := range int64(300) {
		l.add(entry(uint64(i*i)%97, 100*hour+i*hour/10))
	}
	return l
}

// answers asks for the log from an offset on, range by range, and compares; an error of a call is answered.
func answers(t *testing.T, x *Index, l *fakeLog, position int64) error {
	t.Helper()
	for position < l.end() {
		to := min(l.end(), position+20)
		got, err := x.Duplicates(t.Context(), testTopic, 0, l.entries[position:to], nil)
		if err != nil {
			return err
		}
		for i, repeated := range got {
			if want := repeats(l.entries, int(position)+i, damageWindow.Milliseconds()); repeated != want {
				t.Errorf("offset %d: %v", int(position)+i, repeated)
			}
		}
		if err := x.Apply(testTopic, 0, l.entries[position:to], to); err != nil {
			return err
		}
		position = to
	}
	return nil
}

func filled(t *testing.T, files vfs.FS, l *fakeLog) {
	t.Helper()
	x := mustOpen(t, files, l, damageWindow)
	mustAssign(t, x, 0)
	for from := int64(0); from < 200; from += 50 {
		mustApply(t, x, l, from, from+50)
		if err := x.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, x)
}

func filesOf(t *testing.T, files vfs.FS) (paths []string) {
	t.Helper()
	folder := files.PathJoin(testDir, databaseFolder)
	names, err := files.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n != "LOCK" {
			paths = append(paths, files.PathJoin(folder, n))
		}
	}
	return paths
}

func spoil(t *testing.T, files vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	f, err := files.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if body = change(body); body == nil {
		if err := files.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if f, err = files.Create(path, vfs.WriteCategoryUnspecified); err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Whatever happened to a file, the answers are right: from what is left, or from the log.
func TestDamagedFiles(t *testing.T) {
	l := damageLog()
	whole := vfs.NewMem()
	filled(t, whole, l)
	rng := rand.New(rand.NewPCG(7, 8))
	changes := map[string]func([]byte) []byte{
		"gone":  func([]byte) []byte { return nil },
		"empty": func([]byte) []byte { return []byte{} },
		"half":  func(b []byte) []byte { return b[:len(b)/2] },
		"zeros": func(b []byte) []byte { clear(b[len(b)/3 : len(b)/2]); return b },
		"a bit": func(b []byte) []byte {
			if len(b) > 0 {
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			}
			return b
		},
	}
	resets := 0.0
	for _, path := range filesOf(t, whole) {
		for what, change := range changes {
			files := vfs.NewMem()
			if ok, err := vfs.Clone(whole, files, testDir, testDir); err != nil || !ok {
				t.Fatal(ok, err)
			}
			spoil(t, files, path, change)
			x := mustOpen(t, files, l, damageWindow)
			// The damage may be met on opening, on assignment or later: who tries again gets through.
			err := x.Assign(t.Context(), testTopic, 0, 200)
			for attempt := 0; err != nil && attempt < 3; attempt++ {
				err = x.Assign(t.Context(), testTopic, 0, 200)
			}
			if err == nil {
				err = answers(t, x, l, 200)
			}
			if err != nil {
				t.Errorf("%s %s: %v", path, what, err)
			}
			resets += testutil.ToFloat64(x.metrics.resets.WithLabelValues("damaged"))
			if err := x.Close(); err != nil {
				t.Errorf("%s %s: close: %v", path, what, err)
			}
		}
	}
	t.Logf("%v were thrown away", resets)
	if resets == 0 {
		t.Error("the damages are not such as this test is for")
	}
}

// A folder of another format is a cache that nobody can read.
func TestOtherFormat(t *testing.T) {
	l, files := damageLog(), vfs.NewMem()
	filled(t, files, l)
	x := mustOpen(t, files, l, damageWindow)
	if err := x.db.Set([]byte{keyFormat}, []byte("parcours dedup 99"), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	mustClose(t, x)
	x = mustOpen(t, files, l, damageWindow)
	mustAssign(t, x, 200)
	if got := testutil.ToFloat64(x.metrics.resets.WithLabelValues("damaged")); got != 1 {
		t.Errorf("thrown away %v times", got)
	}
	if err := answers(t, x, l, 200); err != nil {
		t.Error(err)
	}
	mustClose(t, x)
}

// A value that cannot be read fails the call that meets it; the next one begins anew, and answers.
func TestUnreadableValue(t *testing.T) {
	l := damageLog()
	core, logs := observer.New(zapcore.WarnLevel)
	x, err := openOn(vfs.NewMem(), Config{Dir: testDir, Window: damageWindow}, l, zap.New(core), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	mustAssign(t, x, 200)
	for id := range uint64(97) {
		e := entry(id, 0)
		for number := bucketOf(100 * hour); number <= bucketOf(130*hour); number++ {
			key := make([]byte, idKeyLength)
			putIDKey(key, 0, number, &e.ID)
			if err := x.db.Set(key, []byte("no"), pebble.NoSync); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := answers(t, x, l, 200); !errors.Is(err, errDamaged) {
		t.Fatalf("values of two bytes: %v", err)
	}
	// The one that is told before it is asked has lost its place.
	if err := x.Apply(testTopic, 0, l.entries[200:210], 210); err == nil || !strings.Contains(err.Error(), "assign the partition") {
		t.Errorf("apply to what was thrown away: %v", err)
	}
	if err := answers(t, x, l, 200); err != nil {
		t.Error(err)
	}
	if logs.FilterMessageSnippet("damaged").Len() != 1 {
		t.Errorf("said: %v", logs.All())
	}
	mustClose(t, x)
}

// A full disk fails what it is asked to do, and nothing is lost when it has room again.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	files := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return syscall.ENOSPC
		}
		return nil
	}))
	l := damageLog()
	x := mustOpen(t, files, l, damageWindow)
	mustAssign(t, x, 0)
	if err := answers(t, x, &fakeLog{entries: l.entries[:200]}, 0); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	flushed, err := x.db.AsyncFlush()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for x.said.failure() == nil {
		select {
		case <-flushed:
			t.Fatal("the full disk took a table")
		case <-deadline:
			t.Fatal("nobody said that the disk is full")
		default:
		}
	}
	if err := answers(t, x, l, 200); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	full.Store(false)
	if err := answers(t, x, l, 200); err != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(x.metrics.resets.WithLabelValues("damaged")); got != 0 {
		t.Error("a full disk had the index thrown away")
	}
	mustClose(t, x)
}
