package sink

import (
	"context"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// mapRows loads identity.map into the tables identity_map, which has what readers need now, and identity_changes, which
// has all there ever was.
type mapRows struct {
	row     identitymap.Row
	reason  string
	at      schemas.Millis
	lineage lineage
	latest  *rows
	changes *rows
	erased  []identitymap.Row
}

func newMapRows() *mapRows {
	l := &mapRows{}
	l.latest, l.changes = l.columns("identity_map"), l.columns("identity_changes")
	return l
}

func (l *mapRows) columns(table string) *rows {
	r := newRows(table)
	r.words("workspace", &l.row.Workspace)
	r.uuids("node", &l.row.Node)
	r.words("type", &l.row.Type)
	r.uuids("canonical", &l.row.Canonical)
	r.uint64s("version", &l.row.Version)
	r.bools("shared", &l.row.Shared)
	r.words("reason", &l.reason)
	r.uuids("previous", &l.row.Previous)
	r.uuids("event_id", &l.row.Event)
	r.times("at", &l.at)
	r.origin(&l.lineage)
	return r
}

// tables has the history first: whoever finds a row in the map finds it in the history too.
func (l *mapRows) tables() []*rows { return []*rows{l.changes, l.latest} }
func (l *mapRows) trusted() bool   { return true }

func (l *mapRows) event() (quarantine.Event, bool) { return quarantine.Event{}, false }

// load adds a row for each record. A record without a value is the log's own cleaning: the row stays, as its versions do.
func (l *mapRows) load(_ context.Context, records []*stream.Record, _ *rows, reject func(*stream.Record, fault)) error {
	l.erased = l.erased[:0]
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
		l.at = within(row.At)
		l.latest.add()
		l.changes.add()
		if row.Reason == identitymap.Erased {
			l.erased = append(l.erased, row)
		}
	}
	return nil
}

// settle takes away what the tables hold of persons whose erasure the rows tell.
func (l *mapRows) settle(ctx context.Context, s *sink) error { return s.erase(ctx, l.erased) }

// within is a time that its column can hold: it is only told, and no reason to refuse a row.
func within(at int64) schemas.Millis { return min(max(schemas.Millis(at), minMillis), maxMillis) }
