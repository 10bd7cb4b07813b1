package evidence_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestParseReadsWhatAppendWrites(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				record := kinds[name](t)
				if err := evidence.Check(record); err != nil {
					t.Fatal(err)
				}
				key := record.AppendKey(nil)
				value := append(record.AppendValue(nil), rapid.SliceOf(rapid.Byte()).Draw(t, "later fields")...)
				read, err := evidence.Parse(key, value)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(record, read); diff != "" {
					t.Fatal(diff)
				}
				checkTombstone(t, key)
			})
		})
	}
}

// checkTombstone parses the key without a value.
func checkTombstone(t *rapid.T, key []byte) {
	read, err := evidence.Parse(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	dead, ok := read.(*evidence.Tombstone)
	if !ok || !bytes.Equal(dead.AppendKey(nil), key) || dead.AppendValue(nil) != nil {
		t.Fatalf("key %x without a value reads as %+v", key, read)
	}
	if workspace, ok := evidence.Workspace(key); !ok || workspace != dead.Workspace {
		t.Fatalf("workspace is %q, want %q", workspace, dead.Workspace)
	}
}

// samples has one record of every kind, every field set to what no other has.
func samples() map[string]evidence.Record {
	note := evidence.Note{At: 0x0304, Author: "ada", Reason: "two people"}
	a, b := uuid.UUID{15: 1}, uuid.UUID{15: 2}
	edge := evidence.NewEdge("w", evidence.End{Node: b, Type: "email", Weak: true}, evidence.End{Node: a, Type: "user_id"})
	edge.Class, edge.Score, edge.FirstSeen, edge.Source, edge.Event, edge.Normaliser = 2, 90, 0x0102, "web", uuid.UUID{15: 9}, 7
	rules := evidence.Ruleset{
		LinkClass: 2, MaxCluster: 500, MaxComponent: 5000, Blocked: []uuid.UUID{a, b},
		Types: map[string]evidence.TypeRule{
			"user_id": {Rank: 1, Limit: 1},
			"email":   {Rank: 3, Class: 2, Limit: 5, Hubs: map[string]int{"user_id": 4, "phone": 9}},
		},
	}
	return map[string]evidence.Record{
		"edge":     &edge,
		"cut":      &evidence.Cut{Workspace: "w", A: a, B: b, Lifted: true, Note: note},
		"verdict":  &evidence.Verdict{Workspace: "w", Node: a, Ruling: evidence.Allowed, Note: note},
		"erase":    &evidence.Erase{Workspace: "w", Request: uuid.UUID{15: 8}, Nodes: []uuid.UUID{b, a}, Note: note},
		"suppress": &evidence.Suppress{Workspace: "w", Key: evidence.SuppressionKey{15: 7}, At: 0x0506},
		"rules":    &evidence.Rules{Workspace: "w", Rules: rules, Configuration: "f00d", Note: note},
		"engine":   &evidence.Engine{Workspace: "w", Number: 3, Note: note},
		"digest":   &evidence.Digest{Workspace: "w", Position: 0x0708, Sums: evidence.Sums{Map: 1, Evidence: 2, Nodes: 3, Pairs: 4}},
	}
}

// The bytes are a contract with logs that exist: a golden file may change only with another layout.
func TestGoldenBytes(t *testing.T) {
	for name, record := range samples() {
		path := filepath.Join("testdata", name+".golden")
		got := fmt.Sprintf("%q\n%q\n", record.AppendKey(nil), record.AppendValue(nil))
		if *rewrite {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: go test -run %s -rewrite", err, t.Name())
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		read, err := evidence.Parse(record.AppendKey(nil), record.AppendValue(nil))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(record, read); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A value cut anywhere is refused, and never as one of a newer engine: that would stop an instance for ever.
func TestParseRefusesCutValues(t *testing.T) {
	for name, record := range samples() {
		key, value := record.AppendKey(nil), record.AppendValue(nil)
		for n := 1; n < len(value); n++ {
			read, err := evidence.Parse(key, value[:n])
			if err == nil || errors.Is(err, evidence.ErrNewer) {
				t.Errorf("%s, %d of %d bytes: %+v, %v", name, n, len(value), read, err)
			}
		}
		for n := range len(key) {
			if read, err := evidence.Parse(key[:n], value); err == nil || errors.Is(err, evidence.ErrNewer) {
				t.Errorf("%s, %d of %d bytes of the key: %+v, %v", name, n, len(key), read, err)
			}
		}
		if _, err := evidence.Parse(append(key, 0), value); err == nil || errors.Is(err, evidence.ErrNewer) {
			t.Errorf("%s, a longer key: %v", name, err)
		}
	}
}

func TestParseTellsNewerFromBroken(t *testing.T) {
	f := func(name, kind string, change func(key, value []byte) ([]byte, []byte), newer bool) {
		t.Helper()
		record := samples()[kind]
		key, value := change(record.AppendKey(nil), record.AppendValue(nil))
		read, err := evidence.Parse(key, value)
		if err == nil || errors.Is(err, evidence.ErrNewer) != newer {
			t.Errorf("%s: got %+v, %v, of a newer engine: want %v", name, read, err, newer)
		}
	}
	inKey := func(i int, to byte) func(key, value []byte) ([]byte, []byte) {
		return func(key, value []byte) ([]byte, []byte) { key[i] = to; return key, value }
	}
	inValue := func(i int, to byte) func(key, value []byte) ([]byte, []byte) {
		return func(key, value []byte) ([]byte, []byte) { value[i] = to; return key, value }
	}
	inRules := func(from, to string) func(key, value []byte) ([]byte, []byte) {
		return func(key, value []byte) ([]byte, []byte) {
			return key, bytes.Replace(value, []byte(from), []byte(to), 1)
		}
	}
	f("kind 0", "edge", inKey(0, 0), true)
	f("a kind to come", "edge", inKey(0, 9), true)
	f("a kind to come, without a value", "edge", func(key, _ []byte) ([]byte, []byte) { key[0] = 9; return key, nil }, true)
	for kind := range samples() {
		f("a layout to come of "+kind, kind, inValue(0, 2), true)
	}
	f("a ruling to come", "verdict", inValue(1, 3), true)
	f("a field of rules to come", "rules", inRules("link_class", "link_glass"), true)

	f("no key", "edge", func(_, value []byte) ([]byte, []byte) { return nil, value }, false)
	f("no workspace and no kind", "edge", func(_, value []byte) ([]byte, []byte) { return []byte("hello"), value }, false)
	f("no workspace", "engine", func(_, value []byte) ([]byte, []byte) { return []byte{7, 0}, value }, false)
	f("class", "edge", inValue(1, 4), false)
	f("score", "edge", inValue(2, 101), false)
	f("first seen", "edge", inValue(4, 0x80), false)
	f("first seen after 48 bits", "edge", inValue(5, 1), false)
	f("nodes out of order", "edge", inKey(3, 9), false)
	f("one node twice", "edge", func(key, value []byte) ([]byte, []byte) { key[len(key)-1] = 1; return key, value }, false)
	f("a tombstone of nodes out of order", "edge", func(key, _ []byte) ([]byte, []byte) { key[3] = 9; return key, nil }, false)
	f("nodes of a cut out of order", "cut", inKey(3, 9), false)
	f("time of a cut", "cut", inValue(2, 1), false)
	f("engine 0", "engine", inValue(2, 0), false)
	f("position", "digest", inValue(1, 0x80), false)
	f("time of an erasure", "suppress", inValue(1, 0x80), false)
	f("no JSON", "rules", inRules("{", "["), false)
	f("other JSON", "rules", inRules(`"max_cluster":500`, `"max_cluster":"0"`), false)
	f("rules nobody can mean", "rules", inRules(`"max_cluster":500`, `"max_cluster":000`), false)
	f("rules that are not valid", "rules", inRules(`"max_cluster":500`, `"max_cluster":-10`), false)
}

func TestEraseIsBounded(t *testing.T) {
	f := func(nodes int, want string) {
		t.Helper()
		e := &evidence.Erase{Workspace: "w", Nodes: make([]uuid.UUID, nodes)}
		for _, err := range []error{evidence.Check(e), parse(e)} {
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d nodes: %v, want %q", nodes, err, want)
			}
		}
	}
	f(0, "without nodes")
	f(1, "")
	f(evidence.MaxErase, "")
	f(evidence.MaxErase+1, "at most")

	// What brokers take in one message, and clients send, is a little less than a megabyte.
	most := evidence.Erase{Workspace: strings.Repeat("w", evidence.MaxText), Nodes: make([]uuid.UUID, evidence.MaxErase), Note: evidence.Note{
		Author: strings.Repeat("a", evidence.MaxText), Reason: strings.Repeat("r", evidence.MaxReason),
	}}
	if n := len(most.AppendKey(nil)) + len(most.AppendValue(nil)); n > 990_000 {
		t.Errorf("the largest erasure is a message of %d bytes", n)
	}
}

func parse(r evidence.Record) error {
	_, err := evidence.Parse(r.AppendKey(nil), r.AppendValue(nil))
	return err
}

// Whoever passes over Check still writes a record that reads, with texts cut between runes.
func TestLongTextsAreCut(t *testing.T) {
	v := &evidence.Verdict{Workspace: "w", Note: evidence.Note{
		Author: strings.Repeat("é", 200), Reason: strings.Repeat("x", evidence.MaxReason+1),
	}}
	if err := evidence.Check(v); err == nil || !strings.Contains(err.Error(), "author") || !strings.Contains(err.Error(), "reason") {
		t.Errorf("check: %v", err)
	}
	read, err := evidence.Parse(v.AppendKey(nil), v.AppendValue(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := *v
	want.Note.Author, want.Note.Reason = strings.Repeat("é", 127), strings.Repeat("x", evidence.MaxReason)
	if diff := cmp.Diff(evidence.Record(&want), read); diff != "" {
		t.Error(diff)
	}
}

func TestCheckOfTombstones(t *testing.T) {
	f := func(name string, of evidence.Record, fine bool) {
		t.Helper()
		if err := evidence.Check(&evidence.Tombstone{Workspace: "w", Of: of}); (err == nil) != fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	f("a node", &evidence.Verdict{Workspace: "w"}, true)
	f("nothing", nil, false)
	f("a tombstone", &evidence.Tombstone{Workspace: "w"}, false)
	f("another workspace", &evidence.Verdict{Workspace: "v"}, false)
	f("one node twice", &evidence.Cut{Workspace: "w"}, false)
}

func TestWorkspaceOfNoKey(t *testing.T) {
	for _, key := range []string{"", "\x01", "\x01\x00", "\x01\x00w", "\x01\x02w", "\x01\x01"} {
		if workspace, ok := evidence.Workspace([]byte(key)); ok {
			t.Errorf("%q is of workspace %q", key, workspace)
		}
	}
	if workspace, ok := evidence.Workspace([]byte("\xff\x02ws and the rest")); !ok || workspace != "ws" {
		t.Errorf("a key of a kind to come is of workspace %q, %v", workspace, ok)
	}
}

func FuzzParse(f *testing.F) {
	for _, record := range samples() {
		f.Add(record.AppendKey(nil), record.AppendValue(nil))
		f.Add(record.AppendKey(nil), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		record, err := evidence.Parse(key, value)
		if err != nil {
			return
		}
		again, err := evidence.Parse(record.AppendKey(nil), record.AppendValue(nil))
		if err != nil {
			t.Fatalf("%+v, written again: %v", record, err)
		}
		if diff := cmp.Diff(record, again); diff != "" {
			t.Fatal(diff)
		}
		if !bytes.Equal(key, record.AppendKey(nil)) {
			t.Fatalf("key %x reads as %+v", key, record)
		}
		if err := evidence.Check(record); err != nil {
			t.Fatalf("parsed, but %v", err)
		}
	})
}
