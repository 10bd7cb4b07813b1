package reference

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	logs "go.uber.org/zap/zaptest/observer"
)

// numbers is a table whose rows all say the same, so that a mixture shows.
type numbers struct {
	value  int
	rows   int
	closed atomic.Bool
}

// load reads lines "row N of M: value"; the last has no other form, so that a file that is cut off between lines is noticed by its rows only.
func load(files []File) (Loaded, error) {
	n := &numbers{}
	for _, file := range files {
		in, err := os.Open(file.Path)
		if err != nil {
			return Loaded{}, err
		}
		defer in.Close()
		for lines := bufio.NewScanner(in); lines.Scan(); {
			value, ok := strings.CutPrefix(lines.Text(), "value ")
			if n.value, err = strconv.Atoi(value); err != nil || !ok {
				return Loaded{}, fmt.Errorf("row %d is no value", n.rows+1)
			}
			if value == "13" {
				panic("unlucky")
			}
			n.rows++
		}
	}
	return Loaded{Table: n, Rows: n.rows, Close: func() error { n.closed.Store(true); return nil }}, nil
}

func dataset() Dataset {
	return Dataset{Name: "numbers", Files: []string{"numbers-*.txt"}, Least: 3, Load: load}
}

func lines(value, rows int) string { return strings.Repeat(fmt.Sprintf("value %d\n", value), rows) }

// shelf is a folder with files and a library that looks at them when the test says so.
type shelf struct {
	*Library
	dir, data string
	metrics   *prometheus.Registry
	logs      *logs.ObservedLogs
	note      string
	clock     time.Time
}

func newShelf(t *testing.T) *shelf {
	return &shelf{dir: t.TempDir(), data: t.TempDir(), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (s *shelf) open(t *testing.T, change ...func(*Options)) *shelf {
	t.Helper()
	s.metrics = prometheus.NewRegistry()
	core, seen := logs.New(zap.DebugLevel)
	s.logs = seen
	o := Options{
		Config: Config{Dirs: []string{s.dir}, Poll: 100 * time.Millisecond}, Dir: s.data, Datasets: []Dataset{dataset()},
		Log: zap.New(core), Metrics: s.metrics, Note: func(text string) { s.note = text },
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if s.Library, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) close(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// write puts a file there at once; each is younger than the one before, whatever the clock of the machine resolves.
func (s *shelf) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.clock = s.clock.Add(time.Second)
	if err := os.Chtimes(path, s.clock, s.clock); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *shelf) lookTwice() { s.Look(); s.Look() }

// expect compares the value in force, 0 for none, and what is noted.
func (s *shelf) expect(t *testing.T, value int, note string) {
	t.Helper()
	got := 0
	if n, ok := Table[*numbers](s.Current(), "numbers"); ok {
		got = n.value
		if n.closed.Load() {
			t.Error("the table in force is closed")
		}
	}
	if got != value {
		t.Errorf("value %d is in force, want %d", got, value)
	}
	if !strings.Contains(s.note, note) || note == "" && s.note != "" {
		t.Errorf("the note is %q, want %q", s.note, note)
	}
}

func (s *shelf) warnings(t *testing.T, count int) {
	t.Helper()
	if n := s.logs.FilterLevelExact(zap.WarnLevel).Len(); n != count {
		t.Errorf("%d warnings, want %d: %v", n, count, s.logs.All())
	}
}

func TestAFileIsTakenWhenTwoLooksShowTheSame(t *testing.T) {
	s := newShelf(t).open(t)
	defer s.close(t)
	s.expect(t, 0, "")
	s.write(t, "numbers-2024.txt", lines(1, 10))
	s.write(t, "other.txt", "value x")
	s.write(t, ".numbers-2025.txt", "still being written")
	s.Look()
	s.expect(t, 0, "")
	s.Look()
	s.expect(t, 1, "")
	first := s.Current().Version("numbers", "nothing")
	if !strings.HasPrefix(first, "numbers@") || len(first) != len("numbers@")+sumDigits {
		t.Errorf("version %q", first)
	}
	// The edition with the last name counts, in capitals as well.
	s.write(t, "NUMBERS-2026.TXT", lines(9, 10))
	s.write(t, "numbers-2025.txt", lines(2, 10))
	s.lookTwice()
	s.expect(t, 2, "")
	if s.Current().Version("numbers") == first {
		t.Error("another edition has the same version")
	}
	s.warnings(t, 0)
	if n := testutil.ToFloat64(s.Library.metrics.rows.WithLabelValues("numbers")); n != 10 {
		t.Errorf("metric of rows %v", n)
	}
}

// A file that grows between two looks is not taken, however long it takes; nor is one of the same length that is written over in place.
func TestAFileThatIsBeingWrittenIsNotTaken(t *testing.T) {
	s := newShelf(t)
	s.write(t, "numbers-1.txt", lines(1, 100))
	s.open(t)
	defer s.close(t)
	s.expect(t, 1, "")
	for rows := 60; rows < 100; rows++ {
		s.write(t, "numbers-1.txt", lines(2, rows))
		s.Look()
		s.expect(t, 1, "")
	}
	for rows := range 101 {
		s.write(t, "numbers-1.txt", lines(2, rows)+lines(1, 100-rows))
		s.Look()
		s.expect(t, 1, "")
	}
	s.Look()
	s.expect(t, 2, "")
	// Written in place under a clock that stands still: time and size are the same at both looks, the bytes are not.
	path := s.write(t, "numbers-1.txt", lines(3, 100))
	s.Look()
	if err := os.WriteFile(path, []byte(lines(3, 50)+lines(4, 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, s.clock, s.clock); err != nil {
		t.Fatal(err)
	}
	s.Look()
	s.expect(t, 2, "")
	s.lookTwice()
	s.expect(t, 4, "")
	s.warnings(t, 0)
}

func TestABrokenFileLeavesTheLastGoodInForce(t *testing.T) {
	f := func(name, text, reason, note string, change ...func(*Options)) {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.write(t, "numbers-1.txt", lines(1, 10))
			s.open(t, change...)
			s.expect(t, 1, "")
			version := s.Current().Version("numbers")
			s.write(t, "numbers-1.txt", text)
			for range 3 {
				s.lookTwice()
			}
			s.expect(t, 1, note)
			s.warnings(t, 1)
			if n := testutil.ToFloat64(s.Library.metrics.refusals.WithLabelValues("numbers", reason)); n != 1 {
				t.Errorf("%v refusals for %s, want 1", n, reason)
			}
			if testutil.ToFloat64(s.Library.metrics.refused.WithLabelValues("numbers")) != 1 {
				t.Error("the metric does not say that a file is refused")
			}
			s.close(t)
			// A restart on the broken file begins with the last good one, and says so again.
			s.open(t, change...)
			s.expect(t, 1, note)
			if got := s.Current().Version("numbers"); got != version {
				t.Errorf("after the restart %s, before %s", got, version)
			}
			s.warnings(t, 1)
			// A whole one comes into force.
			s.write(t, "numbers-1.txt", lines(2, 10))
			s.lookTwice()
			s.expect(t, 2, "")
			if testutil.ToFloat64(s.Library.metrics.refused.WithLabelValues("numbers")) != 0 {
				t.Error("the metric still says that a file is refused")
			}
			s.close(t)
		})
	}
	f("cut off in a row", lines(2, 9)+"valu", Malformed, "row 10 is no value")
	f("empty", "", TooFewRows, "least.numbers")
	f("not enough rows", lines(2, 2), TooFewRows, "2 rows")
	f("less than half of the rows", lines(2, 4), LostRows, "4 rows and the one in force 10")
	f("a reader that panics", lines(13, 10), Malformed, "gave up")
	f("rows of the configuration", lines(2, 8), TooFewRows, "9 or more", func(o *Options) { o.Config.Least = map[string]int{"numbers": 9} })
}

func TestLessRowsAreTakenWhenSomebodySaysSo(t *testing.T) {
	s := newShelf(t)
	s.write(t, "numbers-1.txt", lines(1, 100))
	s.open(t)
	s.write(t, "numbers-1.txt", lines(2, 50)) // Half is left.
	s.lookTwice()
	s.expect(t, 2, "")
	s.close(t)
	s.write(t, "numbers-1.txt", lines(3, 2))
	s.open(t, func(o *Options) { o.Config.Least = map[string]int{"numbers": 2} })
	defer s.close(t)
	s.expect(t, 3, "")
}

func TestAFileThatCannotBeReadIsTriedAgain(t *testing.T) {
	s := newShelf(t)
	path := s.write(t, "numbers-1.txt", lines(1, 10))
	s.open(t)
	defer s.close(t)
	s.write(t, "numbers-1.txt", lines(2, 10))
	broken := s.cfg
	// A folder in the place of the file cannot be read by anybody, root neither.
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	s.cfg.Files = map[string]string{"numbers": s.dir}
	for range 3 {
		s.Look()
	}
	s.expect(t, 1, "is no file")
	s.warnings(t, 1)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	s.cfg = broken
	s.lookTwice()
	s.expect(t, 2, "")
}

func TestAFileThatIsGoneLeavesItsCopyInForce(t *testing.T) {
	s := newShelf(t)
	path := s.write(t, "numbers-1.txt", lines(1, 10))
	s.open(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.lookTwice()
	s.expect(t, 1, "the file is gone")
	s.warnings(t, 1)
	s.close(t)
	s.open(t)
	s.expect(t, 1, "the file is gone")
	s.close(t)
	// Left out by name, the copy goes as well.
	leaveOut := func(o *Options) { o.Config.Files = map[string]string{"numbers": ""} }
	s.open(t, leaveOut)
	s.expect(t, 0, "")
	s.close(t)
	s.open(t)
	defer s.close(t)
	s.expect(t, 0, "")
}

// What stands in the folder of copies is checked: a damaged copy is not used, and one edition is kept.
func TestCopiesAreCheckedAndPruned(t *testing.T) {
	s := newShelf(t)
	path := s.write(t, "numbers-1.txt", lines(1, 10))
	s.open(t)
	for value := 2; value < 6; value++ {
		s.write(t, "numbers-1.txt", lines(value, 10))
		s.lookTwice()
		s.expect(t, value, "")
	}
	version := strings.TrimPrefix(s.Current().Version("numbers"), "numbers@")
	s.close(t)
	keep := filepath.Join(s.data, "numbers")
	entries, err := os.ReadDir(keep)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if len(found) != 2 || !strings.Contains(strings.Join(found, " "), version) {
		t.Errorf("the folder of copies has %v", found)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(keep, version, "numbers-1.txt")
	if err := os.WriteFile(copied, []byte(lines(6, 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.open(t)
	defer s.close(t)
	s.expect(t, 0, "")
	s.warnings(t, 1)
	s.write(t, "numbers-1.txt", lines(7, 10))
	s.lookTwice()
	s.expect(t, 7, "")
}

func TestTablesAreClosedWhenNobodyHoldsThem(t *testing.T) {
	s := newShelf(t)
	s.write(t, "numbers-1.txt", lines(1, 10))
	s.open(t)
	held := s.Acquire()
	old, _ := Table[*numbers](held, "numbers")
	s.write(t, "numbers-1.txt", lines(2, 10))
	s.lookTwice()
	s.expect(t, 2, "")
	if old.closed.Load() {
		t.Error("a table is closed while its snapshot is held")
	}
	if held.Same(s.Current(), "numbers") || !held.Same(s.Current(), "nothing") {
		t.Error("another table passes for the same")
	}
	held.Release()
	if !old.closed.Load() {
		t.Error("a table that nobody holds is not closed")
	}
	now, _ := Table[*numbers](s.Current(), "numbers")
	again := s.Acquire()
	s.close(t)
	if now.closed.Load() {
		t.Error("the end of the library closes a table that is held")
	}
	if again.Release(); !now.closed.Load() {
		t.Error("a table is left open")
	}
}

func TestSeveralFilesAreOneTable(t *testing.T) {
	s := newShelf(t)
	s.write(t, "numbers-1.txt", lines(1, 10))
	s.write(t, "numbers-2.txt", lines(1, 10))
	several := func(o *Options) { o.Datasets[0].Several = true }
	s.open(t, several)
	defer s.close(t)
	if n, _ := Table[*numbers](s.Current(), "numbers"); n == nil || n.rows != 20 {
		t.Errorf("table %+v, want 20 rows", n)
	}
	before := s.Current().Version("numbers")
	if err := os.Rename(filepath.Join(s.dir, "numbers-2.txt"), filepath.Join(s.dir, "numbers-3.txt")); err != nil {
		t.Fatal(err)
	}
	s.lookTwice()
	if s.Current().Version("numbers") == before {
		t.Error("the names of the files are not in the version")
	}
}

func TestConfigurationFaultsNameTheField(t *testing.T) {
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		if err := c.Validate([]Dataset{dataset()}); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(c *Config) { c.Files, c.Least = map[string]string{"numbers": ""}, map[string]int{"numbers": 1} })
	f("dirs[1]", func(c *Config) { c.Dirs = []string{"a", ""} })
	f("files.letters", func(c *Config) { c.Files = map[string]string{"letters": "x"} })
	f("least.letters", func(c *Config) { c.Least = map[string]int{"letters": 1} })
	f("least.numbers", func(c *Config) { c.Least = map[string]int{"numbers": 0} })
	f("poll", func(c *Config) { c.Poll = time.Millisecond })
}

func TestASnapshotTellsWhatItWasAskedFor(t *testing.T) {
	s := NewSnapshot(Edition{Dataset: "one", Sum: "0123456789ab", Loaded: Loaded{Table: 1}})
	watched, asked := s.Watch()
	if n, ok := Table[int](watched, "one"); n != 1 || !ok {
		t.Error("the table is not there")
	}
	if _, ok := Table[string](watched, "one"); ok {
		t.Error("a table of another type is there")
	}
	if got := watched.Suffix("two", "one", "three"); got != "+one@0123456789ab" {
		t.Errorf("suffix %q", got)
	}
	if diff := cmp.Diff(map[string]bool{"one": true, "two": true, "three": true}, asked); diff != "" {
		t.Error(diff)
	}
	s.Release() // Which belongs to no library.
}

// A folder that is not there is said, once, and does not keep the others from being read.
func TestAnAbsentFolderIsSaid(t *testing.T) {
	s := newShelf(t)
	s.write(t, "numbers-1.txt", lines(1, 10))
	absent := filepath.Join(s.dir, "absent")
	s.open(t, func(o *Options) { o.Config.Dirs = append([]string{absent}, o.Config.Dirs...) })
	defer s.close(t)
	s.lookTwice()
	s.expect(t, 1, "")
	s.warnings(t, 1)
	if said := s.logs.FilterField(zap.String("path", absent)).Len(); said != 1 {
		t.Errorf("the absent folder was said %d times", said)
	}
}
