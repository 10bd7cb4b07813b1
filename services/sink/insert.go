package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap"
)

// rowsVersion is part of every token: it changes when the same records come to make other rows.
const rowsVersion = 1

// longestTrust is how long after a plan its token is believed alone. A table without replicas remembers a number of
// inserts and no time: this is far less than it takes to make half as many.
const longestTrust = 30 * time.Second

// insertion brings the rows that records make into one table.
type insertion struct {
	*lane
	loader   loader
	table    *rows
	rejected *rejected
	// only are the offsets of the records whose rows are inserted, where it is not all of them.
	only map[int64]bool
}

// run inserts the rows of a range that are not there yet. The block of the table holds all of them.
//
// A token is believed where there is no doubt. There is one after an attempt whose end nobody knows, in this process or
// another, when ClickHouse may have forgotten the token, and when the group has gone back to where rows are already.
// Versions of ClickHouse differ, besides, in whether a table without replicas notes a token before or after it keeps the
// part: a server that died between the two drops the repetition of what it never kept, or keeps it twice. So in doubt
// the table is asked which rows it has, the others are inserted, and it is asked again: under the range's token first,
// for the lost request may still be on its way, and under a token of their own when that one was burnt. In the end, what
// views make of the rows is made anew.
func (i insertion) run(ctx context.Context, records []*stream.Record, d stream.Delivery) error {
	if !i.inDoubt(d) {
		return i.insert(ctx, records, "")
	}
	if !i.table.unique {
		// It is not asked: a row that is repeated changes nothing, and a burnt token would lose it.
		return i.insert(ctx, records, again())
	}
	for attempt := 0; ; attempt++ {
		missing, _, err := i.missing(ctx, records)
		if err := i.after("asked/"+i.table.block.Table(), err); err != nil {
			return err
		}
		if len(missing) == 0 {
			return i.derive(ctx, records)
		}
		suffix := ""
		switch attempt {
		case 0:
		case 1:
			suffix = again()
			i.log.Warn("rows of a repeated insert are missing and are inserted under another token",
				zap.String("table", i.table.block.Table()), zap.String("token", token(records)), zap.Int("rows", len(missing)))
		default:
			return fmt.Errorf("%d rows of %s are not in %s after their insert was answered: look for what deletes them at once, a mutation or a retention", len(missing), token(records), i.table.block.Table())
		}
		i.only = missing
		if err := i.reload(ctx, records); err != nil {
			return err
		}
		if err := i.insert(ctx, records, suffix); err != nil {
			return err
		}
	}
}

// again makes a token that no earlier insert has, in this process or another.
func again() string { return "/again-" + uuid.NewString() }

// inDoubt is whether the rows of a delivery may be in the table without our knowing.
func (i insertion) inDoubt(d stream.Delivery) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return d.Replayed || time.Since(d.Planned) > i.trust || d.First() < i.read[d.Partition]
}

// missing are the offsets whose rows the table should have and does not, and how many it has. A row is known by its offset and the time of its
// record: a topic that was made anew starts at offset 0 again.
func (i insertion) missing(ctx context.Context, records []*stream.Record) (missing map[int64]bool, stored int, err error) {
	first, last := records[0], records[len(records)-1]
	places, err := i.warehouse.Places(ctx, i.table.block.Table(), first.Topic, first.Partition, first.Offset, last.Offset)
	if err != nil {
		return nil, 0, err
	}
	there := make(map[warehouse.Place]bool, len(places))
	for _, place := range places {
		there[place] = true
	}
	missing = make(map[int64]bool)
	for _, record := range records {
		switch {
		case there[warehouse.Place{Offset: record.Offset, ProducedAt: record.Timestamp.UnixMilli()}]:
			stored++
		case !i.rejected.has(record):
			missing[record.Offset] = true
		}
	}
	return missing, stored, nil
}

// reload makes the table's block hold the rows of these records alone, as far as they are to be inserted. What cannot be
// decoded was rejected when all were loaded.
func (i insertion) reload(ctx context.Context, records []*stream.Record) error {
	i.table.block.Reset()
	if i.only != nil {
		all := records
		records = make([]*stream.Record, 0, len(i.only))
		for _, record := range all {
			if i.only[record.Offset] {
				records = append(records, record)
			}
		}
	}
	return i.loader.load(ctx, records, i.table, func(*stream.Record, fault) {})
}

// insert writes the block that the records made for the table. When the server blames a value, the records are halved
// until the one at fault stands alone: it goes to quarantine, all others into the table. The same records are halved
// the same way each time, whichever of their rows are still to be inserted, so the tokens of the halves hold as well.
// Who refuses may be a view that somebody made of the table, after the rows were stored: those are not inserted again.
func (i insertion) insert(ctx context.Context, records []*stream.Record, suffix string) error {
	if i.table.block.Rows() == 0 {
		return nil
	}
	refused := i.insertBlock(ctx, token(records)+suffix)
	if refused == nil || i.loader.trusted() || warehouse.Classify(refused) != warehouse.ClassData {
		return refused
	}
	if i.table.unique {
		missing, stored, err := i.missing(ctx, records)
		if err != nil {
			return err
		}
		i.only = missing
		if stored > 0 {
			i.log.Warn("clickhouse refuses rows that it has stored; look for a view that fails on what is in them",
				zap.String("table", i.table.block.Table()), zap.String("token", token(records)), zap.String("words", words(refused)))
			if err := i.derive(ctx, records); err != nil {
				return err
			}
		}
		if len(missing) == 0 {
			return nil
		}
	}
	if len(records) == 1 {
		i.rejected.add(records[0], fault{
			reason: reasonRefused,
			field:  i.table.block.Table(),
			detail: "ClickHouse refuses the row: " + words(refused) + "; repair the value at its source and replay the event",
		})
		return nil
	}
	i.metrics.halvings.WithLabelValues(i.table.block.Table()).Inc()
	for _, half := range [][]*stream.Record{records[:len(records)/2], records[len(records)/2:]} {
		if err := i.reload(ctx, half); err != nil {
			return err
		}
		if err := i.insert(ctx, half, suffix); err != nil {
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

// insertBlock sends the block once.
func (i insertion) insertBlock(ctx context.Context, token string) error {
	table := i.table.block.Table()
	if err := i.pace.wait(ctx); err != nil {
		return err
	}
	began := time.Now()
	err := i.warehouse.Insert(ctx, i.table.block, token)
	switch {
	case err == nil:
		i.pace.eased()
	case warehouse.Classify(err) == warehouse.ClassOverload:
		i.pace.overloaded()
	}
	if err != nil {
		if ctx.Err() == nil && warehouse.Classify(err) != warehouse.ClassData {
			i.metrics.failures.WithLabelValues(table, warehouse.Reason(err)).Inc()
		}
		return err
	}
	i.metrics.insertSeconds.WithLabelValues(table).Observe(time.Since(began).Seconds())
	i.metrics.inserts.WithLabelValues(table).Inc()
	i.metrics.rows.WithLabelValues(table).Add(float64(i.table.block.Rows()))
	return nil
}

// words are the server's, without the values that it quotes: they may be personal.
func words(err error) string {
	text := warehouse.Message(err)
	if cut := strings.IndexAny(text, ":'\"`{["); cut >= 0 {
		text = text[:cut]
	}
	return warehouse.Reason(err) + ", " + strings.TrimSpace(text)
}
