package schemas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// essential are the fields without which a touchpoint has no place in the log: where a writer gives one of them another
// type, its schema is refused even by a tolerant decoder.
var essential = []string{
	"event_id", "workspace", "source", "type", "occurred_at", "received_at", "identifiers", "anchor", "anchor_type", "customer_id", "iv",
}

// ForeignField is a field of a writer's schema that no field of ours takes the value of.
type ForeignField struct {
	// Path is dotted, without positions in arrays: commerce.items.gift.
	Path string
	// Conflict says that the field is ours too, but of a type that the writer's does not read as; Why tells both.
	Conflict bool
	Why      string
	// Personal says that values may be clear contact values: the schema calls them direct personal data, or says that
	// they are kept as contacts are.
	Personal bool
}

// foreign is how the values of foreign fields are found in a body.
type foreign struct {
	fields            []ForeignField
	general, personal *keepPlan // nil where no field is of the sort
}

// keepPlan walks a record and keeps some of its values.
type keepPlan struct {
	steps   []keepStep
	minSize int
}

// keepStep passes over values, keeps one, or goes into a record or the records of an array.
type keepStep struct {
	skip   []skipStep
	name   string
	value  *avsc.Type // kept whole
	null   nullAt     // of the record
	record *keepPlan
	array  bool // record is of the array's items
}

// NewTolerantDecoder compiles a decoder that refuses no field for its type, unless the touchpoint has no place without
// it: a field that does not read as ours is passed over, as one that we do not have. Foreign tells which they are, and
// AppendForeign what they hold.
func NewTolerantDecoder(writerSchema string) (*Decoder, error) {
	writer, err := parseWriter(writerSchema, touchpointRecord, identifiedRecord, enrichedRecord)
	if err != nil {
		return nil, err
	}
	own, err := known()
	if err != nil {
		return nil, err
	}
	c := planner{open: map[*avsc.Type]bool{}, tolerated: map[string]error{}}
	plan, err := c.record(writer, own.enriched, nil, false)
	if err != nil {
		return nil, fmt.Errorf("read writer's schema %s: %w", writer.Name, err)
	}
	f := &foreign{}
	k := keeper{conflicts: c.tolerated, open: map[*avsc.Type]bool{}, fields: &f.fields}
	f.general = k.record(writer, own.enriched, care{})
	k.personal, k.fields = true, &f.fields
	f.personal = k.record(writer, own.enriched, care{})
	if len(f.fields) == 0 {
		f = nil
	}
	slices.SortFunc(fieldsOf(f), func(a, b ForeignField) int { return strings.Compare(a.Path, b.Path) })
	return &Decoder{writer: writer, plan: plan, foreign: f}, nil
}

func fieldsOf(f *foreign) []ForeignField {
	if f == nil {
		return nil
	}
	return f.fields
}

// Foreign lists the writer's fields whose values Decode does not read, by path. Only a tolerant decoder knows them.
func (d *Decoder) Foreign() []ForeignField { return slices.Clone(fieldsOf(d.foreign)) }

// AppendForeign appends the values of foreign fields as the text of a JSON object, nested as in the record: those that
// are not personal to general, the others to personal. Nothing is appended where all are null or missing. Items of an
// array keep their positions: an item without a foreign value is {}.
//
// Numbers stand as Avro has them, so times are milliseconds and dates are days since 1970; a decimal is a text with its
// places, a UUID the usual text, other bytes base64. A number that JSON has no word for is the text NaN, Infinity or
// -Infinity.
func (d *Decoder) AppendForeign(body, general, personal []byte) ([]byte, []byte, error) {
	if d.foreign == nil {
		return general, personal, nil
	}
	for _, part := range []struct {
		plan *keepPlan
		into *[]byte
	}{{d.foreign.general, &general}, {d.foreign.personal, &personal}} {
		if part.plan == nil {
			continue
		}
		r := reader{buf: body}
		*part.into, _ = part.plan.append(&r, *part.into)
		if r.failed() {
			return general, personal, diagnose(d.writer, &r)
		}
	}
	return general, personal, nil
}

// care is what the schema says of a field's values; a field that does not say it inherits it.
type care struct{ pii, retention string }

func (c care) of(f *avsc.Field) care {
	if f.PII != "" {
		c.pii = f.PII
	}
	if f.Retention != "" {
		c.retention = f.Retention
	}
	return c
}

func (c care) personal() bool { return c.pii == "direct" || c.retention == "contacts" }

// keeper compiles keep plans: of what is personal, or of what is not.
type keeper struct {
	conflicts map[string]error
	personal  bool
	open      map[*avsc.Type]bool
	path      []string
	fields    *[]ForeignField
}

// record plans a record of which known is ours; without one, all of it is foreign. It is nil when nothing is kept.
func (k *keeper) record(writer, known *avsc.Type, outer care) *keepPlan {
	k.open[writer] = true
	defer delete(k.open, writer)
	p := &keepPlan{minSize: minSize(writer)}
	var pending []*avsc.Type
	for i := range writer.Fields {
		f := &writer.Fields[i]
		k.path = append(k.path, f.Name)
		step, keep := k.field(f, ownField(known, f.Name), outer.of(f))
		k.path = k.path[:len(k.path)-1]
		if !keep {
			pending = append(pending, f.Type)
			continue
		}
		p.pass(pending)
		pending = nil
		p.steps = append(p.steps, step)
	}
	if p.steps == nil {
		return nil
	}
	p.pass(pending)
	return p
}

// pass adds the step over fields that are not kept; nulls alone take no bytes and need none.
func (p *keepPlan) pass(fields []*avsc.Type) {
	if skip := compileSkip(fields...); skip != nil {
		p.steps = append(p.steps, keepStep{skip: skip})
	}
}

// ownField is our type of a field, nil when it is none of ours.
func ownField(known *avsc.Type, name string) *avsc.Type {
	if known == nil {
		return nil
	}
	index := slices.IndexFunc(known.Fields, func(f avsc.Field) bool { return f.Name == name })
	if index < 0 {
		return nil
	}
	return known.Fields[index].Type
}

func (k *keeper) field(f *avsc.Field, own *avsc.Type, c care) (keepStep, bool) {
	path := strings.Join(k.path, ".")
	conflict := k.conflicts[path]
	step := keepStep{name: f.Name}
	inner := f.Type
	if value, at, ok := inner.Nullable(); ok {
		inner = value
		step.null = nullFirst
		if at == 1 {
			step.null = nullLast
		}
	}
	record := inner
	if inner.Kind == avsc.Array && step.null == neverNull {
		record, step.array = inner.Items, true
	}
	if conflict != nil {
		own = nil
	}
	foreign := own == nil
	if record.Kind == avsc.Record && !k.open[record] && (!foreign || conflict == nil) {
		step.record = k.record(record, ownRecord(own), c)
		return step, step.record != nil
	}
	if !foreign || c.personal() != k.personal {
		return keepStep{}, false
	}
	note := ForeignField{Path: path, Conflict: conflict != nil, Personal: k.personal}
	if conflict != nil {
		note.Why = conflict.Error()
	}
	*k.fields = append(*k.fields, note)
	return keepStep{name: f.Name, value: f.Type}, true
}

// ownRecord is our record in a field: itself, behind a null, or the items of an array.
func ownRecord(own *avsc.Type) *avsc.Type {
	if own == nil {
		return nil
	}
	if value, _, ok := own.Nullable(); ok {
		own = value
	}
	if own.Kind == avsc.Array {
		own = own.Items
	}
	return own
}
