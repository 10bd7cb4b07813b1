package jsonindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var wide = Limits{Depth: 1000, Keys: 100_000}

func parse(t testing.TB, text string, limits Limits) *Index {
	t.Helper()
	var ix Index
	if err := ix.Parse([]byte(text), limits); err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return &ix
}

var texts = []string{
	``, ` `, `{}`, `[]`, ` { } `, "\t[\n]\r", `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{,}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1}}`,
	`[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[`, `]`, `{`, `}`, `[}`, `{]`, `"`, `""`, `"a`, `"a"b`, `"\"`, `"\\"`, `"\x"`, `"\u12"`, `"\u12fg"`, `"\u00e9"`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, "\"\x00\"", "\"\n\"", "\"\x7f\"", "\"\xff\"", `"é"`, `"12345678"`, `"1234567\n"`, `"12345678\"9"`,
	`0`, `-0`, `-`, `00`, `01`, `1.`, `.1`, `1.0`, `1e`, `1e+`, `1e5`, `1E-5`, `1e999`, `-1e999`, `1e-999`, `+1`, `1x`, `0x1`, `NaN`, `Infinity`, `- 1`,
	`true`, `false`, `null`, `tru`, `True`, `nulll`, `truefalse`, `true false`, "\ufeff{}", `{"a":{"b":[{"c":null}]}}`, `{"a":1,"a":2}`, "{\"a\":1}\x00", `// x`, `{"a":1}//`,
}

func sameAcceptance(t testing.TB, text []byte) {
	t.Helper()
	if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > 9_000 {
		return // encoding/json stops at a depth of 10,000; nesting is a fault of an event here
	}
	var ix Index
	err := ix.Parse(text, wide)
	if valid := json.Valid(text); valid != (err == nil) {
		t.Fatalf("%q: encoding/json says valid=%v, Parse says %v", text, valid, err)
	}
	if err != nil {
		if !errors.Is(err, ErrSyntax) {
			t.Fatalf("%q: %v", text, err)
		}
		return
	}
	if bad := !utf8.Valid(text); bad != hasFault(&ix, InvalidUTF8) && len(ix.Faults()) == 0 {
		t.Fatalf("%q: invalid UTF-8 is %v, faults %v", text, bad, ix.Faults())
	}
	if len(ix.Faults()) == 0 {
		sameValue(t, ix.Root(), text)
	}
}

func hasFault(ix *Index, reason Reason) bool {
	for _, fault := range ix.Faults() {
		if fault.Reason == reason {
			return true
		}
	}
	return false
}

// sameValue decodes a value by hand and compares it with encoding/json's, numbers as text.
func sameValue(t testing.TB, v Value, text []byte) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var want any
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if got := decode(v); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Fatalf("%q: got %#v, want %#v", text, got, want)
	}
}

func decode(v Value) any {
	switch v.Kind() {
	case Object:
		object := make(map[string]any)
		for m := v.Members(); m.More(); m = m.Next() {
			object[m.Key()] = decode(m.Value())
		}
		return object
	case Array:
		list := make([]any, 0)
		for i := v.Items(); i.More(); i = i.Next() {
			list = append(list, decode(i.Value()))
		}
		return list
	case String:
		return v.Text()
	case Number:
		return json.Number(v.Text())
	case True:
		return true
	case False:
		return false
	}
	return nil
}

func TestAcceptsWhatEncodingJSONAccepts(t *testing.T) {
	for _, text := range texts {
		sameAcceptance(t, []byte(text))
		// The same at every distance from the end of the eight bytes that are read at once.
		for pad := range 9 {
			sameAcceptance(t, []byte(strings.Repeat(" ", pad)+text))
			sameAcceptance(t, []byte(`["`+strings.Repeat("x", pad)+`",`+text+`]`))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { sameAcceptance(t, text) })
}

func TestFaults(t *testing.T) {
	f := func(text string, limits Limits, want ...Fault) {
		t.Helper()
		if got := parse(t, text, limits).Faults(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	f(`{"a":1,"b":2}`, wide)
	f(`{"a":1,"a":2}`, wide, Fault{DuplicateKey, 7})
	f(`{"a":1,"\u0061":2}`, wide, Fault{DuplicateKey, 7})
	f(`{"\u0061b":1,"a\u0062":2}`, wide, Fault{DuplicateKey, 13})
	f(`{"a":{"a":1},"b":{"a":1}}`, wide)
	f(`{"a":{"x":1,"x":2}}`, wide, Fault{DuplicateKey, 12})
	f("{\"a\":\"\xff\"}", wide, Fault{InvalidUTF8, 5})
	f("{\"\xc3\":1}", wide, Fault{InvalidUTF8, 1})
	f(`{"a":1e400}`, wide, Fault{NumberOutOfRange, 5})
	f(`{"a":1e-400}`, wide)
	f(`{"a":`+strings.Repeat("9", 400)+`}`, wide, Fault{NumberOutOfRange, 5})
	// A JSON column takes whole numbers of 64 bits, signed or not, and refuses the row for a larger one.
	f(`[18446744073709551615,-9223372036854775808,100000000000000000000.0,1e20]`, wide)
	f(`{"a":18446744073709551616}`, wide, Fault{NumberOutOfRange, 5})
	f(`{"a":[-9223372036854775809]}`, wide, Fault{NumberOutOfRange, 6})
	f(`[[[1]]]`, Limits{Depth: 3, Keys: 9})
	f(`[[[1]]]`, Limits{Depth: 2, Keys: 9}, Fault{TooDeep, 2})
	f(`{"a":1,"b":{"c":1}}`, Limits{Depth: 9, Keys: 3})
	f(`{"a":1,"b":{"c":1}}`, Limits{Depth: 9, Keys: 2}, Fault{TooManyKeys, 12})

	// Each event of a batch is counted alone, and has at most one fault.
	batch := Limits{Depth: 2, Keys: 2, EventDepth: 2}
	f(`{"batch":[{"a":1,"b":2},{"c":[]}]}`, batch)
	f(`{"batch":[{"a":[[]]},{"a":1},{"b":1,"b":2}]}`, batch, Fault{TooDeep, 16}, Fault{DuplicateKey, 36})
	f(`{"batch":[{"a":1,"a":1},{"a":1,"a":1}]}`, batch, Fault{DuplicateKey, 17}, Fault{DuplicateKey, 31})
	f("{\"batch\":[{\"a\":1,\"a\":1}],\"context\":{\"\xff\":1}}", batch, Fault{DuplicateKey, 17}, Fault{InvalidUTF8, 36})
	f(`{"batch":[{"a":1,"a":1}],"batch":[]}`, batch, Fault{DuplicateKey, 17}, Fault{DuplicateKey, 25})
}

func TestManyKeys(t *testing.T) {
	object := func(n int, extra string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		return "{" + b.String() + extra + "}"
	}
	for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 1000} {
		if faults := parse(t, object(n, `"last":0`), wide).Faults(); len(faults) != 0 {
			t.Errorf("%d different keys: %v", n, faults)
		}
		for _, again := range []string{`"k0":0`, `"\u006b0":0`, fmt.Sprintf(`"k%d":0`, n-1)} {
			if !hasFault(parse(t, object(n, again), wide), DuplicateKey) {
				t.Errorf("%d keys and %s again: no fault", n, again)
			}
		}
	}
}

// jsonValue draws any JSON value.
func jsonValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		top := 5
		if depth == 0 {
			top = 3
		}
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 0:
			return rapid.String().Draw(t, "text")
		case 1:
			// encoding/json writes larger ones as whole numbers that no column takes.
			return rapid.Float64Range(-1e18, 1e18).Draw(t, "number")
		case 2:
			return rapid.Bool().Draw(t, "flag")
		case 3:
			return nil
		case 4:
			return rapid.SliceOfN(jsonValue(depth-1), 0, 5).Draw(t, "list")
		default:
			return rapid.MapOfN(rapid.StringMatching(`[a-f"\\é]{0,3}`), jsonValue(depth-1), 0, 12).Draw(t, "object")
		}
	})
}

func drawJSON(t *rapid.T, label string) []byte {
	value := jsonValue(4).Draw(t, label)
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "indent") {
		var out bytes.Buffer
		if err := json.Indent(&out, text, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	return text
}

func TestValuesAreThoseOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawJSON(t, "value")
		var ix Index
		if err := ix.Parse(text, wide); err != nil || len(ix.Faults()) > 0 {
			t.Fatalf("%s: %v, %v", text, err, ix.Faults())
		}
		var want any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := decode(ix.Root()); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Fatalf("%s: got %#v, want %#v", text, got, want)
		}
	})
}

func TestRest(t *testing.T) {
	f := func(text, want string, lift ...string) {
		t.Helper()
		ix := parse(t, text, wide)
		for _, path := range lift {
			liftPath(ix.Root(), strings.Split(path, "."))
		}
		if got := string(AppendRest(nil, ix.Root())); got != want {
			t.Errorf("%s without %v: got %s, want %s", text, lift, got, want)
		}
		ix.NextEvent()
		if got := string(AppendRest(nil, ix.Root())); got != text && text != "{}" && len(lift) > 0 && lift[0] != "none" {
			t.Errorf("the marks of one event are seen by the next: got %s, want %s", got, text)
		}
	}
	f(`{"a":1,"b":{"c":2,"d":3},"e":[]}`, `{"a":1,"b":{"c":2,"d":3},"e":[]}`)
	f(`{"a":1,"b":2}`, `{"b":2}`, "a")
	f(`{"a":1,"b":2}`, `{"a":1}`, "b")
	f(`{"a":1,"b":2}`, ``, "a", "b")
	f(`{}`, ``)
	f(`{"a":{"c":2,"d":3}}`, `{"a":{"d":3}}`, "a.c")
	f(`{"a":{"c":2}}`, ``, "a.c")
	f(`{"a":{"c":2},"b":{}}`, `{"b":{}}`, "a.c")
	f(`{"a":[{"x":1,"y":2},{"x":1}]}`, `{"a":[{"y":2},{}]}`, "a.0.x", "a.1.x")
	f(`{"a":[{"x":1},{"x":1}]}`, ``, "a.0.x", "a.1.x")
	f(`{"a":"\ud83d","b":"\ud83d\ude00\\ud83d"}`, `{"a":"\ufffd","b":"\ud83d\ude00\\ud83d"}`, "none")
}

func liftPath(v Value, path []string) {
	for m := v.Members(); m.More(); m = m.Next() {
		if m.Key() != path[0] {
			continue
		}
		switch {
		case len(path) == 1:
			m.Lift()
			return
		case m.Value().Kind() == Array:
			place := 0
			for i := m.Value().Items(); i.More(); i = i.Next() {
				if fmt.Sprint(place) == path[1] {
					liftPath(i.Value(), path[2:])
				}
				place++
			}
		default:
			liftPath(m.Value(), path[1:])
		}
		m.Touch()
	}
}

// merge is what AppendMerged does, on maps.
func merge(over, under map[string]any) map[string]any {
	merged := make(map[string]any)
	for key, value := range under {
		merged[key] = value
	}
	for key, value := range over {
		inner, ok1 := value.(map[string]any)
		below, ok2 := under[key].(map[string]any)
		if ok1 && ok2 {
			merged[key] = merge(inner, below)
		} else {
			merged[key] = value
		}
	}
	return merged
}

func TestMergeIsThatOfMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := rapid.MapOfN(rapid.StringMatching(`[a-d]`), jsonValue(3), 0, 4)
		over, under := objects.Draw(t, "over"), objects.Draw(t, "under")
		overText, _ := json.Marshal(over)
		underText, _ := json.Marshal(under)
		want, _ := json.Marshal(merge(over, under))
		var a, b Index
		if err := errors.Join(a.Parse(overText, wide), b.Parse(underText, wide)); err != nil {
			t.Fatal(err)
		}
		merged := AppendMerged(nil, a.Root(), b.Root())
		var got any
		if err := json.Unmarshal(merged, &got); err != nil {
			t.Fatalf("%s: %v", merged, err)
		}
		sorted, _ := json.Marshal(got)
		if string(sorted) != string(want) {
			t.Fatalf("%s over %s: got %s, want %s", overText, underText, sorted, want)
		}
	})
}

// Searching keys that are written with escapes costs no memory: a small text could ask for gigabytes.
func TestSearchingKeepsNothing(t *testing.T) {
	var over, under Index
	many := bytes.NewBufferString(`{"k":0`)
	for i := range 1000 {
		fmt.Fprintf(many, `,"\u006b%d":1`, i)
	}
	many.WriteByte('}')
	long := `{"\n` + strings.Repeat("x", 10_000) + `":1,"\ud83d\ude00":2,"\ud800":3}`
	if err := errors.Join(over.Parse(many.Bytes(), wide), under.Parse([]byte(long), wide)); err != nil {
		t.Fatal(err)
	}
	AppendMerged(nil, over.Root(), under.Root())
	for m := over.Root().Members(); m.More(); m = m.Next() {
		if v := under.Root().Get(m.Key()); v.Kind() != Missing {
			t.Fatalf("%s found", m.Key())
		}
	}
	if held := cap(under.strings); held > 4*len(long) {
		t.Errorf("%d bytes of keys are held of a text of %d", held, len(long))
	}
	for key, want := range map[string]string{"\n" + strings.Repeat("x", 10_000): "1", "\U0001f600": "2", "\ufffd": "3", "\nx": "", "": ""} {
		if got := string(under.Root().Get(key).Raw()); got != want {
			t.Errorf("%.20q is %q, want %q", key, got, want)
		}
	}
	if got := string(over.Root().Get("k999").Raw()); got != "1" {
		t.Errorf("k999 is %q", got)
	}
}

func TestPath(t *testing.T) {
	text := `{"a":1,"products":[{"x":1},{"y":"here"}],"b":2}`
	ix := parse(t, text, wide)
	f := func(at, want string) {
		t.Helper()
		if got := ix.Path(ix.Root(), strings.Index(text, at)); got != want {
			t.Errorf("path of %s: got %q, want %q", at, got, want)
		}
	}
	f(`"here"`, "products[1].y")
	f(`"y"`, "products[1].y")
	f(`"a"`, "a")
	f(`2}`, "b")
	f(`{"a"`, "")
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"timestamp":"2026-05-01T10:00:00.000Z","messageId":"ajs-next-1714557600000-0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42","type":"track","event":"Order Completed","userId":"u-12345","anonymousId":"0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42","properties":{"order_id":"o-1","total":129.90,"revenue":"120.00","currency":"EUR","products":[{"product_id":"p1","sku":"s1","name":"Pull en laine mérinos","price":49.90,"quantity":2},{"product_id":"p2","sku":"s2","name":"Chemise","price":30.10,"quantity":1}]},"context":{"page":{"path":"/panier/confirmation","referrer":"https://www.example.fr/panier","search":"?utm_source=newsletter","title":"Merci","url":"https://www.example.fr/panier/confirmation?utm_source=newsletter"},"userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36","locale":"fr-FR","library":{"name":"analytics.js","version":"next-1.84.3"},"timezone":"Europe/Paris"}}`)
	var ix Index
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ix.Parse(text, wide); err != nil {
			b.Fatal(err)
		}
	}
}
