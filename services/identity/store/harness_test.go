package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// content is all that a store answers.
type content struct {
	Position int64
	Sums     evidence.Sums
	Written  time.Time
	Records  map[string]string
	Outbox   []Queued
}

// read answers what the store has; every error counts.
func read(s *Store) (content, error) {
	c := content{Position: s.Position(), Sums: s.Sums(), Written: s.LastWritten(), Records: map[string]string{}}
	for r, err := range s.Records() {
		if err != nil {
			return content{}, err
		}
		c.Records[string(r.AppendKey(nil))] = string(r.AppendValue(nil))
	}
	for q, err := range s.Outbox(0, math.MaxInt64) {
		if err != nil {
			return content{}, err
		}
		c.Outbox = append(c.Outbox, q)
	}
	if s.Queued() != int64(len(c.Outbox)) {
		return content{}, fmt.Errorf("%d messages are counted, %d are there", s.Queued(), len(c.Outbox))
	}
	return c, nil
}

func mustRead(t testing.TB, s *Store) content {
	t.Helper()
	c, err := read(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// same fails unless the store has the content.
func same(t testing.TB, want, got content) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("at position %d and %d: %.2000s", want.Position, got.Position, diff)
	}
}

// writer writes batches that a seed decides, and knows what must be there after each.
type writer struct {
	rng *rand.Rand
	now content
	// at has the content after each commit, by position; empty for a new store.
	at map[int64]content
}

func newWriter(seed uint64) *writer {
	empty := content{Records: map[string]string{}}
	return &writer{rng: rand.New(rand.NewPCG(seed, 1)), now: empty, at: map[int64]content{0: empty}}
}

// node is one of few, so that keys come again.
func (w *writer) node() uuid.UUID {
	var node uuid.UUID
	binary.BigEndian.PutUint64(node[:], w.rng.Uint64N(200)*0x9E3779B97F4A7C15)
	return node
}

func (w *writer) pair() (a, b uuid.UUID) {
	for a, b = w.node(), w.node(); bytes.Compare(a[:], b[:]) >= 0; {
		a, b = w.node(), w.node()
	}
	return a, b
}

func (w *writer) record() evidence.Record {
	note := evidence.Note{At: w.rng.Int64N(1 << 40), Author: "ada", Reason: fmt.Sprint(w.rng.Uint64())}
	a, b := w.pair()
	switch w.rng.IntN(20) {
	case 0:
		return &evidence.Cut{Workspace: "w", A: a, B: b, Note: note}
	case 1:
		return &evidence.Verdict{Workspace: "w", Node: a, Ruling: evidence.Blocked, Note: note}
	case 2:
		return &evidence.Suppress{Workspace: "w", Key: evidence.SuppressionKey(a), At: note.At}
	case 3:
		return &evidence.Rules{Workspace: "w", Rules: evidence.Ruleset{MaxCluster: 1 + w.rng.IntN(9), MaxComponent: 5}, Note: note}
	case 4:
		return &evidence.Engine{Workspace: "w", Number: uint16(1 + w.rng.IntN(3)), Note: note}
	}
	e := evidence.NewEdge("w", evidence.End{Node: a, Type: "email"}, evidence.End{Node: b, Type: "user_id"})
	e.FirstSeen, e.Source, e.Event = note.At, "web", uuid.UUID{1}
	return &e
}

func (w *writer) message() Message {
	m := Message{Topic: "identity.map", Partition: int32(w.rng.IntN(3)) - 1, Key: binary.BigEndian.AppendUint64(nil, w.rng.Uint64())}
	if w.rng.IntN(4) > 0 {
		m.Value = bytes.Repeat([]byte{byte(w.rng.Uint32())}, w.rng.IntN(200))
	}
	return m
}

// commit writes one batch, flushing in between now and then.
func (w *writer) commit(s *Store) error {
	next := content{Records: maps.Clone(w.now.Records), Outbox: slices.Clone(w.now.Outbox)}
	next.Position = w.now.Position + 1 + w.rng.Int64N(5)
	next.Sums = evidence.Sums{Map: w.rng.Uint64(), Evidence: w.rng.Uint64(), Nodes: w.rng.Uint64(), Pairs: w.rng.Uint64()}
	next.Written = time.UnixMilli(w.rng.Int64N(1 << 40)).UTC()
	b := s.Begin()
	for range w.rng.IntN(20) {
		r := w.record()
		if w.rng.IntN(6) == 0 {
			b.Delete(r)
			delete(next.Records, string(r.AppendKey(nil)))
			continue
		}
		b.Put(r)
		next.Records[string(r.AppendKey(nil))] = string(r.AppendValue(nil))
	}
	for offset := w.now.Position; offset < next.Position; offset++ {
		for range w.rng.IntN(4) {
			m := w.message()
			b.Queue(offset, m)
			next.Outbox = append(next.Outbox, Queued{Offset: offset, Message: m})
		}
		if w.rng.IntN(8) == 0 {
			if err := b.Flush(); err != nil {
				return err
			}
		}
	}
	if err := b.Commit(next.Position, next.Sums, next.Written); err != nil {
		return err
	}
	w.now = next
	w.at[next.Position] = next
	return nil
}

func (w *writer) mustCommit(t testing.TB, s *Store, batches int) {
	t.Helper()
	for range batches {
		if err := w.commit(s); err != nil {
			t.Fatal(err)
		}
	}
}

// wants is nil when the store has what was there at its position, or says that it cannot be used.
func (w *writer) wants(s *Store, err error) error {
	var got content
	if err == nil {
		got, err = read(s)
		err = errors.Join(err, s.Close())
	}
	if errors.Is(err, ErrUnusable) {
		return nil
	}
	if err != nil {
		return err
	}
	want, known := w.at[got.Position]
	if !known {
		return fmt.Errorf("there was no position %d", got.Position)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("at %d: %.2000s", got.Position, diff)
	}
	return nil
}
