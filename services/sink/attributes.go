package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
)

// attributeRows loads the topic attributes into the table of that name, which has its state: the last record of each key.
type attributeRows struct {
	codec   *attributes.Codec
	set     attributes.Set
	orders  uint8
	deleted bool
	version uint64
	lineage lineage
	rows    *rows
	removed []removal
}

// removal is a record that deletes what stands before it.
type removal struct {
	workspace string
	subject   attributes.Subject
	provider  string
	version   uint64
}

func newAttributeRows(codec *attributes.Codec) *attributeRows {
	l := &attributeRows{codec: codec}
	r := newRows("attributes")
	r.words("workspace", &l.set.Workspace)
	r.words("subject_kind", &l.set.SubjectKind)
	r.uuids("node", (*uuid.UUID)(&l.set.Node))
	r.words("code", &l.set.Code)
	r.words("provider", &l.set.Provider)
	r.words("party", &l.set.Party)
	r.words("licence", &l.set.Licence)
	r.words("purpose", &l.set.Purpose)
	r.maybeTimes("valid_from", &l.set.ValidFrom)
	r.maybeTimes("valid_until", &l.set.ValidUntil)
	r.times("updated_at", &l.set.UpdatedAt)
	each(r, "values.name", warehouse.NewWords(), &l.set.Values, func(v *attributes.Value) string { return v.Name })
	each(r, "values.type", warehouse.NewWords(), &l.set.Values, func(v *attributes.Value) string { return v.Type })
	each(r, "values.text", warehouse.NewStrings(), &l.set.Values, func(v *attributes.Value) string { return v.Text })
	each(r, "values.source", warehouse.NewWords(), &l.set.Values, func(v *attributes.Value) string { return v.Source })
	each(r, "values.at", warehouse.NewTimes(), &l.set.Values, func(v *attributes.Value) int64 { return int64(v.At) })
	r.uint8s("orders", &l.orders)
	r.maybeTimes("first_order_at", &l.set.FirstOrderAt)
	r.bools("deleted", &l.deleted)
	r.uint64s("version", &l.version)
	r.origin(&l.lineage)
	l.rows = r
	return l
}

func (l *attributeRows) tables() []*rows { return []*rows{l.rows} }
func (l *attributeRows) trusted() bool   { return false }

func (l *attributeRows) event() (quarantine.Event, bool) { return quarantine.Event{}, false }

// load adds a row for each record, also for one that deletes.
func (l *attributeRows) load(ctx context.Context, records []*stream.Record, _ *rows, reject func(*stream.Record, fault)) error {
	l.removed = l.removed[:0]
	for _, record := range records {
		set, err := l.codec.Parse(ctx, record)
		switch {
		case errors.Is(err, attributes.ErrMalformed):
			reject(record, *undecodable(err))
			continue
		case err != nil:
			return fmt.Errorf("read %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
		}
		l.lineage, l.version, l.deleted = lineageOf(record, 0), uint64(record.Offset), set == nil
		if set == nil {
			if set, err = l.remove(record); err != nil {
				reject(record, *undecodable(err))
				continue
			}
		}
		l.set, l.orders = *set, uint8(min(len(set.Orders), attributes.MaxOrders))
		l.clamp()
		l.rows.add()
	}
	return nil
}

// remove is the row of a record without a value.
func (l *attributeRows) remove(record *stream.Record) (*attributes.Set, error) {
	workspace, subject, provider, err := attributes.ParseKey(record.Key)
	if err != nil {
		return nil, err
	}
	l.removed = append(l.removed, removal{workspace, subject, provider, l.version})
	set := attributes.For(workspace, subject, provider)
	set.UpdatedAt = l.lineage.produced
	return set, nil
}

// clamp brings times that are only told within what their columns hold.
func (l *attributeRows) clamp() {
	l.set.UpdatedAt = within(int64(l.set.UpdatedAt))
	for _, at := range []*schemas.Optional[schemas.Millis]{&l.set.ValidFrom, &l.set.ValidUntil, &l.set.FirstOrderAt} {
		at.Value = within(int64(at.Value))
	}
	for i := range l.set.Values {
		l.set.Values[i].At = within(int64(l.set.Values[i].At))
	}
}

// settle takes away the rows before those that delete: they are gone for every query once it returns.
func (l *attributeRows) settle(ctx context.Context, s *sink) error {
	for from := 0; from < len(l.removed); from += erasedAtOnce {
		for _, statement := range removeStatements(l.removed[from:min(from+erasedAtOnce, len(l.removed))]) {
			if err := s.warehouse.Exec(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeStatements take away what stands before the removals, and only that: a record that came after one stays.
func removeStatements(removed []removal) []string {
	keys, versions := make([]string, len(removed)), make([]string, len(removed))
	for i, r := range removed {
		key := fmt.Sprintf("%s, %s, toUUID(%s), %s, %s", quote(r.workspace), quote(string(r.subject.Kind)), quote(r.subject.Node.String()), quote(r.subject.Code), quote(r.provider))
		keys[i], versions[i] = "("+key+")", fmt.Sprintf("(%s, %d)", key, r.version)
	}
	const table = warehouse.Database + ".attributes"
	const key = "workspace, subject_kind, node, code, provider"
	return []string{
		"DELETE FROM " + table + " WHERE (" + key + ") IN (" + strings.Join(keys, ", ") + ")" +
			" AND arrayExists(r -> (r.1, r.2, r.3, r.4, r.5) = (" + key + ") AND version < r.6, [" + strings.Join(versions, ", ") + "])",
		"ALTER TABLE " + table + " APPLY DELETED MASK SETTINGS mutations_sync = 0",
	}
}
