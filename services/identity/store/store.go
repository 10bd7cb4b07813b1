package store

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

var (
	// ErrUnusable marks a store that is not, or not wholly, what was written: discard it and read the log anew.
	ErrUnusable = errors.New("the store cannot be used and is to be read anew from the log")
	// ErrInUse marks a store that another instance has open. It must not be discarded.
	ErrInUse = errors.New("another instance uses the store")
	// ErrClosed is the answer of a store after Close.
	ErrClosed = errors.New("the store is closed")
)

// Options of a store.
type Options struct {
	// Dir is the folder of the store, of one workspace and one instance; empty keeps the store in memory.
	Dir string
	// Workspace whose evidence it is.
	Workspace string
	// Topic is the id of the log's topic: offsets of another topic mean nothing.
	Topic string
	// Cache is the memory for blocks that were read, in bytes; 0 is 4 MiB. The graph is in memory, so the
	// store is read at start, for the outbox and for operators only.
	Cache int64
	// Log gets what the database says, at debug level; nil drops it.
	Log *zap.Logger

	// files is the disk; tests have others.
	files vfs.FS
}

const (
	defaultCache = 4 << 20
	// memoryDir is the folder of a store in memory.
	memoryDir = "store"
	// memTable is how much is written before it becomes a table; two of them may be in memory.
	memTable = 8 << 20
	// openTables bounds the file handles.
	openTables = 200
	// flushAfter is how long what was committed waits at most to be written to a table, while commits go on.
	flushAfter = time.Minute
	// diskFormat is pinned: the next version of the database must not write what this one cannot read.
	diskFormat = pebble.FormatTableFormatV6
)

var noLog = zap.NewNop()

// Store is an open store. Its methods may be called at once, but only one [Batch] is written at a time.
type Store struct {
	dir       string
	workspace string
	topic     string
	inMemory  bool
	files     vfs.FS
	db        *pebble.DB
	lock      *pebble.Lock
	log       *dbLog

	// writing is held by whoever writes a batch; it guards flushed, the time when the disk was last asked.
	writing sync.Mutex
	flushed time.Time
	// mu guards state.
	mu    sync.RWMutex
	state state

	queued atomic.Int64
	// forgotten is the offset before which the outbox is empty, outboxFrom the one from which on it has all there
	// was to queue: they differ where the outbox began behind the position.
	forgotten, outboxFrom atomic.Int64

	users users
}

// Open opens the store, or makes one in an empty folder. What it answers is as of the last batch that
// reached the disk.
func Open(o Options) (*Store, error) {
	inMemory := o.Dir == ""
	switch {
	case inMemory:
		o.Dir, o.files = memoryDir, vfs.NewMem()
	case o.files == nil:
		o.files = vfs.Default
	}
	if o.Log == nil {
		o.Log = noLog
	}
	held, err := lock(o.files, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, err := open(&o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", o.Dir, err), held.Close())
	}
	s.lock, s.inMemory = held, inMemory
	return s, nil
}

func open(o *Options) (*Store, error) {
	m, err := readMarker(o.files, o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		m = marker{Format: format, Workspace: o.Workspace, Topic: o.Topic}
		err = writeMarker(o.files, o.Dir, m)
	}
	if err != nil {
		return nil, err
	}
	if err := m.check(o); err != nil {
		return nil, err
	}
	// A crash while a snapshot was being restored leaves a part of it.
	if err := o.files.RemoveAll(o.files.PathJoin(o.Dir, restoreFolder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s := &Store{dir: o.Dir, workspace: o.Workspace, topic: o.Topic, files: o.files, log: &dbLog{log: o.Log}}
	folder := o.files.PathJoin(o.Dir, databaseFolder)
	old, err := exists(o.files, folder)
	if err != nil {
		return nil, err
	}
	config := databaseOptions(o.files, s.log, o.Cache)
	config.ErrorIfNotExists = old
	if s.db, err = openDatabase(folder, config); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

func databaseOptions(files vfs.FS, log *dbLog, cache int64) *pebble.Options {
	if cache <= 0 {
		cache = defaultCache
	}
	o := &pebble.Options{
		FS: files, CacheSize: cache, MaxOpenFiles: openTables,
		// The evidence log is the log of writes: a crash takes what is not in a table yet, whole batches of the
		// end, and the log has them.
		DisableWAL: true, MemTableSize: memTable, MemTableStopWritesThreshold: 2,
		FormatMajorVersion: diskFormat, Logger: log,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		EventListener:              &pebble.EventListener{DataCorruption: log.corruption, BackgroundError: log.background},
	}
	return o
}

// openDatabase tells what the disk refuses from what is wrong with the store.
func openDatabase(folder string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		// Bytes that pass a checksum and still are nonsense make the database panic rather than answer.
		if found := recover(); found != nil {
			err = fmt.Errorf("%w: opening it panics: %v\n%s", ErrUnusable, found, debug.Stack())
		}
	}()
	db, err = pebble.Open(folder, o)
	if err != nil && !ofTheMachine(err) {
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return db, err
}

// ofTheMachine is true of errors that a new store would meet as well.
func ofTheMachine(err error) bool {
	for _, known := range []error{
		fs.ErrPermission, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// unusable marks an error of reading.
func unusable(what string, err error) error {
	if ofTheMachine(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnusable, what, err)
}

// recover reads the state, and takes back what was flushed for a position that was not reached.
func (s *Store) recover() error {
	at, found, err := readState(s.db)
	if err != nil {
		return err
	}
	if !found {
		if err := s.checkEmpty(); err != nil {
			return err
		}
	}
	s.state = at
	if err := s.readOutboxFrom(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	if err := b.DeleteRange(appendOutboxKey(nil, s.state.position, 0), []byte{keyRecord}, nil); err != nil {
		return errors.Join(fmt.Errorf("take back what was flushed: %w", err), b.Close())
	}
	if err := s.apply(b); err != nil {
		return fmt.Errorf("take back what was flushed: %w", err)
	}
	count := int64(0)
	for _, err := range s.Outbox(0, s.state.position-1) {
		if err != nil {
			return err
		}
		count++
	}
	s.queued.Store(count)
	return nil
}

// readState answers false for a database that was never written to.
func readState(db *pebble.DB) (state, bool, error) {
	value, closer, err := db.Get([]byte{keyState})
	if errors.Is(err, pebble.ErrNotFound) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, unusable("read its state", err)
	}
	at, err := parseState(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return state{}, false, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return at, true, nil
}

// checkEmpty holds for a store that was never written to: without a state only flushed messages may be there.
func (s *Store) checkEmpty() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyRecord}, UpperBound: []byte{keyEnd}})
	if err != nil {
		return unusable("read its records", err)
	}
	found := it.First()
	if err := it.Close(); err != nil {
		return unusable("read its records", err)
	}
	if found {
		return fmt.Errorf("%w: it has records and no state", ErrUnusable)
	}
	return nil
}

// apply takes in and closes a batch. It does not wait for the disk: what a crash takes, the log replays.
func (s *Store) apply(b *pebble.Batch) error {
	err := s.db.Apply(b, pebble.NoSync)
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	return s.log.failure()
}

// Close waits for who uses the store, and leaves everything on the disk.
func (s *Store) Close() error {
	if !s.users.end() {
		return nil
	}
	var err error
	if failed := s.log.failure(); failed == nil {
		err = s.db.Flush()
	}
	return errors.Join(err, s.db.Close(), s.lock.Close())
}

// Position is how much of the log is in the store: the offset after the last applied record.
func (s *Store) Position() int64 { return s.current().position }

// Sums are those of the graph at the position.
func (s *Store) Sums() evidence.Sums { return s.current().sums }

// LastWritten is the time that the last commit gave; zero for a new store.
func (s *Store) LastWritten() time.Time { return s.current().written }

// Queued is how many messages are in the outbox.
func (s *Store) Queued() int64 { return s.queued.Load() }

// Size is what the store takes on disk, in bytes.
func (s *Store) Size() uint64 {
	if s.users.begin() != nil {
		return 0
	}
	defer s.users.done()
	return s.db.Metrics().DiskSpaceUsage()
}

func (s *Store) current() state {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state
}

// users counts who is inside the store: the database panics when it is used after Close.
type users struct {
	mu     sync.Mutex
	inside int
	ending bool
	gone   chan struct{}
}

func (u *users) begin() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ending {
		return ErrClosed
	}
	u.inside++
	return nil
}

func (u *users) done() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inside--
	if u.ending && u.inside == 0 {
		close(u.gone)
	}
}

// end waits until nobody is inside; false says that somebody else ended it already.
func (u *users) end() bool {
	u.mu.Lock()
	if u.ending {
		u.mu.Unlock()
		return false
	}
	u.ending, u.gone = true, make(chan struct{})
	if u.inside == 0 {
		close(u.gone)
	}
	u.mu.Unlock()
	<-u.gone
	return true
}
