package identitymap_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
)

func TestParseReadsWhatAppendWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := func(label string) uuid.UUID {
			return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
		}
		row := identitymap.Row{
			Workspace: rapid.StringN(0, 60, identitymap.MaxWorkspace).Draw(t, "workspace"),
			Node:      node("node"),
			Canonical: node("canonical"),
			Version:   rapid.Uint64().Draw(t, "version"),
			Reason:    identitymap.Reason(rapid.Byte().Draw(t, "reason")),
			Previous:  node("previous"),
		}
		value := identitymap.Append(nil, &row)
		value = append(value, rapid.SliceOf(rapid.Byte()).Draw(t, "later fields")...)
		read, err := identitymap.Parse(identitymap.AppendKey(nil, &row), value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row, read); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The layout is a contract with topics that exist: these bytes may never change.
func TestLayout(t *testing.T) {
	row := identitymap.Row{
		Workspace: "default",
		Node:      uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"),
		Canonical: uuid.MustParse("11111111-1111-1111-1111-111111111111"),
		Version:   258,
		Reason:    identitymap.Renamed,
		Previous:  uuid.MustParse("22222222-2222-2222-2222-222222222222"),
	}
	key := "\x07default\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	value := "\x01" + strings.Repeat("\x11", 16) + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x02" + strings.Repeat("\x22", 16)
	if diff := cmp.Diff([]byte(key), identitymap.AppendKey(nil, &row)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte(value), identitymap.Append(nil, &row)); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	row := identitymap.Row{Workspace: "w"}
	key, value := identitymap.AppendKey(nil, &row), identitymap.Append(nil, &row)
	newer := append([]byte{9}, value[1:]...)
	f := func(name string, key, value []byte, want string) {
		t.Helper()
		if _, err := identitymap.Parse(key, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
	f("no key", nil, value, "key")
	f("short key", key[:len(key)-1], value, "key")
	f("long key", append(key[:len(key):len(key)], 0), value, "key")
	f("no value", key, nil, "empty")
	f("short value", key, value[:len(value)-1], "want 42")
	f("newer layout", key, newer, "update")
}

func FuzzParse(f *testing.F) {
	row := identitymap.Row{Workspace: "default", Version: 7}
	f.Add(identitymap.AppendKey(nil, &row), identitymap.Append(nil, &row))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		read, err := identitymap.Parse(key, value)
		if err != nil {
			return
		}
		if diff := cmp.Diff(key, identitymap.AppendKey(nil, &read)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(value[:42], identitymap.Append(nil, &read)); diff != "" {
			t.Fatal(diff)
		}
	})
}
