package avsc

import (
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Type {
	t.Helper()
	typ, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func TestNamesAreResolvedInTheirNamespace(t *testing.T) {
	root := parse(t, `{"type":"record","name":"Root","namespace":"a","fields":[
		{"name":"id","type":{"type":"fixed","name":"ID","size":4}},
		{"name":"same","type":"ID"},
		{"name":"full","type":"a.ID"},
		{"name":"other","type":{"type":"record","name":"b.Other","fields":[
			{"name":"inner","type":{"type":"enum","name":"Color","symbols":["RED"]}},
			{"name":"outer","type":"a.ID"}]}},
		{"name":"color","type":["null","b.Color"]},
		{"name":"wrapped","type":{"type":{"type":"array","items":"ID"}}},
		{"name":"values","type":{"type":"map","values":{"type":"ID"}}}]}`)
	id := root.Fields[0].Type
	f := func(name string, got *Type) {
		t.Helper()
		if got != id {
			t.Errorf("%s is %s and not the same node as id", name, got)
		}
	}
	f("same", root.Fields[1].Type)
	f("full", root.Fields[2].Type)
	f("outer", root.Fields[3].Type.Fields[1].Type)
	f("wrapped", root.Fields[5].Type.Items)
	f("values", root.Fields[6].Type.Items)
	if name := root.Fields[3].Type.Fields[0].Type.Name; name != "b.Color" {
		t.Errorf("the enum is %s", name)
	}
	value, null, ok := root.Fields[4].Type.Nullable()
	if !ok || null != 0 || value.Name != "b.Color" || value.ShortName() != "Color" {
		t.Errorf("nullable: %v, %d, %v", value, null, ok)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	f(``, "a type is missing")
	f(`{`, "unexpected end")
	f(`"nothing"`, `type "nothing" is not defined before it is used`)
	f(`{"type":"array"}`, "a type is missing")
	f(`["null","nothing"]`, `type "nothing"`)
	f(`{"type":"record","name":"A","fields":[{"name":"x","type":"nothing"}]}`, `field "x" of A`)
	f(`{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}`, "record A holds itself without end")
	f(`{"type":"record","name":"A","fields":[{"name":"f","type":{"type":"fixed","name":"A","size":1}}]}`, `type "A" is defined twice`)
}

func TestRecordsMayHoldThemselvesBehindAnEnd(t *testing.T) {
	tree := parse(t, `{"type":"record","name":"Tree","fields":[
		{"name":"next","type":["null","Tree"]},{"name":"all","type":{"type":"array","items":"Tree"}}]}`)
	if tree.Fields[0].Type.Branches[1] != tree || tree.Fields[1].Type.Items != tree {
		t.Error("the tree is not a cycle")
	}
}

func TestExtendKeepsWhatItDoesNotKnow(t *testing.T) {
	got, err := Extend(
		`{"type":"record","name":"In","namespace":"n","doc":"old","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":2},"x-owner":"<crm> & co","order":"ignore"}]}`,
		`{"type":"record","name":"Out","namespace":"n","doc":"new","fields":[{"name":"b","type":"F","pii":"none"}]}`,
		"n.In")
	want := `{"type":"record","name":"Out","namespace":"n","doc":"new","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":2},"x-owner":"<crm> & co","order":"ignore"},{"name":"b","type":"F","pii":"none"}]}`
	if err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}
