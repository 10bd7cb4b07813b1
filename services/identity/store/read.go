package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Records are all that is kept: pairs, then rulings, suppressions, rules and engine, as of one moment. After
// an error nothing follows.
func (s *Store) Records() iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for key, value := range s.scan([]byte{keyRecord}, []byte{keyEnd}, yieldError(yield)) {
			record, err := s.parse(key, value)
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

func yieldError[T any](yield func(T, error) bool) func(error) {
	return func(err error) {
		var none T
		yield(none, err)
	}
}

// parse reads what only this package wrote: anything strange means that the store is not what it was.
func (s *Store) parse(key, value []byte) (evidence.Record, error) {
	record, err := evidence.Parse(key[1:], value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if _, dead := record.(*evidence.Tombstone); dead {
		return nil, fmt.Errorf("%w: it keeps a record without a value", ErrUnusable)
	}
	if workspace, _ := evidence.Workspace(key[1:]); workspace != s.workspace {
		return nil, fmt.Errorf("%w: it keeps a record of workspace %q", ErrUnusable, workspace)
	}
	return record, nil
}

// scan goes over keys from first up to, not including, end. Key and value are valid until the next step. An
// error ends it and goes to failed, unless the caller has left.
func (s *Store) scan(first, end []byte, failed func(error)) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if err := s.users.begin(); err != nil {
			failed(err)
			return
		}
		defer s.users.done()
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: first, UpperBound: end})
		if err != nil {
			failed(unusable("read", err))
			return
		}
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				break
			}
			if !yield(it.Key(), value) {
				// Whoever stops early has what it wanted; what else the iterator met is not about that.
				_ = it.Close()
				return
			}
		}
		if err := it.Close(); err != nil {
			failed(unusable("read", err))
		}
	}
}

// Outbox has the messages of the evidence at offsets first to last, in the order in which they were queued.
// Messages of offsets that were not committed yet are not among them.
func (s *Store) Outbox(first, last int64) iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		from := max(first, s.forgotten.Load(), 0)
		to := min(last, s.Position()-1)
		if to < from {
			return
		}
		for key, value := range s.scan(appendOutboxKey(nil, from, 0), outboxEnd(to), yieldError(yield)) {
			q, err := parseQueued(key, value)
			if err != nil {
				yield(Queued{}, fmt.Errorf("%w: outbox: %w", ErrUnusable, err))
				return
			}
			if !yield(q, nil) {
				return
			}
		}
	}
}

// outboxEnd is after all messages of the offset.
func outboxEnd(offset int64) []byte {
	if offset == math.MaxInt64 {
		return []byte{keyRecord}
	}
	return appendOutboxKey(nil, offset+1, 0)
}

// forgetAtOnce bounds the memory that forgetting takes.
const forgetAtOnce = 10_000

// OutboxFrom is the highest offset that [Store.Forget] was given, in this life of the store or an earlier one:
// messages before it are not kept.
func (s *Store) OutboxFrom() int64 { return s.outboxFrom.Load() }

func (s *Store) readOutboxFrom() error {
	value, closer, err := s.db.Get(outboxFromKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return unusable("read where its outbox begins", err)
	}
	if len(value) != 8 {
		return errors.Join(fmt.Errorf("%w: where its outbox begins is %d bytes", ErrUnusable, len(value)), closer.Close())
	}
	s.outboxFrom.Store(int64(binary.BigEndian.Uint64(value)))
	return closer.Close()
}

// Forget drops the messages of offsets before the given one: they are produced and committed.
func (s *Store) Forget(before int64) error {
	if err := s.users.begin(); err != nil {
		return fmt.Errorf("forget messages: %w", err)
	}
	defer s.users.done()
	asked, from := before, s.forgotten.Load()
	before = min(before, s.Position())
	if asked <= s.outboxFrom.Load() && before <= from {
		return nil
	}
	b, count := s.db.NewBatch(), int64(0)
	if err := b.Set(outboxFromKey, binary.BigEndian.AppendUint64(nil, uint64(max(asked, s.outboxFrom.Load()))), nil); err != nil {
		return errors.Join(fmt.Errorf("forget messages: %w", err), b.Close())
	}
	var failed error
	for key := range s.scan(appendOutboxKey(nil, from, 0), appendOutboxKey(nil, max(from, before), 0), func(err error) { failed = err }) {
		if failed = b.Delete(key, nil); failed != nil {
			break
		}
		if count++; count%forgetAtOnce == 0 {
			if failed = s.apply(b); failed != nil {
				return fmt.Errorf("forget messages: %w", failed)
			}
			b = s.db.NewBatch()
		}
	}
	if failed != nil {
		return fmt.Errorf("forget messages: %w", errors.Join(failed, b.Close()))
	}
	if err := s.apply(b); err != nil {
		return fmt.Errorf("forget messages: %w", err)
	}
	s.queued.Add(-count)
	s.forgotten.Store(max(from, before))
	s.outboxFrom.Store(max(asked, s.outboxFrom.Load()))
	return nil
}

// Edge is the evidence about a pair, in either order of its nodes, with what the graph does not keep: source,
// event and version of the normalisers.
func (s *Store) Edge(workspace string, a, b uuid.UUID) (evidence.Edge, bool, error) {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	if err := s.users.begin(); err != nil {
		return evidence.Edge{}, false, fmt.Errorf("read a pair: %w", err)
	}
	defer s.users.done()
	wanted := evidence.Edge{Workspace: workspace, A: evidence.End{Node: a}, B: evidence.End{Node: b}}
	key := wanted.AppendKey([]byte{keyRecord})
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return evidence.Edge{}, false, nil
	}
	if err != nil {
		return evidence.Edge{}, false, unusable("read a pair", err)
	}
	record, err := s.parse(key, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return evidence.Edge{}, false, fmt.Errorf("read a pair: %w", err)
	}
	edge, ok := record.(*evidence.Edge)
	if !ok {
		return evidence.Edge{}, false, fmt.Errorf("%w: a pair reads as %T", ErrUnusable, record)
	}
	return *edge, true, nil
}
