package dedup

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

const (
	// databaseFolder within the folder of the configuration is all that is ever removed.
	databaseFolder = "dedup.pebble"
	// memTable is how much is written before it becomes a table; two of them may be in memory.
	memTable = 16 << 20
	// openTables bounds the file handles.
	openTables = 200
	// leastCache is the memory for blocks that were read when the configuration asks for less.
	leastCache = 8 << 20
	// diskFormat is pinned: the next version of the database must not write what this one cannot read.
	diskFormat = pebble.FormatTableFormatV6
)

// errDamaged marks what is cured by reading the log anew.
var errDamaged = errors.New("the index is damaged")

// lockFolder keeps other processes out of the folder, which it makes if need be.
func lockFolder(files vfs.FS, dir string) (*pebble.Lock, error) {
	if err := files.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make its folder: %w", err)
	}
	held, err := pebble.LockDirectory(dir, files)
	var path *fs.PathError
	switch {
	case err == nil:
		return held, nil
	case errors.As(err, &path):
		return nil, fmt.Errorf("lock its folder: %w", err)
	}
	return nil, fmt.Errorf("another process uses the folder %s (%w): end that process, or give this one a folder of its own", dir, err)
}

// openDatabase opens what is there or begins anew, and answers the first short name that is free. What cannot be used is
// errDamaged; any other error is the machine's.
func openDatabase(files vfs.FS, dir string, cache int64, said *dbLog) (db *pebble.DB, names uint32, err error) {
	defer func() {
		// Bytes that pass a checksum and still are nonsense make the database panic rather than answer.
		if found := recover(); found != nil {
			db, names, err = nil, 0, fmt.Errorf("%w: opening it panics: %v\n%s", errDamaged, found, debug.Stack())
		}
	}()
	db, err = pebble.Open(files.PathJoin(dir, databaseFolder), &pebble.Options{
		FS: files, CacheSize: max(cache, leastCache), MaxOpenFiles: openTables, Merger: latestTime,
		// Kafka is the log of writes: a crash takes what is not in a table yet, whole batches of the end.
		DisableWAL: true, MemTableSize: memTable, MemTableStopWritesThreshold: 2,
		FormatMajorVersion: diskFormat, Logger: said,
		// Filters answer nearly every question, so tables that lie over each other cost little, and merging them often does not pay.
		L0CompactionThreshold: 12, L0StopWritesThreshold: 48, LBaseMaxBytes: 1 << 30,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		EventListener:              &pebble.EventListener{DataCorruption: said.corruption, BackgroundError: said.background},
	})
	if err != nil {
		return nil, 0, damage("open", err)
	}
	if err = checkFormat(db); err == nil {
		names, err = freeName(db)
	}
	if err != nil {
		return nil, 0, errors.Join(err, db.Close())
	}
	return db, names, nil
}

// checkFormat signs a new database, and refuses one that somebody else wrote.
func checkFormat(db *pebble.DB) error {
	value, closer, err := db.Get([]byte{keyFormat})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		it, err := db.NewIter(nil)
		if err != nil {
			return damage("read", err)
		}
		filled := it.First()
		if err := it.Close(); err != nil {
			return damage("read", err)
		}
		if filled {
			return fmt.Errorf("%w: it has records and no format", errDamaged)
		}
		return db.Set([]byte{keyFormat}, []byte(format), pebble.NoSync)
	case err != nil:
		return damage("read", err)
	}
	found := string(value)
	if err := closer.Close(); err != nil {
		return damage("read", err)
	}
	if found != format {
		return fmt.Errorf("%w: it has format %q, this program knows %q", errDamaged, found, format)
	}
	return nil
}

// freeName is the first short name that no partition has.
func freeName(db *pebble.DB) (free uint32, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyState}, UpperBound: []byte{keyState + 1}})
	if err != nil {
		return 0, damage("read the partitions", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			break // Close says so as well.
		}
		s, err := parseState(value)
		if err != nil {
			return 0, errors.Join(damage("read the partitions", err), it.Close())
		}
		free = max(free, s.short+1)
	}
	if err := it.Close(); err != nil {
		return 0, damage("read the partitions", err)
	}
	return free, nil
}

// damage tells what is wrong with the index from what the machine refuses, which a new index would meet as well.
func damage(what string, err error) error {
	for _, machine := range []error{
		fs.ErrPermission, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	} {
		if errors.Is(err, machine) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return fmt.Errorf("%w: %s: %w", errDamaged, what, err)
}

// dbLog takes what the database says, and remembers what it cannot go on after. The database would end the process
// there; here the next call opens it anew.
type dbLog struct {
	log   *zap.Logger
	fatal atomic.Pointer[error]
}

func (l *dbLog) Infof(form string, args ...any) {
	if l.log.Core().Enabled(zap.DebugLevel) {
		l.log.Debug("dedup index", zap.String("message", fmt.Sprintf(form, args...)))
	}
}

func (l *dbLog) Errorf(form string, args ...any) { l.Infof(form, args...) }

func (l *dbLog) Fatalf(form string, args ...any) {
	l.fail(fmt.Errorf("%w: "+form, append([]any{errDamaged}, args...)...))
}

func (l *dbLog) corruption(info pebble.DataCorruptionInfo) {
	l.fail(fmt.Errorf("%w: %s: %w", errDamaged, info.Path, info.Details))
}

// background errors would be tried again for ever, and hold up writes when the memory for them is full.
func (l *dbLog) background(err error) {
	if pebble.IsCorruptionError(err) || errors.Is(err, errMerge) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	l.fail(fmt.Errorf("write its tables: %w", err))
}

func (l *dbLog) fail(err error) { l.fatal.CompareAndSwap(nil, &err) }

// failure is the first thing that could not be gone on after.
func (l *dbLog) failure() error {
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}
