package schemas

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// edit changes the schema of enriched touchpoints: at the dotted path of a record (arrays and nulls are passed through),
// a field is put before the first, or given another type.
func edit(t testing.TB, schema, record string, field map[string]any) string {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(schema), &root); err != nil {
		t.Fatal(err)
	}
	at := root
	if record != "" {
		for name := range strings.SplitSeq(record, ".") {
			at = innerRecord(fieldNamed(t, at, name)["type"])
			if at == nil {
				t.Fatalf("%s of %s is no record", name, record)
			}
		}
	}
	fields := at["fields"].([]any)
	for _, f := range fields {
		if f := f.(map[string]any); f["name"] == field["name"] {
			f["type"] = field["type"]
			delete(f, "default")
			field = nil
			break
		}
	}
	if field != nil {
		at["fields"] = append(fields, field)
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fieldNamed(t testing.TB, record map[string]any, name string) map[string]any {
	t.Helper()
	for _, f := range record["fields"].([]any) {
		if f := f.(map[string]any); f["name"] == name {
			return f
		}
	}
	t.Fatalf("no field %s", name)
	return nil
}

// innerRecord finds the record definition in a type.
func innerRecord(t any) map[string]any {
	switch t := t.(type) {
	case []any:
		for _, branch := range t {
			if r := innerRecord(branch); r != nil {
				return r
			}
		}
	case map[string]any:
		if t["type"] == "record" {
			return t
		}
		if items, ok := t["items"]; ok {
			return innerRecord(items)
		}
		return innerRecord(t["type"])
	}
	return nil
}

func tolerant(t testing.TB, schema string) *Decoder {
	t.Helper()
	d, err := NewTolerantDecoder(schema)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// encodeAs writes a touchpoint with another schema; values are those of the foreign and the changed fields, by path.
func encodeAs(t testing.TB, schema string, in *EnrichedTouchpoint, values map[string]any) []byte {
	t.Helper()
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	own, err := goavro.NewCodec(EnrichedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	found, rest, err := own.NativeFromBinary(in.AppendAvro(nil))
	if err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	for path, value := range values {
		setPath(found, strings.Split(path, "."), value)
	}
	return oracleBytes(t, codec, found)
}

func setPath(native any, path []string, value any) {
	switch native := native.(type) {
	case []any:
		for i, item := range native {
			v := value
			if each, ok := value.([]any); ok && len(path) > 0 {
				v = each[i]
			}
			setPath(item, path, v)
		}
	case map[string]any:
		if len(native) == 1 { // a branch of a union
			for name, inner := range native {
				if strings.Contains(name, ".") {
					setPath(inner, path, value)
					return
				}
			}
		}
		if len(path) == 1 {
			native[path[0]] = value
			return
		}
		setPath(native[path[0]], path[1:], value)
	}
}

func TestForeignValuesAreKept(t *testing.T) {
	schema := EnrichedTouchpointSchema()
	schema = edit(t, schema, "", map[string]any{"name": "tier", "type": "string", "default": "", "pii": "none"})
	schema = edit(t, schema, "context.page", map[string]any{"name": "scroll", "type": "double", "default": 0, "pii": "none"})
	schema = edit(t, schema, "commerce.items", map[string]any{"name": "gift", "type": []any{"null", "boolean"}, "default": nil, "pii": "none"})
	schema = edit(t, schema, "person", map[string]any{"name": "mobile", "type": "string", "default": "", "pii": "direct"})
	schema = edit(t, schema, "commerce", map[string]any{"name": "total", "type": "string"})
	schema = edit(t, schema, "", map[string]any{"name": "tax_number", "type": []any{"null", "string"}, "default": nil, "pii": "direct"})
	d := tolerant(t, schema)

	var in EnrichedTouchpoint
	in.Name = "Order Completed"
	in.Person.Valid, in.Person.Value.Email = true, "claire@example.org"
	in.Commerce.Valid, in.Commerce.Value.OrderID, in.Commerce.Value.Total = true, "O1", Some(Decimal(10))
	in.Commerce.Value.Items = []Item{{ProductID: "A"}, {ProductID: "B"}, {ProductID: "C"}}
	body := encodeAs(t, schema, &in, map[string]any{
		"tier": "gold \"1\"\n", "context.page.scroll": 3.0, "person.mobile": "0612345678", "commerce.total": "twelve",
		"commerce.items.gift": []any{nil, goavro.Union("boolean", true), nil}, "tax_number": goavro.Union("string", "FR40"),
	})

	var out EnrichedTouchpoint
	if err := d.Decode(body, &out); err != nil {
		t.Fatal(err)
	}
	in.Commerce.Value.Total = Optional[Decimal]{} // the writer's is a text
	if diff := cmp.Diff(in, out, equalValues...); diff != "" {
		t.Errorf("known fields (-want +got):\n%s", diff)
	}
	general, personal, err := d.AppendForeign(body, []byte("g"), []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `g{"context":{"page":{"scroll":3.0}},"commerce":{"total":"twelve","items":[{},{"gift":true},{}]},"tier":"gold \"1\"\u000a"}`; string(general) != want {
		t.Errorf("general is %s\nwant %s", general, want)
	}
	if want := `p{"person":{"mobile":"0612345678"},"tax_number":"FR40"}`; string(personal) != want {
		t.Errorf("personal is %s\nwant %s", personal, want)
	}
	want := []ForeignField{
		{Path: "commerce.items.gift"},
		{Path: "commerce.total", Conflict: true, Why: "the writer's type is string and ours is [null, decimal(18,4) in bytes]; register the change under a new field name"},
		{Path: "context.page.scroll"},
		{Path: "person.mobile", Personal: true},
		{Path: "tax_number", Personal: true},
		{Path: "tier"},
	}
	if diff := cmp.Diff(want, d.Foreign()); diff != "" {
		t.Errorf("foreign fields (-want +got):\n%s", diff)
	}
}

// A null takes no bytes: nothing is between it and the next field, and a few bytes can claim billions of them.
func TestForeignNulls(t *testing.T) {
	schema := edit(t, EnrichedTouchpointSchema(), "", map[string]any{"name": "nothing", "type": "null", "pii": "direct"})
	schema = edit(t, schema, "", map[string]any{"name": "seats", "type": map[string]any{"type": "array", "items": "null"}, "pii": "none"})
	d := tolerant(t, schema)
	body := encodeAs(t, schema, &EnrichedTouchpoint{}, map[string]any{"nothing": nil, "seats": []any{nil, nil, nil}})
	general, personal, err := d.AppendForeign(body, nil, nil)
	if string(general) != `{"seats":[null,null,null]}` || len(personal) > 0 || err != nil {
		t.Errorf("foreign values are %s and %s, %v", general, personal, err)
	}

	body = append(body[:len(body)-2], 0x80, 0x80, 0x80, 0x80, 0x10, 0)
	if _, _, err := d.AppendForeign(body, nil, nil); err == nil || !strings.Contains(err.Error(), problemCount) {
		t.Errorf("two billion nulls: %v", err)
	}
	var out EnrichedTouchpoint
	if err := d.Decode(body, &out); err != nil {
		t.Errorf("two billion nulls that nobody keeps: %v", err)
	}
}

func TestOwnSchemaHasNothingForeign(t *testing.T) {
	d := tolerant(t, EnrichedTouchpointSchema())
	body := (&EnrichedTouchpoint{}).AppendAvro(nil)
	general, personal, err := d.AppendForeign(body, nil, nil)
	if d.Foreign() != nil || general != nil || personal != nil || err != nil {
		t.Errorf("foreign is %v, %q, %q, %v", d.Foreign(), general, personal, err)
	}
}

// Without its identity or its time a touchpoint has no place: better in quarantine than in the wrong place.
func TestEssentialFieldsAreNotTolerated(t *testing.T) {
	for _, name := range essential {
		schema := edit(t, EnrichedTouchpointSchema(), "", map[string]any{"name": name, "type": "boolean"})
		if name == "event_id" { // its type is defined there and used later
			schema = strings.Replace(schema, `"UUID"`, `{"name":"UUID","size":16,"type":"fixed"}`, 1)
		}
		_, err := NewTolerantDecoder(schema)
		if err == nil || !strings.Contains(err.Error(), `field "`+name+`"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignValuesOfAnyType compares with what goavro reads.
func TestForeignValuesOfAnyType(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema := evolve(t, EnrichedTouchpointSchema())
		d, err := NewTolerantDecoder(schema)
		if err != nil {
			t.Fatal(err)
		}
		oracle, err := goavro.NewCodec(schema)
		if err != nil {
			t.Fatal(err)
		}
		in := random[EnrichedTouchpoint](t)
		body := oracleBytes(t, oracle, native(d.writer, reflect.ValueOf(in).Elem(), func(typ *avsc.Type) any {
			return foreignValue(t, typ, 0)
		}))
		general, personal, err := d.AppendForeign(body, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		values, _, err := oracle.NativeFromBinary(body)
		if err != nil {
			t.Fatal(err)
		}
		own, err := known()
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []struct {
			name string
			text []byte
			side bool
		}{{"general", general, false}, {"personal", personal, true}} {
			want, some := wantForeign(values.(map[string]any), d.writer, own.enriched, care{}, part.side, nil)
			if !some {
				if len(part.text) != 0 {
					t.Fatalf("%s is %s, want nothing", part.name, part.text)
				}
				continue
			}
			var got any
			if err := json.Unmarshal(part.text, &got); err != nil {
				t.Fatalf("%s: %s: %v", part.name, part.text, err)
			}
			if diff := cmp.Diff(jsonOf(t, want), got); diff != "" {
				t.Fatalf("%s (-goavro +got):\n%s", part.name, diff)
			}
		}
		for cut := 0; cut < len(body); cut += 1 + len(body)/20 {
			if _, _, err := d.AppendForeign(body[:cut], nil, nil); err != nil {
				_ = checkDecodeError(t, err, cut)
			}
		}
	})
}

// wantForeign finds the foreign values in what goavro read; a record within one of its own type is kept whole.
func wantForeign(values map[string]any, writer, own *avsc.Type, outer care, personal bool, around []*avsc.Type) (map[string]any, bool) {
	around = append(slices.Clip(around), writer)
	out := map[string]any{}
	for i := range writer.Fields {
		f := &writer.Fields[i]
		c := outer.of(f)
		value := values[f.Name]
		mine := ownField(own, f.Name)
		inner := f.Type
		if branch, _, ok := inner.Nullable(); ok {
			inner = branch
			if union, ok := value.(map[string]any); ok {
				for _, v := range union {
					value = v
				}
			}
		}
		switch {
		case value == nil:
		case inner.Kind == avsc.Record && !slices.Contains(around, inner):
			if inside, some := wantForeign(value.(map[string]any), inner, ownRecord(mine), c, personal, around); some {
				out[f.Name] = inside
			}
		case inner.Kind == avsc.Array && inner.Items.Kind == avsc.Record && !slices.Contains(around, inner.Items):
			list, filled := []any{}, false
			for _, item := range value.([]any) {
				inside, some := wantForeign(item.(map[string]any), inner.Items, ownRecord(mine), c, personal, around)
				list, filled = append(list, inside), filled || some
			}
			if filled {
				out[f.Name] = list
			}
		case mine == nil && c.personal() == personal:
			out[f.Name] = plainValue(value, inner)
		}
	}
	return out, len(out) > 0
}

// plainValue is a value of goavro as JSON has it: unions are their values, nulls in records are left out.
func plainValue(v any, t *avsc.Type) any {
	switch t.Kind {
	case avsc.Union:
		union, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		for name, inner := range union {
			for _, branch := range t.Branches {
				if branchName(branch) == name {
					return plainValue(inner, branch)
				}
			}
		}
		return nil
	case avsc.Record:
		out := map[string]any{}
		for _, f := range t.Fields {
			if value := plainValue(v.(map[string]any)[f.Name], f.Type); value != nil {
				out[f.Name] = value
			}
		}
		return out
	case avsc.Map:
		out := map[string]any{}
		for key, item := range v.(map[string]any) {
			if value := plainValue(item, t.Items); value != nil {
				out[key] = value
			}
		}
		return out
	case avsc.Array:
		out := []any{}
		for _, item := range v.([]any) {
			out = append(out, plainValue(item, t.Items))
		}
		return out
	case avsc.Bytes, avsc.Fixed:
		return base64.StdEncoding.EncodeToString(v.([]byte))
	}
	return v
}

func jsonOf(t rapid.TB, v any) (out any) {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestForeignScalars(t *testing.T) {
	f := func(typ *avsc.Type, body []byte, want string) {
		t.Helper()
		r := reader{buf: body}
		got, _ := appendValue(&r, nil, typ)
		if string(got) != want || r.failed() {
			t.Errorf("%s of %x is %s (%s), want %s", typ, body, got, r.problem, want)
		}
	}
	decimal := &avsc.Type{Kind: avsc.Bytes, Logical: "decimal", Precision: 40, Scale: 4}
	f(decimal, []byte{2, 0x01}, `"0.0001"`)
	f(decimal, []byte{2, 0xff}, `"-0.0001"`)
	f(decimal, []byte{0}, `"0.0000"`)
	f(decimal, []byte{20, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, `"60446290980731458735.3087"`)
	f(&avsc.Type{Kind: avsc.Fixed, Size: 16, Name: "UUID"}, uuid.Nil[:], `"00000000-0000-0000-0000-000000000000"`)
	f(&avsc.Type{Kind: avsc.Fixed, Size: 2, Name: "F"}, []byte{1, 2}, `"AQI="`)
	double := func(v float64) []byte {
		bits := math.Float64bits(v)
		out := make([]byte, 8)
		for i := range out {
			out[i] = byte(bits >> (8 * i))
		}
		return out
	}
	f(&avsc.Type{Kind: avsc.Double}, double(math.NaN()), `"NaN"`)
	f(&avsc.Type{Kind: avsc.Double}, double(math.Inf(-1)), `"-Infinity"`)
	f(&avsc.Type{Kind: avsc.Double}, double(1e300), `1e+300`)
	f(&avsc.Type{Kind: avsc.Double}, double(-2), `-2.0`)
}
