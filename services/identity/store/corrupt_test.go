package store

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// copyOf has the files below the folder on a disk of their own.
func copyOf(t testing.TB, files vfs.FS, dir string) *vfs.MemFS {
	t.Helper()
	copied := vfs.NewMem()
	if ok, err := vfs.Clone(files, copied, dir, dir); err != nil || !ok {
		t.Fatalf("copy %s: %v, %v", dir, ok, err)
	}
	return copied
}

// filesOf lists the files below the folder.
func filesOf(t testing.TB, files vfs.FS, dir string) (paths []string) {
	t.Helper()
	names, err := files.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := files.PathJoin(dir, name)
		info, err := files.Stat(path)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			paths = append(paths, filesOf(t, files, path)...)
		case name != lockFile:
			paths = append(paths, path)
		}
	}
	return paths
}

// damage is a way in which a file goes wrong; nil removes it.
type damage struct {
	name   string
	change func(body []byte) []byte
}

// do damages the file.
func (d damage) do(t testing.TB, files vfs.FS, path string) {
	t.Helper()
	body, err := readFile(files, path)
	if err != nil {
		t.Fatal(err)
	}
	if body = d.change(body); body == nil {
		err = files.Remove(path)
	} else {
		err = writeFile(files, path, body)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func damages(rng *rand.Rand, size, places int) []damage {
	all := []damage{
		{"deleted", func([]byte) []byte { return nil }},
		{"emptied", func([]byte) []byte { return []byte{} }},
	}
	for i := range places {
		if size == 0 {
			break
		}
		at := size - 1
		if i > 0 {
			at = rng.IntN(size)
		}
		where := " at " + strconv.Itoa(at)
		all = append(all,
			damage{"flipped" + where, func(body []byte) []byte { body[at] ^= byte(1 + at%255); return body }},
			damage{"zeroed" + where, func(body []byte) []byte { clear(body[at:min(len(body), at+64)]); return body }},
			damage{"cut" + where, func(body []byte) []byte { return body[:at] }},
		)
	}
	return all
}

const testDir = "/disk/store"

// A store that is damaged anywhere has what it had, at this position or an earlier one, or says so.
func TestDamagedStore(t *testing.T) {
	f := func(name string, prepare func(w *writer, s *Store)) {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: vfs.NewMem()}
			w, s := newWriter(7), mustOpen(t, o)
			prepare(w, s)
			whole := copyOf(t, o.files, testDir)
			mustClose(t, s)
			refused, read := 0, 0
			rng := rand.New(rand.NewPCG(1, 2))
			for _, path := range filesOf(t, whole, testDir) {
				info, err := whole.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range damages(rng, int(info.Size()), 8) {
					o.files = copyOf(t, whole, testDir)
					d.do(t, o.files, path)
					s, err := Open(o)
					if strings.HasSuffix(path, markerFile) && errors.Is(err, errForeign) {
						continue // Nobody can tell whose folder that is: it is not to be discarded.
					}
					if err != nil {
						refused++
					} else {
						read++
					}
					if err := w.wants(s, err); err != nil {
						t.Errorf("%s %s: %v", path, d.name, err)
					}
				}
			}
			t.Logf("Open refuses %d, reads %d", refused, read)
			if refused == 0 || read == 0 {
				t.Error("the damages are not such as this test is for")
			}
		})
	}
	f("in one table", func(w *writer, s *Store) {
		for range 5 {
			w.mustCommit(t, s, 20)
			flush(t, s)
		}
		compact(t, s)
	})
	f("in a few tables", func(w *writer, s *Store) {
		for range 3 {
			w.mustCommit(t, s, 20)
			flush(t, s)
		}
	})
}

// Without its manifest a database would be made anew: the records would go without a word.
func TestLostManifestIsSaid(t *testing.T) {
	o := Options{Dir: testDir, Workspace: "w", Topic: "t", files: vfs.NewMem()}
	w, s := newWriter(4), mustOpen(t, o)
	w.mustCommit(t, s, 5)
	mustClose(t, s)
	for _, path := range filesOf(t, o.files, testDir) {
		if !strings.Contains(path, "marker.manifest") {
			continue
		}
		if err := o.files.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(o); !errors.Is(err, ErrUnusable) {
			t.Errorf("without %s: %v", path, err)
		}
		return
	}
	t.Error("the database has no manifest to lose")
}

func flush(t testing.TB, s *Store) {
	t.Helper()
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
}

func compact(t testing.TB, s *Store) {
	t.Helper()
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{keyEnd}, false); err != nil {
		t.Fatal(err)
	}
}
