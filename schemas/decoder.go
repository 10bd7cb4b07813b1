package schemas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/linkedin/goavro/v2"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// Decoder reads the bodies of one writer's schema: a Touchpoint, IdentifiedTouchpoint or EnrichedTouchpoint of this or
// another version. It does not change after NewDecoder and may be used by many goroutines.
type Decoder struct {
	writer  *avsc.Type
	plan    *plan
	foreign *foreign // of a tolerant decoder whose writer has foreign fields
}

// NewDecoder compiles a decoder from the schema that the bodies are written with. Fields are matched by name at every
// level: the writer's other fields are passed over, ours that the writer lacks are zeroed. It fails when a field of both
// has two types that do not read alike.
func NewDecoder(writerSchema string) (*Decoder, error) {
	writer, err := parseWriter(writerSchema, touchpointRecord, identifiedRecord, enrichedRecord)
	if err != nil {
		return nil, err
	}
	own, err := known()
	if err != nil {
		return nil, err
	}
	plan, err := planRecord(writer, own.enriched, nil)
	if err != nil {
		return nil, err
	}
	return &Decoder{writer: writer, plan: plan}, nil
}

// parseWriter checks a writer's schema with goavro, and that its record is one of those named.
func parseWriter(schema string, names ...string) (*avsc.Type, error) {
	if _, err := goavro.NewCodec(schema); err != nil {
		return nil, fmt.Errorf("read writer's schema: %w", err)
	}
	writer, err := avsc.Parse(schema)
	if err != nil {
		return nil, err
	}
	if writer.Kind != avsc.Record || !slices.Contains(names, writer.Name) {
		return nil, fmt.Errorf("read writer's schema: it is %s and not record %s; check which topic is read", writer, strings.Join(names, " or "))
	}
	return writer, nil
}

func planRecord(writer, known *avsc.Type, want *wanted) (*plan, error) {
	c := planner{open: map[*avsc.Type]bool{}}
	plan, err := c.record(writer, known, want, want != nil)
	if err != nil {
		return nil, fmt.Errorf("read writer's schema %s: %w", writer.Name, err)
	}
	return plan, nil
}

// Decode reads a whole body into a record. Its strings alias body, so body must not change while they are in use; its
// slices are reused. A malformed body answers a *DecodeError, and leaves into with values of no meaning.
func (d *Decoder) Decode(body []byte, into *EnrichedTouchpoint) error {
	r := reader{buf: body}
	into.decode(&r, d.plan)
	return finish(d.writer, &r)
}

// finish checks that the body was read without a fault and to its end.
func finish(writer *avsc.Type, r *reader) error {
	if !r.failed() && r.pos == len(r.buf) {
		return nil
	}
	if !r.failed() {
		return &DecodeError{Record: writer.ShortName(), Offset: r.pos, Problem: problemTrailing}
	}
	return diagnose(writer, r)
}

// Span is a range of bytes of a body. It is empty (0, 0) for a field that the writer does not have, or that is inside
// of a record which is null.
type Span struct{ Start, End int }

// Present reports whether the field is in the body.
func (s Span) Present() bool { return s.End > s.Start }

// Selection reads some fields of a body. It may be used by many goroutines.
type Selection struct {
	writer *avsc.Type
	plan   *plan
	fields int
}

// Select compiles a decoder of some fields: of the record itself, or of the records in it by dotted paths such as
// "context.user_agent" (but not of the items of an array, which are selected whole). It fails for a name that is not in
// our schema; a field that only the writer lacks is zeroed.
func (d *Decoder) Select(fields ...string) (*Selection, error) {
	own, err := known()
	if err != nil {
		return nil, err
	}
	root := &wanted{}
	for i, path := range fields {
		if err := root.add(own.enriched, path, i); err != nil {
			return nil, err
		}
	}
	root.spread()
	plan, err := planRecord(d.writer, own.enriched, root)
	if err != nil {
		return nil, err
	}
	return &Selection{writer: d.writer, plan: plan, fields: len(fields)}, nil
}

// add enters a path, whose span has the number mark.
func (w *wanted) add(record *avsc.Type, path string, mark int) error {
	for name := range strings.SplitSeq(path, ".") {
		if value, _, ok := record.Nullable(); ok {
			record = value
		}
		if record.Kind != avsc.Record {
			return fmt.Errorf("select %q: %q is not a field of a record; select the field before it whole", path, name)
		}
		index := slices.IndexFunc(record.Fields, func(f avsc.Field) bool { return f.Name == name })
		if index < 0 {
			return fmt.Errorf("select %q: %s has no field %q", path, record.ShortName(), name)
		}
		record = record.Fields[index].Type
		next := w.fields[name]
		if next == nil {
			next = &wanted{}
			if w.fields == nil {
				w.fields = map[string]*wanted{}
			}
			w.fields[name] = next
		}
		w = next
	}
	w.whole = true
	w.marks = append(w.marks, mark)
	return nil
}

// spread makes what is inside of a whole field whole as well.
func (w *wanted) spread() {
	for _, inside := range w.fields {
		inside.whole = inside.whole || w.whole
		inside.spread()
	}
}

// Decode reads the selected fields of a body into a record, and leaves its other fields as they are. Reading stops
// after the last selected field, so what follows is not checked. The spans of the fields, in the order of Select, are
// written to spans[:0]. What is said of Decoder.Decode holds here too.
func (s *Selection) Decode(body []byte, into *EnrichedTouchpoint, spans []Span) ([]Span, error) {
	spans = slices.Grow(spans[:0], s.fields)[:s.fields]
	clear(spans)
	r := reader{buf: body, spans: spans}
	into.decode(&r, s.plan)
	if r.failed() {
		return spans, diagnose(s.writer, &r)
	}
	return spans, nil
}

// RejectedDecoder reads bodies of RejectedTouchpoint, of this or another version.
type RejectedDecoder struct {
	writer *avsc.Type
	plan   *plan
}

// NewRejectedDecoder compiles a decoder from the schema that the bodies are written with.
func NewRejectedDecoder(writerSchema string) (*RejectedDecoder, error) {
	writer, err := parseWriter(writerSchema, rejectedRecord)
	if err != nil {
		return nil, err
	}
	own, err := known()
	if err != nil {
		return nil, err
	}
	plan, err := planRecord(writer, own.rejected, nil)
	if err != nil {
		return nil, err
	}
	return &RejectedDecoder{writer: writer, plan: plan}, nil
}

// Decode reads a whole body into a record. Strings and the payload alias body.
func (d *RejectedDecoder) Decode(body []byte, into *RejectedTouchpoint) error {
	r := reader{buf: body}
	into.decode(&r, d.plan)
	return finish(d.writer, &r)
}

// AttributesDecoder reads bodies of AttributeSet, of this or another version.
type AttributesDecoder struct {
	writer *avsc.Type
	plan   *plan
}

// NewAttributesDecoder compiles a decoder from the schema that the bodies are written with.
func NewAttributesDecoder(writerSchema string) (*AttributesDecoder, error) {
	writer, err := parseWriter(writerSchema, attributesRecord)
	if err != nil {
		return nil, err
	}
	own, err := known()
	if err != nil {
		return nil, err
	}
	plan, err := planRecord(writer, own.attributes, nil)
	if err != nil {
		return nil, err
	}
	return &AttributesDecoder{writer: writer, plan: plan}, nil
}

// Decode reads a whole body into a record. Strings alias body.
func (d *AttributesDecoder) Decode(body []byte, into *AttributeSet) error {
	r := reader{buf: body}
	into.decode(&r, d.plan)
	return finish(d.writer, &r)
}
