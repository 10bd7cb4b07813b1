package attributes

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options of a store.
type Options struct {
	Config Config
	// Dir is the service's folder; empty keeps the store in memory.
	Dir       string
	Workspace workspace.Config
	// Rules say whom to believe when sources differ.
	Rules    Rules
	Kafka    *stream.Client
	Registry *registry.Registry
	Log      *zap.Logger
	Metrics  prometheus.Registerer

	// restate is after how long a value that is said again is written again; 0 is restateAfter.
	restate time.Duration
	// patience is how long Wait waits without a record before it looks whether there is one; 0 is usualPatience.
	patience time.Duration
	// now is the clock, extents what the topics have: Kafka's.
	now     func() time.Time
	extents func(ctx context.Context, topic string) (map[int32]stream.Extent, error)
	// files are the disk; nil is that of the machine, or memory without a Dir.
	files vfs.FS
}

// restateAfter bounds what is written of those who say the same with each event. A contradiction that is older than this by the time of its event,
// and comes later, may win over a repetition that was not written.
const restateAfter = time.Hour

// flushAfter is how long what was read waits to be written to a table, so that what a crash takes is not old.
const flushAfter = time.Minute

// Store is an open store. Its methods may be called at once.
type Store struct {
	o       Options
	name    string
	codec   *facts.Codec
	metrics *metrics
	disk    *disk
	db      *pebble.DB
	filter  *filter
	order   *orderHash

	// known has what was joined, by customer; rows has the identity map, by node. Both are filled under the read lock of mu and emptied of what
	// changed under the lock, so what stands in them is what the database says.
	known *otter.Cache[uuid.UUID, *joined]
	rows  *otter.Cache[uuid.UUID, row]
	// areas has the sets of areas in the same way.
	areas *otter.Cache[facts.Subject, []*facts.Set]

	// mu guards what follows, and that the database does not change while something is read from it into a cache.
	mu sync.RWMutex
	// pending are the contributions that were not read back yet, by the key of the database. Each has all that the database has of its subject.
	pending map[string]*contribution
	// unsaid are the keys whose records Take has to make.
	unsaid []string
	// owed are the keys that have to be written again, each also in the database until it is read back; true once it was written.
	owed map[string]bool
	// positions are the offsets after the last applied records.
	positions map[topicPartition]int64
	// moved is closed, and replaced, whenever something was applied.
	moved chan struct{}
	// heard is when a record was applied last.
	heard time.Time
	// flushed is when the disk was last asked to take what is in memory.
	flushed time.Time

	lastRecord [2]atomic.Int64 // time of the last applied record of each topic, in milliseconds
}

type topicPartition struct {
	topic     byte
	partition int32
}

// contribution is a set that this instance wrote or is about to.
type contribution struct {
	set *facts.Set
	// written is true once Kafka has it at partition and offset.
	written   bool
	partition int32
	offset    int64
}

// Open opens the store and compares it with the topics, which must exist. What it answers is as of the last batch that reached the disk: see
// [Store.Run] and [Store.Wait].
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.restate == 0 {
		o.restate = restateAfter
	}
	if o.patience == 0 {
		o.patience = usualPatience
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.extents == nil {
		o.extents = o.Kafka.Extents
	}
	codec, err := facts.NewCodec(ctx, o.Registry)
	if err != nil {
		return nil, err
	}
	key, err := o.Workspace.Key()
	if err != nil {
		return nil, err
	}
	s := &Store{
		o: o, name: o.Workspace.Name, codec: codec, metrics: newMetrics(o.Metrics), order: newOrderHash(key),
		pending: map[string]*contribution{}, owed: map[string]bool{}, moved: make(chan struct{}), heard: o.now(),
	}
	if err := s.openCaches(); err != nil {
		return nil, err
	}
	extents := map[byte]map[int32]stream.Extent{}
	ids := map[string]string{}
	for topic, name := range topicNames {
		if extents[byte(topic)], err = o.extents(ctx, name); err != nil {
			return nil, err
		}
		for _, extent := range extents[byte(topic)] {
			ids[name] = extent.TopicID
		}
	}
	if err := s.openAt(extents, newMarker(s.name, ids)); err != nil {
		return nil, err
	}
	return s, nil
}

// topicNames are the topics by their numbers.
var topicNames = [...]string{topicAttributes: stream.Attributes, topicMap: stream.IdentityMap}

// openAt opens the database, once more if it does not fit what the topics have.
func (s *Store) openAt(extents map[byte]map[int32]stream.Extent, want marker) error {
	dir, files := "attributes", s.o.files
	switch {
	case s.o.Dir != "":
		dir = filepath.Join(s.o.Dir, dir)
		if files == nil {
			files = vfs.Default
		}
	case files == nil:
		files = vfs.NewMem()
	}
	for attempt := 0; ; attempt++ {
		d, discarded, err := openDisk(files, dir, s.o.Config.BlockCacheBytes, want, s.o.Log)
		if err != nil {
			return err
		}
		if discarded != "" {
			s.metrics.rebuilds.WithLabelValues("unusable").Inc()
			s.o.Log.Warn("the attribute store is rebuilt", zap.String("why", discarded))
		}
		s.disk, s.db = d, d.db
		err = s.load(extents)
		if err == nil {
			return nil
		}
		bad := (*unfitError)(nil)
		if attempt > 0 || !errors.As(err, &bad) {
			return errors.Join(fmt.Errorf("load attributes: %w", err), d.close())
		}
		s.metrics.rebuilds.WithLabelValues(bad.reason).Inc()
		s.o.Log.Warn("the attribute store is rebuilt", zap.String("reason", bad.reason), zap.Error(bad.cause))
		d.unfit = true
		if err := d.close(); err != nil {
			return fmt.Errorf("discard attributes: %w", err)
		}
	}
}

// unfitError says why the store cannot go on with the topics.
type unfitError struct {
	reason string
	cause  error
}

func (e *unfitError) Error() string { return e.cause.Error() }

// maxSleep is how long a store may stand still while the topics go on: past it they may have dropped what takes other records back. A day is left for
// topics that are read slowly.
const maxSleep = stream.StateTombstones - 24*time.Hour

// load reads the positions, what is owed, and the filter.
func (s *Store) load(extents map[byte]map[int32]stream.Extent) error {
	s.positions = map[topicPartition]int64{}
	for topic, partitions := range extents {
		for partition, extent := range partitions {
			at, err := s.position(topic, partition, extent)
			if err != nil {
				return err
			}
			s.positions[topicPartition{topic, partition}] = at
		}
	}
	clear(s.owed)
	if err := s.scan([]byte{keyOwed}, func(key, _ []byte) error {
		s.owed[string(append([]byte{keySet}, key[1:]...))] = false
		return nil
	}); err != nil {
		return err
	}
	s.filter = newFilter(s.o.Config.FilterBytes)
	rows, sets, subjects := 0, 0, 0
	last := uuid.Nil
	if err := s.scan([]byte{keySet}, func(key, _ []byte) error {
		if node, ok := nodeOfSet(key); ok {
			s.filter.add(node)
			if node != last {
				subjects++
			}
			last = node
		}
		sets++
		return nil
	}); err != nil {
		return err
	}
	if err := s.scan([]byte{keyRow}, func(key, value []byte) error {
		r, err := parseRow(value)
		if err != nil {
			return s.failed("read the identity map", err)
		}
		s.filter.add(uuid.UUID(key[1:]))
		s.filter.add(r.canonical) // It may have no row of its own.
		rows++
		return nil
	}); err != nil {
		return err
	}
	s.metrics.rows.Set(float64(rows))
	s.metrics.sets.Set(float64(sets))
	s.metrics.subjects.Set(float64(subjects))
	return s.scan([]byte{keyErased}, func(key, _ []byte) error {
		s.filter.add(uuid.UUID(key[1:]))
		return nil
	})
}

// position is where to go on in a partition.
func (s *Store) position(topic byte, partition int32, extent stream.Extent) (int64, error) {
	value, closer, err := s.db.Get(positionKey(topic, partition))
	if errors.Is(err, pebble.ErrNotFound) {
		return extent.Start, nil
	}
	if err != nil {
		return 0, s.failed("read a position", err)
	}
	at, written, err := parsePosition(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return 0, s.failed("read a position", err)
	}
	name := topicNames[topic]
	asleep := s.o.now().Sub(time.UnixMilli(written))
	switch {
	case at > extent.End:
		return 0, &unfitError{"ahead_of_log", fmt.Errorf("it is at %d of %s/%d, which ends at %d: the topic lost records", at, name, partition, extent.End)}
	case at < extent.Start:
		return 0, &unfitError{"behind_log", fmt.Errorf("it is at %d of %s/%d, which begins at %d", at, name, partition, extent.Start)}
	case at < extent.End && asleep > maxSleep:
		return 0, &unfitError{"asleep_too_long", fmt.Errorf("it was written %s ago, %s keeps what takes records back for %s", asleep.Round(time.Minute), name, stream.StateTombstones)}
	}
	return at, nil
}

func nodeOfSet(key []byte) (uuid.UUID, bool) {
	const nodeKind = 1
	if len(key) < 2+16 || key[1] != nodeKind {
		return uuid.Nil, false
	}
	return uuid.UUID(key[2:18]), true
}

// scan goes over all keys with a prefix. Key and value are valid during the call.
func (s *Store) scan(prefix []byte, each func(key, value []byte) error) error {
	return s.scanIn(s.db, prefix, each)
}

func (s *Store) scanIn(from pebble.Reader, prefix []byte, each func(key, value []byte) error) error {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return s.failed("read", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			break
		}
		if err := each(it.Key(), value); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	if err := it.Close(); err != nil {
		return s.failed("read", err)
	}
	return nil
}

// failed marks what is not there as it should be, so that the next start reads it anew.
func (s *Store) failed(what string, err error) error {
	if pebble.IsCorruptionError(err) {
		err = fmt.Errorf("%w: %w", errUnusable, err)
		s.disk.log.fail(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close leaves everything that was read on the disk. Nothing may use the store any more.
func (s *Store) Close() error { return s.disk.close() }

// decode reads a set of the database.
func (s *Store) decode(key, value []byte) (*facts.Set, error) {
	_, subject, provider, err := facts.ParseKey(recordKey(s.name, key))
	if err != nil {
		return nil, s.failed("read a set", err)
	}
	set := new(facts.Set)
	if err := ownDecoder().Decode(append([]byte(nil), value...), set); err != nil {
		return nil, fmt.Errorf("read a set: %w", err)
	}
	set.Workspace, set.SubjectKind, set.Node, set.Code, set.Provider = s.name, string(subject.Kind), subject.Node, subject.Code, provider
	return set, nil
}

// ownDecoder reads sets with the schema of this version; another one's database is not used.
var ownDecoder = sync.OnceValue(func() *schemas.AttributesDecoder {
	d, err := schemas.NewAttributesDecoder(schemas.AttributeSetSchema())
	if err != nil {
		return nil // The schema is compiled in, and a test decodes with it.
	}
	return d
})
