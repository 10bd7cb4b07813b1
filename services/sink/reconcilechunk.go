package sink

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
)

// chunk is a run of offsets that is compared at once.
type chunk struct {
	*comparison
	report   *PartitionReport
	from     int64 // the first offset
	identify identify
	records  []logged
	entries  []dedup.Entry
	gap      missingRange // may go on in the next chunk
}

// logged is what is known of a record.
type logged struct {
	offset int64
	entry  int32 // its place in the entries, or -1
	header []byte
}

func (c *chunk) add(ctx context.Context, records []*stream.Record) error {
	entries, at, err := entriesOf(ctx, c.identify, records)
	if err != nil {
		return err
	}
	for i, record := range records {
		known := logged{offset: record.Offset, entry: -1}
		if at[i] >= 0 {
			known.entry = at[i] + int32(len(c.entries))
		}
		for _, header := range record.Headers {
			if header.Key == ReplayHeader {
				known.header = header.Value
			}
		}
		c.records = append(c.records, known)
	}
	c.entries = append(c.entries, entries...)
	return nil
}

// storedRows are the rows of one offset with one id.
type storedRows struct {
	Offset int64     `ch:"at"`
	ID     uuid.UUID `ch:"id"`
	Rows   uint64    `ch:"n"`
}

// compare holds the records up to an offset against the rows of the same offsets, and begins the next chunk.
func (c *chunk) compare(ctx context.Context, to int64) error {
	if to <= c.from {
		return nil
	}
	duplicates, err := c.index.Duplicates(ctx, c.reconciled.topic, c.report.Partition, c.entries, nil)
	if err != nil {
		return err
	}
	if err := c.index.Apply(c.reconciled.topic, c.report.Partition, c.entries, to); err != nil {
		return err
	}
	quarantined, err := c.quarantined(ctx, to)
	if err != nil {
		return err
	}
	rows, err := c.rows(ctx, c.from, to)
	if err != nil {
		return err
	}
	start := int64(-1)
	for _, record := range c.records {
		for len(rows) > 0 && rows[0].Offset < record.offset {
			if start, err = c.unlogged(ctx, rows[0], start); err != nil {
				return err
			}
			rows = rows[1:]
		}
		own := 0
		for own < len(rows) && rows[own].Offset == record.offset {
			own++
		}
		c.judge(record, rows[:own], duplicates, quarantined)
		rows = rows[own:]
	}
	for _, row := range rows {
		if start, err = c.unlogged(ctx, row, start); err != nil {
			return err
		}
	}
	c.records, c.entries, c.from = c.records[:0], c.entries[:0], to
	if c.Progress != nil {
		c.Progress(c.reconciled.topic, c.report.Partition, to-c.report.From, c.report.To-c.report.From)
	}
	return nil
}

// judge compares one record with the rows of its offset.
func (c *chunk) judge(record logged, rows []storedRows, duplicates []bool, quarantined map[int64]bool) {
	c.report.Records++
	right, expected := int64(0), true
	switch {
	case record.entry >= 0 && duplicates[record.entry]:
		c.report.Duplicates++
		expected = false
	case quarantined[record.offset]:
		c.report.Quarantined++
	default:
		c.report.Expected++
	}
	for _, row := range rows {
		c.report.Stored += int64(row.Rows)
		switch {
		case !expected:
			c.foreign(row, "a repetition of an earlier record, which the sink drops")
		case !c.names(record, row.ID):
			c.foreign(row, "its id is not that of the record at this offset")
		default:
			right += int64(row.Rows)
		}
	}
	if right > 1 {
		id := rows[0].ID
		c.report.find(Finding{Kind: Double, From: record.offset, To: record.offset, Rows: right - 1, ID: &id, Why: fmt.Sprintf("the row is there %d times", right)}, c.Limit)
	}
	// What was rejected may have become a row of some tables all the same.
	if expected && right == 0 && !quarantined[record.offset] {
		c.gap.add(record.offset)
	} else if expected {
		c.endGap()
	}
}

// names says whether a row's id is the record's.
func (c *chunk) names(record logged, id uuid.UUID) bool {
	if record.entry < 0 {
		return true // a record without an id: the sink made one
	}
	name := c.entries[record.entry].ID
	if len(record.header) > 0 {
		return uuid.NewSHA1(id, record.header) == name
	}
	return id == name || c.table == "rejected_events" && id == unreadableID(c.reconciled.topic, c.report.Partition, record.offset)
}

func (c *chunk) foreign(row storedRows, why string) {
	id := row.ID
	c.report.find(Finding{Kind: Foreign, From: row.Offset, To: row.Offset, Rows: int64(row.Rows), ID: &id, Why: why}, c.Limit)
}

// unlogged is a row whose offset has no record: a foreign one, or one that Kafka has dropped since we looked. start is
// where the log starts, once that has been asked.
func (c *chunk) unlogged(ctx context.Context, row storedRows, start int64) (int64, error) {
	if start < 0 {
		extent, err := c.Kafka.Extent(ctx, c.reconciled.topic, c.report.Partition)
		if err != nil {
			return start, err
		}
		start = extent.Start
	}
	c.report.Stored += int64(row.Rows)
	if row.Offset < start {
		c.report.Stored -= int64(row.Rows)
		c.report.Beyond += int64(row.Rows)
		return start, nil
	}
	c.foreign(row, "the log has no record at this offset")
	return start, nil
}

// missingRange gathers records that miss one after the other.
type missingRange struct{ from, to, rows int64 }

func (m *missingRange) add(offset int64) {
	if m.rows == 0 {
		m.from = offset
	}
	m.to = offset
	m.rows++
}

func (c *chunk) endGap() {
	if c.gap.rows > 0 {
		c.report.find(Finding{Kind: Missing, From: c.gap.from, To: c.gap.to, Rows: c.gap.rows, Why: "the log has them and the table does not"}, c.Limit)
	}
	c.gap = missingRange{}
}

// place is the condition for rows of a partition's offsets.
func (c *comparison) place(partition int32, from, to int64) string {
	return fmt.Sprintf("_topic = %s AND _partition = %d AND _offset >= %d AND _offset < %d", quote(c.reconciled.topic), partition, from, to)
}

// rows reads what the table has, in one query: two would show a merge or an insert between them as a difference.
func (c *chunk) rows(ctx context.Context, from, to int64) (rows []storedRows, err error) {
	query := "SELECT _offset AS at, " + c.id + " AS id, count() AS n FROM " + warehouse.Database + "." + c.table +
		" WHERE " + c.place(c.report.Partition, from, to) + " GROUP BY at, id ORDER BY at, id"
	if err := c.Warehouse.Select(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("read rows of %s/%d/%d-%d: %w", c.reconciled.topic, c.report.Partition, from, to-1, err)
	}
	return rows, nil
}

func (c *comparison) count(ctx context.Context, partition int32, from, to int64) (int64, error) {
	var rows uint64
	err := c.Warehouse.ScanRow(ctx, []any{&rows}, "SELECT count() FROM "+warehouse.Database+"."+c.table+" WHERE "+c.place(partition, from, to))
	return int64(rows), err
}

// quarantined are the offsets that the sink put into quarantine.
func (c *chunk) quarantined(ctx context.Context, to int64) (map[int64]bool, error) {
	offsets := make(map[int64]bool)
	for offset := range c.onTheWay[c.report.Partition] {
		if offset >= c.from && offset < to {
			offsets[offset] = true
		}
	}
	if c.reconciled.topic == stream.Rejected {
		return offsets, nil
	}
	var rows []struct {
		Offset *int64 `ch:"origin_offset"`
	}
	query := fmt.Sprintf("SELECT DISTINCT origin_offset FROM %s.rejected_events WHERE stage = 'sink' AND origin_topic = %s AND origin_partition = %d AND origin_offset >= %d AND origin_offset < %d",
		warehouse.Database, quote(c.reconciled.topic), c.report.Partition, c.from, to)
	if err := c.Warehouse.Select(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("read what the sink rejected: %w", err)
	}
	for i := range rows {
		if rows[i].Offset != nil {
			offsets[*rows[i].Offset] = true
		}
	}
	return offsets, nil
}

// tops are the greatest offsets of the rows, by partition.
func (c *comparison) tops(ctx context.Context) (map[int32]int64, error) {
	var rows []struct {
		Partition int32 `ch:"p"`
		Top       int64 `ch:"top"`
	}
	query := "SELECT _partition AS p, max(_offset) AS top FROM " + warehouse.Database + "." + c.table + " WHERE _topic = " + quote(c.reconciled.topic) + " GROUP BY p"
	if err := c.Warehouse.Select(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("read the partitions of %s: %w", c.table, err)
	}
	tops := make(map[int32]int64, len(rows))
	for _, row := range rows {
		tops[row.Partition] = row.Top
	}
	return tops, nil
}

// pastEnd finds rows behind the end of the log, up to the greatest offset that was there before the end was asked for.
func (c *comparison) pastEnd(ctx context.Context, report *PartitionReport, end, top int64) error {
	if top < end {
		return nil
	}
	why := "the log ends at offset " + fmt.Sprint(end)
	if end == 0 {
		why = "the topic has no record in this partition"
	}
	past := &chunk{comparison: c, report: report}
	rows, err := past.rows(ctx, end, top+1)
	if err != nil {
		return err
	}
	for _, row := range rows {
		report.Stored += int64(row.Rows)
		past.foreign(row, why)
	}
	return nil
}

// idsAtOnce bounds the ids that one query of repeatedIDs groups.
const idsAtOnce = 5_000_000

// repeatedIDs finds ids at more than one offset below the committed positions: in other partitions, or further apart
// than the window. It goes over the ids slice by slice, so that no query has to hold them all.
func (c *comparison) repeatedIDs(ctx context.Context, reports []PartitionReport) error {
	var below, since []string
	total := int64(0)
	for i := range reports {
		p := &reports[i]
		below = append(below, fmt.Sprintf("(_partition = %d AND _offset < %d)", p.Partition, p.To))
		since = append(since, fmt.Sprintf("(_partition = %d AND _offset >= %d)", p.Partition, p.From))
		total += p.Stored + p.Beyond
	}
	if len(reports) == 0 {
		return nil
	}
	slices := total/idsAtOnce + 1
	for slice := range slices {
		var rows []struct {
			ID     uuid.UUID `ch:"id"`
			Places [][]int64 `ch:"places"`
			Count  uint64    `ch:"n"`
		}
		query := fmt.Sprintf(`SELECT %s AS id, arraySort(groupUniqArray(100)([toInt64(_partition), _offset])) AS places, uniqExact(_partition, _offset) AS n
FROM %s.%s WHERE _topic = %s AND (%s) AND cityHash64(%s) %% %d = %d
GROUP BY id HAVING n > 1 AND countIf(%s) > 0 ORDER BY id`,
			c.id, warehouse.Database, c.table, quote(c.reconciled.topic), strings.Join(below, " OR "), c.id, slices, slice, strings.Join(since, " OR "))
		if err := c.Warehouse.Select(ctx, &rows, query); err != nil {
			return fmt.Errorf("look for ids at several offsets: %w", err)
		}
		for _, row := range rows {
			last := row.Places[len(row.Places)-1]
			for i := range reports {
				if int64(reports[i].Partition) != last[0] {
					continue
				}
				id := row.ID
				reports[i].find(Finding{
					Kind: Double, From: last[1], To: last[1], Rows: int64(row.Count) - 1, ID: &id,
					Why: "its id stands at " + placesOf(row.Places) + " as well",
				}, c.Limit)
			}
		}
	}
	return nil
}

// placesOf names all but the last.
func placesOf(places [][]int64) string {
	const most = 5
	var names []string
	for _, place := range places[:len(places)-1] {
		if len(names) == most {
			names = append(names, "more")
			break
		}
		names = append(names, fmt.Sprintf("%d/%d", place[0], place[1]))
	}
	return strings.Join(names, ", ")
}
