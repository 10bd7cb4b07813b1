package schemas

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// change replaces a piece of schema text that is there exactly once.
func change(t *testing.T, schema, from, to string) string {
	t.Helper()
	if n := strings.Count(schema, from); n != 1 {
		t.Fatalf("%q is %d times in the schema", from, n)
	}
	return strings.Replace(schema, from, to, 1)
}

const tierField = `{"name":"tier","type":"string","default":""},`

func TestCompatibleChanges(t *testing.T) {
	now := TouchpointSchema()
	f := func(name, next string) {
		t.Helper()
		if err := CheckCompatible([]string{now}, next); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f("none", now)
	f("a field with a default, anywhere", change(t, now, `{"name":"message_id"`, tierField+`{"name":"message_id"`))
	f("a field with a default, in a nested record", change(t, now, `{"name":"survey_id"`, tierField+`{"name":"survey_id"`))
	f("a doc", change(t, now, `"Tenant."`, `"The tenant."`))
	f("int to long", change(t, now, `{"name":"width","type":"int"`, `{"name":"width","type":"long"`))
	f("a value may now be missing", change(t, now, `{"name":"locale","type":"string"`, `{"name":"locale","type":["string","null"]`))
	f("a field goes", change(t, change(t, now, `{"name":"message_id"`, tierField+`{"name":"message_id"`), tierField, ""))
	if err := CheckCompatible(nil, now); err != nil {
		t.Errorf("no history: %v", err)
	}
}

func TestIncompatibleChanges(t *testing.T) {
	now := TouchpointSchema()
	f := func(name, next, want string) {
		t.Helper()
		err := CheckCompatible([]string{now}, next)
		want = "check compatibility with version 1: " + want
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
	}
	f("type", change(t, now, `{"name":"workspace","type":"string"`, `{"name":"workspace","type":"long"`),
		`field "workspace" changed from string to long (incompatible types): keep its type, and put the new one into a new field with a default`)
	f("type in a nested record", change(t, now, `{"name":"width","type":"int","default":0`, `{"name":"width","type":"string","default":""`),
		`field "context.screen.width" changed from int to string (incompatible types): keep its type, and put the new one into a new field with a default`)
	f("new field without default", change(t, now, `{"name":"message_id"`, `{"name":"tier","type":"string"},{"name":"message_id"`),
		`field "tier" is new, or has a new name, and older records do not hold it: give it a default, and leave the old field as it is`)
	f("new field without default in an optional record", change(t, now, `{"name":"survey_id"`, `{"name":"tier","type":"string"},{"name":"survey_id"`),
		`field "feedback.tier" is new, or has a new name, and older records do not hold it: give it a default, and leave the old field as it is`)
	f("new name", change(t, now, `{"name":"workspace"`, `{"name":"tenant"`),
		`field "tenant" is new, or has a new name, and older records do not hold it: give it a default, and leave the old field as it is`)
	f("new name with an alias", change(t, now, `{"name":"workspace"`, `{"name":"tenant","aliases":["workspace"]`),
		`field "tenant" has aliases, which the stages do not follow: keep the old name, or add a new field with a default`)
	f("no longer null", change(t, now, `{"name":"mobile","type":["null","boolean"],"default":null`, `{"name":"mobile","type":"boolean"`),
		`field "context.client_hints.mobile" changed from null to boolean (incompatible types): keep its type, and put the new one into a new field with a default`)
	f("another clock", change(t, now, `{"name":"occurred_at","type":{"type":"long","logicalType":"timestamp-millis"}`, `{"name":"occurred_at","type":{"type":"long","logicalType":"timestamp-micros"}`),
		`field "occurred_at" changed from timestamp-millis in long to timestamp-micros in long, which read differently: put the new one into a new field with a default`)
	f("another clock, optional", change(t, now, `{"name":"sent_at","type":["null",{"type":"long","logicalType":"timestamp-millis"}`, `{"name":"sent_at","type":["null",{"type":"long"}`),
		`field "sent_at" changed from timestamp-millis in long to long, which read differently: put the new one into a new field with a default`)
	f("scale", change(t, now, `{"name":"score","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}`, `{"name":"score","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}`),
		`field "feedback.score" changed from decimal(18,4) to decimal(18,2) (decimal precision or scale differ): keep its type, and put the new one into a new field with a default`)
	f("size of a fixed", change(t, now, `"size":16`, `"size":8`),
		`field "event_id" changed from fixed(16) to fixed(8) (fixed sizes differ): keep its type, and put the new one into a new field with a default`)

	withEnum := func(symbols string) string {
		return change(t, now, `{"name":"message_id"`, `{"name":"tier","type":{"type":"enum","name":"Tier","symbols":[`+symbols+`]}},{"name":"message_id"`)
	}
	err := CheckCompatible([]string{withEnum(`"GOLD","SILVER"`)}, withEnum(`"GOLD"`))
	want := `check compatibility with version 1: field "tier": writer enum symbol "SILVER" not in reader and reader has no default: put the symbol back, or give the enum a default`
	if err == nil || err.Error() != want {
		t.Errorf("enum:\n got %v\nwant %s", err, want)
	}
}

// TestCompatibilityIsTransitive: the version before the last counts as well.
func TestCompatibilityIsTransitive(t *testing.T) {
	now := TouchpointSchema()
	without := now
	with := change(t, now, `{"name":"message_id"`, tierField+`{"name":"message_id"`)
	next := change(t, with, `{"name":"tier","type":"string","default":""}`, `{"name":"tier","type":"string"}`)
	if err := CheckCompatible([]string{with}, next); err != nil {
		t.Errorf("with the last version: %v", err)
	}
	err := CheckCompatible([]string{without, with}, next)
	if err == nil || !strings.Contains(err.Error(), `version 1: field "tier"`) {
		t.Errorf("with all versions: %v", err)
	}
}

// TestWhatIsCompatibleIsRead ties the check to the decoder: whatever evolve does to a schema passes both.
func TestWhatIsCompatibleIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := evolve(t, TouchpointSchema())
		if err := CheckCompatible([]string{old}, TouchpointSchema()); err != nil {
			t.Fatal(err)
		}
	})
}
