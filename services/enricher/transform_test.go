package enricher

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

const outputID = 77

func defaultLinks(t testing.TB) []Link {
	t.Helper()
	return linksOf(t, DefaultConfig(), reference.NewSnapshot())
}

func linksOf(t testing.TB, cfg Config, data *reference.Snapshot) []Link {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	links, err := build(parts{
		cfg: cfg, workspace: ws, identifiers: identifier.DefaultConfig(), data: data, lasting: &lasting{}, log: zap.NewNop(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

func defaultChain(t testing.TB) *Chain {
	t.Helper()
	return newChain(t, defaultLinks(t)...)
}

func newTestTransform(t testing.TB, chain *Chain, schema string) *transform {
	t.Helper()
	decoder, err := schemas.NewDecoder(schema)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := newTransform(decoder, schema, outputID, chain.Reads())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func decodeEnriched(t interface{ Fatal(...any) }, inputSchema string, message []byte) schemas.EnrichedTouchpoint {
	id, body, err := schemas.SplitHeader(message)
	if err != nil {
		t.Fatal(err)
	}
	if id != outputID {
		t.Fatal("schema id", id)
	}
	schema, err := schemas.ExtendEnriched(inputSchema)
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := schemas.NewDecoder(schema)
	if err != nil {
		t.Fatal(err)
	}
	var event schemas.EnrichedTouchpoint
	if err := decoder.Decode(body, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

// drawEvent makes an event of which any part may be there or not.
func drawEvent(t *rapid.T) schemas.IdentifiedTouchpoint {
	text := func(label string, some ...string) string {
		return rapid.OneOf(rapid.Just(""), rapid.SampledFrom(some), rapid.StringN(0, 20, 60)).Draw(t, label)
	}
	var e schemas.IdentifiedTouchpoint
	e.MessageID, e.Workspace, e.Source = text("message_id", "m-1"), "default", "web"
	e.Channel = text("channel", "web", "app", "store", "call_center", "server")
	e.Type, e.Name = "track", text("name", "Order Completed")
	e.OccurredAt = schemas.MillisOf(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "occurred_at"), 0))
	e.Context.Page.URL = text("url", "https://www.boutique.fr/?utm_source=google&gclid=1", "https://boutique.fr/")
	e.Context.Page.Referrer = text("referrer", "https://www.google.fr/", "https://boutique.fr/a")
	e.Context.Campaign.Source = text("source", "newsletter")
	e.Context.UserAgent = text("user_agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)", "axios/1.7")
	e.Context.ClientHints.Brands = text("brands", `"Google Chrome";v="126"`)
	e.Context.Timezone = text("timezone", "Europe/Paris", "Indian/Reunion", "../etc")
	e.Context.Store.StoreID = text("store_id", "042")
	e.Context.Device.Model = text("model", "SM-S911B")
	if rapid.Bool().Draw(t, "person") {
		e.Person = schemas.Some(schemas.Person{Email: text("email", "a@b.fr")})
	}
	if rapid.Bool().Draw(t, "commerce") {
		e.Commerce = schemas.Some(schemas.Commerce{OrderID: text("order", "o-1"), Items: []schemas.Item{{SKU: text("sku", "s-1")}}})
	}
	e.Properties = text("properties", `{"a":1}`)
	e.AnchorType = "anonymous_id"
	if rapid.Bool().Draw(t, "ignored") {
		e.IgnoredIdentifiers = []schemas.IgnoredIdentifier{{Type: "email", Reason: "blocked"}}
	}
	return e
}

// The stage appends: the bytes that came in are the first bytes that go out, whatever they hold.
func TestInputIsAPrefixOfTheOutput(t *testing.T) {
	chain := defaultChain(t)
	schema := schemas.IdentifiedTouchpointSchema()
	tr, w := newTestTransform(t, chain, schema), worker{chain: chain}
	rapid.Check(t, func(t *rapid.T) {
		event := drawEvent(t)
		body := event.AppendAvro(nil)
		kept := bytes.Clone(body)
		message, err := w.append([]byte("before"), tr, body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body, kept) {
			t.Fatal("the input was changed")
		}
		message, ok := bytes.CutPrefix(message, []byte("before"))
		if !ok || !bytes.HasPrefix(message[schemas.HeaderSize:], body) {
			t.Fatal("the input is no prefix of the output")
		}
		out := decodeEnriched(t, schema, message)
		if diff := cmp.Diff(event, out.IdentifiedTouchpoint, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if len(out.Enrichments) != len(chain.steps) {
			t.Fatalf("%d entries, want one for each enrichment", len(out.Enrichments))
		}
		for _, entry := range out.Enrichments {
			if entry.Version == "" || entry.Status == StatusFailed && event.OccurredAt != 0 || (entry.Reason == "") != (entry.Status == StatusApplied) {
				t.Fatalf("entry %+v", entry)
			}
		}
		again, err := w.append(nil, tr, body)
		if err != nil || !bytes.Equal(again, message) {
			t.Fatalf("the same event gives another output (%v)", err)
		}
	})
}

// insertField returns a newer schema: with a string field before the one named, or at the end.
func insertField(t *testing.T, schema, before string) string {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(schema), &record); err != nil {
		t.Fatal(err)
	}
	added := map[string]any{"name": "loyalty_points", "type": "string", "default": "", "doc": "A field of a newer version."}
	var fields []any
	for _, field := range record["fields"].([]any) {
		if field.(map[string]any)["name"] == before {
			fields = append(fields, added)
		}
		fields = append(fields, field)
	}
	if before == "" {
		fields = append(fields, added)
	}
	record["fields"] = fields
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A field that a newer collector or identity service adds flows through an enricher that has never heard of it.
func TestFieldsOfNewerVersionsFlowThrough(t *testing.T) {
	var event schemas.IdentifiedTouchpoint
	event.Channel, event.Context.Page.URL, event.AnchorType = "web", "https://boutique.fr/?gclid=1", "email"
	event.OccurredAt = schemas.MillisOf(time.Date(2026, 7, 14, 9, 0, 0, 0, time.UTC))
	body, own := event.AppendAvro(nil), schemas.IdentifiedTouchpointSchema()
	decoder, err := schemas.NewDecoder(own)
	if err != nil {
		t.Fatal(err)
	}
	selection, err := decoder.Select("anchor")
	if err != nil {
		t.Fatal(err)
	}
	var scratch schemas.EnrichedTouchpoint
	spans, err := selection.Decode(body, &scratch, nil)
	if err != nil {
		t.Fatal(err)
	}
	value := []byte("\x06abc") // An Avro string of three bytes.
	f := func(before string, at int) {
		t.Helper()
		schema := insertField(t, own, before)
		newer := bytes.Join([][]byte{body[:at], value, body[at:]}, nil)
		chain := defaultChain(t)
		w := worker{chain: chain}
		message, err := w.append(nil, newTestTransform(t, chain, schema), newer)
		if err != nil {
			t.Fatalf("field before %q: %v", before, err)
		}
		if !bytes.HasPrefix(message[schemas.HeaderSize:], newer) {
			t.Errorf("field before %q: the input is no prefix of the output", before)
		}
		out := decodeEnriched(t, schema, message)
		if out.AnchorType != "email" || out.Traffic.Value.ChannelGroup != "paid_search" || out.Calendar.Value.Holiday != "bastille_day" {
			t.Errorf("field before %q: %+v", before, out)
		}
		if _, err := w.append(nil, newTestTransform(t, chain, schema), newer[:len(newer)-1]); err == nil {
			t.Errorf("field before %q: a body that is cut off went through", before)
		}
	}
	f("anchor", spans[0].Start)
	f("", len(body))
}

// A body that is too short or too long must not get a suffix: what follows it would be read as something else.
func TestBodiesThatDoNotEndAreRefused(t *testing.T) {
	chain := defaultChain(t)
	tr, w := newTestTransform(t, chain, schemas.IdentifiedTouchpointSchema()), worker{chain: chain}
	var event schemas.IdentifiedTouchpoint
	event.Channel, event.OccurredAt, event.Properties = "web", 1, `{"a":1}`
	body := event.AppendAvro(nil)
	for n := range body {
		dst, err := w.append([]byte("x"), tr, body[:n])
		if err == nil || string(dst) != "x" {
			t.Errorf("the first %d of %d bytes: %d bytes out, error %v", n, len(body), len(dst), err)
		}
	}
	if _, err := w.append(nil, tr, append(body, 0)); !errors.Is(err, errTrailing) {
		t.Errorf("a byte too many: %v", err)
	}
}

func FuzzTransform(f *testing.F) {
	chain := defaultChain(f)
	tr, w := newTestTransform(f, chain, schemas.IdentifiedTouchpointSchema()), worker{chain: chain}
	var event schemas.IdentifiedTouchpoint
	event.Channel, event.Context.UserAgent = "web", "Mozilla/5.0"
	f.Add(event.AppendAvro(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		message, err := w.append(nil, tr, body)
		if err == nil && !bytes.HasPrefix(message[schemas.HeaderSize:], body) {
			t.Error("the input is no prefix of the output")
		}
	})
}

func TestEnrichingAllocatesNothingOnceWarm(t *testing.T) {
	chain := defaultChain(t)
	tr, w := newTestTransform(t, chain, schemas.IdentifiedTouchpointSchema()), worker{chain: chain}
	var event schemas.IdentifiedTouchpoint
	event.Channel, event.OccurredAt = "web", schemas.MillisOf(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC))
	event.Context.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
	event.Context.Page.URL = "https://www.boutique.fr/p/1"
	event.Context.Page.Referrer = "https://www.boutique.fr/"
	body := event.AppendAvro(nil)
	buffer, err := w.append(nil, tr, body)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() {
		if buffer, err = w.append(buffer[:0], tr, body); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations an event, want none", n)
	}
}
