package reference

import "strings"

// Edition is one data set as it was loaded once. It does not change.
type Edition struct {
	// Dataset is the name of the data set.
	Dataset string
	// Sum is the beginning of the checksum of its files: 12 hexadecimal digits.
	Sum    string
	Loaded Loaded
}

// Version is what events name: the data set and its checksum.
func (e Edition) Version() string { return e.Dataset + "@" + e.Sum }

// Snapshot is all reference data at one moment. It does not change. The tables of one that Library.Acquire gave stay usable until it is released.
type Snapshot struct {
	tables map[string]*table
	// asked notes the names of the data sets that were looked for; see Watch.
	asked map[string]bool
	// library it came from; nil when it came from none.
	library *Library
	// holders are those who acquired it and the library itself. The library guards it.
	holders int
}

// table is an edition that snapshots share; it is closed when the last of them is gone.
type table struct {
	Edition
	// holders are the snapshots, and guarded by the library.
	holders int
}

// NewSnapshot is a snapshot of these editions, which belongs to no library: nothing of it is closed.
func NewSnapshot(editions ...Edition) *Snapshot {
	s := &Snapshot{tables: make(map[string]*table, len(editions))}
	for _, edition := range editions {
		s.tables[edition.Dataset] = &table{Edition: edition}
	}
	return s
}

// Table is the table of a data set, and whether there is one of that type.
func Table[T any](s *Snapshot, name string) (T, bool) {
	t := s.find(name)
	if t == nil {
		var none T
		return none, false
	}
	value, ok := t.Loaded.Table.(T)
	return value, ok
}

// Version names the editions of those data sets that there are, for example "communes@0123456789ab+density@ba9876543210"; it is empty when there is none.
func (s *Snapshot) Version(names ...string) string {
	var versions []string
	for _, name := range names {
		if t := s.find(name); t != nil {
			versions = append(versions, t.Version())
		}
	}
	return strings.Join(versions, "+")
}

// Suffix is Version with a plus sign before it, or nothing: what is put behind the version of the rules.
func (s *Snapshot) Suffix(names ...string) string {
	if version := s.Version(names...); version != "" {
		return "+" + version
	}
	return ""
}

// Same tells whether this snapshot and the other hold the very same table of a data set, or both none.
func (s *Snapshot) Same(other *Snapshot, name string) bool {
	return s.tables[name] == other.tables[name]
}

// Release says that the tables are not used any more. Those that no later snapshot holds are closed.
func (s *Snapshot) Release() {
	if s.library != nil {
		s.library.release(s)
	}
}

// Watch is the same snapshot, and notes which data sets it is asked for.
func (s *Snapshot) Watch() (watched *Snapshot, asked map[string]bool) {
	asked = map[string]bool{}
	return &Snapshot{tables: s.tables, asked: asked}, asked
}

func (s *Snapshot) find(name string) *table {
	if s.asked != nil {
		s.asked[name] = true
	}
	return s.tables[name]
}
