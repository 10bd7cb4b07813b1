package sink

import (
	"context"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
)

// mapRows loads identity.map into the table identity_map.
type mapRows struct {
	row     identitymap.Row
	reason  string
	lineage lineage
	rows    *rows
}

func newMapRows() *mapRows {
	l := &mapRows{}
	r := newRows("identity_map")
	r.words("workspace", &l.row.Workspace)
	r.uuids("node", &l.row.Node)
	r.uuids("canonical", &l.row.Canonical)
	r.uint64s("version", &l.row.Version)
	r.words("reason", &l.reason)
	r.uuids("previous", &l.row.Previous)
	r.origin(&l.lineage)
	l.rows = r
	return l
}

func (l *mapRows) tables() []*rows { return []*rows{l.rows} }
func (l *mapRows) trusted() bool   { return true }

// load adds a row for each record. A record without a value is the log's own cleaning: the row stays, as its versions do.
func (l *mapRows) load(_ context.Context, records []*stream.Record, _ *rows, reject func(*stream.Record, fault)) error {
	for _, record := range records {
		if len(record.Value) == 0 {
			continue
		}
		row, err := identitymap.Parse(record.Key, record.Value)
		if err != nil {
			reject(record, *undecodable(err))
			continue
		}
		l.row, l.reason, l.lineage = row, row.Reason.String(), lineageOf(record, 0)
		l.rows.add()
	}
	return nil
}
