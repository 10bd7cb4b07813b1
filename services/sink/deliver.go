package sink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
	"go.uber.org/zap"
)

// loader turns the records of a topic into rows. It is used by one goroutine at a time.
type loader interface {
	tables() []*rows
	// load appends the rows that the records make to one table, or to all when it is nil. Records that make none are
	// rejected. It fails only for what may pass.
	load(ctx context.Context, records []*stream.Record, only *rows, reject func(*stream.Record, fault)) error
	// event is what is known of the record that was loaded last, if it could be read.
	event() (quarantine.Event, bool)
	// trusted says that no value of the rows can be at fault, so that a refusal of the server passes once somebody has
	// looked after it.
	trusted() bool
}

// settler is a loader whose rows ask for something in other tables, once they are inserted. It may be asked again.
type settler interface {
	settle(ctx context.Context, s *sink) error
}

// lane brings one topic into its tables, range by range; ranges of different partitions at the same time.
type lane struct {
	*sink
	topic   string
	resting chan loader // as many as ranges are delivered at once
	// index tells repeated records; nil where rows merge by key and version, so that a repeated one changes nothing.
	index    *dedup.Index
	identify func() identify
	// delivered is told after each range, and may be nil.
	delivered func()

	unique []string // tables of which a row may not be inserted again

	mu      sync.Mutex
	entries map[int32][]dedup.Entry // of each partition's range in hand
	// read is the offset of each partition below which a group that has gone back may have delivered before.
	read map[int32]int64
}

// Assign implements stream.RangeHandler: what stands in the log below the position is known before anything after it, and
// whether rows after it are there already. Those of a planned range may be. If there are others, the group has gone back,
// because somebody set its offsets or Kafka lost them, and no plan tells how they were cut into ranges: an insert of any
// record that is in the log may be on its way.
func (l *lane) Assign(ctx context.Context, topic string, partition int32, from stream.Plan) error {
	last := int64(-1)
	for _, table := range l.unique {
		at, err := l.warehouse.LastPlace(ctx, table, topic, partition, from.Position)
		if err != nil {
			if ctx.Err() == nil {
				l.available(false, "partitions of "+topic+" cannot be taken over")
			}
			return err
		}
		last = max(last, at)
	}
	read := from.Position
	if last > from.To {
		log, err := l.kafka.Extent(ctx, topic, partition)
		if err != nil {
			return err
		}
		read = max(log.End, last+1)
		l.log.Warn("the group has gone back to where rows are already; the tables are asked about each range up to where the log ends now",
			zap.String("topic", topic), zap.Int32("partition", partition), zap.Int64("position", from.Position), zap.Int64("last_row", last), zap.Int64("log_end", log.End))
	}
	l.mu.Lock()
	l.read[partition] = read
	l.mu.Unlock()
	if l.index == nil {
		return nil
	}
	return l.index.Assign(ctx, topic, partition, from.Position)
}

// Deliver implements stream.RangeHandler. It is step 3 of ADR 7: the range is planned, and comes again, the very same,
// until it is committed, wherever a crash or an error cuts it short:
//
//  1. find the records that repeat an earlier one. It is a function of the log, so that it says the same each time.
//  2. decode the others into rows. A crash here loses nothing: nothing is written.
//  3. insert the rows of each table as one block under the range's token. A crash here leaves some tables with the
//     range and others without; when it comes again, each is asked what it has.
//  4. do what the rows ask for in other tables. A crash here repeats it, which changes nothing.
//  5. produce what could not become rows to the quarantine. A crash here repeats it under the same rejection ids, and
//     the second copy is dropped as a duplicate of the first.
//  6. return nil; only now are the offsets committed.
func (l *lane) Deliver(ctx context.Context, d stream.Delivery) error {
	err := l.deliver(ctx, d)
	switch {
	case err == nil:
		if l.delivered != nil {
			l.delivered()
		}
		l.available(true, "")
		l.metrics.freshness.WithLabelValues(l.topic).Observe(time.Since(d.Records[0].Timestamp).Seconds())
	case ctx.Err() == nil:
		l.available(false, "ranges of "+l.topic+" cannot be delivered")
	}
	return err
}

func (l *lane) deliver(ctx context.Context, d stream.Delivery) error {
	if err := l.after("planned", nil); err != nil {
		return err
	}
	records, err := l.distinct(ctx, d.Range)
	if err := l.after("deduplicated", err); err != nil || len(records) == 0 { // 1
		return err
	}
	loader, err := l.take(ctx)
	if err != nil {
		return err
	}
	defer l.rest(loader)
	rejected := &rejected{sink: l.sink, loader: loader}
	if err := l.after("decoded", loader.load(ctx, records, nil, rejected.add)); err != nil { // 2
		return err
	}
	for _, table := range loader.tables() {
		i := insertion{lane: l, loader: loader, table: table, rejected: rejected}
		if err := l.after("inserted/"+table.block.Table(), i.run(ctx, records, d)); err != nil { // 3
			return err
		}
	}
	if asking, asks := loader.(settler); asks {
		if err := l.after("settled", asking.settle(ctx, l.sink)); err != nil { // 4
			return err
		}
	}
	return l.after("quarantined", l.kafka.Produce(ctx, rejected.records...)) // 5
}

// rejected are the records of a delivery that make no rows.
type rejected struct {
	*sink
	loader  loader
	offsets map[int64]bool
	records []*stream.Record // of the quarantine
}

// add is called while the loader has the record in hand.
func (r *rejected) add(record *stream.Record, f fault) {
	if r.has(record) {
		return // another table refused it
	}
	if r.offsets == nil {
		r.offsets = make(map[int64]bool)
	}
	r.offsets[record.Offset] = true
	r.metrics.quarantined.WithLabelValues(f.reason).Inc()
	var known []quarantine.Event
	if event, read := r.loader.event(); read {
		known = append(known, event)
	}
	r.records = append(r.records, r.quarantine.FromRecord(record, f.reason, f.field, f.detail, known...))
}

func (r *rejected) has(record *stream.Record) bool { return r.offsets[record.Offset] }

// after is where tests cut the path short.
func (s *sink) after(step string, err error) error {
	if err != nil || s.fault == nil {
		return err
	}
	return s.fault(step)
}

// take waits for a loader: there are as many as ranges that may be delivered at once.
func (l *lane) take(ctx context.Context) (loader, error) {
	select {
	case loader := <-l.resting:
		return loader, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to load %s: %w", l.topic, context.Cause(ctx))
	}
}

// rest gives a loader back. Its rows alias the fetched records: a loader at rest must not hold them.
func (l *lane) rest(loader loader) {
	for _, table := range loader.tables() {
		table.block.Reset()
	}
	l.resting <- loader
}

// Committed implements stream.RangeHandler: the index learns of a range that will not come again.
func (l *lane) Committed(_ context.Context, r stream.Range) error {
	if err := l.after("committed", nil); err != nil {
		return err
	}
	if l.index == nil {
		return nil
	}
	return l.after("indexed", l.index.Apply(r.Topic, r.Partition, l.forget(r.Partition), r.Last()+1))
}

// Release implements stream.RangeHandler.
func (l *lane) Release(topic string, partition int32) {
	if l.index != nil {
		l.forget(partition)
		l.index.Release(topic, partition)
	}
}
