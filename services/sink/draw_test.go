package sink_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

var (
	drawText = rapid.OneOf(rapid.SampledFrom([]string{"", "web", "é\n\t\\'\"", "2024"}), rapid.StringN(0, 12, -1))
	drawUUID = rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	})
	// Names with a dot read like nested ones, and must not meet them: they start with other letters.
	drawName = rapid.StringMatching(`[a-m]{1,3}|[n-z]{1,2}\.[a-z]`)
	drawLeaf = rapid.OneOf(
		rapid.Map(drawText, func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return json.Number(fmt.Sprint(n)) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SliceOfN(drawText, 1, 3), func(l []string) any {
			list := make([]any, len(l))
			for i := range l {
				list[i] = l[i]
			}
			return list
		}),
	)
	drawObject = rapid.Custom(func(t *rapid.T) map[string]any {
		object := rapid.MapOfN(drawName, drawLeaf, 0, 4).Draw(t, "object")
		if rapid.Bool().Draw(t, "nested") {
			object[drawName.Draw(t, "name")] = map[string]any(rapid.MapOfN(drawName, drawLeaf, 1, 2).Draw(t, "inner"))
		}
		return object
	})
)

// drawInto fills a value of any type of the schema.
func drawInto(t *rapid.T, v reflect.Value, name string) {
	switch v.Interface().(type) {
	case uuid.UUID:
		v.Set(reflect.ValueOf(drawUUID.Draw(t, name)))
		return
	case schemas.Millis:
		// The last four years: partitions are months.
		v.SetInt(rapid.Int64Range(1_640_995_200_000, 1_767_225_600_000).Draw(t, name))
		return
	case schemas.Date:
		v.SetInt(rapid.Int64Range(-25_567, 120_529).Draw(t, name))
		return
	case schemas.Decimal:
		v.SetInt(rapid.Int64Range(-999_999_999_999_999_999, 999_999_999_999_999_999).Draw(t, name))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(drawText.Draw(t, name))
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, name)))
	case reflect.Float64:
		v.SetFloat(float64(rapid.IntRange(-64, 64).Draw(t, name)) / 8)
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, name)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			drawInto(t, v.Index(i), name)
		}
	case reflect.Struct:
		if v.NumField() == 2 && v.Type().Field(1).Name == "Valid" {
			if v.Field(1).SetBool(rapid.Bool().Draw(t, name)); !v.Field(1).Bool() {
				return
			}
			drawInto(t, v.Field(0), name)
			return
		}
		for i := range v.NumField() {
			drawInto(t, v.Field(i), v.Type().Field(i).Name)
		}
	default:
		panic("no values for " + v.Type().String())
	}
}

func drawTouchpoint(t *rapid.T) *schemas.EnrichedTouchpoint {
	e := &schemas.EnrichedTouchpoint{}
	drawInto(t, reflect.ValueOf(e).Elem(), "touchpoint")
	for i := range e.Identifiers {
		e.Identifiers[i].Value = drawUUID.Draw(t, "node").String()
	}
	e.Context.IP = rapid.SampledFrom([]string{"", "not an address", "203.0.113.77", "2001:db8:1:2::3", "::ffff:198.51.100.9"}).Draw(t, "ip")
	profile, area, name := &e.Profile.Value, &e.Area.Value, &e.FirstName.Value
	for _, whole := range []struct {
		field       *schemas.Optional[int32]
		least, most int32
	}{
		{&profile.Age, 0, 150},
		{&profile.AddressCompleteness, 0, 100},
		{&profile.Contactability, 0, 100},
		{&area.IncomeQuintile, 1, 5},
		{&area.IncomeDecile, 1, 10},
	} {
		if whole.field.Valid {
			whole.field.Value = rapid.Int32Range(whole.least, whole.most).Draw(t, "whole")
		}
	}
	for _, share := range []*schemas.Optional[float64]{
		&e.Home.Value.Confidence, &e.Shop.Value.DistanceKm, &area.PovertyRate, &area.Under30, &area.Over60,
		&name.FemaleProbability, &name.BirthDecadeProbability, &name.AgeBandProbability,
	} {
		if share.Valid {
			share.Value = float64(rapid.IntRange(0, 64).Draw(t, "share")) / 64
		}
	}
	if e.Calendar.Valid {
		e.Calendar.Value.Hour, e.Calendar.Value.Weekday = rapid.Int32Range(0, 23).Draw(t, "hour"), rapid.Int32Range(1, 7).Draw(t, "weekday")
	}
	// Rows whose time to live is over do not even arrive.
	e.ReceivedAt = schemas.MillisOf(time.Now()) - schemas.Millis(rapid.Int64Range(0, 1_000_000_000).Draw(t, "age"))
	e.Properties, e.Traits = drawJSON(t, "properties"), drawJSON(t, "traits")
	e.Attributes, e.Customer.Value.Traits = drawJSON(t, "attributes"), ""
	if e.Customer.Valid {
		e.Customer.Value.Traits = drawJSON(t, "customer traits")
	}
	return e
}

func drawJSON(t *rapid.T, name string) string {
	if rapid.Bool().Draw(t, name+" absent") {
		return ""
	}
	body, err := json.Marshal(drawObject.Draw(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
