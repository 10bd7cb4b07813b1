package sink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// rowsVersion is part of every token: it changes when the same records come to make other rows.
	rowsVersion = 1
	firstRetry  = 100 * time.Millisecond
)

// loader turns the records of a topic into rows. It is used by one goroutine at a time.
type loader interface {
	tables() []*rows
	// load appends the rows that the records make to one table, or to all when it is nil. Records that make none are
	// rejected. It fails only for what may pass.
	load(ctx context.Context, records []*stream.Record, only *rows, reject func(*stream.Record, fault)) error
	// trusted says that no value of the rows can be at fault, so that a refusal of the server passes once somebody has
	// looked after it.
	trusted() bool
}

// settler is a loader whose rows ask for something in other tables, once they are inserted. It may be asked again.
type settler interface {
	settle(ctx context.Context, s *sink) error
}

// loaders hands one loader to each partition that is delivered at the same time.
type loaders chan loader

func newLoaders(n int, create func() loader) loaders {
	all := make(loaders, n)
	for range n {
		all <- create()
	}
	return all
}

// deliverAll delivers the ranges of a batch, several at once. An error of one means that nothing is committed.
func (s *sink) deliverAll(ctx context.Context, all loaders, batch []stream.Range) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range batch {
		l := <-all
		group.Go(func() error {
			defer func() {
				// Rows alias the fetched records: a loader at rest must not hold them.
				for _, table := range l.tables() {
					table.block.Reset()
				}
				all <- l
			}()
			return s.deliver(ctx, l, r)
		})
	}
	return group.Wait()
}

// deliver brings one range of one partition into ClickHouse:
//
//  1. decode the records into rows. A crash here loses nothing: nothing is written or committed.
//  2. insert the rows of each table as one block under the range's token. A crash here leaves some tables with the
//     range and others without; the repeated batch inserts the same ranges under the same tokens, and ClickHouse
//     drops the blocks that it has. An insert that is refused or not answered is tried again for as long as it takes.
//  3. do what the rows ask for in other tables. A crash here repeats it, which changes nothing.
//  4. produce what could not become rows to the quarantine. A crash here repeats it under the same rejection ids.
//  5. return nil; only now does the consume loop commit the offsets. A crash before the commit repeats the range.
//
// A repeated range is recognised by its token, so it must have the same bounds: that is for whoever gathers batches to
// see to, and this function's one seam: one range, one insert for each table.
func (s *sink) deliver(ctx context.Context, l loader, r stream.Range) error {
	var rejected []*stream.Record
	reject := func(record *stream.Record, f fault) {
		s.metrics.quarantined.WithLabelValues(f.reason).Inc()
		rejected = append(rejected, s.quarantine.FromRecord(record, f.reason, f.field, f.detail))
	}
	if err := l.load(ctx, r.Records, nil, reject); err != nil { // 1
		return err
	}
	for _, table := range l.tables() {
		if err := s.insert(ctx, l, table, r.Records, reject); err != nil { // 2
			return err
		}
	}
	if l, has := l.(settler); has {
		if err := l.settle(ctx, s); err != nil { // 3
			return err
		}
	}
	if err := s.kafka.Produce(ctx, rejected...); err != nil { // 4
		return err
	}
	s.metrics.freshness.WithLabelValues(r.Topic).Observe(time.Since(r.Records[0].Timestamp).Seconds())
	return nil // 5
}

// insert writes the block that the records made for the table. When the server blames a value, the records are halved
// until the one at fault stands alone: it goes to quarantine, all others into the table. The same records are halved
// the same way each time, so the tokens of the halves hold as well.
func (s *sink) insert(ctx context.Context, l loader, table *rows, records []*stream.Record, reject func(*stream.Record, fault)) error {
	if table.block.Rows() == 0 {
		return nil
	}
	err := s.insertBlock(ctx, table.block, records, l.trusted())
	if err == nil || l.trusted() || !warehouse.IsDataError(err) {
		return err
	}
	if len(records) == 1 {
		reject(records[0], fault{
			reason: reasonRefused,
			field:  table.block.Table(),
			detail: "ClickHouse refuses the row: " + words(err) + "; repair the value at its source and replay the event",
		})
		return nil
	}
	s.metrics.halvings.WithLabelValues(table.block.Table()).Inc()
	for _, half := range [][]*stream.Record{records[:len(records)/2], records[len(records)/2:]} {
		table.block.Reset()
		// What cannot be decoded was rejected when the whole was loaded.
		if err := l.load(ctx, half, table, func(*stream.Record, fault) {}); err != nil {
			return err
		}
		if err := s.insert(ctx, l, table, half, reject); err != nil {
			return err
		}
	}
	return nil
}

// token names what is inserted by where it stands in the log. The time of the first record tells this log from another
// of the same name: a topic that was made anew starts at offset 0 again, and its rows must not pass for the old ones.
func token(records []*stream.Record) string {
	first, last := records[0], records[len(records)-1]
	return fmt.Sprintf("%s/%d/%d-%d/v%d/%d", first.Topic, first.Partition, first.Offset, last.Offset, rowsVersion, first.Timestamp.UnixMilli())
}

// insertBlock inserts until it is done, ctx ends, or the server blames the rows and they are not trusted.
//
// Versions of ClickHouse differ in whether a table without replicas notes a token before or after it keeps the part.
// Where it is before, a server that dies between the two drops the repetition of what it never kept, and says that all
// is well. An insert that succeeds after one without an answer is
// therefore counted, and inserted under another token when rows are missing: a double is better than a loss.
func (s *sink) insertBlock(ctx context.Context, block *warehouse.Block, records []*stream.Record, trusted bool) error {
	table, token := block.Table(), token(records)
	unanswered := false
	for attempt := 1; ; attempt++ {
		began := time.Now()
		err := s.warehouse.Insert(ctx, block, token)
		if err == nil && unanswered {
			var kept uint64
			if kept, err = s.kept(ctx, table, records); err == nil && kept < uint64(block.Rows()) {
				s.log.Warn("rows of a repeated insert are missing and are inserted under another token",
					zap.String("table", table), zap.String("token", token), zap.Uint64("found", kept), zap.Int("rows", block.Rows()))
				token, unanswered = token+"/again", false
				continue
			}
		}
		if err == nil {
			s.metrics.insertSeconds.WithLabelValues(table).Observe(time.Since(began).Seconds())
			s.metrics.inserts.WithLabelValues(table).Inc()
			s.metrics.rows.WithLabelValues(table).Add(float64(block.Rows()))
			s.available(true, "")
			return nil
		}
		if !trusted && warehouse.IsDataError(err) {
			return err
		}
		unanswered = unanswered || !warehouse.IsAnswer(err)
		if ctx.Err() != nil {
			return fmt.Errorf("stop inserting %s into %s: %w", token, table, context.Cause(ctx))
		}
		s.metrics.retries.WithLabelValues(table, warehouse.Reason(err)).Inc()
		s.available(false, "inserts are refused or not answered")
		// Powers of two: the first failure is news, the thousandth is not.
		if attempt&(attempt-1) == 0 {
			s.log.Warn("insert will be tried again", zap.String("table", table), zap.String("token", token), zap.Int("attempt", attempt), zap.Error(err))
		}
		if err := pause(ctx, attempt, s.cfg.RetryWait); err != nil {
			return fmt.Errorf("stop inserting %s into %s: %w", token, table, err)
		}
	}
}

// kept counts the rows that a table has of a range.
func (s *sink) kept(ctx context.Context, table string, records []*stream.Record) (rows uint64, err error) {
	first, last := records[0], records[len(records)-1]
	err = s.warehouse.ScanRow(ctx, []any{&rows}, "SELECT count() FROM "+warehouse.Database+"."+table+
		" WHERE _topic = ? AND _partition = ? AND _offset BETWEEN ? AND ?", first.Topic, first.Partition, first.Offset, last.Offset)
	return rows, err
}

// pause waits longer after each attempt, at most longest, and never exactly as long as another instance.
func pause(ctx context.Context, attempt int, longest time.Duration) error {
	wait := min(firstRetry<<min(attempt-1, 20), longest)
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// words are the server's, without the values that it quotes: they may be personal.
func words(err error) string {
	text := warehouse.Message(err)
	if cut := strings.IndexAny(text, ":'\"`{["); cut >= 0 {
		text = text[:cut]
	}
	return warehouse.Reason(err) + ", " + strings.TrimSpace(text)
}
