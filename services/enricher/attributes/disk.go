package attributes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

var (
	errUnusable = errors.New("the database of attributes cannot be used and is to be read anew")
	// ErrInUse marks a folder that another instance has open.
	ErrInUse = errors.New("another instance uses the database of attributes")
)

const (
	databaseFolder = "db"
	memTable       = 16 << 20
	openTables     = 200
	// diskFormat is pinned: the next version of the database must not write what this one cannot read.
	diskFormat = pebble.FormatTableFormatV6
)

// disk is the database in its folder.
type disk struct {
	db     *pebble.DB
	lock   *pebble.Lock
	log    *diskLog
	files  vfs.FS
	folder string
	// unfit has close leave nothing behind.
	unfit bool
}

// openDisk opens the database of the folder. One that is of somebody else, or broken, is thrown away; the answer says why.
func openDisk(files vfs.FS, dir string, cache int, want marker, log *zap.Logger) (_ *disk, discarded string, err error) {
	if err := files.MkdirAll(dir, 0o755); err != nil {
		return nil, "", fmt.Errorf("make the folder of attributes: %w", err)
	}
	held, err := pebble.LockDirectory(dir, files)
	if err != nil {
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return nil, "", fmt.Errorf("lock the folder of attributes: %w", err)
		}
		return nil, "", fmt.Errorf("%w: %s (%w): end that instance, or give this one a folder of its own", ErrInUse, dir, err)
	}
	d := &disk{lock: held, files: files, folder: filepath.Join(dir, databaseFolder)}
	err = d.open(cache, want, log)
	if errors.Is(err, errUnusable) {
		discarded = err.Error()
		if err = files.RemoveAll(d.folder); err == nil {
			err = d.open(cache, want, log)
		}
	}
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("open attributes in %s: %w", dir, err), held.Close())
	}
	return d, discarded, nil
}

func (d *disk) open(cache int, want marker, log *zap.Logger) (err error) {
	d.log = &diskLog{log: log}
	o := &pebble.Options{
		FS: d.files, CacheSize: int64(cache), MaxOpenFiles: openTables, MemTableSize: memTable, FormatMajorVersion: diskFormat,
		// The topics are the log of writes: a crash takes what is not in a table yet, whole batches from the end, with their positions.
		DisableWAL: true, Logger: d.log,
		EventListener: &pebble.EventListener{BackgroundError: d.log.background, DataCorruption: d.log.corruption},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // Most look-ups by node find nothing.
	}
	d.db, err = pebble.Open(d.folder, o)
	switch {
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", errUnusable, err)
	case err != nil:
		return err
	}
	if err := d.check(want); err != nil {
		return errors.Join(err, d.db.Close())
	}
	return nil
}

// check compares the marker, or writes it into an empty database.
func (d *disk) check(want marker) error {
	body, err := want.append()
	if err != nil {
		return err
	}
	have, closer, err := d.db.Get([]byte{keyMarker})
	if errors.Is(err, pebble.ErrNotFound) {
		it, err := d.db.NewIter(nil)
		if err != nil {
			return err
		}
		found := it.First()
		if err := it.Close(); err != nil {
			return fmt.Errorf("%w: %w", errUnusable, err)
		}
		if found {
			return fmt.Errorf("%w: it does not say whose it is", errUnusable)
		}
		return d.db.Set([]byte{keyMarker}, body, pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	same := bytes.Equal(have, body)
	text := string(have)
	if err := closer.Close(); err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("%w: it is of %s, wanted is %s", errUnusable, text, body)
	}
	return nil
}

func (d *disk) close() error {
	var err error
	if d.log.failure() == nil {
		err = d.db.Flush()
	}
	err = errors.Join(err, d.db.Close())
	if d.unfit || errors.Is(d.log.failure(), errUnusable) {
		err = d.files.RemoveAll(d.folder) // What closing says of it does not matter any more.
	}
	return errors.Join(err, d.lock.Close())
}

// diskLog takes what the database says, and remembers what it cannot go on after. The database would have the process ended there; here the next
// write says so.
type diskLog struct {
	log   *zap.Logger
	fatal atomic.Pointer[error]
}

func (l *diskLog) Infof(format string, args ...any) {
	if l.log.Core().Enabled(zap.DebugLevel) {
		l.log.Debug("attribute store", zap.String("message", fmt.Sprintf(format, args...)))
	}
}

func (l *diskLog) Errorf(format string, args ...any) { l.Infof(format, args...) }

func (l *diskLog) Fatalf(format string, args ...any) {
	l.fail(fmt.Errorf("the attribute store failed: "+format, args...))
}

func (l *diskLog) corruption(info pebble.DataCorruptionInfo) {
	l.fail(fmt.Errorf("%w: %s: %w", errUnusable, info.Path, info.Details))
}

func (l *diskLog) background(err error) {
	l.fail(fmt.Errorf("write the tables of attributes: %w", err))
}

func (l *diskLog) fail(err error) {
	if l.fatal.CompareAndSwap(nil, &err) {
		l.log.Error("attribute store fails", zap.Error(err))
	}
}

func (l *diskLog) failure() error {
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}
