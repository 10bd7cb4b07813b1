package attributes

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"go.uber.org/zap"
)

// applyAtOnce bounds how long those who ask have to wait.
const applyAtOnce = 500

// apply takes in records of one topic, those of a partition in order. All of a batch is in the database at once, with the positions behind it.
func (s *Store) apply(ctx context.Context, topic byte, records []*stream.Record) error {
	for len(records) > 0 {
		some := records[:min(len(records), applyAtOnce)]
		records = records[len(some):]
		sets := make([]*facts.Set, len(some))
		unread := map[int]bool{}
		for i, record := range some {
			if topic != topicAttributes {
				break
			}
			var err error
			if sets[i], err = s.codec.Parse(ctx, record); err != nil {
				if !errors.Is(err, facts.ErrMalformed) {
					return err
				}
				unread[i] = true
				s.unreadable(record, err)
			}
		}
		if err := s.applySome(topic, some, sets, unread); err != nil {
			return err
		}
	}
	return nil
}

// unreadable counts a record that stays where it is: another version of this service may know better.
func (s *Store) unreadable(record *stream.Record, err error) {
	s.metrics.unreadable.WithLabelValues(record.Topic).Inc()
	s.o.Log.Warn("a record cannot be read and is left out", zap.String("topic", record.Topic), zap.Int32("partition", record.Partition),
		zap.Int64("offset", record.Offset), zap.Error(err))
}

func (s *Store) applySome(topic byte, records []*stream.Record, sets []*facts.Set, unread map[int]bool) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &writer{s: s, batch: s.db.NewIndexedBatch()}
	defer func() { err = errors.Join(err, w.batch.Close()) }()
	last := map[int32]int64{}
	for i, record := range records {
		last[record.Partition] = record.Offset + 1
		switch {
		case unread[i]:
		case topic == topicAttributes:
			w.record(record, sets[i])
		default:
			w.mapping(record)
		}
		if w.err != nil {
			return fmt.Errorf("apply %s %d/%d: %w", record.Topic, record.Partition, record.Offset, w.err)
		}
	}
	now := s.o.now()
	for partition, offset := range last {
		w.put(positionKey(topic, partition), appendPosition(offset, now.UnixMilli()))
	}
	if err := w.commit(); err != nil {
		return err
	}
	for partition, offset := range last {
		s.positions[topicPartition{topic, partition}] = offset
	}
	s.heard = now
	s.lastRecord[topic].Store(records[len(records)-1].Timestamp.UnixMilli())
	close(s.moved)
	s.moved = make(chan struct{})
	s.metrics.applied.WithLabelValues(topicNames[topic]).Add(float64(len(records)))
	return nil
}

// writer changes the database, under the lock. What depends on the changes is forgotten when they are there.
type writer struct {
	s     *Store
	batch *pebble.Batch
	// customers and nodes are those to be forgotten by the caches.
	customers, nodes []uuid.UUID
	areas            []facts.Subject
	err              error
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) put(key, value []byte) { w.fail(w.batch.Set(key, value, nil)) }
func (w *writer) delete(key []byte)     { w.fail(w.batch.Delete(key, nil)) }

func (w *writer) commit() error {
	if w.err == nil {
		w.fail(w.s.db.Apply(w.batch, pebble.NoSync))
	}
	if w.err == nil {
		w.fail(w.s.disk.log.failure())
	}
	if w.err != nil {
		return fmt.Errorf("write attributes: %w", w.err)
	}
	for _, node := range w.nodes {
		w.s.rows.Invalidate(node)
	}
	for _, area := range w.areas {
		w.s.areas.Invalidate(area)
	}
	for _, customer := range w.customers {
		w.s.known.Invalidate(customer)
	}
	w.s.metrics.owed.Set(float64(len(w.s.owed)))
	w.s.metrics.pending.Set(float64(len(w.s.pending)))
	return nil
}

// record takes in a record of attributes; the set is nil for a tombstone.
func (w *writer) record(record *stream.Record, set *facts.Set) {
	workspace, subject, provider, err := facts.ParseKey(record.Key)
	if err != nil || workspace != w.s.name {
		w.fail(err) // Other workspaces can share the topic.
		return
	}
	key := setKey(subject, provider)
	stored, err := w.s.set(w.batch, key)
	if err != nil {
		w.fail(err)
		return
	}
	home, err := w.s.rowOf(w.batch, subject.Node)
	if err != nil {
		w.fail(err)
		return
	}
	if subject.Kind == facts.Node {
		w.customers = append(w.customers, home.canonical)
	} else {
		w.areas = append(w.areas, subject)
	}
	switch {
	case set == nil:
		w.drop(key, subject, home, stored)
		delete(w.s.pending, string(key))
		w.settled(key)
	case home.erased:
		w.owe(key) // Somebody spoke of a person who is not to be known any more.
	default:
		w.join(key, home, stored, set, record)
	}
}

// join adds what the record says to what is known of its subject. When the record lacks something, the topic is about to forget that: it is owed.
func (w *writer) join(key []byte, home row, stored, set *facts.Set, record *stream.Record) {
	state := facts.Join(set, stored)
	if c := w.s.pending[string(key)]; c != nil {
		passed := c.written && c.partition == record.Partition && record.Offset >= c.offset
		c.set = facts.Join(c.set, state)
		if passed {
			// Our record is behind us. Whoever wrote this one had not read it.
			state = facts.Join(state, c.set)
		}
		if facts.Join(state, c.set) == state {
			delete(w.s.pending, string(key))
		}
	}
	if state != set {
		w.owe(key)
	} else {
		w.settled(key)
	}
	if stored == nil {
		w.s.metrics.sets.Inc()
		if node, ok := nodeOfSet(key); ok {
			w.member(node, home)
		}
	}
	if stored == nil || !facts.Equal(stored, state) {
		w.put(key, appendSet(nil, state))
	}
}

// member says that something is known of the node.
func (w *writer) member(node uuid.UUID, home row) {
	w.s.filter.add(node)
	key := memberKey(home.canonical, node)
	if _, closer, err := w.batch.Get(key); err == nil {
		w.fail(closer.Close())
		return
	}
	w.s.metrics.subjects.Inc()
	if !home.shared {
		w.put(key, nil)
	}
}

// drop forgets a set.
func (w *writer) drop(key []byte, subject facts.Subject, home row, stored *facts.Set) {
	if stored == nil {
		return
	}
	w.delete(key)
	w.s.metrics.sets.Dec()
	if subject.Kind != facts.Node {
		return
	}
	rest := false
	w.fail(w.s.scanIn(w.batch, subjectKey(subject), func(other, _ []byte) error {
		rest = rest || !bytes.Equal(other, key)
		return nil
	}))
	if !rest {
		w.s.metrics.subjects.Dec()
		w.delete(memberKey(home.canonical, subject.Node))
	}
}

// owe has the record of the key written again.
func (w *writer) owe(key []byte) {
	w.s.owed[string(key)] = false
	w.put(append([]byte{keyOwed}, key[1:]...), nil)
}

func (w *writer) settled(key []byte) {
	if _, owed := w.s.owed[string(key)]; owed {
		delete(w.s.owed, string(key))
		w.delete(append([]byte{keyOwed}, key[1:]...))
	}
}

// mapping takes in a record of the identity map.
func (w *writer) mapping(record *stream.Record) {
	var moved identitymap.Row
	if record.Value == nil {
		key, err := identitymap.ParseKey(record.Key)
		if err != nil {
			w.s.unreadable(record, err)
			return
		}
		moved = identitymap.Row{Workspace: key.Workspace, Node: key.Node, Reason: identitymap.Erased}
	} else {
		var err error
		if moved, err = identitymap.Parse(record.Key, record.Value); err != nil {
			w.s.unreadable(record, err)
			return
		}
	}
	if moved.Workspace != w.s.name {
		return
	}
	before, err := w.s.rowOf(w.batch, moved.Node)
	if err != nil {
		w.fail(err)
		return
	}
	w.s.filter.add(moved.Node)
	w.nodes = append(w.nodes, moved.Node)
	w.customers = append(w.customers, before.canonical, moved.Canonical)
	switch {
	case before.erased:
	case moved.Reason == identitymap.Erased:
		w.erase(moved.Node, before)
	case before.found && moved.Version < before.version: // A publisher that was relieved may write what is over.
	default:
		w.move(moved, before)
	}
}

// move gives a node another customer. What is known of it goes with it.
func (w *writer) move(moved identitymap.Row, before row) {
	now := row{canonical: moved.Canonical, version: moved.Version, shared: moved.Shared, found: true}
	if !before.found {
		w.s.metrics.rows.Inc()
	}
	w.s.filter.add(moved.Canonical) // It may have no row of its own.
	w.put(nodeKey(keyRow, moved.Node), now.append(nil))
	known := w.s.pending[string(setKey(facts.OfNode(moved.Node), facts.Self))] != nil
	if !known {
		w.fail(w.s.scanIn(w.batch, subjectKey(facts.OfNode(moved.Node)), func(_, _ []byte) error {
			known = true
			return nil
		}))
	}
	if known {
		w.delete(memberKey(before.canonical, moved.Node))
		if !now.shared {
			w.put(memberKey(now.canonical, moved.Node), nil)
		}
	}
}

// erase forgets all that is known of a node, for ever. The topic is told too, by every instance: saying it twice does no harm.
func (w *writer) erase(node uuid.UUID, before row) {
	w.put(nodeKey(keyErased, node), nil)
	if before.found {
		w.delete(nodeKey(keyRow, node))
		w.s.metrics.rows.Dec()
	}
	w.delete(memberKey(before.canonical, node))
	var keys [][]byte
	w.fail(w.s.scanIn(w.batch, subjectKey(facts.OfNode(node)), func(key, _ []byte) error {
		keys = append(keys, bytes.Clone(key))
		return nil
	}))
	if len(keys) > 0 {
		w.s.metrics.subjects.Dec()
	}
	for _, key := range keys {
		w.delete(key)
		w.s.metrics.sets.Dec()
		w.owe(key)
	}
	own := setKey(facts.OfNode(node), facts.Self)
	if w.s.pending[string(own)] != nil {
		delete(w.s.pending, string(own))
		w.owe(own) // It may be on its way.
	}
}

// set reads a set; nil when there is none.
func (s *Store) set(from pebble.Reader, key []byte) (*facts.Set, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil //nolint:nilnil // There is none.
	}
	if err != nil {
		return nil, s.failed("read a set", err)
	}
	set, err := s.decode(key, value)
	return set, errors.Join(err, closer.Close())
}

// rowOf is what the map says of a node; a node that it does not have is its own customer.
func (s *Store) rowOf(from pebble.Reader, node uuid.UUID) (row, error) {
	own := row{canonical: node}
	value, closer, err := from.Get(nodeKey(keyRow, node))
	if err == nil {
		r, err := parseRow(value)
		return r, errors.Join(err, closer.Close())
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return own, s.failed("read the identity map", err)
	}
	_, closer, err = from.Get(nodeKey(keyErased, node))
	if err == nil {
		own.erased = true
		return own, closer.Close()
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return own, s.failed("read the identity map", err)
	}
	return own, nil
}
