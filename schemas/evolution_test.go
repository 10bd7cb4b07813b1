package schemas

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// evolve changes a schema as later or earlier versions might differ from it: fields put in anywhere, at every level,
// with every type of Avro, and fields with a default left out.
func evolve(t *rapid.T, schema string) string {
	var root any
	if err := json.Unmarshal([]byte(schema), &root); err != nil {
		t.Fatal(err)
	}
	var records []map[string]any
	gatherRecords(root, &records)
	for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
		record := rapid.SampledFrom(records).Draw(t, "record")
		fields := record["fields"].([]any)
		at := rapid.IntRange(0, len(fields)).Draw(t, "position")
		if at < len(fields) && rapid.IntRange(0, 3).Draw(t, "change") == 0 {
			field := fields[at].(map[string]any)
			if _, optional := field["default"]; optional && !definesUUID(field) {
				record["fields"] = slices.Delete(fields, at, at+1)
				continue
			}
		}
		name := fmt.Sprintf("later_%d", i)
		record["fields"] = slices.Insert(fields, at, any(map[string]any{"name": name, "type": foreignType(t, name, 0)}))
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func definesUUID(field map[string]any) bool {
	definition, ok := field["type"].(map[string]any)
	return ok && definition["name"] == "UUID"
}

func gatherRecords(node any, records *[]map[string]any) {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			gatherRecords(item, records)
		}
	case map[string]any:
		if n["type"] == "record" {
			*records = append(*records, n)
		}
		for _, key := range []string{"type", "items", "fields"} {
			gatherRecords(n[key], records)
		}
	}
}

// foreignType draws a type that our version has never seen.
func foreignType(t *rapid.T, name string, depth int) any {
	kinds := []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "tree"}
	if depth < 3 {
		kinds = append(kinds, "record", "array", "map", "union")
	}
	inner := func() any { return foreignType(t, name+"x", depth+1) }
	switch kind := rapid.SampledFrom(kinds).Draw(t, "foreign type"); kind {
	case "fixed":
		return map[string]any{"type": "fixed", "name": "F" + name, "size": rapid.IntRange(1, 9).Draw(t, "size")}
	case "enum":
		return map[string]any{"type": "enum", "name": "E" + name, "symbols": []string{"A", "B"}}
	case "tree":
		return map[string]any{"type": "record", "name": "T" + name, "fields": []any{
			map[string]any{"name": "leaf", "type": "string"},
			map[string]any{"name": "next", "type": []any{"null", "T" + name}},
			map[string]any{"name": "branches", "type": map[string]any{"type": "array", "items": "T" + name}},
		}}
	case "record":
		return map[string]any{"type": "record", "name": "R" + name, "fields": []any{
			map[string]any{"name": "flag", "type": "boolean"},
			map[string]any{"name": "inner", "type": inner()},
			map[string]any{"name": "after", "type": "string"},
		}}
	case "array":
		return map[string]any{"type": "array", "items": inner()}
	case "map":
		return map[string]any{"type": "map", "values": inner()}
	case "union":
		return []any{"null", "string", map[string]any{"type": "array", "items": inner()}}
	default:
		return kind
	}
}

// foreignValue draws a value for such a type, in goavro's native form.
func foreignValue(t *rapid.T, typ *avsc.Type, depth int) any {
	length := func() int { return rapid.IntRange(0, max(0, 2-depth)).Draw(t, "length") }
	switch typ.Kind {
	case avsc.Null:
		return nil
	case avsc.Boolean:
		return rapid.Bool().Draw(t, "bool")
	case avsc.Int:
		return rapid.Int32().Draw(t, "int")
	case avsc.Long:
		return rapid.Int64().Draw(t, "long")
	case avsc.Float:
		return float32(1.5)
	case avsc.Double:
		return 2.5
	case avsc.Bytes:
		return []byte(randomString(t))
	case avsc.String:
		return randomString(t)
	case avsc.Fixed:
		return make([]byte, typ.Size)
	case avsc.Enum:
		return rapid.SampledFrom(typ.Symbols).Draw(t, "symbol")
	case avsc.Array:
		out := []any{}
		for range length() {
			out = append(out, foreignValue(t, typ.Items, depth+1))
		}
		return out
	case avsc.Map: // one entry at most: goavro writes maps in no fixed order
		out := map[string]any{}
		if length() > 0 {
			out["key"] = foreignValue(t, typ.Items, depth+1)
		}
		return out
	case avsc.Union:
		branch := typ.Branches[rapid.IntRange(0, len(typ.Branches)-1).Draw(t, "branch")]
		if branch.Kind == avsc.Null || depth > 3 {
			return nil
		}
		return goavro.Union(branchName(branch), foreignValue(t, branch, depth+1))
	case avsc.Record:
		out := map[string]any{}
		for i := range typ.Fields {
			out[typ.Fields[i].Name] = foreignValue(t, typ.Fields[i].Type, depth+1)
		}
		return out
	}
	panic("no value for " + typ.String())
}

// keepWritten zeroes the fields that a writer's record does not have.
func keepWritten(writer *avsc.Type, v reflect.Value) {
	if value, _, ok := writer.Nullable(); ok {
		if v.FieldByName("Valid").Bool() {
			keepWritten(value, v.FieldByName("Value"))
		}
		return
	}
	switch writer.Kind {
	case avsc.Array:
		for i := range v.Len() {
			keepWritten(writer.Items, v.Index(i))
		}
	case avsc.Record:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Anonymous {
				keepWritten(writer, v.Field(i))
				continue
			}
			name := avroName(field)
			at := slices.IndexFunc(writer.Fields, func(f avsc.Field) bool { return f.Name == name })
			if at < 0 {
				v.Field(i).SetZero()
			} else {
				keepWritten(writer.Fields[at].Type, v.Field(i))
			}
		}
	}
}

func TestOtherVersionsAreRead(t *testing.T) {
	var reused EnrichedTouchpoint
	rapid.Check(t, func(t *rapid.T) {
		schema := evolve(t, EnrichedTouchpointSchema())
		oracle, err := goavro.NewCodec(schema)
		if err != nil {
			t.Fatalf("goavro: %v\n%s", err, schema)
		}
		d, err := NewDecoder(schema)
		if err != nil {
			t.Fatal(err)
		}
		in := random[EnrichedTouchpoint](t)
		body := oracleBytes(t, oracle, native(d.writer, reflect.ValueOf(in).Elem(), func(typ *avsc.Type) any {
			return foreignValue(t, typ, 0)
		}))
		keepWritten(d.writer, reflect.ValueOf(in).Elem())
		if err := d.Decode(body, &reused); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, &reused, equalValues...); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		for cut := 0; cut < len(body); cut += 1 + len(body)/30 {
			_ = checkDecodeError(t, d.Decode(body[:cut], new(EnrichedTouchpoint)), cut)
		}
	})
}

// TestFieldsAddedUpstreamFlowThrough lets identity and the enricher of this version handle touchpoints of a later one.
func TestFieldsAddedUpstreamFlowThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema := evolve(t, TouchpointSchema())
		identified, err := ExtendIdentified(schema)
		if err != nil {
			t.Fatal(err)
		}
		enriched, err := ExtendEnriched(identified)
		if err != nil {
			t.Fatal(err)
		}
		writer, err := avsc.Parse(schema)
		if err != nil {
			t.Fatal(err)
		}
		upstream, err := goavro.NewCodec(schema)
		if err != nil {
			t.Fatal(err)
		}
		downstream, err := goavro.NewCodec(enriched)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDecoder(enriched)
		if err != nil {
			t.Fatal(err)
		}
		in := random[EnrichedTouchpoint](t)
		received := oracleBytes(t, upstream, native(writer, reflect.ValueOf(&in.Touchpoint).Elem(), func(typ *avsc.Type) any {
			return foreignValue(t, typ, 0)
		}))
		sent := in.AppendSuffix(in.IdentifiedTouchpoint.AppendSuffix(slices.Clone(received)))

		keepWritten(writer, reflect.ValueOf(&in.Touchpoint).Elem())
		var out EnrichedTouchpoint
		if err := d.Decode(sent, &out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, &out, equalValues...); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		values, rest, err := downstream.NativeFromBinary(sent)
		if err != nil || len(rest) != 0 {
			t.Fatalf("goavro reads the output: %v, %d bytes left", err, len(rest))
		}
		if again := oracleBytes(t, downstream, values); !slices.Equal(again, sent) {
			t.Fatalf("goavro writes %x\nwe sent %x", again, sent)
		}
	})
}

func TestDerivedSchemasAreInputAndSuffix(t *testing.T) {
	identified, err := ExtendIdentified(TouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(IdentifiedTouchpointSchema(), identified); diff != "" {
		t.Errorf("identified (-committed +derived):\n%s", diff)
	}
	enriched, err := ExtendEnriched(identified)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(EnrichedTouchpointSchema(), enriched); diff != "" {
		t.Errorf("enriched (-committed +derived):\n%s", diff)
	}
}

func TestExtendRefuses(t *testing.T) {
	f := func(name, input, want string) {
		t.Helper()
		_, err := ExtendIdentified(input)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
	f("another record", RejectedTouchpointSchema(),
		"extend schema: the input is record io.parcours.RejectedTouchpoint and not record io.parcours.Touchpoint; connect the stage to the topic it reads in the pipeline")
	f("no record", `"string"`,
		"extend schema: the input is string and not record io.parcours.Touchpoint; connect the stage to the topic it reads in the pipeline")
	f("a field of the suffix upstream",
		`{"type":"record","name":"io.parcours.Touchpoint","fields":[{"name":"event_id","type":{"type":"fixed","name":"UUID","size":16}},{"name":"iv","type":"long"}]}`,
		`extend schema io.parcours.Touchpoint with io.parcours.IdentifiedTouchpoint: field "iv" is in the input already; rename it upstream`)
	f("no UUID to refer to", `{"type":"record","name":"io.parcours.Touchpoint","fields":[]}`,
		`extend schema io.parcours.Touchpoint: field "anchor" of io.parcours.IdentifiedTouchpoint: read schema: type "UUID" is not defined before it is used`)
}
