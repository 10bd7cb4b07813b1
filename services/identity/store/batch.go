package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Batch gathers what one fetch of the log changes. It is for one goroutine; after Commit it is spent. One
// that is not committed is simply left, what it flushed is gone at the next Open.
type Batch struct {
	store *Store
	// records wait for Commit: deletions that went ahead of the position would leave nothing to derive
	// tombstones from when the log is replayed.
	records *pebble.Batch
	outbox  *pebble.Batch
	queued  int64
	// offset and place are of the next message.
	offset int64
	place  uint32
	err    error
	buffer []byte
}

// Begin begins a batch.
func (s *Store) Begin() *Batch {
	return &Batch{store: s, records: s.db.NewBatch(), outbox: s.db.NewBatch(), offset: -1}
}

// Put keeps the record in place of the one with its key. Edges, cuts, verdicts, suppressions, rules and
// engines are kept; for others Commit answers an error.
func (b *Batch) Put(r evidence.Record) {
	switch r.(type) {
	case *evidence.Edge, *evidence.Cut, *evidence.Verdict, *evidence.Suppress, *evidence.Rules, *evidence.Engine:
	default:
		b.fail(fmt.Errorf("put: a record of type %T is nothing to keep", r))
		return
	}
	key := b.key(r)
	value := r.AppendValue(key)[len(key):]
	b.fail(b.records.Set(key, value, nil))
	b.buffer = key[:0]
}

// Delete forgets the record with the key of r; a tombstone has that of what it takes back.
func (b *Batch) Delete(r evidence.Record) {
	key := b.key(r)
	b.fail(b.records.Delete(key, nil))
	b.buffer = key[:0]
}

func (b *Batch) key(r evidence.Record) []byte {
	key := r.AppendKey(append(b.buffer[:0], keyRecord))
	if workspace, ok := evidence.Workspace(key[1:]); !ok || workspace != b.store.workspace {
		b.fail(fmt.Errorf("a record of workspace %q is not for the store of %q", workspace, b.store.workspace))
	}
	return key
}

// Queue adds what is to be produced for the evidence at offset, after what was queued for it before. Offsets
// ascend.
func (b *Batch) Queue(offset int64, messages ...Message) {
	if offset < b.offset {
		b.fail(fmt.Errorf("queue: offset %d comes after %d", offset, b.offset))
	}
	if offset != b.offset {
		b.offset, b.place = offset, 0
	}
	for i := range messages {
		key := appendOutboxKey(b.buffer[:0], offset, b.place)
		body := appendMessage(key, &messages[i])
		b.fail(b.outbox.Set(key, body[len(key):], nil))
		b.buffer = body[:0]
		b.place++
		b.queued++
	}
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Flush writes the messages that were queued so far, to free their memory. They count only once Commit has
// moved the position past their offsets; until then the next Open drops them.
func (b *Batch) Flush() error {
	if b.err != nil {
		return fmt.Errorf("flush store: %w", b.err)
	}
	s := b.store
	if err := s.users.begin(); err != nil {
		return fmt.Errorf("flush store: %w", err)
	}
	defer s.users.done()
	s.writing.Lock()
	defer s.writing.Unlock()
	outbox := b.outbox
	b.outbox = s.db.NewBatch()
	if err := s.apply(outbox); err != nil {
		b.fail(err)
		return fmt.Errorf("flush store: %w", err)
	}
	s.queued.Add(b.queued)
	b.queued = 0
	return nil
}

// Commit takes in all of the batch at once: after a crash all of it is there or nothing. Position is the
// offset after the last record that was applied, sums are the graph's there, at is the time.
func (b *Batch) Commit(position int64, sums evidence.Sums, at time.Time) error {
	if err := b.commit(position, sums, at); err != nil {
		b.fail(err)
		return fmt.Errorf("commit store at %d: %w", position, err)
	}
	b.fail(errors.New("the batch is committed already"))
	return nil
}

func (b *Batch) commit(position int64, sums evidence.Sums, at time.Time) error {
	if b.err != nil {
		return b.err
	}
	s := b.store
	if err := s.users.begin(); err != nil {
		return err
	}
	defer s.users.done()
	s.writing.Lock()
	defer s.writing.Unlock()
	if now := s.Position(); position < now || b.offset >= position {
		return fmt.Errorf("the store is at %d and messages are queued up to offset %d", now, b.offset)
	}
	next := state{position: position, written: at.UTC().Truncate(time.Millisecond), sums: sums}
	if err := b.records.Apply(b.outbox, nil); err != nil {
		return err
	}
	if err := b.outbox.Close(); err != nil {
		return err
	}
	if err := b.records.Set([]byte{keyState}, next.append(nil), nil); err != nil {
		return err
	}
	if err := s.apply(b.records); err != nil {
		return err
	}
	s.mu.Lock()
	s.state = next
	s.mu.Unlock()
	s.queued.Add(b.queued)
	return s.age()
}

// age has the disk written to now and then, so that what a crash takes is not only little but also not old.
func (s *Store) age() error {
	now := time.Now()
	if s.flushed.IsZero() {
		s.flushed = now
	}
	if now.Sub(s.flushed) < flushAfter {
		return nil
	}
	s.flushed = now
	_, err := s.db.AsyncFlush()
	return err
}
