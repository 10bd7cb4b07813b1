package reference

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Library looks after the files and holds what was made of them. Open makes one and Close ends it; in between Run looks at the files again and again.
// Current, Acquire and Release are safe for concurrent use.
type Library struct {
	cfg      Config
	dir      string
	holdings []*holding
	log      *zap.Logger
	metrics  *metrics
	// note tells operators what is amiss; empty when nothing is.
	note func(string)
	// temporary says that the folder is ours to remove.
	temporary bool

	current atomic.Pointer[Snapshot]
	// mu guards the holders of snapshots and tables.
	mu sync.Mutex
}

// Options are what a library is opened with.
type Options struct {
	Config Config
	// Dir is where copies of the last good files are kept. Empty: a temporary folder, and a restart begins with the files as they are.
	Dir      string
	Datasets []Dataset
	Log      *zap.Logger
	Metrics  prometheus.Registerer
	// Note is called with what is amiss whenever that changes; it may be nil.
	Note func(string)
}

// settle is how long Open waits between two looks at files that were changed a moment ago.
const settle = 200 * time.Millisecond

// Open loads what there is: the last good editions, and newer files. Files that are broken or absent are no error.
func Open(ctx context.Context, o Options) (*Library, error) {
	l := &Library{cfg: o.Config, dir: o.Dir, log: o.Log, metrics: newMetrics(o.Metrics), note: o.Note}
	if l.note == nil {
		l.note = func(string) {}
	}
	if l.dir == "" {
		dir, err := os.MkdirTemp("", "parcours-reference-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for reference data: %w; name one as enricher.data_dir", err)
		}
		l.dir, l.temporary = dir, true
	}
	for _, path := range l.cfg.Absent() {
		l.log.Warn("a folder or file of reference data is not there: correct its name, or make it", zap.String("path", path))
	}
	for _, d := range o.Datasets {
		h := &holding{dataset: d, keep: keep{dir: filepath.Join(l.dir, d.Name)}}
		l.holdings = append(l.holdings, h)
		l.restore(h)
	}
	l.current.Store(&Snapshot{library: l, holders: 1})
	l.Look()
	if l.fresh() {
		wait := time.NewTimer(settle)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	l.Look()
	l.publish()
	return l, nil
}

// fresh tells whether a file that waits for its second look was changed a moment ago.
func (l *Library) fresh() bool {
	for _, h := range l.holdings {
		if h.seen != "" && h.seen != h.settled && time.Since(h.changed) < l.cfg.Poll {
			return true
		}
	}
	return false
}

// Run looks at the files until ctx ends.
func (l *Library) Run(ctx context.Context) error {
	tick := time.NewTicker(l.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.Look()
		}
	}
}

// Look looks once at the files of all data sets. What is new and stable since the look before comes into force. It is for one goroutine at a time.
func (l *Library) Look() {
	changed := false
	var amiss []string
	for _, h := range l.holdings {
		if l.look(h) {
			changed = true
		}
		if h.why != "" {
			amiss = append(amiss, h.dataset.Name+": "+h.why)
		}
	}
	if changed {
		l.publish()
	}
	l.note(strings.Join(amiss, "; "))
}

// Current is the snapshot of now, to be compared with one that was acquired.
func (l *Library) Current() *Snapshot { return l.current.Load() }

// Acquire is the snapshot of now. Its tables are usable until Release.
func (l *Library) Acquire() *Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.current.Load()
	s.holders++
	return s
}

// publish puts the tables in force into a new snapshot.
func (l *Library) publish() {
	fresh := &Snapshot{library: l, holders: 1, tables: map[string]*table{}}
	l.mu.Lock()
	for _, h := range l.holdings {
		if h.table != nil {
			h.table.holders++
			fresh.tables[h.dataset.Name] = h.table
		}
	}
	before := l.current.Swap(fresh)
	l.mu.Unlock()
	l.release(before)
}

// release drops one holder. Tables that are nobody's any more are closed.
func (l *Library) release(s *Snapshot) {
	var unused []*table
	l.mu.Lock()
	s.holders--
	if s.holders == 0 {
		for _, t := range s.tables {
			if t.holders--; t.holders == 0 {
				unused = append(unused, t)
			}
		}
	}
	l.mu.Unlock()
	for _, t := range unused {
		if t.Loaded.Close == nil {
			continue
		}
		if err := t.Loaded.Close(); err != nil {
			l.log.Warn("reference data could not be closed", zap.String("dataset", t.Dataset), zap.Error(err))
		}
	}
}

// Close gives up the snapshot in force. Those that are still held stay usable until they are released.
func (l *Library) Close() error {
	l.mu.Lock()
	before := l.current.Swap(&Snapshot{library: l, holders: 1})
	l.mu.Unlock()
	l.release(before)
	if l.temporary {
		return os.RemoveAll(l.dir)
	}
	return nil
}

// restore brings the last good edition into force.
func (l *Library) restore(h *holding) {
	name := h.dataset.Name
	if l.cfg.excluded(name) {
		if err := h.keep.drop(); err != nil {
			l.log.Warn("copies of reference data could not be removed", zap.String("dataset", name), zap.Error(err))
		}
		return
	}
	last, err := h.keep.last()
	if last == nil && err == nil {
		return
	}
	var loaded Loaded
	if err == nil {
		h.rows = last.Rows
		var files []File
		if files, err = h.keep.files(last); err == nil {
			loaded, err = h.dataset.load(files)
		}
	}
	if err != nil {
		l.log.Warn("the last good copy of reference data cannot be used; the file is read anew", zap.String("dataset", name), zap.Error(err))
		return
	}
	l.force(h, Edition{Dataset: name, Sum: last.Sum, Loaded: loaded})
}

// force brings an edition into force, with the next snapshot.
func (l *Library) force(h *holding, e Edition) {
	h.table, h.rows = &table{Edition: e}, e.Loaded.Rows
	l.metrics.took(e.Dataset, h.table, float64(time.Now().Unix()))
	l.log.Info("reference data in force", zap.String("dataset", e.Dataset), zap.String("version", e.Version()), zap.Int("rows", e.Loaded.Rows))
}

var errChanging = errors.New("the file is being written")
