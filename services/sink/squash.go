package sink

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// Squash writes what identity has learnt into the rows themselves, so that the identity map can forget it. After it the
// views say exactly what they said before: a row that names its customer as of version v needs no row of the map up to
// v. It may be stopped anywhere and repeated; what is done stays done, and identity may go on changing its mind.
type Squash struct {
	ClickHouse warehouse.Config
	// Until closes partitions: those of months that had ended by then are rewritten. Events that come later into a closed
	// partition carry the position of their own and wait for the next time.
	Until time.Time
	// Partition, if set, is the only one of them to be rewritten, as YYYYMM.
	Partition string
	// Settled keeps the rows of the map that are as young: an event that was resolved before them may still be on its way.
	Settled time.Time
	// DryRun only counts.
	DryRun bool
	// Report is told of each step that is done; its error ends the run.
	Report func(SquashStep) error

	db     *warehouse.Warehouse
	closed []string
}

// SquashStep is one step: rows that were rewritten, or taken out of the map.
type SquashStep struct {
	// Step is rewrite, outdated, prune or reload.
	Step string `json:"step"`
	// Table and Partition are where; the partition is empty where there is one only.
	Table     string `json:"table"`
	Partition string `json:"partition,omitempty"`
	Rows      uint64 `json:"rows"`
	// BytesBefore and BytesAfter are what the table has on disk, or the dictionary in memory.
	BytesBefore uint64  `json:"bytes_before"`
	BytesAfter  uint64  `json:"bytes_after"`
	Seconds     float64 `json:"seconds"`
}

// mutationTimeout is how long a statement may take: the server works on after the client has lost patience, but then
// nobody knows when it is done.
const mutationTimeout = 24 * time.Hour

// Run does it.
func (s *Squash) Run(ctx context.Context) error {
	cfg := s.ClickHouse
	cfg.Timeout = max(cfg.Timeout, mutationTimeout)
	db, err := warehouse.Open(cfg)
	if err != nil {
		return err
	}
	s.db = db
	err = s.run(ctx)
	if closing := db.Close(); err == nil {
		err = closing
	}
	return err
}

// run keeps this order:
//
//  1. rewrite rows whose customer is older than the map's. A crash here leaves some rewritten: each of them says the
//     same as before, with the position that it is true at.
//  2. take versions out of the map beside which there is a newer one of the node. A crash here leaves some: they lose
//     against the newer one.
//  3. take rows out of the map that are settled, alone of their node, not of a shared node, and that no row anchored at
//     the node is older than. Step 2 is before it, or an older version would come to light. A crash here leaves some.
//  4. load the dictionary anew, because its refresh never forgets. A crash here leaves it larger than it need be.
func (s *Squash) run(ctx context.Context) error {
	if err := s.db.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+mapDictionary); err != nil {
		return err
	}
	if err := s.findClosed(ctx); err != nil {
		return err
	}
	for _, partition := range s.closed {
		if err := s.rewrite(ctx, "events", partition); err != nil { // 1
			return err
		}
	}
	for _, table := range []string{"contacts", "traits"} {
		if err := s.rewrite(ctx, table, ""); err != nil {
			return err
		}
	}
	if err := s.prune(ctx, "outdated", outdatedRows); err != nil { // 2
		return err
	}
	if err := s.prune(ctx, "prune", s.dispensableRows()); err != nil { // 3
		return err
	}
	return s.reload(ctx) // 4
}

const mapDictionary = warehouse.Database + ".identity_map_dict"

// known is what the map says of a row's anchor, read at once; newer says that the row does not know it yet. A row whose
// anchor is shared is resolved by its other identifiers whenever it is read, and left alone.
const (
	known = "dictGetOrDefault('" + mapDictionary + "', ('canonical', 'version', 'shared'), (workspace, anchor), (customer_id, toUInt64(0), false))"
	newer = "(NOT tupleElement(" + known + ", 3) AND tupleElement(" + known + ", 2) > iv)"
)

var month = regexp.MustCompile(`^\d{6}$`)

// findClosed lists the partitions of events whose month had ended.
func (s *Squash) findClosed(ctx context.Context) error {
	if s.Partition != "" && !month.MatchString(s.Partition) {
		return fmt.Errorf("squash partition %s: give the month as YYYYMM", s.Partition)
	}
	open := s.Until.UTC().Format("200601")
	if s.Partition != "" && s.Partition >= open {
		return fmt.Errorf("squash partition %s: its month is not over, or only just; events still come in: wait, or give a smaller --grace", s.Partition)
	}
	table, err := s.db.Query(ctx, `SELECT DISTINCT partition_id FROM system.parts
WHERE database = ? AND table = 'events' AND active AND partition_id < ? AND (? = '' OR partition_id = ?) ORDER BY partition_id`,
		warehouse.Database, open, s.Partition, s.Partition)
	if err != nil {
		return fmt.Errorf("list partitions of events: %w", err)
	}
	s.closed = s.closed[:0]
	for _, row := range table.Rows {
		s.closed = append(s.closed, row[0])
	}
	return nil
}

// rewrite brings the rows of one table up to the map. Both columns come out of one look-up, evaluated once a block, so
// that the position is never newer than the customer, whatever the dictionary does meanwhile.
func (s *Squash) rewrite(ctx context.Context, table, partition string) error {
	step := SquashStep{Step: "rewrite", Table: table, Partition: partition}
	began := time.Now()
	where, in := newer, ""
	if partition != "" {
		where = "_partition_id = '" + partition + "' AND " + newer
		in = " IN PARTITION ID '" + partition + "'"
	}
	name := warehouse.Database + "." + table
	if err := s.db.ScanRow(ctx, []any{&step.Rows}, "SELECT count() FROM "+name+" WHERE "+where); err != nil {
		return fmt.Errorf("count rows of %s to rewrite: %w", table, err)
	}
	var err error
	if step.BytesBefore, err = s.bytes(ctx, table, partition); err != nil {
		return err
	}
	step.BytesAfter = step.BytesBefore
	if step.Rows > 0 && !s.DryRun {
		// Every replica of a replicated table evaluates the dictionary for itself; where they differ, the first part that is
		// written holds, and each says the truth as of its own position.
		statement := "ALTER TABLE " + name + " UPDATE customer_id = if(" + newer + ", tupleElement(" + known + ", 1), customer_id), " +
			"iv = if(" + newer + ", toInt64(tupleElement(" + known + ", 2)), iv)" + in + " WHERE " + newer +
			" SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
		if err := s.db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("rewrite %s: %w", table, err)
		}
		if step.BytesAfter, err = s.bytes(ctx, table, partition); err != nil {
			return err
		}
	}
	step.Seconds = time.Since(began).Seconds()
	return s.Report(step)
}

// outdatedRows are versions beside which there is a newer one.
const outdatedRows = `SELECT m.workspace, m.node, m.version FROM parcours.identity_map AS m
INNER JOIN (SELECT i.workspace AS workspace, i.node AS node, max(i.version) AS newest FROM parcours.identity_map AS i GROUP BY workspace, node HAVING min(i.version) < newest) AS n
    ON n.workspace = m.workspace AND n.node = m.node
WHERE m.version < n.newest`

// dispensableRows are rows of the map that tell no row anything. In a dry run the closed partitions count as rewritten.
func (s *Squash) dispensableRows() string {
	tables := []string{"events", "contacts", "traits"}
	open := ""
	if s.DryRun {
		tables = tables[:1]
		for _, partition := range s.closed {
			open += " AND e._partition_id != '" + partition + "'"
		}
	}
	newest := "SELECT i.workspace AS workspace, i.node AS node, max(i.version) AS version FROM parcours.identity_map AS i GROUP BY workspace, node"
	needed := ""
	for i, table := range tables {
		if i > 0 {
			needed += "\n    UNION ALL\n"
		}
		needed += "    SELECT e.workspace, e.anchor FROM parcours." + table + " AS e INNER JOIN (" + newest + ") AS n ON n.workspace = e.workspace AND n.node = e.anchor WHERE e.iv < n.version" + open
	}
	return fmt.Sprintf(`SELECT c.workspace, c.node, c.version FROM
(
    SELECT i.workspace AS workspace, i.node AS node, max(i.version) AS version FROM parcours.identity_map AS i
    GROUP BY workspace, node
    HAVING min(i.version) = version AND NOT max(i.shared) AND max(i.at) < fromUnixTimestamp64Milli(toInt64(%d))
) AS c
WHERE (c.workspace, c.node) NOT IN
(
%s
)`, s.Settled.UnixMilli(), needed)
}

// prune takes the rows that a query names out of the map. They are noted first: what is deleted must not depend on when
// and where the deletion is evaluated.
func (s *Squash) prune(ctx context.Context, name, rows string) error {
	step := SquashStep{Step: name, Table: "identity_map"}
	began := time.Now()
	var err error
	if step.BytesBefore, err = s.bytes(ctx, "identity_map", ""); err != nil {
		return err
	}
	step.BytesAfter = step.BytesBefore
	if s.DryRun {
		if err := s.db.ScanRow(ctx, []any{&step.Rows}, "SELECT count() FROM ("+rows+")"); err != nil {
			return fmt.Errorf("count rows of identity_map to take out: %w", err)
		}
		step.Seconds = time.Since(began).Seconds()
		return s.Report(step)
	}
	const noted = warehouse.Database + ".identity_pruned"
	for _, statement := range []string{
		"TRUNCATE TABLE " + noted,
		"INSERT INTO " + noted + " (workspace, node, version) " + rows,
	} {
		if err := s.db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("note rows of identity_map to take out: %w", err)
		}
	}
	if err := s.db.ScanRow(ctx, []any{&step.Rows}, "SELECT count() FROM "+noted); err != nil {
		return fmt.Errorf("count rows of identity_map to take out: %w", err)
	}
	if step.Rows > 0 {
		if err := s.db.Exec(ctx, "ALTER TABLE parcours.identity_map DELETE WHERE (workspace, node, version) IN (SELECT workspace, node, version FROM "+noted+
			") SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"); err != nil {
			return fmt.Errorf("take rows out of identity_map: %w", err)
		}
		if step.BytesAfter, err = s.bytes(ctx, "identity_map", ""); err != nil {
			return err
		}
	}
	if err := s.db.Exec(ctx, "TRUNCATE TABLE "+noted); err != nil {
		return err
	}
	step.Seconds = time.Since(began).Seconds()
	return s.Report(step)
}

// reload makes the dictionary anew from what is left of the map.
func (s *Squash) reload(ctx context.Context) error {
	step := SquashStep{Step: "reload", Table: "identity_map_dict"}
	began := time.Now()
	var err error
	if step.Rows, step.BytesBefore, err = s.dictionary(ctx); err != nil {
		return err
	}
	step.BytesAfter = step.BytesBefore
	if !s.DryRun {
		statement, err := dictionaryStatement(dictionaryMigrations[0], s.ClickHouse.Username, s.ClickHouse.Password)
		if err != nil {
			return err
		}
		for _, statement := range []string{statement, "SYSTEM RELOAD DICTIONARY " + mapDictionary} {
			if err := s.db.Exec(ctx, statement); err != nil {
				return fmt.Errorf("load the identity dictionary anew: %w", err)
			}
		}
		if step.Rows, step.BytesAfter, err = s.dictionary(ctx); err != nil {
			return err
		}
	}
	step.Seconds = time.Since(began).Seconds()
	return s.Report(step)
}

func (s *Squash) dictionary(ctx context.Context) (rows, bytes uint64, err error) {
	err = s.db.ScanRow(ctx, []any{&rows, &bytes}, "SELECT element_count, bytes_allocated FROM system.dictionaries WHERE database = ? AND name = 'identity_map_dict'", warehouse.Database)
	if err != nil {
		return 0, 0, fmt.Errorf("read the size of the identity dictionary: %w", err)
	}
	return rows, bytes, nil
}

func (s *Squash) bytes(ctx context.Context, table, partition string) (bytes uint64, err error) {
	err = s.db.ScanRow(ctx, []any{&bytes}, "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = ? AND table = ? AND active AND (? = '' OR partition_id = ?)", warehouse.Database, table, partition, partition)
	if err != nil {
		return 0, fmt.Errorf("read the size of %s: %w", table, err)
	}
	return bytes, nil
}
