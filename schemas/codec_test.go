package schemas

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// checkCodec holds a record against the oracle in both directions.
func checkCodec[T any](t *testing.T, schema string, encode func(*T, []byte) []byte, decode func([]byte, *T) error) {
	t.Helper()
	oracle := newOracle(t, schema)
	record, err := avsc.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	var reused T // by all draws, so that leftovers of one record in the next are seen
	rapid.Check(t, func(t *rapid.T) {
		in := random[T](t)
		want := oracleBytes(t, oracle, native(record, reflect.ValueOf(in).Elem(), noExtra))
		prefix := []byte("kept")
		got := encode(in, prefix)
		if !bytes.Equal(got[:len(prefix)], prefix) || !bytes.Equal(got[len(prefix):], want) {
			t.Fatalf("encode: %x\ngoavro: %x", got, want)
		}
		if err := decode(want, &reused); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, &reused, equalValues...); diff != "" {
			t.Fatalf("decode (-want +got):\n%s", diff)
		}
		if _, rest, err := oracle.NativeFromBinary(got[len(prefix):]); err != nil || len(rest) != 0 {
			t.Fatalf("goavro reads our bytes: %v, %d bytes left", err, len(rest))
		}
	})
}

func newDecoder(t testing.TB, schema string) *Decoder {
	t.Helper()
	d, err := NewDecoder(schema)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTouchpointEqualsOracle(t *testing.T) {
	d := newDecoder(t, TouchpointSchema())
	var all EnrichedTouchpoint
	checkCodec(t, TouchpointSchema(), (*Touchpoint).AppendAvro, func(body []byte, into *Touchpoint) error {
		err := d.Decode(body, &all)
		*into = all.Touchpoint
		return err
	})
}

func TestIdentifiedTouchpointEqualsOracle(t *testing.T) {
	d := newDecoder(t, IdentifiedTouchpointSchema())
	var all EnrichedTouchpoint
	checkCodec(t, IdentifiedTouchpointSchema(), (*IdentifiedTouchpoint).AppendAvro, func(body []byte, into *IdentifiedTouchpoint) error {
		err := d.Decode(body, &all)
		*into = all.IdentifiedTouchpoint
		return err
	})
}

func TestEnrichedTouchpointEqualsOracle(t *testing.T) {
	d := newDecoder(t, EnrichedTouchpointSchema())
	checkCodec(t, EnrichedTouchpointSchema(), (*EnrichedTouchpoint).AppendAvro, d.Decode)
}

func TestRejectedTouchpointEqualsOracle(t *testing.T) {
	d, err := NewRejectedDecoder(RejectedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	checkCodec(t, RejectedTouchpointSchema(), (*RejectedTouchpoint).AppendAvro, d.Decode)
}

func TestAttributeSetEqualsOracle(t *testing.T) {
	d, err := NewAttributesDecoder(AttributeSetSchema())
	if err != nil {
		t.Fatal(err)
	}
	checkCodec(t, AttributeSetSchema(), (*AttributeSet).AppendAvro, d.Decode)
}

func TestStagesAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := random[EnrichedTouchpoint](t)
		touchpoint := in.Touchpoint.AppendAvro(nil)
		identified := in.IdentifiedTouchpoint.AppendAvro(nil)
		if want := in.IdentifiedTouchpoint.AppendSuffix(touchpoint); !bytes.Equal(identified, want) {
			t.Fatalf("identified %x\nis not touchpoint and suffix %x", identified, want)
		}
		if got, want := in.AppendAvro(nil), in.AppendSuffix(identified); !bytes.Equal(got, want) {
			t.Fatalf("enriched %x\nis not identified and suffix %x", got, want)
		}
	})
}

func TestIdentifiersAreReplacedInPlace(t *testing.T) {
	d := newDecoder(t, TouchpointSchema())
	selection, err := d.Select("identifiers")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		in, other := random[Touchpoint](t), random[Touchpoint](t)
		body := in.AppendAvro(nil)
		var into EnrichedTouchpoint
		spans, err := selection.Decode(body, &into, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := append([]byte{}, body[:spans[0].Start]...)
		got = AppendIdentifiers(got, other.Identifiers)
		got = append(got, body[spans[0].End:]...)
		in.Identifiers = other.Identifiers
		if want := in.AppendAvro(nil); !bytes.Equal(got, want) {
			t.Fatalf("spliced %x\nencoded %x", got, want)
		}
	})
}

func TestEncodeAllocatesNothing(t *testing.T) {
	in := rapid.Custom(random[EnrichedTouchpoint]).Example(7)
	in.Commerce = Some(Commerce{Total: Some(Decimal(-1)), Items: make([]Item, 3)})
	buf := in.AppendAvro(nil)
	if n := testing.AllocsPerRun(100, func() { buf = in.AppendAvro(buf[:0]) }); n != 0 {
		t.Errorf("AppendAvro allocates %v times", n)
	}
}

func TestDecodeAllocatesNothingOnceWarm(t *testing.T) {
	in := rapid.Custom(random[EnrichedTouchpoint]).Example(7)
	in.Commerce = Some(Commerce{Total: Some(Decimal(-1)), Items: make([]Item, 3)})
	body := in.AppendAvro(nil)
	d := newDecoder(t, EnrichedTouchpointSchema())
	var into EnrichedTouchpoint
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Decode(body, &into); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Decode allocates %v times", n)
	}
}
