package sink_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// evolved is the schema of enriched touchpoints as a later version may have it: fields are put at the end of records, or
// given another type.
func evolved(t testing.TB, changes map[string]string) string {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(schemas.EnrichedTouchpointSchema()), &root); err != nil {
		t.Fatal(err)
	}
	for path, definition := range changes {
		var field map[string]any
		if err := json.Unmarshal([]byte(definition), &field); err != nil {
			t.Fatal(err)
		}
		record := root
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			record = definedIn(fieldOf(record, name)["type"])
		}
		field["name"] = names[len(names)-1]
		if have := fieldOf(record, names[len(names)-1]); have != nil {
			have["type"] = field["type"]
			delete(have, "default")
			continue
		}
		record["fields"] = append(record["fields"].([]any), field)
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fieldOf(record map[string]any, name string) map[string]any {
	for _, f := range record["fields"].([]any) {
		if f := f.(map[string]any); f["name"] == name {
			return f
		}
	}
	return nil
}

func definedIn(t any) map[string]any {
	switch t := t.(type) {
	case []any:
		for _, branch := range t {
			if r := definedIn(branch); r != nil {
				return r
			}
		}
	case map[string]any:
		if t["type"] == "record" {
			return t
		}
		if items, ok := t["items"]; ok {
			return definedIn(items)
		}
		return definedIn(t["type"])
	}
	return nil
}

// written is a touchpoint in another schema; change puts the values of the fields that ours does not have.
func (r *rig) written(id int32, schema string, touchpoint *schemas.EnrichedTouchpoint, change func(native map[string]any)) *stream.Record {
	r.t.Helper()
	record := r.record(touchpoint)
	_, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		r.t.Fatal(err)
	}
	own, err := goavro.NewCodec(schemas.EnrichedTouchpointSchema())
	if err != nil {
		r.t.Fatal(err)
	}
	native, _, err := own.NativeFromBinary(body)
	if err != nil {
		r.t.Fatal(err)
	}
	change(native.(map[string]any))
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		r.t.Fatal(err)
	}
	if record.Value, err = codec.BinaryFromNative(schemas.AppendHeader(nil, id), native); err != nil {
		r.t.Fatal(err)
	}
	return record
}

func in(native map[string]any, name string) map[string]any {
	value := native[name].(map[string]any)
	for branch, inner := range value {
		if strings.Contains(branch, ".") {
			return inner.(map[string]any)
		}
	}
	return value
}

// A later version's fields and types reach a sink of today: every event becomes a row, and no value is lost. Then the
// column comes, and a statement takes the values that were kept into it.
func TestFieldsOfALaterVersionAreKept(t *testing.T) {
	r := newRig(t)
	r.alone()
	schema := evolved(t, map[string]string{
		"tier":                `{"type": "string", "default": "", "doc": "Tier of the loyalty programme.", "pii": "none", "purpose": "analytics", "retention": "events"}`,
		"commerce.items.gift": `{"type": ["null", "boolean"], "default": null, "doc": "Whether it is a gift.", "pii": "none"}`,
		"person.mobile":       `{"type": "string", "default": "", "doc": "Mobile number.", "pii": "direct", "retention": "contacts"}`,
	})
	later, err := r.registry.Register(t.Context(), stream.Enriched, schema)
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	tier := func(n byte, properties, tier string) *stream.Record {
		e := event(n, "Order Completed")
		e.Properties = properties
		e.Commerce.Valid, e.Commerce.Value.OrderID = true, fmt.Sprint("O", n)
		e.Commerce.Value.Items = []schemas.Item{{ProductID: "A"}, {ProductID: "B"}}
		e.Person.Valid, e.Person.Value.Email = true, "claire@example.org"
		return r.written(later, schema, e, func(native map[string]any) {
			native["tier"] = tier
			items := in(native, "commerce")["items"].([]any)
			items[0].(map[string]any)["gift"] = nil
			items[1].(map[string]any)["gift"] = goavro.Union("boolean", true)
			in(native, "person")["mobile"] = fmt.Sprint("061234567", n)
		})
	}
	old := event(9, "Order Completed")
	old.Properties = `{"colour":"red"}`
	r.send(tier(1, `{"colour":"blue"}`, "gold"), tier(2, `{"_unknown":"the sender's own"}`, "silver"), r.record(old))
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "3")

	want := [][]string{
		{"O1", `{"_unknown":{"commerce":{"items":[{},{"gift":true}]},"tier":"gold"},"colour":"blue"}`, "gold", "[NULL,true]"},
		{"O2", `{"_unknown":"the sender's own","_unknown_":{"commerce":{"items":[{},{"gift":true}]},"tier":"silver"}}`, "", "[]"},
		{"", `{"colour":"red"}`, "", "[]"},
	}
	if diff := cmp.Diff(want, r.rows("SELECT order_id, toString(properties), properties._unknown.tier, properties._unknown.commerce.items[].gift.:Bool FROM events WHERE workspace = %s ORDER BY occurred_at")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.eventually("SELECT count() FROM contacts WHERE workspace = %s", "2")
	if diff := cmp.Diff([][]string{{"claire@example.org", `{"person":{"mobile":"0612345671"}}`}, {"claire@example.org", `{"person":{"mobile":"0612345672"}}`}},
		r.rows("SELECT email, toString(unknown) FROM contacts WHERE workspace = %s ORDER BY occurred_at")); diff != "" {
		t.Errorf("contacts (-want +got):\n%s", diff)
	}
	if got := r.rows("SELECT count() FROM events WHERE workspace = %s AND position(toJSONString(properties), '06123') > 0")[0][0]; got != "0" {
		t.Errorf("%s events have a clear value", got)
	}
	if got := r.metric("parcours_sink_unknown_values_total", "tier"); got != 2 {
		t.Errorf("%v records were counted for tier, want 2", got)
	}

	// The steps of docs/how-to/evolve-the-schema.md.
	name := "tier_" + r.workspace
	for _, statement := range []string{
		"ALTER TABLE events ADD COLUMN IF NOT EXISTS " + name + " LowCardinality(String) COMMENT 'Tier of the loyalty programme.'",
		"ALTER TABLE events UPDATE " + name + " = ifNull(toString(properties._unknown.tier), '') WHERE workspace = '" + r.workspace + "' AND " + name + " = '' AND isNotNull(properties._unknown.tier) SETTINGS mutations_sync = 2",
	} {
		if err := r.db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		enginetest.Exec(t, r.cfg.ClickHouse.Addresses[0], "ALTER TABLE parcours.events DROP COLUMN "+name)
	})
	if diff := cmp.Diff([][]string{{"gold"}, {""}, {""}}, r.rows("SELECT "+name+" FROM events WHERE workspace = %s ORDER BY occurred_at")); diff != "" {
		t.Errorf("filled from what was kept (-want +got):\n%s", diff)
	}
}

// A type that does not fit its column empties the column, not the event.
func TestTypeConflictKeepsTheValue(t *testing.T) {
	r := newRig(t)
	r.alone()
	schema := evolved(t, map[string]string{
		"commerce.total": `{"type": "string"}`,
		"channel":        `{"type": {"type": "array", "items": "string"}}`,
		"properties":     `{"type": {"type": "map", "values": "double"}}`,
	})
	// A registry of ours would refuse it; another producer may have another registry.
	later, err := r.registry.Register(t.Context(), "elsewhere", schema)
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	e := event(1, "Order Completed")
	e.Commerce.Valid, e.Commerce.Value.OrderID = true, "O1"
	r.send(r.written(later, schema, e, func(native map[string]any) {
		native["channel"] = []any{"store", "web"}
		native["properties"] = map[string]any{"weight.net": 2.5}
		in(native, "commerce")["total"] = "twelve"
	}))
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "1")
	want := [][]string{{"O1", "", "", `{"_unknown":{"channel":["store","web"],"commerce":{"total":"twelve"},"properties":{"weight":{"net":2.5}}}}`}}
	if diff := cmp.Diff(want, r.rows("SELECT order_id, total, channel, toString(properties) FROM events WHERE workspace = %s AND isNotNull(properties._unknown.commerce.total)")); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
	for _, field := range []string{"commerce.total", "channel", "properties"} {
		if got := r.metric("parcours_sink_unknown_values_total", `"`+field+`"`); got != 1 {
			t.Errorf("%v records were counted for %s, want 1", got, field)
		}
	}
	// Where the record itself has no place, it is quarantined as a whole.
	nowhere := evolved(t, map[string]string{"customer_id": `{"type": "string"}`})
	id, err := r.registry.Register(t.Context(), "nowhere", nowhere)
	if err != nil {
		t.Fatal(err)
	}
	r.send(r.written(id, nowhere, event(2, "Product Viewed"), func(native map[string]any) { native["customer_id"] = "somebody" }))
	r.eventually("SELECT count() FROM rejected_events WHERE reason = 'undecodable' AND detail LIKE '%%customer_id%%' AND _schema_id > 0 AND %s != ''", "1")
}
