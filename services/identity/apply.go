package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// applyRecords bounds how many records are applied under one lock and kept in one batch of the store.
const applyRecords = 500

// apply takes in records of the log in their order.
//
//  1. read the next few records, up to rules, which are taken alone, or one that this engine does not
//     understand, which ends it. A crash here loses nothing.
//  2. apply them to the graph. A crash here loses the graph, and the store has none of it.
//  3. write what they say, what they changed and the position into the store, in one batch. A crash here
//     loses a tail at most: the store is at an earlier position and the log has the rest.
//  4. move the position: whoever waits for it finds the effects in the outbox.
func (r *replica) apply(_ context.Context, records []*stream.Record) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	for len(records) > 0 {
		taken, rest, err := r.read(records)
		if err != nil && len(taken) == 0 {
			return err
		}
		if rules, ok := alone(taken); ok {
			if err := r.applyRules(taken[0].record, rules); err != nil {
				return err
			}
		} else if err := r.take(taken, records[len(records)-len(rest)-1].Offset+1); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		records = rest
	}
	r.measure()
	return nil
}

func alone(taken []taken) (*evidence.Rules, bool) {
	if len(taken) != 1 {
		return nil, false
	}
	rules, ok := taken[0].evidence.(*evidence.Rules)
	return rules, ok
}

// read parses records up to the bound, to rules or to an error, and returns what it left.
func (r *replica) read(records []*stream.Record) (_ []taken, rest []*stream.Record, err error) {
	list := make([]taken, 0, min(len(records), applyRecords))
	malformed := 0
	defer func() {
		if malformed > 0 {
			r.metrics.malformed.Add(float64(malformed))
			r.log.Warn("records of the evidence log are no evidence and were passed over", zap.Int("records", malformed))
		}
	}()
	for i, record := range records {
		if len(list) == applyRecords {
			return list, records[i:], nil
		}
		if !r.isOurs(record) {
			continue
		}
		parsed, err := evidence.Parse(record.Key, record.Value)
		if err == nil {
			err = understood(parsed)
		}
		switch {
		case errors.Is(err, evidence.ErrNewer):
			return list, records[i:], fmt.Errorf("apply evidence at %d/%d: %w", record.Partition, record.Offset, err)
		case err != nil:
			// No evidence at all: every instance passes it over alike, so the partition stays a function of the log.
			malformed++
			continue
		}
		if _, rules := parsed.(*evidence.Rules); rules {
			if len(list) > 0 {
				return list, records[i:], nil
			}
			return append(list, taken{record: record, evidence: parsed}), records[i+1:], nil
		}
		list = append(list, taken{record: record, evidence: parsed})
	}
	return list, nil, nil
}

// understood refuses what a newer engine asks for.
func understood(record evidence.Record) error {
	if engine, ok := record.(*evidence.Engine); ok && engine.Number > evidence.EngineNumber {
		return fmt.Errorf("engine %d is asked for, this is engine %d: %w", engine.Number, evidence.EngineNumber, evidence.ErrNewer)
	}
	return nil
}

// take applies records, keeps them, and moves the position.
func (r *replica) take(list []taken, position int64) error {
	r.mu.Lock()
	for i := range list {
		r.applyOne(&list[i])
	}
	outboxFrom := r.outboxFrom
	r.mu.Unlock()
	for i := range list {
		if digest, ok := list[i].evidence.(*evidence.Digest); ok {
			if err := r.compare(list[i].record, digest); err != nil {
				return err
			}
		}
	}
	batch := r.store.Begin()
	kept := make(map[pair]evidence.Edge)
	for i := range list {
		if err := r.keep(batch, kept, &list[i]); err != nil {
			return err
		}
		if offset := list[i].record.Offset; offset >= outboxFrom {
			batch.Queue(offset, list[i].messages(r.workspace)...)
		}
	}
	sums := r.newest().sums
	if err := batch.Commit(position, sums, time.Now()); err != nil {
		return err
	}
	r.change(func() { r.next = position })
	return nil
}

// applyOne wants the lock held.
func (r *replica) applyOne(t *taken) {
	position := t.record.Offset + 1
	t.effect = r.graph.Apply(position, t.evidence)
	r.sums.add(position, r.graph.Sums())
	switch e := t.evidence.(type) {
	case *evidence.Erase:
		for _, node := range e.Nodes {
			t.suppressed = append(t.suppressed, r.suppressed(r.suppression(node)))
		}
	case *evidence.Suppress:
		t.suppressed = append(t.suppressed, r.suppressed(e.Key))
	}
}

// suppressed is what the graph has of a key; it wants the lock held.
func (r *replica) suppressed(key evidence.SuppressionKey) evidence.Suppress {
	at, _ := r.graph.Suppressed(key)
	return evidence.Suppress{Workspace: r.workspace, Key: key, At: at}
}

// keep writes what one record says and changed.
func (r *replica) keep(batch *store.Batch, kept map[pair]evidence.Edge, t *taken) error {
	switch e := t.evidence.(type) {
	case *evidence.Edge:
		if err := r.keepPair(batch, kept, t, e); err != nil {
			return err
		}
	case *evidence.Erase, *evidence.Suppress:
		for i := range t.suppressed {
			batch.Put(&t.suppressed[i])
		}
	case *evidence.Tombstone:
		switch e.Of.(type) {
		case *evidence.Edge, *evidence.Cut, *evidence.Verdict:
			batch.Delete(e.Of)
		}
		// Of the rest the graph keeps what it has, and the store with it.
	case *evidence.Digest:
	default:
		batch.Put(e) // what is about an erased node is forgotten right below
	}
	for i := range t.effect.Forgotten {
		edge := &t.effect.Forgotten[i]
		batch.Delete(edge)
		delete(kept, pair{edge.A.Node, edge.B.Node})
	}
	for i := range t.effect.ForgottenCuts {
		batch.Delete(&t.effect.ForgottenCuts[i])
	}
	for i := range t.effect.ForgottenVerdicts {
		batch.Delete(&t.effect.ForgottenVerdicts[i])
	}
	return nil
}

// keepPair keeps the joined evidence of a pair. Who showed it is of the record with the earliest sight.
func (r *replica) keepPair(batch *store.Batch, kept map[pair]evidence.Edge, t *taken, said *evidence.Edge) error {
	if !t.effect.News && !t.effect.Worse {
		return nil
	}
	key := pair{said.A.Node, said.B.Node}
	t.best = t.effect.Pair
	isNew := slices.ContainsFunc(t.effect.Audits, func(a graph.Audit) bool { return a.Kind == identitymap.AuditLinked })
	if !isNew {
		before, known := kept[key]
		if !known {
			var err error
			if before, known, err = r.store.Edge(r.workspace, said.A.Node, said.B.Node); err != nil {
				return err
			}
		}
		if known && before.FirstSeen <= said.FirstSeen {
			t.best.Source, t.best.Event, t.best.Normaliser = before.Source, before.Event, before.Normaliser
		}
	}
	if t.effect.News {
		batch.Put(&t.best)
		kept[key] = t.best
	}
	return nil
}

// applyRules evaluates new rules over the whole graph. What changes is written as it comes, behind a
// position that does not move before all of it is there: the store forgets it at a crash.
func (r *replica) applyRules(record *stream.Record, rules *evidence.Rules) error {
	began := time.Now()
	batch := r.store.Begin()
	m := maker{workspace: r.workspace, at: record.Timestamp.UnixMilli(), position: uint64(record.Offset) + 1, partition: record.Partition}
	m.trigger(rules)
	r.change(func() { r.evaluating = true })
	defer r.change(func() { r.evaluating = false })
	changed, err := 0, error(nil)
	r.mu.Lock()
	published := record.Offset < r.outboxFrom
	for effect := range r.graph.ApplyRules(record.Offset+1, rules) {
		r.mu.Unlock()
		changed += len(effect.Changes)
		if !published {
			m.made = nil
			m.effect(&effect)
			batch.Queue(record.Offset, m.made...)
			err = batch.Flush()
		}
		r.mu.Lock()
		if err != nil {
			break
		}
	}
	r.sums.add(record.Offset+1, r.graph.Sums())
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if !published {
		m.made = nil
		m.ruling(rules)
		batch.Queue(record.Offset, m.made...)
	}
	batch.Put(rules)
	if err := batch.Commit(record.Offset+1, r.newest().sums, time.Now()); err != nil {
		return err
	}
	r.compareConfiguration(rules)
	r.change(func() { r.next = record.Offset + 1 })
	r.log.Info("rules evaluated", zap.Int("changed", changed), zap.Duration("took", time.Since(began)), zap.String("author", rules.Note.Author))
	return nil
}
