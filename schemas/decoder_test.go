package schemas

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

func checkDecodeError(t rapid.TB, err error, size int) *DecodeError {
	t.Helper()
	var fault *DecodeError
	if !errors.As(err, &fault) {
		t.Fatalf("decode of a malformed body of %d bytes answers %v", size, err)
	}
	if fault.Offset < 0 || fault.Offset > size || fault.Problem == "" || fault.Record == "" {
		t.Fatalf("of a body of %d bytes: %#v", size, fault)
	}
	return fault
}

// paths lists every field that can be selected.
func paths(record *avsc.Type, prefix string) []string {
	if value, _, ok := record.Nullable(); ok {
		record = value
	}
	if record.Kind != avsc.Record {
		return nil
	}
	var out []string
	for _, f := range record.Fields {
		out = append(out, prefix+f.Name)
		out = append(out, paths(f.Type, prefix+f.Name+".")...)
	}
	return out
}

// at follows a path through a record; null is an Optional without value on the way.
func at(v reflect.Value, path string) (found reflect.Value, null bool) {
	for name := range strings.SplitSeq(path, ".") {
		if valid := v.FieldByName("Valid"); valid.IsValid() {
			if !valid.Bool() {
				return reflect.Value{}, true
			}
			v = v.FieldByName("Value")
		}
		v, _ = fieldByAvroName(v, name)
	}
	return v, false
}

func TestSelectEqualsDecode(t *testing.T) {
	own, err := known()
	if err != nil {
		t.Fatal(err)
	}
	all := paths(own.enriched, "")
	rapid.Check(t, func(t *rapid.T) {
		schema := EnrichedTouchpointSchema()
		if rapid.Bool().Draw(t, "other version") {
			schema = evolve(t, schema)
		}
		d, err := NewDecoder(schema)
		if err != nil {
			t.Fatal(err)
		}
		oracle := newOracle(t, schema)
		in := random[EnrichedTouchpoint](t)
		body := oracleBytes(t, oracle, native(d.writer, reflect.ValueOf(in).Elem(), func(typ *avsc.Type) any {
			return foreignValue(t, typ, 0)
		}))
		keepWritten(d.writer, reflect.ValueOf(in).Elem())

		fields := rapid.SliceOfN(rapid.SampledFrom(all), 0, 6).Draw(t, "fields")
		selection, err := d.Select(fields...)
		if err != nil {
			t.Fatal(err)
		}
		var out EnrichedTouchpoint
		spans, err := selection.Decode(body, &out, make([]Span, 3))
		if err != nil {
			t.Fatal(err)
		}
		if len(spans) != len(fields) {
			t.Fatalf("%d spans of %d fields", len(spans), len(fields))
		}
		for i, path := range fields {
			want, wantNull := at(reflect.ValueOf(in).Elem(), path)
			got, gotNull := at(reflect.ValueOf(&out).Elem(), path)
			if wantNull != gotNull {
				t.Fatalf("%s: inside of null %v, want %v", path, gotNull, wantNull)
			}
			if written := !wantNull && writes(d.writer, path); spans[i].Present() != written {
				t.Fatalf("%s: span %v, written %v", path, spans[i], written)
			}
			if wantNull {
				continue
			}
			if diff := cmp.Diff(want.Interface(), got.Interface(), equalValues...); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", path, diff)
			}
		}
	})
}

// writes reports whether a writer has the field of a path.
func writes(writer *avsc.Type, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if value, _, ok := writer.Nullable(); ok {
			writer = value
		}
		i := slices.IndexFunc(writer.Fields, func(f avsc.Field) bool { return f.Name == name })
		if i < 0 {
			return false
		}
		writer = writer.Fields[i].Type
	}
	return true
}

// TestSpansTileTheBody: the spans of all fields of a record lie end to end, from the record's start to its end.
func TestSpansTileTheBody(t *testing.T) {
	own, err := known()
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(t, EnrichedTouchpointSchema())
	all := paths(own.enriched, "")
	selection, err := d.Select(all...)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := random[EnrichedTouchpoint](t)
		body := in.AppendAvro(nil)
		var out EnrichedTouchpoint
		spans, err := selection.Decode(body, &out, nil)
		if err != nil {
			t.Fatal(err)
		}
		ends := map[string]int{} // by record: where the next field must begin
		for i, path := range all {
			parent := path[:max(0, strings.LastIndexByte(path, '.'))]
			if next, ok := ends[parent]; ok && spans[i].Present() && spans[i].Start != next {
				t.Fatalf("%s begins at %d and not at %d", path, spans[i].Start, next)
			}
			if spans[i].Present() {
				ends[parent] = spans[i].End
			}
		}
		if ends[""] != len(body) {
			t.Fatalf("the last field ends at %d of %d", ends[""], len(body))
		}
		for i, path := range all {
			if end, ok := ends[path]; ok && end != spans[i].End {
				t.Fatalf("%s ends at %d and its last field at %d", path, spans[i].End, end)
			}
		}
	})
}

func TestSelectRefuses(t *testing.T) {
	d := newDecoder(t, TouchpointSchema())
	f := func(path, want string) {
		t.Helper()
		_, err := d.Select("event_id", path)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", path, err, want)
		}
	}
	f("adress", `select "adress": EnrichedTouchpoint has no field "adress"`)
	f("context.adress", `select "context.adress": Context has no field "adress"`)
	f("identifiers.type", `select "identifiers.type": "type" is not a field of a record; select the field before it whole`)
	f("name.first", `select "name.first": "first" is not a field of a record; select the field before it whole`)
	f("", `select "": EnrichedTouchpoint has no field ""`)
}

func TestSelectReadsNoFurtherThanNeeded(t *testing.T) {
	d := newDecoder(t, TouchpointSchema())
	in := Touchpoint{MessageID: "m", Context: Context{IP: "192.0.2.7"}, Traits: "{}"}
	body := in.AppendAvro(nil)
	f := func(paths ...string) {
		t.Helper()
		selection, err := d.Select(paths...)
		if err != nil {
			t.Fatal(err)
		}
		var into EnrichedTouchpoint
		spans, err := selection.Decode(body, &into, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := spans[len(spans)-1].End
		if _, err := selection.Decode(body[:last], &into, nil); err != nil {
			t.Errorf("%v reads beyond its last field: %v", paths, err)
		}
		_, err = selection.Decode(body[:last-1], &into, nil)
		_ = checkDecodeError(t, err, last-1)
	}
	f("message_id")
	f("context.ip")
	f("message_id", "context.page.url")
	f("context")
	f("traits")
}

func TestSelectLeavesOtherFields(t *testing.T) {
	d := newDecoder(t, TouchpointSchema())
	selection, err := d.Select("message_id")
	if err != nil {
		t.Fatal(err)
	}
	body := (&Touchpoint{MessageID: "new"}).AppendAvro(nil)
	var into EnrichedTouchpoint
	into.Name = "old"
	if _, err := selection.Decode(body, &into, nil); err != nil {
		t.Fatal(err)
	}
	if into.MessageID != "new" || into.Name != "old" {
		t.Errorf("message id %q, name %q", into.MessageID, into.Name)
	}
}

// TestSizedBlocksAreRead: other writers split arrays into blocks, and put the size in bytes into their heads.
func TestSizedBlocksAreRead(t *testing.T) {
	in := Touchpoint{Identifiers: []Identifier{{"a", "1"}, {"b", "2"}, {"c", "3"}}, Name: "n", Traits: "{}"}
	body := in.AppendAvro(nil)
	d := newDecoder(t, TouchpointSchema())
	selection, err := d.Select("identifiers", "traits")
	if err != nil {
		t.Fatal(err)
	}
	skipping, err := d.Select("traits")
	if err != nil {
		t.Fatal(err)
	}
	var into EnrichedTouchpoint
	spans, err := selection.Decode(body, &into, nil)
	if err != nil {
		t.Fatal(err)
	}
	items := body[spans[0].Start+1 : spans[0].End-1]
	blocks := appendLong(nil, -2)
	blocks = appendLong(blocks, int64(len(items)*2/3))
	blocks = append(blocks, items[:len(items)*2/3]...)
	blocks = appendLong(blocks, 1)
	blocks = append(append(blocks, items[len(items)*2/3:]...), 0)
	other := slices.Concat(body[:spans[0].Start], blocks, body[spans[0].End:])

	into = EnrichedTouchpoint{}
	if err := d.Decode(other, &into); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, into.Touchpoint, equalValues...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	into = EnrichedTouchpoint{}
	if _, err := skipping.Decode(other, &into, nil); err != nil || into.Traits != "{}" {
		t.Errorf("skip: traits %q, %v", into.Traits, err)
	}
}

func TestDecodedStringsAliasTheBody(t *testing.T) {
	body := (&Touchpoint{Name: "before"}).AppendAvro(nil)
	var into EnrichedTouchpoint
	if err := newDecoder(t, TouchpointSchema()).Decode(body, &into); err != nil {
		t.Fatal(err)
	}
	copy(body[strings.Index(string(body), "before"):], "after!")
	if into.Name != "after!" {
		t.Errorf("name is %q: strings are copied, and each costs an allocation", into.Name)
	}
}
