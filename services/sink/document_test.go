package sink

import (
	"strings"
	"testing"
)

func TestDocument(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := document(in); got != want {
			t.Errorf("document of %s is\n%s, want\n%s", in, got, want)
		}
	}
	same := func(in string) { t.Helper(); f(in, in) }

	f("", "{}")
	same(`{"a": 1, "b": "c.d"}`) // white space and all: nothing had to be done
	f(`{"a": 1, "b.c": 2}`, `{"a":1,"b.c":2}`)
	f(`{"a.b":1,"a":{"b":2}}`, `{"a%2Eb":1,"a":{"b":2}}`)
	f(`{"a":{"b":2},"a.b":1}`, `{"a":{"b":2},"a%2Eb":1}`)
	f(`{"a":2,"a.b":1}`, `{"a":2,"a%2Eb":1}`)
	f(`{"a.b.c":1,"a":{"b.c":2,"d.e":3}}`, `{"a%2Eb%2Ec":1,"a":{"b%2Ec":2,"d.e":3}}`)
	f(`{"x":[{"a.b":1,"a":{"b":2}},[{"c.d":1,"c":2}]],"x.y":{"z":1}}`, `{"x":[{"a%2Eb":1,"a":{"b":2}},[{"c%2Ed":1,"c":2}]],"x%2Ey":{"z":1}}`)
	f(`{"a\u002eb":1,"a":{"b":2}}`, `{"a%2Eb":1,"a":{"b":2}}`)
	same(`{"a.b":1,"a":{"c":2}}`) // they do not meet
	same(`{"a.b":1,"a.c":2,"ab":{"b":1}}`)
	same(`{"a":1,"a":2}`) // for ClickHouse to refuse

	same(`{"n":18446744073709551615,"m":-9223372036854775808,"o":0.1,"p":19.990000000000002,"q":1.50,"r":0.000000000000000000,"s":1e2}`)
	f(`{"n":18446744073709551616,"m":-9223372036854775809}`, `{"n":"18446744073709551616","m":"-9223372036854775809"}`)
	f(`{"n":0.1234567890123456789,"m":1e999,"l":1e-999,"k":12345678901234567.5}`, `{"n":"0.1234567890123456789","m":"1e999","l":"1e-999","k":"12345678901234567.5"}`)
	f(`{"n":[9007199254740993,0.5],"m":[9007199254740993,5],"o":[[9007199254740993],[1e0]]}`, `{"n":["9007199254740993",0.5],"m":[9007199254740993,5],"o":[["9007199254740993"],[1e0]]}`)
	same(`{"t":"a \"quoted.name\": 1e999 12345678901234567890","u":"x"}`)

	// No JSON, or no object: for ClickHouse to refuse.
	for _, in := range []string{
		`{"a.b":1,"a":{"b":2}`, `[1e999]`, `{"a.b":01,"a":{"b":1}}`, `{"a.b":1,"a":{"b":2}} x`, `{"a.b":nul,"a":{"b":1}}`, `1e999`, `{"n":1e999,}`,
		`{"n":1e999,"d":` + strings.Repeat("[", 1100) + strings.Repeat("]", 1100) + `}`,
	} {
		same(in)
	}
}

func TestUnknownValuesNeverTakeASendersName(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := withUnknown(in, []byte(`{"x":1}`)); got != want {
			t.Errorf("%s with unknown values is\n%s, want\n%s", in, got, want)
		}
	}
	f(``, `{"_unknown":{"x":1}}`)
	f(`{"a":1}`, `{"a":1,"_unknown":{"x":1}}`)
	f(`{"_unknown":"mine"}`, `{"_unknown":"mine","_unknown_":{"x":1}}`)
	f(`{"_unknown_":1,"_unknown.y":2}`, `{"_unknown_":1,"_unknown.y":2,"_unknown__":{"x":1}}`)
	f(`{"\u005funknown":1}`, `{"\u005funknown":1,"_unknown_":{"x":1}}`)
	f(`[1]`, `[1]`)
	f(`{`, `{`)
	if got := withUnknown(`{"a" : 1}`, nil); got != `{"a" : 1}` {
		t.Errorf("without unknown values, the text became %s", got)
	}
}
