package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

var writeFixtures = flag.Bool("write-fixtures", false, "add a fixture version for every record whose schema changed")

// fixtureCodec reads a body with the schema of its version, and writes one with the schema of now.
type fixtureCodec struct {
	decode func(schema string, body []byte) (any, error)
	encode func(v any) []byte
	empty  func() any
}

var fixtureCodecs = map[string]fixtureCodec{
	"touchpoint": {
		decodeTouchpoint, func(v any) []byte { return v.(*EnrichedTouchpoint).Touchpoint.AppendAvro(nil) },
		func() any { return new(EnrichedTouchpoint) },
	},
	"identified_touchpoint": {
		decodeTouchpoint, func(v any) []byte { return v.(*EnrichedTouchpoint).IdentifiedTouchpoint.AppendAvro(nil) },
		func() any { return new(EnrichedTouchpoint) },
	},
	"enriched_touchpoint": {
		decodeTouchpoint, func(v any) []byte { return v.(*EnrichedTouchpoint).AppendAvro(nil) },
		func() any { return new(EnrichedTouchpoint) },
	},
	"rejected_touchpoint": {
		decodeRejected, func(v any) []byte { return v.(*RejectedTouchpoint).AppendAvro(nil) },
		func() any { return new(RejectedTouchpoint) },
	},
	"attribute_set": {
		decodeAttributes, func(v any) []byte { return v.(*AttributeSet).AppendAvro(nil) },
		func() any { return new(AttributeSet) },
	},
}

func decodeTouchpoint(schema string, body []byte) (any, error) {
	d, err := NewDecoder(schema)
	if err != nil {
		return nil, err
	}
	into := new(EnrichedTouchpoint)
	return into, d.Decode(body, into)
}

func decodeRejected(schema string, body []byte) (any, error) {
	d, err := NewRejectedDecoder(schema)
	if err != nil {
		return nil, err
	}
	into := new(RejectedTouchpoint)
	return into, d.Decode(body, into)
}

func decodeAttributes(schema string, body []byte) (any, error) {
	d, err := NewAttributesDecoder(schema)
	if err != nil {
		return nil, err
	}
	into := new(AttributeSet)
	return into, d.Decode(body, into)
}

// TestFixtures decodes the bodies of every version that there ever was, and fails when the schema of now has none.
func TestFixtures(t *testing.T) {
	for name, schema := range records {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("fixtures", name)
			var history []string
			for {
				text, err := os.ReadFile(filepath.Join(dir, "v"+strconv.Itoa(len(history)+1), "schema.avsc"))
				if err != nil {
					break
				}
				compacted, err := avsc.Compact(string(text))
				if err != nil {
					t.Fatal(err)
				}
				history = append(history, compacted)
			}
			if entries, err := os.ReadDir(dir); err == nil && len(entries) != len(history) {
				t.Errorf("%s has %d entries and %d versions; versions are v1, v2, ... without gaps", dir, len(entries), len(history))
			}
			if len(history) == 0 || history[len(history)-1] != schema() {
				version := filepath.Join(dir, "v"+strconv.Itoa(len(history)+1))
				if !*writeFixtures {
					t.Fatalf("the schema of %s is not the newest fixture's; run go test . -run TestFixtures -write-fixtures and commit %s", name, version)
				}
				addFixture(t, version, name, schema())
				history = append(history, schema())
			}
			for i, text := range history {
				checkFixture(t, filepath.Join(dir, "v"+strconv.Itoa(i+1)), name, text)
			}
			if err := CheckCompatible(history, schema()); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkFixture(t *testing.T, version, name, schema string) {
	t.Helper()
	for _, event := range []string{"full", "empty"} {
		path := filepath.Join(version, event)
		body, err := os.ReadFile(path + ".avro")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path + ".json")
		if err != nil {
			t.Fatal(err)
		}
		value, err := fixtureCodecs[name].decode(schema, body)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if diff := cmp.Diff(string(want), string(fixtureJSON(t, value))); diff != "" {
			t.Errorf("%s.json (-want +got):\n%s", path, diff)
		}
		oracle := newOracle(t, schema)
		values, rest, err := oracle.NativeFromBinary(body)
		if err != nil || len(rest) > 0 {
			t.Errorf("%s: goavro: %v, %d bytes left", path, err, len(rest))
			continue
		}
		if again := oracleBytes(t, oracle, values); !bytes.Equal(again, body) {
			t.Errorf("%s: goavro writes other bytes", path)
		}
	}
}

func fixtureJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// addFixture writes a version with one event whose every field has a value of its own, and one with none.
func addFixture(t *testing.T, version, name, schema string) {
	t.Helper()
	codec := fixtureCodecs[name]
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(schema), "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	files := map[string][]byte{"schema.avsc": pretty.Bytes()}
	full := codec.empty()
	number := 0
	fillAll(reflect.ValueOf(full).Elem(), "", &number)
	for event, value := range map[string]any{"full": full, "empty": codec.empty()} {
		body := codec.encode(value)
		read, err := codec.decode(schema, body)
		if err != nil {
			t.Fatal(err)
		}
		files[event+".avro"], files[event+".json"] = body, fixtureJSON(t, read)
	}
	if err := os.MkdirAll(version, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(version, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fillAll gives every field a value that no other field has.
func fillAll(v reflect.Value, name string, number *int) {
	*number++
	if id, ok := v.Addr().Interface().(*UUID); ok {
		*id = UUID{0: 0x01, 6: 0x70, 8: 0x80, 15: byte(*number)}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d é", name, *number))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32:
		v.SetInt(int64(*number))
	case reflect.Int64:
		v.SetInt(1_772_000_000_000 + int64(*number))
	case reflect.Float64:
		v.SetFloat(float64(*number) + 0.5)
	case reflect.Uint8:
		v.SetUint(uint64(*number) & 0xff)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillAll(v.Index(i), name, number)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			inside := avroName(field)
			if field.Name == "Value" {
				inside = name
			}
			fillAll(v.Field(i), inside, number)
		}
	}
}

// TestFullFixtureIsFull: no field of the newest version goes without a value.
func TestFullFixtureIsFull(t *testing.T) {
	for name, codec := range fixtureCodecs {
		value := codec.empty()
		number := 0
		fillAll(reflect.ValueOf(value).Elem(), "", &number)
		var document map[string]any
		if err := json.Unmarshal(fixtureJSON(t, value), &document); err != nil {
			t.Fatal(err)
		}
		root, err := avsc.Parse(records[name]())
		if err != nil {
			t.Fatal(err)
		}
		if path := missing(root, document); path != "" {
			t.Errorf("%s: %s has no value in the full fixture", name, path)
		}
	}
}

func missing(t *avsc.Type, value any) string {
	if inner, _, ok := t.Nullable(); ok {
		t = inner
	}
	switch t.Kind {
	case avsc.Array:
		items, _ := value.([]any)
		if len(items) == 0 {
			return "[]"
		}
		return missing(t.Items, items[0])
	case avsc.Record:
		document, _ := value.(map[string]any)
		for _, f := range t.Fields {
			if document[f.Name] == nil {
				return "." + f.Name
			}
			if path := missing(f.Type, document[f.Name]); path != "" {
				return "." + f.Name + path
			}
		}
	}
	return ""
}
