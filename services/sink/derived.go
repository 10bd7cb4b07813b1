package sink

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/parcours-cdp/parcours/internal/stream"
)

// sightings makes identifier_sightings of the events of a range, as the materialized view does of an insert: of its text.
var sightings = sync.OnceValues(func() (string, error) {
	file, err := fs.ReadFile(Migrations(), "00011_identifier_sightings_mv.sql")
	if err != nil {
		return "", fmt.Errorf("read the view of identifier_sightings: %w", err)
	}
	_, body, found := strings.Cut(string(file), "\nAS SELECT")
	body, _, ends := strings.Cut(body, "\nCOMMENT")
	from, group, groups := strings.Cut(body, "\nGROUP BY")
	if !found || !ends || !groups {
		return "", fmt.Errorf("read the view of identifier_sightings: no SELECT with GROUP BY and COMMENT in\n%s", file)
	}
	return "INSERT INTO parcours.identifier_sightings (workspace, node, type, first_seen, last_seen, sources, events, first_event) SELECT" + from +
		"\nWHERE e._topic = ? AND e._partition = ? AND e._offset BETWEEN ? AND ?" +
		"\nGROUP BY" + group + "\nSETTINGS insert_deduplicate = 0", nil
})

// derive makes anew what views make of inserts into the table, of a range whose rows are there and nobody knows through
// which insert. ClickHouse writes the rows first and what views make of them then, each for itself: a server that dies
// between the two, or a client that goes away, leaves the one without the other. What is made twice changes nothing.
func (i insertion) derive(ctx context.Context, records []*stream.Record) error {
	if i.table.block.Table() != "events" {
		return nil
	}
	statement, err := sightings()
	if err != nil {
		return err
	}
	first, last := records[0], records[len(records)-1]
	if err := i.warehouse.Exec(ctx, statement, first.Topic, first.Partition, first.Offset, last.Offset); err != nil {
		return fmt.Errorf("make identifier_sightings of %s/%d/%d-%d: %w", first.Topic, first.Partition, first.Offset, last.Offset, err)
	}
	return nil
}
