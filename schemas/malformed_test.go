package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sample has a value in every section.
func sample() *EnrichedTouchpoint {
	x := &EnrichedTouchpoint{}
	x.MessageID, x.Workspace, x.Source, x.Channel, x.Type, x.Name = "m-1", "default", "web", "web", "track", "Order Completed"
	x.OccurredAt, x.ReceivedAt, x.SentAt = 1_772_000_000_000, 1_772_000_000_900, Some(Millis(1_772_000_000_500))
	x.Identifiers = []Identifier{{"user_id", "u1"}, {"email", "a@example.org"}}
	x.Consent = Some(Consent{Granted: []string{"analytics", "ads"}})
	x.Context = Context{Page: Page{URL: "https://example.org/"}, Screen: Screen{Width: 1440, Density: Some(2.0)}, IP: "192.0.2.7"}
	x.Commerce = Some(Commerce{
		OrderID: "o1", Total: Some(Decimal(1_299_000)), Offline: Some(true),
		Items: []Item{{SKU: "s1", Price: Some(Decimal(999_900))}, {SKU: "s2", Price: Some(Decimal(-300_000))}},
	})
	x.Properties = `{"a":1}`
	x.AnchorType = "user_id"
	x.Calendar = Some(Calendar{Timezone: "Europe/Paris", Hour: 15})
	x.Enrichments = []Enrichment{{Name: "device", Status: "applied"}}
	return x
}

// TestFaultsNameFieldAndOffset spoils one field of a good body.
func TestFaultsNameFieldAndOffset(t *testing.T) {
	d := newDecoder(t, EnrichedTouchpointSchema())
	body := sample().AppendAvro(nil)
	hugeLength := appendLong(nil, 1<<40)
	f := func(path string, within int, value []byte, wantField, wantProblem string) {
		t.Helper()
		selection, err := d.Select(path)
		if err != nil {
			t.Fatal(err)
		}
		var into EnrichedTouchpoint
		spans, err := selection.Decode(body, &into, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := spans[0].Start + within
		spoiled := slices.Concat(body[:at], value, body[spans[0].End:])
		err = d.Decode(spoiled, &into)
		want := &DecodeError{Record: "EnrichedTouchpoint", Field: wantField, Offset: at, Problem: wantProblem}
		var got *DecodeError
		if !errors.As(err, &got) || *got != *want {
			t.Errorf("%s:\n got %v\nwant %v", path, err, want)
		}
		// Whoever passes over the field notices as well, or at least does not read nonsense without end.
		skipping, err := d.Select("enrichments")
		if err != nil {
			t.Fatal(err)
		}
		_, err = skipping.Decode(spoiled, &into, nil)
		if err != nil {
			_ = checkDecodeError(t, err, len(spoiled))
		}
	}
	f("name", 0, hugeLength, "name", problemLength)
	f("name", 0, appendLong(nil, -1), "name", problemLength)
	f("occurred_at", 0, bytes.Repeat([]byte{0xff}, 11), "occurred_at", problemVarint)
	f("sent_at", 0, appendLong(nil, 2), "sent_at", problemUnion)
	f("identifiers", 0, hugeLength, "identifiers", problemCount)
	f("identifiers", 0, appendLong(nil, -1<<63), "identifiers", problemCount)
	f("consent.granted", 0, hugeLength, "consent.granted", problemCount)
	f("consent", 0, []byte{6}, "consent", problemUnion)
	f("context.page.url", 0, hugeLength, "context.page.url", problemLength)
	f("context.screen.width", 0, appendLong(nil, 1<<31), "context.screen.width", problemInt)
	f("commerce.offline", 1, []byte{2}, "commerce.offline", problemBool)
	f("commerce.total", 1, append(appendLong(nil, 9), 1, 0, 0, 0, 0, 0, 0, 0, 0), "commerce.total", problemDecimal)
	f("commerce.total", 1, binary.BigEndian.AppendUint64(appendLong(nil, 8), uint64(maxDecimal)+1), "commerce.total", problemDecimal)
	f("commerce.items", 0, hugeLength, "commerce.items", problemCount)
	f("calendar.hour", 0, appendLong(nil, -1<<31-1), "calendar.hour", problemInt)

	// In the second item of an array.
	price := bytes.Index(body, []byte("s2")) + 2
	for body[price] != 2 {
		price++
	}
	spoiled := slices.Clone(body)
	spoiled[price] = 8
	fault := checkDecodeError(t, d.Decode(spoiled, new(EnrichedTouchpoint)), len(body))
	if fault.Field != "commerce.items[1].price" || fault.Offset != price {
		t.Errorf("in an array: %v", fault)
	}
	want := "decode EnrichedTouchpoint: byte " // no field
	fault = checkDecodeError(t, d.Decode(append(slices.Clone(body), 0), new(EnrichedTouchpoint)), len(body)+1)
	if fault.Problem != problemTrailing || fault.Offset != len(body) || fault.Error()[:len(want)] != want {
		t.Errorf("a byte too many: %v", fault)
	}
}

func TestCutBodiesAreRefused(t *testing.T) {
	d := newDecoder(t, EnrichedTouchpointSchema())
	body := sample().AppendAvro(nil)
	last := ""
	for cut := range body {
		fault := checkDecodeError(t, d.Decode(body[:cut], new(EnrichedTouchpoint)), cut)
		if fault.Field == "" {
			t.Fatalf("cut at %d: no field: %v", cut, fault)
		}
		last = fault.Field
	}
	if last != "enrichments" {
		t.Errorf("the last cut is in %q", last)
	}
}

// TestHostileCountsAllocateLittle: a count is believed only as far as the rest of the body can hold it.
func TestHostileCountsAllocateLittle(t *testing.T) {
	body := (&Touchpoint{Commerce: Some(Commerce{})}).AppendAvro(nil)
	d := newDecoder(t, TouchpointSchema())
	selection, err := d.Select("commerce.items")
	if err != nil {
		t.Fatal(err)
	}
	var into EnrichedTouchpoint
	spans, err := selection.Decode(body, &into, nil)
	if err != nil {
		t.Fatal(err)
	}
	hostile := appendLong(slices.Clone(body[:spans[0].Start]), 1<<30)
	hostile = append(hostile, make([]byte, 1000)...)
	fault := checkDecodeError(t, d.Decode(hostile, &into), len(hostile))
	if fault.Field != "commerce.items" || cap(into.Commerce.Value.Items) > 1000 {
		t.Errorf("%v, room for %d items", fault, cap(into.Commerce.Value.Items))
	}
}

// TestRecursionIsBounded: a record that contains itself may not take the stack.
func TestRecursionIsBounded(t *testing.T) {
	const schema = `{"type":"record","name":"io.parcours.Touchpoint","fields":[
		{"name":"tree","type":{"type":"record","name":"Tree","fields":[{"name":"next","type":["null","Tree"]}]}},
		{"name":"name","type":"string"}]}`
	d := newDecoder(t, schema)
	body := append(bytes.Repeat([]byte{2}, 100), 0, 2, 'n')
	var into EnrichedTouchpoint
	if err := d.Decode(body, &into); err != nil || into.Name != "n" {
		t.Errorf("100 levels: name %q, %v", into.Name, err)
	}
	body = append(bytes.Repeat([]byte{2}, 1_000_000), 0, 2, 'n')
	if fault := checkDecodeError(t, d.Decode(body, &into), len(body)); fault.Problem != problemDepth {
		t.Errorf("a million levels: %v", fault)
	}
}

func TestNewDecoderRefuses(t *testing.T) {
	f := func(name, schema, want string) {
		t.Helper()
		_, err := NewDecoder(schema)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
	record := func(fields string) string {
		return `{"type":"record","name":"io.parcours.Touchpoint","fields":[` + fields + `]}`
	}
	f("no JSON", `{`, "read writer's schema")
	f("another record", RejectedTouchpointSchema(), "it is record io.parcours.RejectedTouchpoint and not record io.parcours.Touchpoint or")
	f("type changed", record(`{"name":"name","type":"long"}`), `field "name": the writer's type is long and ours is string`)
	f("clock changed", record(`{"name":"occurred_at","type":{"type":"long","logicalType":"timestamp-micros"}}`),
		`field "occurred_at": the writer's type is timestamp-micros in long and ours is timestamp-millis in long`)
	f("scale changed", record(`{"name":"feedback","type":["null",{"type":"record","name":"Feedback","fields":[
		{"name":"score","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}}]}]}`),
		`field "feedback": field "score": the writer's type is decimal(18,2) in bytes and ours is [null, decimal(18,4) in bytes]`)
	f("nullable now", record(`{"name":"name","type":["null","string"]}`), `field "name": the writer's type is [null, string]`)
	f("array of others", record(`{"name":"identifiers","type":{"type":"array","items":"string"}}`), `field "identifiers"`)
	f("endless", record(`{"name":"a","type":{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}}`), "holds itself without end")
}

// TestPromotionsAreRead: what Avro lets a reader widen.
func TestPromotionsAreRead(t *testing.T) {
	const schema = `{"type":"record","name":"io.parcours.IdentifiedTouchpoint","fields":[
		{"name":"iv","type":"int"},
		{"name":"name","type":"bytes"},
		{"name":"event_id","type":{"type":"fixed","name":"other.Id","size":16}},
		{"name":"sent_at","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"original_timestamp","type":[{"type":"long","logicalType":"timestamp-millis"},"null"]}]}`
	body := append(appendLong(nil, -7), 2, 'n')
	body = append(body, make([]byte, 16)...)
	body = appendLong(body, 5)
	body = appendLong(append(body, 0), 6)
	var got, want EnrichedTouchpoint
	if err := newDecoder(t, schema).Decode(body, &got); err != nil {
		t.Fatal(err)
	}
	want.IV, want.Name, want.SentAt, want.OriginalTimestamp = -7, "n", Some(Millis(5)), Some(Millis(6))
	if diff := cmp.Diff(want, got, equalValues...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzDecode: no body makes the decoder panic, and what it reads is written and read back alike. The second decoder
// has foreign types to pass over.
func FuzzDecode(f *testing.F) {
	own := newDecoder(f, EnrichedTouchpointSchema())
	other := rapid.Custom(func(t *rapid.T) string { return evolve(t, EnrichedTouchpointSchema()) })
	var others []*Decoder
	for seed := range 8 {
		others = append(others, newDecoder(f, other.Example(seed)))
	}
	selection, err := own.Select("identifiers", "context.user_agent", "commerce.items", "anchor")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(new(EnrichedTouchpoint).AppendAvro(nil))
	f.Add(sample().AppendAvro(nil))
	for seed := range 4 {
		f.Add(rapid.Custom(random[EnrichedTouchpoint]).Example(seed).AppendAvro(nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range others {
			if err := d.Decode(body, new(EnrichedTouchpoint)); err != nil {
				_ = checkDecodeError(t, err, len(body))
			}
		}
		var into, again EnrichedTouchpoint
		if err := own.Decode(body, &into); err != nil {
			_ = checkDecodeError(t, err, len(body))
			return
		}
		if err := own.Decode(into.AppendAvro(nil), &again); err != nil {
			t.Fatalf("read, written and not read again: %v", err)
		}
		if diff := cmp.Diff(into, again, equalValues...); diff != "" {
			t.Fatalf("read, written and read otherwise (-first +second):\n%s", diff)
		}
		var some EnrichedTouchpoint
		spans, err := selection.Decode(body, &some, nil)
		if err != nil {
			t.Fatalf("decoded whole and not in part: %v", err)
		}
		if diff := cmp.Diff(into.Commerce.Value.Items, some.Commerce.Value.Items, equalValues...); diff != "" {
			t.Fatalf("selected (-whole +part):\n%s", diff)
		}
		if got := UUID(body[spans[3].Start:spans[3].End]); got != into.Anchor {
			t.Fatalf("the span of the anchor holds %s and not %s", got, into.Anchor)
		}
	})
}
