package schemas

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// goavro is the oracle: what it writes is right. native turns our records into its native form, random draws records.

var equalValues = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateNaNs()}

func newOracle(t rapid.TB, schema string) *goavro.Codec {
	t.Helper()
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		t.Fatalf("goavro: %v", err)
	}
	return codec
}

func oracleBytes(t rapid.TB, codec *goavro.Codec, native any) []byte {
	t.Helper()
	body, err := codec.BinaryFromNative(nil, native)
	if err != nil {
		t.Fatalf("goavro: %v", err)
	}
	return body
}

// native returns the goavro form of a Go value under the type t. extra answers for fields that our types do not have.
func native(t *avsc.Type, v reflect.Value, extra func(*avsc.Type) any) any {
	if value, _, ok := t.Nullable(); ok {
		if !v.FieldByName("Valid").Bool() {
			return nil
		}
		return goavro.Union(branchName(value), native(value, v.FieldByName("Value"), extra))
	}
	switch t.Kind {
	case avsc.Record:
		out := make(map[string]any, len(t.Fields))
		for i := range t.Fields {
			f := &t.Fields[i]
			if field, ok := fieldByAvroName(v, f.Name); ok {
				out[f.Name] = native(f.Type, field, extra)
			} else {
				out[f.Name] = extra(f.Type)
			}
		}
		return out
	case avsc.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = native(t.Items, v.Index(i), extra)
		}
		return out
	}
	return nativeValue(v)
}

func nativeValue(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case UUID:
		return value[:]
	case Millis:
		return value.Time()
	case Date:
		return value.Time()
	case Decimal:
		return big.NewRat(int64(value), 10_000)
	default:
		return value
	}
}

// branchName is the key by which goavro knows a branch of a union.
func branchName(t *avsc.Type) string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Logical != "":
		return string(t.Kind) + "." + t.Logical
	}
	return string(t.Kind)
}

// fieldByAvroName finds a field by its json tag, in embedded records too.
func fieldByAvroName(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			if found, ok := fieldByAvroName(v.Field(i), name); ok {
				return found, true
			}
			continue
		}
		if avroName(f) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func avroName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func noExtra(t *avsc.Type) any { panic(fmt.Sprintf("no value for %s", t)) }

// random draws a record of a Go type.
func random[T any](t *rapid.T) *T {
	v := new(T)
	fill(t, reflect.ValueOf(v).Elem())
	return v
}

func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case UUID:
		copy(v.Slice(0, v.Len()).Bytes(), rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		return
	case Millis:
		v.SetInt(rapid.Int64Range(-1<<41, 1<<42).Draw(t, "millis"))
		return
	case Decimal:
		v.SetInt(randomDecimal(t))
		return
	case Date:
		v.SetInt(rapid.Int64Range(-50_000, 50_000).Draw(t, "date"))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(randomString(t))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "long"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "double"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(t, item)
			v.Set(reflect.Append(v, item))
		}
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Struct:
		if valid := v.FieldByName("Valid"); valid.IsValid() {
			if !rapid.Bool().Draw(t, "valid") {
				return
			}
			valid.SetBool(true)
			fill(t, v.FieldByName("Value"))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		panic("no random value for " + v.Type().String())
	}
}

// randomString draws lengths around the one- and two-byte length prefixes.
func randomString(t *rapid.T) string {
	switch rapid.IntRange(0, 9).Draw(t, "kind of string") {
	case 0, 1, 2, 3:
		return ""
	case 4:
		return strings.Repeat("é", rapid.IntRange(30, 34).Draw(t, "length"))
	case 5:
		return strings.Repeat("x", rapid.IntRange(8190, 8194).Draw(t, "length"))
	}
	return rapid.StringN(0, 12, -1).Draw(t, "string")
}

// randomDecimal favours the edges of the two's complement lengths.
func randomDecimal(t *rapid.T) int64 {
	if rapid.Bool().Draw(t, "any decimal") {
		return rapid.Int64Range(-int64(maxDecimal), int64(maxDecimal)).Draw(t, "decimal")
	}
	edge := int64(1) << rapid.IntRange(0, 59).Draw(t, "bit")
	edge += rapid.Int64Range(-2, 2).Draw(t, "near")
	if rapid.Bool().Draw(t, "negative") {
		edge = -edge
	}
	return edge
}
