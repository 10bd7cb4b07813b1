package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

func TestSnapshotIsTheStore(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "store"), Workspace: "w", Topic: "t"}
	w, s := newWriter(21), mustOpen(t, o)
	w.mustCommit(t, s, 30)
	flush(t, s)
	w.mustCommit(t, s, 30)
	then := w.now
	taken, err := s.Checkpoint(filepath.Join(dir, "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	if taken.Position != then.Position || taken.Sums != then.Sums || !taken.Written.Equal(then.Written) || taken.Topic != "t" {
		t.Errorf("a snapshot of position %d says %+v", then.Position, taken)
	}
	w.mustCommit(t, s, 30)
	compact(t, s)

	restored := o
	restored.Dir = filepath.Join(dir, "restored")
	if err := Restore(taken.Path, restored.Dir); err != nil {
		t.Fatal(err)
	}
	w2, s2 := newWriter(22), mustOpen(t, restored)
	w2.now = then
	same(t, then, mustRead(t, s2))
	w2.mustCommit(t, s2, 20)
	compact(t, s2)
	same(t, w2.now, mustRead(t, s2))
	mustClose(t, s2)
	same(t, w.now, mustRead(t, s))
	mustClose(t, s)

	// What both stores did since has not changed the snapshot.
	third := o
	third.Dir = filepath.Join(dir, "third")
	if err := Restore(taken.Path, third.Dir); err != nil {
		t.Fatal(err)
	}
	s3 := mustOpen(t, third)
	same(t, then, mustRead(t, s3))
	mustClose(t, s3)

	if err := Restore(taken.Path, third.Dir); err == nil || errors.Is(err, ErrUnusable) {
		t.Errorf("restore over a store: %v", err)
	}
}

func TestSnapshotWhileBatchesGoOn(t *testing.T) {
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: vfs.NewMem()}
	w, s := newWriter(23), mustOpen(t, o)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if err := w.commit(s); err != nil {
				ended <- err
				return
			}
		}
	}()
	taken := map[int64]Snapshot{}
	for late := time.Now().Add(time.Minute); len(taken) < 5 && time.Now().Before(late); {
		snapshot, err := s.Checkpoint("/disk/snapshots")
		if err != nil {
			t.Fatal(err)
		}
		taken[snapshot.Position] = snapshot
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	if len(taken) < 5 {
		t.Errorf("snapshots of %d positions in a minute of commits", len(taken))
	}
	for _, snapshot := range taken {
		o.Dir = "/disk/restored" + filepath.Base(snapshot.Path)
		if err := restore(o.files, snapshot.Path, o.Dir); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, o)
		if s.Position() != snapshot.Position || s.Sums() != snapshot.Sums {
			t.Errorf("a snapshot of %d restores %d", snapshot.Position, s.Position())
		}
		same(t, w.at[snapshot.Position], mustRead(t, s))
		mustClose(t, s)
	}
}

func TestTornSnapshotIsRefused(t *testing.T) {
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: vfs.NewMem()}
	w, s := newWriter(24), mustOpen(t, o)
	w.mustCommit(t, s, 40)
	taken, err := s.Checkpoint("/disk/snapshots")
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	rng := rand.New(rand.NewPCG(5, 6))
	files := filesOf(t, o.files, taken.Path)
	if len(files) < 4 {
		t.Fatalf("the snapshot is of %v", files)
	}
	for _, path := range files {
		info, err := o.files.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range damages(rng, int(info.Size()), 20) {
			torn := copyOf(t, o.files, taken.Path)
			before, err := readFile(torn, path)
			if err != nil {
				t.Fatal(err)
			}
			d.do(t, torn, path)
			if after, err := readFile(torn, path); err == nil && string(after) == string(before) {
				continue // Zeroes over zeroes.
			}
			if err := restore(torn, taken.Path, "/disk/into"); !errors.Is(err, ErrUnusable) {
				t.Errorf("%s %s: %v", path, d.name, err)
			}
			if _, err := readMarker(torn, "/disk/into"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %s: something was restored: %v", path, d.name, err)
			}
		}
	}
}

func TestSnapshotsAndPrune(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "store"), Workspace: "w", Topic: "t"}
	into := filepath.Join(dir, "snapshots")
	if all, err := Snapshots(into, "w"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	w, s := newWriter(25), mustOpen(t, o)
	var want []Snapshot
	for range 4 {
		w.mustCommit(t, s, 3)
		taken, err := s.Checkpoint(into)
		if err != nil {
			t.Fatal(err)
		}
		want = append([]Snapshot{taken}, want...)
	}
	mustClose(t, s)
	f := func(want []Snapshot) {
		t.Helper()
		all, err := Snapshots(into, "w")
		if err != nil || len(all) != len(want) {
			t.Fatalf("%v, %v, want %v", all, err, want)
		}
		for i := range want {
			if all[i] != want[i] {
				t.Errorf("snapshot %d is %+v, want %+v", i, all[i], want[i])
			}
		}
	}
	f(want)
	// In the making, old and new; torn; and somebody else's.
	base := filepath.Join(into, "w")
	old := time.Now().Add(-2 * unfinishedFor)
	for _, name := range []string{".7-20260101T000000.000Z.abcdefgh", ".8-20260101T000000.000Z.abcdefgh", "9-20260101T000000.000Z", "notes"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[1] != '8' {
			if err := os.Chtimes(filepath.Join(base, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	f(want)
	if err := Prune(into, "w", 2); err != nil {
		t.Fatal(err)
	}
	f(want[:2])
	names, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range names {
		left = append(left, entry.Name())
	}
	kept := []string{".8-20260101T000000.000Z.abcdefgh", filepath.Base(want[1].Path), filepath.Base(want[0].Path), "notes"}
	if diff := cmp.Diff(kept, left, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
	if err := Prune(into, "w", 0); err == nil {
		t.Error("all snapshots may be pruned")
	}
	if err := Prune(filepath.Join(dir, "nowhere"), "w", 1); err != nil {
		t.Error(err)
	}
}

// Snapshots end after a while also where no new ones are made, but for the newest.
func TestSnapshotsExpire(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Options{Dir: filepath.Join(dir, "store"), Workspace: "w", Topic: "t"})
	into := filepath.Join(dir, "snapshots")
	for i := range int64(4) {
		if err := s.Begin().Commit(i+1, evidence.Sums{}, time.UnixMilli(1000*i)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Checkpoint(into); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	f := func(before int64, want ...int64) {
		t.Helper()
		if err := Expire(into, "w", time.UnixMilli(before)); err != nil {
			t.Fatal(err)
		}
		all, err := Snapshots(into, "w")
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, left := range all {
			got = append(got, left.Position)
		}
		if !slices.Equal(got, want) {
			t.Errorf("before %d: positions %v are left, want %v", before, got, want)
		}
	}
	f(0, 4, 3, 2, 1)
	f(1001, 4, 3)
	f(1_000_000, 4)
	if err := Expire(filepath.Join(dir, "nowhere"), "w", time.Now()); err != nil {
		t.Error(err)
	}
}

func TestStoreInMemoryHasNoSnapshots(t *testing.T) {
	s := mustOpen(t, Options{Workspace: "w", Topic: "t"})
	if _, err := s.Checkpoint(t.TempDir()); err == nil || !strings.Contains(err.Error(), "in memory") {
		t.Error(err)
	}
	mustClose(t, s)
}

// A crash in the middle of restoring leaves an empty store, never a part of one.
func TestCrashWhileRestoring(t *testing.T) {
	disk := vfs.NewCrashableMem()
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: disk}
	w, s := newWriter(26), mustOpen(t, o)
	w.mustCommit(t, s, 20)
	taken, err := s.Checkpoint("/disk/snapshots")
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	m, err := readManifest(disk, taken.Path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range m.Files {
		part := *m
		part.Files = m.Files[:n]
		o.Dir, o.files = "/disk/into", disk.CrashClone(vfs.CrashCloneCfg{})
		if err := errors.Join(
			makeFolder(o.files, o.Dir),
			writeMarker(o.files, o.Dir, marker{Format: format, Workspace: "w", Topic: "t"}),
			copyFiles(o.files, &part, "/disk/into/"+restoreFolder),
		); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, o)
		same(t, newWriter(1).now, mustRead(t, s))
		mustClose(t, s)
		if there, err := exists(o.files, "/disk/into/"+restoreFolder); there || err != nil {
			t.Errorf("the part is still there: %v", err)
		}
	}
	// And after the end, nothing of it is lost.
	if err := restore(disk, taken.Path, "/disk/into"); err != nil {
		t.Fatal(err)
	}
	o.files = disk.CrashClone(vfs.CrashCloneCfg{})
	s = mustOpen(t, o)
	same(t, w.now, mustRead(t, s))
	mustClose(t, s)
}

func TestCloseLeavesNothingOpen(t *testing.T) {
	handles := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("counts the handles of Linux: ", err)
		}
		return len(open)
	}
	if runtime.GOOS == "linux" {
		before, running := handles(), goleak.IgnoreCurrent()
		dir := t.TempDir()
		o := Options{Dir: filepath.Join(dir, "store"), Workspace: "w", Topic: "t"}
		w, s := newWriter(27), mustOpen(t, o)
		w.mustCommit(t, s, 50)
		compact(t, s)
		mustRead(t, s)
		for _, err := range s.Records() {
			if err != nil {
				t.Error(err)
			}
			break // Leaving early closes as well.
		}
		taken, err := s.Checkpoint(dir)
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		o.Topic = "u"
		if _, err := Open(o); !errors.Is(err, ErrUnusable) {
			t.Error(err)
		}
		if err := errors.Join(Discard(o.Dir), Restore(taken.Path, o.Dir), Prune(dir, "w", 1)); err != nil {
			t.Error(err)
		}
		if after := handles(); after > before {
			t.Errorf("%d handles are open, %d were", after, before)
		}
		goleak.VerifyNone(t, running)
	}
}
