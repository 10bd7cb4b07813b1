package bench

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"

	"github.com/parcours-cdp/parcours/schemas"
)

// orderCompleted is an event as a web shop sends it: about 700 bytes of Avro, 54 fields with a value.
func orderCompleted() *schemas.Touchpoint {
	at := schemas.MillisOf(time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC))
	amount := func(v int64) schemas.Optional[schemas.Decimal] { return schemas.Some(schemas.Decimal(v)) }
	return &schemas.Touchpoint{
		EventID:           uuid.MustParse("0195973c-4b17-7d5e-8a51-6f3a1f0a9c11"),
		MessageID:         "ajs-next-1741964966535-6f3a1f0a",
		Workspace:         "default",
		Source:            "web",
		Channel:           "web",
		Type:              "track",
		Name:              "Order Completed",
		OccurredAt:        at,
		OriginalTimestamp: schemas.Some(at - 120),
		SentAt:            schemas.Some(at + 35),
		ReceivedAt:        at + 81,
		Identifiers: []schemas.Identifier{
			{Type: "user_id", Value: "c-204877"},
			{Type: "anonymous_id", Value: "7b0c2f64-19f2-4d36-9d0e-4a3b1c7f22aa"},
		},
		Consent: schemas.Some(schemas.Consent{Granted: []string{"analytics", "advertising"}, Source: "didomi", Version: "7"}),
		Context: schemas.Context{
			Page: schemas.Page{
				URL: "https://www.maison-exemple.fr/commande/merci?o=FR-881204", Path: "/commande/merci",
				Title: "Merci pour votre commande", Referrer: "https://www.maison-exemple.fr/panier", Search: "?o=FR-881204",
			},
			Campaign:  schemas.Campaign{Name: "soldes-hiver", Source: "newsletter", Medium: "email"},
			UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
			IP:        "82.64.17.203", Locale: "fr-FR", Timezone: "Europe/Paris",
			Screen:    schemas.Screen{Width: 1440, Height: 900, Density: schemas.Some(2.0)},
			Library:   schemas.Library{Name: "analytics.js", Version: "npm:next-1.70.0"},
			SessionID: "1741964102",
		},
		Commerce: schemas.Some(schemas.Commerce{
			OrderID: "FR-881204", Currency: "EUR", Revenue: amount(1_249_000), Total: amount(1_298_000), Shipping: amount(49_000),
			Tax: amount(216_300), Discount: amount(100_000), Coupon: "HIVER10", PaymentMethod: "card",
			Items: []schemas.Item{
				{ProductID: "p-3381", SKU: "3381-M", Name: "Pull col rond laine", Category: "Homme/Pulls", Price: amount(799_000), Quantity: amount(10_000), Position: schemas.Some(int32(1))},
				{ProductID: "p-1022", SKU: "1022-U", Name: "Bonnet", Price: amount(450_000), Quantity: amount(10_000)},
			},
		}),
	}
}

// leaves counts the fields that hold a value.
func leaves(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name != "Valid" {
				n += leaves(v.Field(i))
			}
		}
		return n
	case reflect.Slice:
		n := 0
		for i := range v.Len() {
			n += leaves(v.Index(i))
		}
		return n
	}
	if v.IsZero() {
		return 0
	}
	return 1
}

func TestEventIsLikeTheOneTheAimsWereSetWith(t *testing.T) {
	event := orderCompleted()
	if n := len(event.AppendAvro(nil)); n < 650 || n > 1000 {
		t.Errorf("the event takes %d bytes", n)
	}
	if n := leaves(reflect.ValueOf(event).Elem()); n < 54 {
		t.Errorf("the event has %d fields with a value", n)
	}
}

func BenchmarkCodecEncode(b *testing.B) {
	event := orderCompleted()
	body := event.AppendAvro(nil)
	b.Run("ours", func(b *testing.B) {
		start(b, body)
		buf := make([]byte, 0, 4096)
		for b.Loop() {
			buf = event.AppendAvro(buf[:0])
		}
	})
	b.Run("twmb", func(b *testing.B) {
		schema, value := peerStruct(b, body)
		start(b, body)
		buf := make([]byte, 0, 4096)
		for b.Loop() {
			var err error
			if buf, err = schema.AppendEncode(buf[:0], value); err != nil {
				b.Fatal(err)
			}
		}
		if string(buf) != string(body) {
			b.Fatal("twmb wrote other bytes")
		}
	})
	b.Run("goavro", func(b *testing.B) {
		codec, native := oracle(b, body)
		start(b, body)
		buf := make([]byte, 0, 4096)
		for b.Loop() {
			var err error
			if buf, err = codec.BinaryFromNative(buf[:0], native); err != nil {
				b.Fatal(err)
			}
		}
		if string(buf) != string(body) {
			b.Fatal("goavro wrote other bytes")
		}
	})
}

func BenchmarkCodecDecode(b *testing.B) {
	body := orderCompleted().AppendAvro(nil)
	b.Run("ours", func(b *testing.B) {
		decoder, err := schemas.NewDecoder(schemas.TouchpointSchema())
		if err != nil {
			b.Fatal(err)
		}
		var into schemas.EnrichedTouchpoint
		start(b, body)
		for b.Loop() {
			if err := decoder.Decode(body, &into); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours_selected", func(b *testing.B) {
		decoder, err := schemas.NewDecoder(schemas.TouchpointSchema())
		if err != nil {
			b.Fatal(err)
		}
		selection, err := decoder.Select("workspace", "identifiers", "consent")
		if err != nil {
			b.Fatal(err)
		}
		var into schemas.EnrichedTouchpoint
		var spans []schemas.Span
		start(b, body)
		for b.Loop() {
			if spans, err = selection.Decode(body, &into, spans); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("twmb", func(b *testing.B) {
		schema, value := peerStruct(b, body)
		start(b, body)
		for b.Loop() {
			if _, err := schema.Decode(body, value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("goavro", func(b *testing.B) {
		codec, _ := oracle(b, body)
		start(b, body)
		for b.Loop() {
			if _, _, err := codec.NativeFromBinary(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func start(b *testing.B, body []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
}

func oracle(b *testing.B, body []byte) (*goavro.Codec, any) {
	b.Helper()
	codec, err := goavro.NewCodec(schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	native, _, err := codec.NativeFromBinary(body)
	if err != nil {
		b.Fatal(err)
	}
	return codec, native
}

// peerStruct is the event in the struct that twmb/avro likes best: pointers for what may be null, decimals as their
// bytes, clocks as numbers.
func peerStruct(b *testing.B, body []byte) (*avro.Schema, any) {
	b.Helper()
	schema, err := avro.Parse(schemas.TouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	value := reflect.New(peerType(reflect.TypeFor[schemas.Touchpoint]())).Interface()
	if _, err := schema.Decode(body, value); err != nil {
		b.Fatal(err)
	}
	return schema, value
}

func peerType(t reflect.Type) reflect.Type {
	switch t {
	case reflect.TypeFor[schemas.UUID]():
		return reflect.TypeFor[[16]byte]()
	case reflect.TypeFor[schemas.Decimal]():
		return reflect.TypeFor[[]byte]()
	case reflect.TypeFor[schemas.Millis]():
		return reflect.TypeFor[int64]()
	case reflect.TypeFor[schemas.Date]():
		return reflect.TypeFor[int32]()
	}
	switch t.Kind() {
	case reflect.Slice:
		return reflect.SliceOf(peerType(t.Elem()))
	case reflect.Struct:
		if _, optional := t.FieldByName("Valid"); optional {
			value, _ := t.FieldByName("Value")
			return reflect.PointerTo(peerType(value.Type))
		}
		var fields []reflect.StructField
		for i := range t.NumField() {
			f := t.Field(i)
			name := f.Tag.Get("json")
			for j := range name {
				if name[j] == ',' {
					name = name[:j]
					break
				}
			}
			fields = append(fields, reflect.StructField{Name: f.Name, Type: peerType(f.Type), Tag: reflect.StructTag(`avro:"` + name + `"`)})
		}
		return reflect.StructOf(fields)
	}
	return t
}
