package sink

import (
	"context"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// auditRows loads identity.audit into the table identity_audit.
type auditRows struct {
	audit         identitymap.Audit
	kind          string
	at, firstSeen schemas.Millis
	lineage       lineage
	rows          *rows
}

func newAuditRows() *auditRows {
	l := &auditRows{}
	r := newRows("identity_audit")
	r.words("workspace", &l.audit.Workspace)
	r.uint64s("position", &l.audit.Position)
	r.uint32s("sequence", &l.audit.Sequence)
	r.times("at", &l.at)
	r.words("kind", &l.kind)
	r.uuids("node", &l.audit.A)
	r.words("type", &l.audit.TypeA)
	r.uuids("other_node", &l.audit.B)
	r.words("other_type", &l.audit.TypeB)
	r.uint8s("class", &l.audit.Class)
	r.times("first_seen", &l.firstSeen)
	r.words("limited_by", &l.audit.Limit)
	r.uint32s("count", &l.audit.Count)
	r.words("source", &l.audit.Source)
	r.uuids("event_id", &l.audit.Event)
	r.words("author", &l.audit.Author)
	r.text("reason", &l.audit.Reason)
	r.origin(&l.lineage)
	l.rows = r
	return l
}

func (l *auditRows) tables() []*rows { return []*rows{l.rows} }
func (l *auditRows) trusted() bool   { return true }

func (l *auditRows) event() (quarantine.Event, bool) { return quarantine.Event{}, false }

// load adds a row for each record; the topic has no records without a value, and one that came would say nothing.
func (l *auditRows) load(_ context.Context, records []*stream.Record, _ *rows, reject func(*stream.Record, fault)) error {
	for _, record := range records {
		if len(record.Value) == 0 {
			continue
		}
		audit, err := identitymap.ParseAudit(record.Key, record.Value)
		if err != nil {
			reject(record, *undecodable(err))
			continue
		}
		l.audit, l.kind, l.lineage = audit, audit.Kind.String(), lineageOf(record, 0)
		l.at, l.firstSeen = within(audit.At), within(audit.FirstSeen)
		l.rows.add()
	}
	return nil
}
