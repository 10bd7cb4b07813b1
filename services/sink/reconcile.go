package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Reconcile compares what Kafka has with what ClickHouse has, offset by offset, and says what is missing, double or
// foreign. It asks both and changes neither, and runs beside a sink at work: what is not committed is on its way, and
// not looked at.
type Reconcile struct {
	Warehouse *warehouse.Warehouse
	Kafka     *stream.Client
	Registry  *registry.Registry
	// Config is the sink's: for how long it finds repetitions, and how long rows are kept.
	Config Config
	// Topics to compare, of Reconcilable; empty is all.
	Topics []string
	// Partitions to compare; empty is all.
	Partitions []int32
	// Since leaves out what is older in Kafka.
	Since time.Time
	// Limit is how many findings of a kind are named for each partition; all are counted.
	Limit int
	// ChunkRecords is how many records are compared at once; it bounds the memory. 0 is 100,000.
	ChunkRecords int
	// Progress is told after each chunk, and may be nil.
	Progress func(topic string, partition int32, done, total int64)
}

// reconciled says of a topic where its records go.
type reconciled struct {
	topic, group, table, id string
	months                  int
	identify                func() identify
}

// Reconcilable are the topics of which each record is one row.
func Reconcilable() []string { return []string{stream.Enriched, stream.Rejected} }

// Kinds of findings.
const (
	Missing = "missing"
	Double  = "double"
	Foreign = "foreign"
)

// Finding is a difference between log and table.
type Finding struct {
	Kind      string `json:"kind"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// From and To are the first and the last offset.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Rows is how many rows are missing or too many.
	Rows int64 `json:"rows"`
	// ID is the event or rejection, where the finding is about one.
	ID *uuid.UUID `json:"id,omitempty"`
	// Why says what is wrong.
	Why string `json:"why"`
}

// PartitionReport is the comparison of one partition with its table, from offset From to before To.
type PartitionReport struct {
	Topic     string `json:"topic"`
	Table     string `json:"table"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	// Records are those in the log, and what becomes of them: Expected rows, Duplicates that are dropped, Quarantined.
	Records     int64 `json:"records"`
	Expected    int64 `json:"expected"`
	Duplicates  int64 `json:"duplicates"`
	Quarantined int64 `json:"quarantined"`
	// Stored are the rows of the table, those that are too many included.
	Stored  int64 `json:"stored"`
	Missing int64 `json:"missing"`
	Double  int64 `json:"double"`
	Foreign int64 `json:"foreign"`
	// Waiting are records that are not committed, which are on their way.
	Waiting int64 `json:"waiting"`
	// Beyond are rows whose records Kafka no longer has, so that nobody can compare them.
	Beyond   int64     `json:"beyond_the_log"`
	Findings []Finding `json:"findings"`
}

// Differences is how many rows are wrong.
func (p *PartitionReport) Differences() int64 { return p.Missing + p.Double + p.Foreign }

// Run compares, and returns a report for each partition.
func (r *Reconcile) Run(ctx context.Context) ([]PartitionReport, error) {
	all := []reconciled{
		{stream.Enriched, GroupTouchpoints, "events", "event_id", r.Config.EventMonths, func() identify { return identifyTouchpoints(r.Registry) }},
		{stream.Rejected, GroupRejected, "rejected_events", "rejection_id", r.Config.RejectedMonths, func() identify { return identifyRejections }},
	}
	var reports []PartitionReport
	for _, of := range all {
		if len(r.Topics) > 0 && !slices.Contains(r.Topics, of.topic) {
			continue
		}
		compared, err := r.topic(ctx, of)
		if err != nil {
			return nil, fmt.Errorf("compare %s with %s: %w", of.topic, of.table, err)
		}
		reports = append(reports, compared...)
	}
	return reports, nil
}

// comparison is that of one topic.
type comparison struct {
	*Reconcile
	reconciled
	index *dedup.Index
	// committed bounds what is compared: it is read before all else, so that whatever is below it has arrived.
	committed map[int32]int64
	// onTheWay are the offsets that the sink rejected, whose rejections are not stored yet.
	onTheWay map[int32]map[int64]bool
}

func (r *Reconcile) topic(ctx context.Context, of reconciled) (reports []PartitionReport, err error) {
	c := &comparison{Reconcile: r, reconciled: of}
	if c.committed, err = r.Kafka.Committed(ctx, of.group, of.topic); err != nil {
		return nil, err
	}
	if err := c.readQuarantine(ctx); err != nil {
		return nil, err
	}
	closeIndex, err := c.openIndex()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeIndex()) }()
	tops, err := c.tops(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := r.Kafka.EndOffsets(ctx, of.topic) // after the rows: a row that is behind it is in no log
	if err != nil {
		return nil, err
	}
	for partition := range tops {
		if _, there := ends[partition]; !there {
			ends[partition] = 0 // the topic has no such partition
		}
	}
	var partitions []int32
	for partition := range ends {
		if len(r.Partitions) == 0 || slices.Contains(r.Partitions, partition) {
			partitions = append(partitions, partition)
		}
	}
	slices.Sort(partitions)
	for _, partition := range partitions {
		report, err := c.partition(ctx, partition, ends[partition])
		if err != nil {
			return nil, err
		}
		if err := c.pastEnd(ctx, report, ends[partition], tops[partition]); err != nil {
			return nil, err
		}
		reports = append(reports, *report)
	}
	if err := c.repeatedIDs(ctx, reports); err != nil {
		return nil, err
	}
	for i := range reports {
		slices.SortStableFunc(reports[i].Findings, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind))
		})
	}
	return reports, nil
}

// openIndex opens an index of repetitions in a folder of its own.
func (c *comparison) openIndex() (closeIndex func() error, err error) {
	dir, err := os.MkdirTemp("", "parcours-reconcile-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the index of repetitions: %w; set TMPDIR", err)
	}
	log := idLog{Client: c.Kafka, identify: map[string]func() identify{c.reconciled.topic: c.identify}}
	c.index, err = dedup.Open(dedup.Config{Dir: dir, Window: c.Config.DuplicateWindow, CacheBytes: indexCacheBytes}, log, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return func() error { return errors.Join(c.index.Close(), os.RemoveAll(dir)) }, nil
}

// readQuarantine reads the rejections that have not arrived in ClickHouse: those that have are asked for with each chunk.
func (c *comparison) readQuarantine(ctx context.Context) error {
	c.onTheWay = make(map[int32]map[int64]bool)
	if c.reconciled.topic == stream.Rejected {
		return nil
	}
	stored, err := c.Kafka.Committed(ctx, GroupRejected, stream.Rejected)
	if err != nil {
		return err
	}
	ends, err := c.Kafka.EndOffsets(ctx, stream.Rejected)
	if err != nil {
		return err
	}
	reader := newRejections(c.Registry)
	for partition, end := range ends {
		err := c.Kafka.ReadBack(ctx, stream.Rejected, partition, stored[partition], end, func(ctx context.Context, records []*stream.Record) error {
			for _, record := range records {
				if _, err := reader.read(ctx, record); err != nil {
					if registry.IsUnavailable(err) || ctx.Err() != nil {
						return err
					}
					continue // no rejection of ours
				}
				if reader.r.Stage == "sink" && reader.r.Topic == c.reconciled.topic && reader.r.Offset.Valid {
					offsets := c.onTheWay[reader.r.Partition.Value]
					if offsets == nil {
						offsets = make(map[int64]bool)
						c.onTheWay[reader.r.Partition.Value] = offsets
					}
					offsets[reader.r.Offset.Value] = true
				}
				reader.r = schemas.RejectedTouchpoint{}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// partition compares one partition, chunk by chunk.
func (c *comparison) partition(ctx context.Context, partition int32, end int64) (*PartitionReport, error) {
	report := &PartitionReport{Topic: c.reconciled.topic, Table: c.table, Partition: partition, Findings: []Finding{}}
	if end == 0 {
		return report, nil
	}
	extent, err := c.Kafka.Extent(ctx, c.reconciled.topic, partition)
	if err != nil {
		return nil, err
	}
	report.To = min(max(c.committed[partition], extent.Start), end)
	report.Waiting = end - report.To
	reach, err := c.reach(ctx, partition, extent, end)
	if err != nil {
		return nil, err
	}
	if report.Beyond, err = c.count(ctx, partition, 0, reach); err != nil {
		return nil, err
	}
	// Rows whose time is over may be gone; a day more, because nobody says when.
	since := time.Now().AddDate(0, -c.months, 1)
	if c.Since.After(since) {
		since = c.Since
	}
	at, err := c.Kafka.OffsetAt(ctx, c.reconciled.topic, partition, since)
	if err != nil {
		return nil, err
	}
	report.From = min(max(reach, at), report.To)
	if err := c.index.Assign(ctx, c.reconciled.topic, partition, report.From); err != nil {
		return nil, err
	}
	defer c.index.Release(c.reconciled.topic, partition)
	chunk := &chunk{comparison: c, report: report, from: report.From, identify: c.identify()}
	size := c.ChunkRecords
	if size == 0 {
		size = 100_000
	}
	err = c.Kafka.ReadBack(ctx, c.reconciled.topic, partition, report.From, report.To, func(ctx context.Context, records []*stream.Record) error {
		for part := range slices.Chunk(records, size) {
			if err := chunk.add(ctx, part); err != nil {
				return err
			}
			if len(chunk.records) >= size {
				if err := chunk.compare(ctx, chunk.records[len(chunk.records)-1].offset+1); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = chunk.compare(ctx, report.To)
	chunk.endGap()
	return report, err
}

// reach is the first offset of which the log tells all: where retention has cut the log, the sink may have known that a
// record repeats one that was cut, up to a window later.
func (c *comparison) reach(ctx context.Context, partition int32, extent stream.Extent, end int64) (int64, error) {
	if extent.Start == 0 || extent.Start >= end {
		return extent.Start, nil
	}
	first := time.Time{}
	errFound := errors.New("found")
	err := c.Kafka.ReadBack(ctx, c.reconciled.topic, partition, extent.Start, end, func(_ context.Context, records []*stream.Record) error {
		first = records[0].Timestamp
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return 0, err
	}
	if first.IsZero() {
		return end, nil
	}
	at, err := c.Kafka.OffsetAt(ctx, c.reconciled.topic, partition, first.Add(c.Config.DuplicateWindow))
	return max(at, extent.Start), err
}

// find adds a finding, or only counts it past the limit.
func (p *PartitionReport) find(f Finding, limit int) {
	f.Topic, f.Partition = p.Topic, p.Partition
	switch f.Kind {
	case Missing:
		p.Missing += f.Rows
	case Double:
		p.Double += f.Rows
	case Foreign:
		p.Foreign += f.Rows
	}
	named := 0
	for i := range p.Findings {
		if p.Findings[i].Kind == f.Kind {
			named++
		}
	}
	if named < limit {
		p.Findings = append(p.Findings, f)
	}
}
