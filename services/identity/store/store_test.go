package store

import (
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

func TestWhatIsCommittedIsThere(t *testing.T) {
	f := func(name string, o Options) {
		t.Run(name, func(t *testing.T) {
			o.Workspace, o.Topic = "w", "t"
			w, s := newWriter(11), mustOpen(t, o)
			same(t, w.now, mustRead(t, s))
			for range 50 {
				w.mustCommit(t, s, 1)
				same(t, w.now, mustRead(t, s))
			}
			mustClose(t, s)
			if o.Dir == "" {
				return
			}
			s = mustOpen(t, o)
			same(t, w.now, mustRead(t, s))
			w.mustCommit(t, s, 5)
			same(t, w.now, mustRead(t, s))
			mustClose(t, s)
		})
	}
	f("on disk", Options{Dir: t.TempDir()})
	f("in memory", Options{})
}

// After any batch the power goes, and some of what was not synced yet is on the disk or not.
func TestCrashAfterAnyBatch(t *testing.T) {
	o := Options{Dir: testDir, Workspace: "w", Topic: "t"}
	lost, kept := 0, 0
	for seed := range uint64(4) {
		disk := vfs.NewCrashableMem()
		o.files = disk
		w, s := newWriter(seed), mustOpen(t, o)
		for i := range 40 {
			w.mustCommit(t, s, 1)
			if i%7 == 6 {
				flush(t, s)
			}
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			o.files = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[i%3], RNG: rng})
			after, err := Open(o)
			if errors.Is(err, ErrUnusable) && i%3 == 1 {
				continue // Half of a folder's entries went: no disk that keeps an order does that.
			}
			if err != nil {
				t.Fatalf("batch %d: %v", i, err)
			}
			got := mustRead(t, after)
			same(t, w.at[got.Position], got)
			if got.Position < w.now.Position {
				lost++
			} else {
				kept++
			}
			mustClose(t, after)
		}
		mustClose(t, s)
		// A clean end loses nothing.
		o.files = disk.CrashClone(vfs.CrashCloneCfg{})
		after := mustOpen(t, o)
		same(t, w.now, mustRead(t, after))
		mustClose(t, after)
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d crashes lost a tail, %d did not: the test is for both", lost, kept)
	}
}

func TestFlushWithoutCommitIsDropped(t *testing.T) {
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: vfs.NewMem()}
	w, s := newWriter(5), mustOpen(t, o)
	w.mustCommit(t, s, 3)
	b := s.Begin()
	b.Put(w.record())
	b.Queue(w.now.Position, w.message(), w.message())
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Queue(w.now.Position, w.message())
	b.Queue(w.now.Position+1, w.message())
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	for q, err := range s.Outbox(w.now.Position, math.MaxInt64) {
		t.Errorf("a message of a position that was not reached: %+v, %v", q, err)
	}
	mustClose(t, s)
	s = mustOpen(t, o)
	same(t, w.now, mustRead(t, s))
	w.mustCommit(t, s, 3)
	same(t, w.now, mustRead(t, s))
	mustClose(t, s)
}

func TestOutbox(t *testing.T) {
	s := mustOpen(t, Options{Workspace: "w", Topic: "t"})
	b := s.Begin()
	message := func(key string) Message { return Message{Topic: "x", Partition: -1, Key: []byte(key), Value: []byte{}} }
	b.Queue(3, message("a"), message("b"))
	b.Queue(3, message("c"))
	b.Queue(300, message("d"))
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Queue(300, message("e"))
	b.Queue(70000, Message{Topic: "y", Partition: 2, Key: []byte("f")})
	if err := b.Commit(70001, evidence.Sums{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	f := func(first, last int64, want string) {
		t.Helper()
		var got strings.Builder
		for q, err := range s.Outbox(first, last) {
			if err != nil {
				t.Fatal(err)
			}
			got.Write(q.Key)
		}
		if got.String() != want {
			t.Errorf("%d to %d: %s, want %s", first, last, got.String(), want)
		}
	}
	forget := func(before, left int64) {
		t.Helper()
		if err := s.Forget(before); err != nil || s.Queued() != left {
			t.Errorf("forget before %d: %d left, want %d, %v", before, s.Queued(), left, err)
		}
	}
	f(0, math.MaxInt64, "abcdef")
	f(-5, 2, "")
	f(3, 3, "abc")
	f(4, 69999, "de")
	f(70000, 70000, "f")
	forget(3, 6)
	forget(300, 3)
	forget(4, 3)
	f(0, math.MaxInt64, "def")
	for q, err := range s.Outbox(70000, 70000) {
		want := Queued{Offset: 70000, Message: Message{Topic: "y", Partition: 2, Key: []byte("f")}}
		if diff := cmp.Diff(want, q); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	forget(math.MaxInt64, 0)
	f(0, math.MaxInt64, "")
	mustClose(t, s)
}

func TestBatchRefuses(t *testing.T) {
	s := mustOpen(t, Options{Workspace: "w", Topic: "t"})
	b := s.Begin()
	if err := b.Commit(10, evidence.Sums{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	f := func(want string, position int64, fill func(b *Batch)) {
		t.Helper()
		b := s.Begin()
		fill(b)
		if err := b.Commit(position, evidence.Sums{}, time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if s.Position() != 10 || s.Queued() != 0 {
			t.Errorf("%s: the store moved to %d", want, s.Position())
		}
	}
	f("is at 10", 9, func(*Batch) {})
	f("up to offset 11", 11, func(b *Batch) { b.Queue(11, Message{}) })
	f("offset 9 comes after 10", 12, func(b *Batch) { b.Queue(10); b.Queue(9) })
	f(`workspace "v"`, 12, func(b *Batch) { b.Put(&evidence.Verdict{Workspace: "v"}) })
	f(`workspace "v"`, 12, func(b *Batch) { b.Delete(&evidence.Verdict{Workspace: "v"}) })
	f("nothing to keep", 12, func(b *Batch) { b.Put(&evidence.Digest{Workspace: "w"}) })
	f("nothing to keep", 12, func(b *Batch) { b.Put(&evidence.Tombstone{Workspace: "w", Of: &evidence.Verdict{Workspace: "w"}}) })
	if err := b.Commit(12, evidence.Sums{}, time.Now()); err == nil {
		t.Error("a batch is committed twice")
	}
	mustClose(t, s)
}

func TestEdge(t *testing.T) {
	s := mustOpen(t, Options{Workspace: "w", Topic: "t"})
	e := evidence.NewEdge("w", evidence.End{Node: uuid.UUID{1}, Type: "a"}, evidence.End{Node: uuid.UUID{2}, Type: "b"})
	e.Source, e.Event, e.Normaliser = "web", uuid.UUID{9}, 3
	b := s.Begin()
	b.Put(&e)
	if err := b.Commit(1, evidence.Sums{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	f := func(workspace string, a, b uuid.UUID, want bool) {
		t.Helper()
		got, found, err := s.Edge(workspace, a, b)
		if err != nil || found != want || found && got != e {
			t.Errorf("%+v, %v, %v", got, found, err)
		}
	}
	f("w", uuid.UUID{1}, uuid.UUID{2}, true)
	f("w", uuid.UUID{2}, uuid.UUID{1}, true)
	f("w", uuid.UUID{1}, uuid.UUID{3}, false)
	f("v", uuid.UUID{1}, uuid.UUID{2}, false)
	b = s.Begin()
	b.Delete(&evidence.Tombstone{Workspace: "w", Of: &e})
	if err := b.Commit(2, evidence.Sums{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	f("w", uuid.UUID{1}, uuid.UUID{2}, false)
	mustClose(t, s)
}

// Whoever sees ErrUnusable discards. So another instance's store must not be that, nor a folder that is not ours.
func TestOpenTellsErrorsApart(t *testing.T) {
	o := Options{Dir: t.TempDir(), Workspace: "w", Topic: "t"}
	w, s := newWriter(1), mustOpen(t, o)
	w.mustCommit(t, s, 3)
	if _, err := Open(o); !errors.Is(err, ErrInUse) || errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "another instance uses") {
		t.Errorf("open twice: %v", err)
	}
	if err := Discard(o.Dir); !errors.Is(err, ErrInUse) {
		t.Errorf("discard an open store: %v", err)
	}
	mustClose(t, s)
	f := func(change func(o *Options), want string) {
		t.Helper()
		other := o
		change(&other)
		if _, err := Open(other); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(o *Options) { o.Topic = "u" }, `topic with id "t"`)
	f(func(o *Options) { o.Workspace = "v" }, `workspace "w"`)
	s = mustOpen(t, o)
	same(t, w.now, mustRead(t, s))
	mustClose(t, s)
	if err := writeMarker(vfs.Default, o.Dir, marker{Format: format + 1, Workspace: "w", Topic: "t"}); err != nil {
		t.Fatal(err)
	}
	f(func(*Options) {}, "format 2")
	if err := Discard(o.Dir); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	same(t, newWriter(1).now, mustRead(t, s))
	mustClose(t, s)
}

const lockedDir = "PARCOURS_TEST_STORE"

// Another process, this very program, has the store open.
func TestAnotherProcessHasTheStore(t *testing.T) {
	o := Options{Dir: os.Getenv(lockedDir), Workspace: "w", Topic: "t"}
	if o.Dir != "" {
		_, err := Open(o)
		if !errors.Is(err, ErrInUse) || errors.Is(err, ErrUnusable) {
			t.Fatal(err)
		}
		return
	}
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), lockedDir+"="+o.Dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	mustClose(t, s)
}

func TestDiscardTouchesNothingElse(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "letter")
	if err := os.WriteFile(mine, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: dir, Workspace: "w", Topic: "t"})
	if err == nil || errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "letter") {
		t.Errorf("open a folder of somebody else: %v", err)
	}
	if err := Discard(dir); err == nil {
		t.Error("a folder of somebody else was discarded")
	}
	store := filepath.Join(dir, "store")
	mustClose(t, mustOpen(t, Options{Dir: store, Workspace: "w", Topic: "t"}))
	mine2 := filepath.Join(store, "note")
	if err := os.WriteFile(mine2, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Discard(store); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{mine, mine2} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(store, databaseFolder)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := Discard(filepath.Join(dir, "never there")); err != nil {
		t.Error(err)
	}
}

// A full disk ends the store with an error that a new store would meet as well; the process goes on.
func TestFullDisk(t *testing.T) {
	full := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync {
			return syscall.ENOSPC
		}
		return nil
	})}
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: errorfs.Wrap(vfs.NewMem(), &full)}
	w, s := newWriter(2), mustOpen(t, o)
	w.mustCommit(t, s, 3)
	full.On()
	if _, err := s.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	var err error
	for late := time.Now().Add(time.Minute); err == nil && time.Now().Before(late); {
		err = w.commit(s)
	}
	if err == nil || errors.Is(err, ErrUnusable) {
		t.Errorf("commit on a full disk: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("close says nothing")
	}
}

func TestClosedStoreAnswersErrors(t *testing.T) {
	s := mustOpen(t, Options{Workspace: "w", Topic: "t"})
	b := s.Begin()
	mustClose(t, s)
	if err := b.Flush(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Begin().Commit(1, evidence.Sums{}, time.Now()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, err := range s.Records() {
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	if _, _, err := s.Edge("w", uuid.UUID{1}, uuid.UUID{2}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Forget(1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
