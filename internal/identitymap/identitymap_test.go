package identitymap_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
)

var (
	drawNode = rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "node"))
	})
	drawWorkspace = rapid.StringN(0, 60, identitymap.MaxWorkspace)
	drawLater     = rapid.SliceOf(rapid.Byte())
)

func TestParseReadsWhatAppendWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := identitymap.Row{
			Workspace: drawWorkspace.Draw(t, "workspace"),
			Node:      drawNode.Draw(t, "node"),
			Type:      rapid.String().Draw(t, "type"),
			Canonical: drawNode.Draw(t, "canonical"),
			Version:   rapid.Uint64().Draw(t, "version"),
			Reason:    identitymap.Reason(rapid.Byte().Draw(t, "reason")),
			Previous:  drawNode.Draw(t, "previous"),
			Shared:    rapid.Bool().Draw(t, "shared"),
			Event:     drawNode.Draw(t, "event"),
			At:        rapid.Int64().Draw(t, "at"),
		}
		value := append(identitymap.Append(nil, &row), drawLater.Draw(t, "later fields")...)
		read, err := identitymap.Parse(identitymap.AppendKey(nil, &row), value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row, read); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestParseAuditReadsWhatAppendAuditWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 200, 300)
		audit := identitymap.Audit{
			Workspace: drawWorkspace.Draw(t, "workspace"),
			Position:  rapid.Uint64().Draw(t, "position"),
			Sequence:  rapid.Uint32().Draw(t, "sequence"),
			At:        rapid.Int64().Draw(t, "at"),
			Kind:      identitymap.AuditKind(rapid.Byte().Draw(t, "kind")),
			A:         drawNode.Draw(t, "a"),
			B:         drawNode.Draw(t, "b"),
			TypeA:     text.Draw(t, "type a"),
			TypeB:     text.Draw(t, "type b"),
			Class:     rapid.Byte().Draw(t, "class"),
			FirstSeen: rapid.Int64().Draw(t, "first seen"),
			Limit:     text.Draw(t, "limit"),
			Count:     rapid.Uint32().Draw(t, "count"),
			Source:    text.Draw(t, "source"),
			Event:     drawNode.Draw(t, "event"),
			Author:    text.Draw(t, "author"),
			Reason:    text.Draw(t, "reason"),
		}
		value := append(identitymap.AppendAudit(nil, &audit), drawLater.Draw(t, "later fields")...)
		read, err := identitymap.ParseAudit(identitymap.AppendAuditKey(nil, &audit), value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(audit, read); diff != "" {
			t.Fatal(diff)
		}
	})
}

const key = "\x07default\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"

var (
	ones   = uuid.UUID([]byte(strings.Repeat("\x11", 16)))
	twos   = uuid.UUID([]byte(strings.Repeat("\x22", 16)))
	threes = uuid.UUID([]byte(strings.Repeat("\x33", 16)))
)

// The layouts are a contract with topics that exist: these bytes may never change.
func TestLayout(t *testing.T) {
	row := identitymap.Row{
		Workspace: "default", Node: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"), Type: "email", Canonical: ones, Version: 258,
		Reason: identitymap.Renamed, Previous: twos, Shared: true, Event: threes, At: 3,
	}
	value := "\x01" + string(ones[:]) + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x02" + string(twos[:]) + "\x01" + string(threes[:]) +
		"\x00\x00\x00\x00\x00\x00\x00\x03" + "\x05email"
	if diff := cmp.Diff([]byte(key), identitymap.AppendKey(nil, &row)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte(value), identitymap.Append(nil, &row)); diff != "" {
		t.Error(diff)
	}
}

func TestAuditLayout(t *testing.T) {
	audit := identitymap.Audit{
		Workspace: "default", Position: 258, Sequence: 4, At: 3, Kind: identitymap.AuditRefused,
		A: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"), B: ones, TypeA: "email", TypeB: "phone", Class: 2, FirstSeen: 5,
		Limit: "user_id", Count: 6, Source: "web", Event: twos, Author: "ana", Reason: "why",
	}
	value := "\x01" + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x00\x00\x00\x04" + "\x00\x00\x00\x00\x00\x00\x00\x03" + "\x02" + string(ones[:]) +
		"\x02" + "\x00\x00\x00\x00\x00\x00\x00\x05" + "\x00\x00\x00\x06" + string(twos[:]) +
		"\x05email" + "\x05phone" + "\x07user_id" + "\x03web" + "\x03ana" + "\x03why"
	if diff := cmp.Diff([]byte(key), identitymap.AppendAuditKey(nil, &audit)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte(value), identitymap.AppendAudit(nil, &audit)); diff != "" {
		t.Error(diff)
	}
}

// The words stand in tables and answers that people filter by, the numbers in topics.
func TestWords(t *testing.T) {
	f := func(number uint8, reason, kind string) {
		t.Helper()
		if got := identitymap.Reason(number).String(); got != reason {
			t.Errorf("reason %d is %q, want %q", number, got, reason)
		}
		if got := identitymap.AuditKind(number).String(); got != kind {
			t.Errorf("kind %d is %q, want %q", number, got, kind)
		}
	}
	f(0, "reason_0", "kind_0")
	f(1, "joined", "linked")
	f(2, "renamed", "refused")
	f(3, "split", "accepted")
	f(4, "cut", "hub_raised")
	f(5, "lifted", "hub_lowered")
	f(6, "blocked", "oversize")
	f(7, "hub", "split")
	f(8, "neighbour", "cut")
	f(9, "erased", "cut_lifted")
	f(10, "rules", "blocked")
	f(11, "reason_11", "allowed")
	f(12, "reason_12", "neutral")
	f(13, "reason_13", "erased")
	f(14, "reason_14", "rules")
	f(15, "reason_15", "engine")
	f(16, "reason_16", "kind_16")
	f(255, "reason_255", "kind_255")
}

func TestParseRefuses(t *testing.T) {
	row, audit := identitymap.Row{Workspace: "w", Type: "email"}, identitymap.Audit{Workspace: "w", Reason: "because"}
	f := func(name string, key, value []byte, parse func(key, value []byte) error, want string) {
		t.Helper()
		if err := parse(key, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
	for name, c := range map[string]struct {
		parse      func(key, value []byte) error
		key, value []byte
	}{
		"map": {
			func(key, value []byte) error { _, err := identitymap.Parse(key, value); return err },
			identitymap.AppendKey(nil, &row), identitymap.Append(nil, &row),
		},
		"audit": {
			func(key, value []byte) error { _, err := identitymap.ParseAudit(key, value); return err },
			identitymap.AppendAuditKey(nil, &audit), identitymap.AppendAudit(nil, &audit),
		},
	} {
		t.Run(name, func(t *testing.T) {
			f("no key", nil, c.value, c.parse, "key")
			f("short key", c.key[:len(c.key)-1], c.value, c.parse, "key")
			f("long key", append(c.key[:len(c.key):len(c.key)], 0), c.value, c.parse, "key")
			f("no value", c.key, nil, c.parse, "empty")
			f("short value", c.key, c.value[:40], c.parse, "40 bytes, want at least")
			f("short text", c.key, c.value[:len(c.value)-1], c.parse, "cut off")
			f("newer layout", c.key, append([]byte{9}, c.value[1:]...), c.parse, "update")
		})
	}
}

func FuzzParse(f *testing.F) {
	row := identitymap.Row{Workspace: "default", Version: 7, Type: "email"}
	f.Add(identitymap.AppendKey(nil, &row), identitymap.Append(nil, &row))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		read, err := identitymap.Parse(key, value)
		if err != nil {
			return
		}
		if diff := cmp.Diff(key, identitymap.AppendKey(nil, &read)); diff != "" {
			t.Fatal(diff)
		}
		// A flag and a length have more than one spelling: what is written is read as the same again.
		again, err := identitymap.Parse(key, identitymap.Append(nil, &read))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseAudit(f *testing.F) {
	audit := identitymap.Audit{Workspace: "default", Position: 7, TypeA: "email", Reason: "because"}
	f.Add(identitymap.AppendAuditKey(nil, &audit), identitymap.AppendAudit(nil, &audit))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		read, err := identitymap.ParseAudit(key, value)
		if err != nil {
			return
		}
		if diff := cmp.Diff(key, identitymap.AppendAuditKey(nil, &read)); diff != "" {
			t.Fatal(diff)
		}
		again, err := identitymap.ParseAudit(key, identitymap.AppendAudit(nil, &read))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
