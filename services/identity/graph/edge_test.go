package graph_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/graph"
)

func TestEdgeRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		for _, e := range log {
			e.Source = rapid.StringN(0, 20, 80).Draw(t, "source")
			e.Normaliser = rapid.Uint16().Draw(t, "normaliser")
			value := append(e.AppendValue(nil), rapid.SliceOf(rapid.Byte()).Draw(t, "later fields")...)
			read, err := graph.ParseEdge(e.AppendKey(nil), value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, read); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// The layout is a contract with logs that exist: these bytes may never change.
func TestEdgeLayout(t *testing.T) {
	e := graph.NewEdge("w", graph.End{Node: uuid.UUID{15: 2}, Type: "email", Weak: true}, graph.End{Node: uuid.UUID{15: 1}, Type: "user_id"})
	e.Class, e.FirstSeen, e.Source, e.Normaliser = 2, 0x0102, "web", 1
	key := "\x01\x01w" + strings.Repeat("\x00", 15) + "\x01" + strings.Repeat("\x00", 15) + "\x02"
	value := "\x01\x02\x64\x02" + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x00\x01" + "\x07user_id" + "\x05email" + "\x03web"
	if diff := cmp.Diff([]byte(key), e.AppendKey(nil)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte(value), e.AppendValue(nil)); diff != "" {
		t.Error(diff)
	}
}

func TestParseEdgeRefuses(t *testing.T) {
	e := graph.NewEdge("w", graph.End{Node: uuid.UUID{1}, Type: "email"}, graph.End{Node: uuid.UUID{2}, Type: "user_id"})
	key, value := e.AppendKey(nil), e.AppendValue(nil)
	f := func(name string, key, value []byte, newer bool) {
		t.Helper()
		_, err := graph.ParseEdge(key, value)
		if err == nil || errors.Is(err, graph.ErrNewer) != newer {
			t.Errorf("%s: got %v, of a newer engine: want %v", name, err, newer)
		}
	}
	with := func(b []byte, i int, to byte) []byte {
		changed := slices.Clone(b)
		changed[i] = to
		return changed
	}
	f("no key", nil, value, false)
	f("no value", key, nil, false)
	f("another kind", with(key, 0, 2), value, true)
	f("another layout", key, with(value, 0, 2), true)
	f("short key", key[:len(key)-1], value, false)
	f("cut value", key, value[:len(value)-1], false)
	f("class", key, with(value, 1, 4), false)
	f("score", key, with(value, 2, 101), false)
	f("first seen", key, with(value, 4, 0x80), false)
	f("nodes out of order", with(key, 3, 9), value, false)
}

func FuzzParseEdge(f *testing.F) {
	e := graph.NewEdge("w", graph.End{Node: uuid.UUID{1}, Type: "email"}, graph.End{Node: uuid.UUID{2}, Type: "user_id"})
	f.Add(e.AppendKey(nil), e.AppendValue(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		read, err := graph.ParseEdge(key, value)
		if err != nil {
			return
		}
		if !bytes.Equal(key, read.AppendKey(nil)) {
			t.Fatalf("key %x reads as %+v", key, read)
		}
		g := graph.New(rules)
		if effect := g.Apply(1, &read); effect.Worse {
			t.Fatalf("first evidence of a pair is worse than nothing: %+v", read)
		}
		if edge, missing := g.Missing(&read); missing {
			t.Fatalf("applied evidence is missing: %+v", edge)
		}
	})
}
