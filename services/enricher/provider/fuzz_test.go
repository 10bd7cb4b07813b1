package provider

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/internal/attributes"
)

// Whatever a provider answers: values of the declared types and nothing else, or none.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"segment":"a","money":{"income":1.50},"owner":false}`, `{"money":[{"income":1}]}`, `[]`, `null`, `{"segment":{}}`, `{"owner":1}`, `{"money":{"income":1e5}}`,
		`{"segment":"\ud800"}`, "{\"segment\":\"\u0000\"}", strings.Repeat("[", 10_000), `{"segment":"a"}x`, `{"a":1,"a":2}`, "",
	} {
		f.Add(seed)
	}
	cfg := config("https://data.example.com").WithDefaults()
	r, err := newReader(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := r.read(strings.NewReader(text))
		if err != nil {
			if len(values) > 0 {
				t.Fatal("a bad answer left values")
			}
			return
		}
		set := attributes.For("shop", attributes.Subject{Kind: attributes.Postcode, Code: "75011"}, "acme")
		set.Party, set.Purpose, set.Values = attributes.ThirdParty, "profiling", values
		if err := attributes.Validate(set); err != nil {
			t.Fatalf("%q gave values that cannot be stored: %v", text, err)
		}
		if object := AppendObject(nil, values); !json.Valid(object) {
			t.Fatalf("%q gave %s", text, object)
		}
	})
}

// Whatever the subject: the host, the path and the names of parameters stay as configured.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"a@b.fr", "../../admin", "x&admin=1", "x#y", "a b%00", "\" , \"role\": \"admin", "é\u2028", "\xff"} {
		f.Add(seed)
	}
	cfg := config("https://data.example.com")
	cfg.URL, cfg.Clear, cfg.Method = "https://data.example.com/v1/${email}/x?a=${email}&b=2", true, "POST"
	cfg.Body = `{"e":"${email}","n":1}`
	r, err := compileRequest(cfg.WithDefaults())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		u, err := url.Parse(r.url.fill(value))
		if err != nil || u.Host != "data.example.com" || u.Fragment != "" {
			t.Fatalf("%q: %v, %v", value, u, err)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil || len(segments) != 4 || len(query) != 2 || query.Get("a") != value || query.Get("b") != "2" {
			t.Fatalf("%q became %s", value, u)
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(r.body.fill(value)), &body); err != nil || len(body) != 2 || utf8.ValidString(value) && body["e"] != value {
			t.Fatalf("%q became %s: %v", value, r.body.fill(value), err)
		}
	})
}

func FuzzAppendText(f *testing.F) {
	for _, seed := range []string{"", "a\"\\b", "\x00\x1f\x7f", "é\u2028\U0001F600", "\xff\xc3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		out := AppendText(nil, text)
		if err := json.Unmarshal(out, &back); err != nil || back != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Fatalf("%q became %s, read as %q: %v", text, out, back, err)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a", "a.b[0].c", "[0]", "[0][1].x", "a..b", "a[", "a[-1]", "a[99999999999]", ".", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if steps, err := parsePath(text); err == nil {
			follow(map[string]any{"a": []any{map[string]any{"b": 1}}}, steps)
		}
	})
}
