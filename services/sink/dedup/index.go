package dedup

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Log is what the index reads back.
type Log interface {
	// OffsetAt is the first offset whose record has a time of at or later; the end of the log when there is none.
	OffsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error)
	// Start is the first offset that can be read.
	Start(ctx context.Context, topic string, partition int32) (int64, error)
	// ReadBack reads the entries at offsets in [from, to), ascending; handle does not keep them.
	ReadBack(ctx context.Context, topic string, partition int32, from, to int64, handle func([]Entry) error) error
}

// Entry is a record of the log that has an id; records without one make none.
type Entry struct {
	ID     uuid.UUID
	Offset int64
	// At is the record's timestamp in Kafka, in milliseconds since 1970.
	At int64
}

// Config of an index.
type Config struct {
	// Dir is the folder of the index, of one process.
	Dir string
	// Window is how much older than a record the copy may be that it repeats.
	Window time.Duration
	// CacheBytes is the memory for what was read from the disk.
	CacheBytes int64
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("dir is empty: name a folder that outlives the process")
	case c.Window < time.Minute:
		return fmt.Errorf("window is %s: give at least a minute, and more than a producer goes on trying", c.Window)
	case c.Window > 366*24*time.Hour:
		return fmt.Errorf("window is %s: give at most a year, and less than Kafka keeps the log", c.Window)
	case c.CacheBytes < 0:
		return fmt.Errorf("cache_bytes is %d: give a size, or 0 for the least there is", c.CacheBytes)
	}
	return nil
}

var (
	errClosed     = errors.New("the index is closed")
	errUnassigned = errors.New("the partition is not assigned")
)

// slack is how much more than the window is read and kept: a record a little older than its neighbours costs nothing.
const slack = time.Hour

// Index tells duplicates. Its methods may be called at once for different partitions.
type Index struct {
	cfg     Config
	window  int64
	log     Log
	logger  *zap.Logger
	metrics *metrics
	seed    maphash.Seed
	lock    *pebble.Lock
	// files and now are the disk and the clock; tests have others.
	files vfs.FS
	now   func() time.Time

	// open is held for reading by whoever uses the database, for writing by whoever replaces it.
	open   sync.RWMutex
	db     *pebble.DB
	said   *dbLog
	closed bool
	// generation counts the databases: what a partition remembers of an earlier one is void.
	generation uint64

	// mu guards what is below.
	mu         sync.Mutex
	partitions map[name]*partition
	// names is the first short name that is free.
	names   uint32
	flushed time.Time
}

type name struct {
	topic     string
	partition int32
}

// Open opens the index in the folder, or begins one. A damaged one is thrown away: Assign reads it back.
func Open(cfg Config, log Log, logger *zap.Logger, reg prometheus.Registerer) (*Index, error) {
	return openOn(vfs.Default, cfg, log, logger, reg)
}

func openOn(files vfs.FS, cfg Config, log Log, logger *zap.Logger, reg prometheus.Registerer) (*Index, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open dedup index: %w", err)
	}
	x := &Index{
		cfg: cfg, window: cfg.Window.Milliseconds(), log: log, logger: logger, seed: maphash.MakeSeed(),
		files: files, now: time.Now, partitions: map[name]*partition{}, said: &dbLog{log: logger},
	}
	held, err := lockFolder(files, cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open dedup index: %w", err)
	}
	x.lock = held
	x.metrics = newMetrics(reg, x.diskBytes)
	if err := x.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("open dedup index %s: %w", cfg.Dir, err), held.Close())
	}
	return x, nil
}

// begin opens a database; a damaged one makes room for a new one. The caller has open to itself.
func (x *Index) begin() error {
	x.said = &dbLog{log: x.logger}
	db, names, err := openDatabase(x.files, x.cfg.Dir, x.cfg.CacheBytes, x.said)
	if errors.Is(err, errDamaged) {
		if err := x.discard(err); err != nil {
			return err
		}
		x.said = &dbLog{log: x.logger}
		db, names, err = openDatabase(x.files, x.cfg.Dir, x.cfg.CacheBytes, x.said)
	}
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.names = names
	x.mu.Unlock()
	x.db = db
	x.generation++
	return nil
}

func (x *Index) discard(why error) error {
	x.logger.Warn("dedup index is damaged and is read back from the log", zap.String("dir", x.cfg.Dir), zap.Error(why))
	x.metrics.resets.WithLabelValues("damaged").Inc()
	folder := x.files.PathJoin(x.cfg.Dir, databaseFolder)
	if err := x.files.RemoveAll(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the damaged index: %w", err)
	}
	return nil
}

// enter holds the database for the caller, who leaves it again. One that has failed is opened anew first.
func (x *Index) enter() error {
	for {
		x.open.RLock()
		switch {
		case x.closed:
			x.open.RUnlock()
			return errClosed
		case x.db != nil && x.said.failure() == nil:
			return nil
		}
		x.open.RUnlock()
		if err := x.repair(); err != nil {
			return err
		}
	}
}

func (x *Index) leave() { x.open.RUnlock() }

func (x *Index) repair() error {
	x.open.Lock()
	defer x.open.Unlock()
	if x.closed {
		return errClosed
	}
	if x.db != nil {
		failure := x.said.failure()
		if failure == nil {
			return nil
		}
		if err := x.db.Close(); err != nil {
			x.logger.Debug("dedup index closes with an error", zap.Error(err))
		}
		x.db = nil
		if errors.Is(failure, errDamaged) {
			if err := x.discard(failure); err != nil {
				return err
			}
		} else {
			x.logger.Warn("dedup index fails and is opened again", zap.String("dir", x.cfg.Dir), zap.Error(failure))
		}
	}
	if err := x.begin(); err != nil {
		return fmt.Errorf("open %s again: %w", x.cfg.Dir, err)
	}
	return nil
}

// failed remembers damage that was met while reading, so that the next call begins anew.
func (x *Index) failed(what string, err error) error {
	err = damage(what, err)
	if errors.Is(err, errDamaged) {
		x.said.fail(err)
	}
	return err
}

// Close leaves everything on the disk.
func (x *Index) Close() error {
	x.open.Lock()
	defer x.open.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	var err error
	if x.db != nil {
		if x.said.failure() == nil {
			err = x.db.Flush()
		}
		err = errors.Join(err, x.db.Close())
	}
	if err = errors.Join(err, x.lock.Close()); err != nil {
		return fmt.Errorf("close dedup index %s: %w", x.cfg.Dir, err)
	}
	return nil
}

func (x *Index) diskBytes() float64 {
	// A scrape does not wait for a database that is being replaced.
	if !x.open.TryRLock() {
		return 0
	}
	defer x.open.RUnlock()
	if x.closed || x.db == nil {
		return 0
	}
	return float64(x.db.Metrics().DiskSpaceUsage())
}

// of answers the partition while the caller is inside.
func (x *Index) of(n name) (*partition, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.partitions[n]
	if p == nil {
		return nil, errUnassigned
	}
	return p, nil
}

// Release forgets what is in memory of the partition.
func (x *Index) Release(topic string, number int32) {
	x.mu.Lock()
	p := x.partitions[name{topic, number}]
	delete(x.partitions, name{topic, number})
	x.mu.Unlock()
	if p != nil {
		x.forget(p)
	}
}

// flushAfter is how long what was applied waits at most to be written to a table, while it goes on.
const flushAfter = time.Minute

// age has the disk written to now and then, so that what a crash takes is not old.
func (x *Index) age() error {
	now := time.Now()
	x.mu.Lock()
	due := now.Sub(x.flushed) >= flushAfter
	first := x.flushed.IsZero()
	if due {
		x.flushed = now
	}
	x.mu.Unlock()
	if !due || first {
		return nil
	}
	_, err := x.db.AsyncFlush()
	return err
}
