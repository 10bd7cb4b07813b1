package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parcours-cdp/parcours/internal/stream"
)

const goodEvent = `{"type":"track","event":"X","userId":"u","messageId":"m"}`

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return string(w.EncodeAll([]byte(text), nil))
}

func TestAnswers(t *testing.T) {
	d := newDirect(t, func(c *Config) {
		c.Sources = append(c.Sources,
			Source{Name: "off", WriteKey: "wk_dev_off", Channel: "web", Disabled: true},
			Source{Name: "shop", WriteKey: "wk_dev_shop", Channel: "web", AllowedOrigins: []string{"https://www.example.fr"}},
		)
	})
	// f posts a body and says what is answered, how many events were kept, and the reasons in quarantine.
	f := func(what, path, body string, headers []string, status, kept int, reasons ...Reason) {
		t.Helper()
		w := d.do(http.MethodPost, path, body, headers...)
		touchpoints, rejections, _ := d.take(t)
		var got []Reason
		for _, r := range rejections {
			got = append(got, Reason(r.Reason))
		}
		if w.Code != status || len(touchpoints) != kept || asJSON(t, got) != asJSON(t, reasons) {
			t.Errorf("%s: %d %s, %d kept, quarantined %v; want %d, %d, %v", what, w.Code, w.Body, len(touchpoints), got, status, kept, reasons)
		}
		var answer struct{ Success *bool }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Success == nil || *answer.Success != (status < 300) {
			t.Errorf("%s: answer %s does not say success=%v", what, w.Body, status < 300)
		}
		if status >= 300 && status < 400 {
			t.Errorf("%s: %d is taken for success by SDKs", what, w.Code)
		}
	}
	key := []string{"Key", "wk_dev_web"}
	with := func(more ...string) []string { return append([]string{"Key", "wk_dev_web"}, more...) }

	// Keys.
	f("basic", "/v1/track", goodEvent, key, 200, 1)
	f("body key", "/v1/track", `{"event":"X","userId":"u","writeKey":"wk_dev_web"}`, nil, 200, 1)
	f("body key of a batch", "/v1/batch", `{"batch":[`+goodEvent+`],"writeKey":"wk_dev_web"}`, nil, 200, 1)
	f("query key", "/v1/track?writeKey=wk_dev_web", goodEvent, nil, 200, 1)
	f("bearer and body key", "/v1/track", `{"event":"X","userId":"u","writeKey":"wk_dev_web"}`, []string{"Authorization", "Bearer abc"}, 200, 1)
	f("header goes before body", "/v1/track", `{"event":"X","userId":"u","writeKey":"nobody"}`, key, 200, 1)
	f("no key", "/v1/track", goodEvent, nil, 401, 0)
	f("wrong key", "/v1/track", goodEvent, []string{"Key", "wk_other"}, 401, 0)
	f("wrong body key", "/v1/track", `{"event":"X","userId":"u","writeKey":"wk_other"}`, nil, 401, 0)
	f("switched off", "/v1/track", goodEvent, []string{"Key", "wk_dev_off"}, 403, 0)
	f("right origin", "/v1/track", goodEvent, []string{"Key", "wk_dev_shop", "Origin", "https://www.example.fr"}, 200, 1)
	f("wrong origin", "/v1/track", goodEvent, []string{"Key", "wk_dev_shop", "Origin", "https://evil.example"}, 403, 0)
	f("no origin", "/v1/track", goodEvent, []string{"Key", "wk_dev_shop"}, 200, 1)

	// Paths.
	for _, path := range []string{"/v1/t", "/v1/track", "/v1/track/"} {
		f(path, path, `{"event":"X","userId":"u"}`, key, 200, 1)
	}
	for _, path := range []string{"/v1/i", "/v1/identify", "/v1/p", "/v1/page", "/v1/s", "/v1/screen"} {
		f(path, path, `{"userId":"u"}`, key, 200, 1)
	}
	f("/v1/g", "/v1/g", `{"userId":"u","groupId":"g"}`, key, 200, 1)
	f("/v1/a", "/v1/a", `{"userId":"u","previousId":"p"}`, key, 200, 1)
	for _, path := range []string{"/v1/b", "/v1/batch", "/v1/import"} {
		f(path, path, `{"batch":[`+goodEvent+`,`+goodEvent+`]}`, key, 200, 2)
	}
	f("metrics", "/v1/m", `{"series":[]}`, nil, 200, 0)
	f("no such path", "/v1/x", `{}`, key, 404, 0)
	f("no double slash redirect", "//v1/track", goodEvent, key, 404, 0)

	// Bodies.
	f("any content type", "/v1/track", goodEvent, with("Content-Type", "text/plain"), 200, 1)
	f("form content type", "/v1/batch", gzipped(t, `{"batch":[`+goodEvent+`]}`), with("Content-Type", "application/x-www-form-urlencoded", "Content-Encoding", "gzip"), 200, 1)
	f("zstd", "/v1/track", zstandard(t, goodEvent), with("Content-Encoding", "zstd"), 200, 1)
	f("identity", "/v1/track", goodEvent, with("Content-Encoding", "identity"), 200, 1)
	f("empty batch", "/v1/batch", `{"batch":[]}`, key, 200, 0)
	f("empty body", "/v1/track", ``, key, 400, 0, reasonInvalidJSON)
	f("not JSON", "/v1/track", `{"event":`, key, 400, 0, reasonInvalidJSON)
	f("two values", "/v1/track", goodEvent+goodEvent, key, 400, 0, reasonInvalidJSON)
	f("not JSON, nobody's", "/v1/track", `{"event":`, nil, 400, 0)
	f("an array", "/v1/track", `[`+goodEvent+`]`, key, 400, 0, ReasonNotAnObject)
	f("no batch", "/v1/batch", goodEvent, key, 400, 0, reasonNoBatch)
	f("batch is no array", "/v1/batch", `{"batch":{}}`, key, 400, 0, reasonNoBatch)
	f("two batches", "/v1/batch", `{"batch":[],"batch":[]}`, key, 400, 0, ReasonDuplicateKey)
	f("invalid UTF-8 around the batch", "/v1/batch", "{\"batch\":[],\"x\":\"\xff\"}", key, 400, 0, ReasonInvalidUTF8)
	f("invalid UTF-8 in the event", "/v1/track", "{\"event\":\"\xff\",\"userId\":\"u\"}", key, 200, 0, ReasonInvalidUTF8)
	f("duplicate keys in the event", "/v1/track", `{"event":"X","event":"Y","userId":"u"}`, key, 200, 0, ReasonDuplicateKey)
	f("fault in the shared context", "/v1/batch", `{"batch":[`+goodEvent+`,`+goodEvent+`],"context":{"a":1,"a":2}}`, key, 200, 0, ReasonDuplicateKey, ReasonDuplicateKey)
	f("shared context is no object", "/v1/batch", `{"batch":[`+goodEvent+`],"context":1}`, key, 200, 0, ReasonInvalidType)
	f("deep nesting", "/v1/track", `{"event":"X","userId":"u","properties":`+strings.Repeat(`[`, 200_000)+strings.Repeat(`]`, 200_000)+`}`, key, 200, 0, ReasonTooDeep)

	// Sizes.
	f("wrong encoding", "/v1/track", "not gzip", with("Content-Encoding", "gzip"), 400, 0, reasonInvalidEncoding)
	f("wrong zstd", "/v1/track", "not zstd", with("Content-Encoding", "zstd"), 400, 0, reasonInvalidEncoding)
	f("cut gzip", "/v1/track", gzipped(t, goodEvent)[:20], with("Content-Encoding", "gzip"), 400, 0, reasonInvalidEncoding)
	f("br", "/v1/track", goodEvent, with("Content-Encoding", "br"), 415, 0, reasonUnsupportedEncoding)
	f("gzip twice", "/v1/track", gzipped(t, gzipped(t, goodEvent)), with("Content-Encoding", "gzip, gzip"), 415, 0, reasonUnsupportedEncoding)
	f("gzip in two headers", "/v1/track", gzipped(t, gzipped(t, goodEvent)), with("Content-Encoding", "gzip", "Content-Encoding", "gzip"), 415, 0, reasonUnsupportedEncoding)
	f("large event", "/v1/track", `{"event":"X","userId":"u","properties":{"a":"`+strings.Repeat("x", 40<<10)+`"}}`, key, 200, 0, ReasonEventTooLarge)
	f("large body", "/v1/batch", `{"batch":[`+goodEvent+`],"x":"`+strings.Repeat("x", 513<<10)+`"}`, key, 413, 0, reasonBodyTooLarge)
	f("gzip bomb", "/v1/batch", gzipped(t, strings.Repeat(" ", 100<<20)), with("Content-Encoding", "gzip"), 413, 0, reasonBodyTooLarge)
	f("zstd bomb", "/v1/batch", zstandard(t, strings.Repeat(" ", 100<<20)), with("Content-Encoding", "zstd"), 413, 0, reasonBodyTooLarge)
	f("large body, nobody's", "/v1/batch", strings.Repeat(" ", 513<<10), nil, 413, 0)
	events := strings.TrimSuffix(strings.Repeat(`{"type":"page","userId":"u"},`, 2600), ",")
	f("too many events", "/v1/batch", `{"batch":[`+events+`]}`, key, 200, 2500, ReasonTooManyEvents)
	big := strings.TrimSuffix(strings.Repeat(`{"type":"page","userId":"u"},`, 200), ",")
	shared := `{"x":"` + strings.Repeat("x", 20<<10) + `"}`
	w := d.do(http.MethodPost, "/v1/batch", `{"batch":[`+big+`],"context":`+shared+`}`, key...)
	touchpoints, rejections, _ := d.take(t)
	if w.Code != 200 || len(touchpoints)+len(rejections) != 200 || len(touchpoints) > 105 || rejections[0].Reason != string(ReasonBatchTooLarge) {
		t.Errorf("a large context for many events: %d, %d kept, %d rejected", w.Code, len(touchpoints), len(rejections))
	}
}

func TestTooManyEventsKeepsTheRest(t *testing.T) {
	d := newDirect(t, func(c *Config) { c.Limits.BatchEvents = 2 })
	w := d.do(http.MethodPost, "/v1/batch", `{"batch":[`+goodEvent+`,`+goodEvent+`, {"a":1} , {"b":2} ],"x":1}`, "Key", "wk_dev_web")
	touchpoints, rejections, _ := d.take(t)
	if w.Code != 200 || len(touchpoints) != 2 || len(rejections) != 1 || string(rejections[0].Payload) != `[{"a":1} , {"b":2} ]` {
		t.Fatalf("%d %s: %d kept, rejected %+v", w.Code, w.Body, len(touchpoints), rejections)
	}
	if !strings.Contains(w.Body.String(), `"index":2,`) || !strings.Contains(w.Body.String(), `"count":2`) {
		t.Errorf("answer %s does not say which", w.Body)
	}
}

func TestMethods(t *testing.T) {
	d := newDirect(t, nil)
	f := func(method, path string, status int, body string) {
		t.Helper()
		w := d.do(method, path, "")
		if w.Code != status || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, w.Code, w.Body, status, body)
		}
		if status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", method, path)
		}
	}
	f("GET", "/", 200, "Parcours collector")
	f("GET", "/robots.txt", 200, "Disallow: /")
	f("POST", "/", 405, "GET")
	f("GET", "/v1/track", 405, "POST")
	f("PUT", "/v1/batch", 405, "POST")
	f("POST", "/v1/projects/wk_dev_web/settings", 405, "GET")
	f("GET", "/favicon.ico", 404, "no such path")
	f("GET", "/v1/projects/nobody/settings", 404, "no source")
	f("GET", "/v1/projects/a/b/settings", 404, "no such path")
}

func TestSettings(t *testing.T) {
	f := func(change func(*Config), want string, headers ...string) {
		t.Helper()
		d := newDirect(t, change)
		w := d.do(http.MethodGet, "/v1/projects/wk_dev_web/settings", "", append(headers, "Origin", "https://www.example.fr")...)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "https://www.example.fr" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if got := w.Body.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	settings := func(host, protocol string) string {
		return `{"integrations":{"Segment.io":{"apiKey":"wk_dev_web","apiHost":"` + host + `","protocol":"` + protocol + `"}},` +
			`"plan":{"group":{"__default":{"enabled":true}},"identify":{"__default":{"enabled":true}},"track":{"__default":{"enabled":true}}}}`
	}
	f(nil, settings("127.0.0.1:4000/v1", "http"), "Host", "127.0.0.1:4000")
	f(nil, settings("c.example.fr/v1", "http"), "Host", "c.example.fr", "X-Forwarded-Proto", "https")
	f(func(c *Config) { c.TrustedProxies = []string{"203.0.113.0/24"} }, settings("c.example.fr/v1", "https"), "Host", "c.example.fr", "X-Forwarded-Proto", "https")
	f(func(c *Config) { c.PublicURL = "https://collect.example.fr/in" }, settings("collect.example.fr/in/v1", "https"), "Host", "internal")
}

func TestCORS(t *testing.T) {
	d := newDirect(t, func(c *Config) {
		c.Sources = []Source{
			{Name: "shop", WriteKey: "wk_dev_shop", Channel: "web", AllowedOrigins: []string{"https://www.example.fr", "https://*.example.com"}},
			{Name: "local", WriteKey: "wk_dev_local", Channel: "web", AllowedOrigins: []string{"http://localhost:3000"}},
		}
	})
	f := func(origin string, allowed bool) {
		t.Helper()
		w := d.do(http.MethodOptions, "/v1/t", "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type,x-retry-count,x-funky")
		h := w.Header()
		if w.Code != http.StatusNoContent {
			t.Errorf("%s: preflight %d", origin, w.Code)
		}
		if got := strings.Join(h["Vary"], ","); got != "Origin,Access-Control-Request-Method,Access-Control-Request-Headers" {
			t.Errorf("%s: Vary %s", origin, got)
		}
		want := map[string]string{
			"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Headers": "authorization,content-type,x-retry-count,x-funky", "Access-Control-Max-Age": "86400",
			"Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
		}
		for name, value := range want {
			if !allowed {
				value = ""
			}
			if h.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", origin, name, h.Get(name), value)
			}
		}
	}
	f("https://www.example.fr", true)
	f("https://shop.example.com", true)
	f("https://a.b.example.com", true)
	f("https://.example.com", false)
	f("https://example.com", false)
	f("http://shop.example.com", false)
	f("https://evil.fr", false)
	f("https://www.example.fr.evil.fr", false)
	f("null", false)
	f("http://localhost:3000", true)

	// Errors can be read by the page too, or its SDK would try for ever.
	w := d.do(http.MethodPost, "/v1/t", goodEvent, "Origin", "https://www.example.fr", "Key", "nobody")
	if w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("401 without CORS: %d %v", w.Code, w.Header())
	}
	if w := d.do(http.MethodPost, "/v1/t", goodEvent, "Origin", "http://localhost:3000", "Key", "wk_dev_shop"); w.Code != 403 {
		t.Errorf("another source's origin: %d", w.Code)
	}
}

func TestForwardedFor(t *testing.T) {
	f := func(proxies []string, forwarded []string, want string) {
		t.Helper()
		d := newDirect(t, func(c *Config) { c.TrustedProxies = proxies })
		headers := []string{"Key", "wk_dev_web"}
		for _, value := range forwarded {
			headers = append(headers, "X-Forwarded-For", value)
		}
		d.do(http.MethodPost, "/v1/track", goodEvent, headers...)
		got, _, _ := d.take(t)
		if len(got) != 1 || got[0].Context.IP != want {
			t.Errorf("%v %v: got %v, want %s", proxies, forwarded, got, want)
		}
	}
	ours := []string{"203.0.113.0/24", "10.0.0.0/8"}
	f(nil, nil, "203.0.113.9")
	f(nil, []string{"198.51.100.1"}, "203.0.113.9") // anyone can write that
	f(ours, []string{"198.51.100.1"}, "198.51.100.1")
	f(ours, []string{"1.2.3.4, 198.51.100.1, 10.0.0.7"}, "198.51.100.1")
	f(ours, []string{"1.2.3.4", "198.51.100.1"}, "198.51.100.1")
	f(ours, []string{"garbage"}, "203.0.113.9")
	f(ours, []string{"2001:db8::7"}, "2001:db8::7")
	f(ours, nil, "203.0.113.9")
}

func TestQuota(t *testing.T) {
	d := newDirect(t, func(c *Config) {
		c.Sources = []Source{
			{Name: "small", WriteKey: "wk_dev_small", Channel: "web", Quota: Quota{EventsPerSecond: 1}},
			{Name: "thin", WriteKey: "wk_dev_thin", Channel: "web", Quota: Quota{BytesPerSecond: 10}},
			{Name: "free", WriteKey: "wk_dev_free", Channel: "web"},
		}
	})
	now := testNow
	d.now = func() time.Time { return now }
	post := func(key string, events int) (int, string) {
		body := `{"batch":[` + strings.TrimSuffix(strings.Repeat(goodEvent+",", events), ",") + `]}`
		w := d.do(http.MethodPost, "/v1/batch", body, "Key", key)
		return w.Code, w.Header().Get("Retry-After")
	}
	f := func(what, key string, events, status int, retry string) {
		t.Helper()
		if code, after := post(key, events); code != status || after != retry {
			t.Errorf("%s: %d, Retry-After %q; want %d, %q", what, code, after, status, retry)
		}
	}
	f("ten seconds are saved up", "wk_dev_small", 9, 200, "")
	f("one is left: a large batch goes into debt", "wk_dev_small", 5, 200, "")
	f("in debt", "wk_dev_small", 1, 429, "5")
	f("others are not touched", "wk_dev_free", 100, 200, "")
	now = now.Add(4900 * time.Millisecond)
	f("still", "wk_dev_small", 1, 429, "1")
	now = now.Add(100 * time.Millisecond)
	f("paid", "wk_dev_small", 1, 200, "")
	f("and spent again", "wk_dev_small", 1, 429, "1")
	f("bytes", "wk_dev_thin", 3, 200, "")
	f("bytes in debt", "wk_dev_thin", 1, 429, "9")
	d.take(t)
	if code, _ := post("wk_dev_small", 1); code != 429 {
		t.Errorf("%d", code)
	}
	if kept, _, _ := d.take(t); len(kept) != 0 {
		t.Errorf("%d events kept of a request that was told 429", len(kept))
	}
}

// A body that took long to come in brings the time at which it began.
func TestQuotaCreditsTimeOnce(t *testing.T) {
	q := newQuota(Quota{EventsPerSecond: 10})
	now := testNow
	q.take(now, 100, 0) // all that was saved up
	taken := 0
	for range 100 { // over ten seconds
		now = now.Add(100 * time.Millisecond)
		if q.take(now, 0, 0) == 0 && q.take(now.Add(-10*time.Second), 50, 0) == 0 {
			taken += 50
		}
	}
	if taken > 150 {
		t.Errorf("%d events taken in ten seconds of ten each", taken)
	}
}

func TestInFlightBytes(t *testing.T) {
	d := newDirect(t, nil)
	d.bodies.flying.Add(d.cfg.Limits.InFlightBytes - 10)
	w := d.do(http.MethodPost, "/v1/track", goodEvent, "Key", "wk_dev_web")
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("full: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if left := d.bodies.flying.Load(); left != d.cfg.Limits.InFlightBytes-10 {
		t.Errorf("a refused request still holds %d bytes", left-d.cfg.Limits.InFlightBytes+10)
	}
	d.bodies.flying.Store(0)
	d.do(http.MethodPost, "/v1/batch", gzipped(t, `{"batch":[`+goodEvent+`]}`), "Key", "wk_dev_web", "Content-Encoding", "gzip")
	if left := d.bodies.flying.Load(); left != 0 {
		t.Errorf("%d bytes are held by nobody", left)
	}
}

// Whatever Kafka does not acknowledge is not answered 2xx, be it events or what is quarantined.
func TestNothingIsAcceptedWithoutKafka(t *testing.T) {
	d := newDirect(t, nil)
	d.fail = errors.New("broker says no")
	for _, body := range []string{goodEvent, `{"event":"X"}`, `{"event":`, "{\"event\":\"\xff\"}"} {
		w := d.do(http.MethodPost, "/v1/track", body, "Key", "wk_dev_web")
		if w.Code != 503 || w.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d, Retry-After %q", body, w.Code, w.Header().Get("Retry-After"))
		}
	}
	d.fail = nil
	if w := d.do(http.MethodPost, "/v1/track", goodEvent, "Key", "wk_dev_web"); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// The bytes of one request must not show in another's records, whatever is reused.
func TestDesksAreClean(t *testing.T) {
	d := newDirect(t, nil)
	full := `{"batch":[{"type":"track","event":"Order Completed","userId":"first","timestamp":"2026-11-21T10:00:00Z","sentAt":"2026-11-21T10:00:00Z","properties":{"order_id":"o","total":1,"store_id":"s","products":[{"sku":"a","x":1}],"tender":[{"type":"card","card_token":"t"}],"email":"first@example.fr","left":1},"context":{"ip":"192.0.2.1","locale":"fr","page":{"url":"u"},"consent":{"categoryPreferences":{"A":true}},"traits":{"plan":"gold"},"userAgentData":{"brands":[{"brand":"B","version":"1"}]},"device":{"id":"d"}}},{"type":"track","event":"NPS Submitted","userId":"first","properties":{"score":1}}]}`
	d.do(http.MethodPost, "/v1/batch", full, "Key", "wk_dev_server")
	d.take(t)
	got := d.one(t, "/v1/track", "wk_dev_server", `{"event":"X","userId":"u","messageId":"0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42"}`)
	want := `{"event_id":"0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42","message_id":"0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42","workspace":"default","source":"server","channel":"server","type":"track","name":"X","occurred_at":"2026-11-21T19:13:13.000Z","received_at":"2026-11-21T19:13:13.000Z","identifiers":[{"type":"user_id","value":"u"}]}`
	if text := asJSON(t, got); text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
}

func TestKeyIsTheAnchor(t *testing.T) {
	d := newDirect(t, nil)
	d.do(http.MethodPost, "/v1/batch", `{"batch":[{"type":"track","event":"X","userId":"u","anonymousId":"a"},{"type":"track","event":"X","anonymousId":"b","userId":"u"},{"type":"track","event":"X","anonymousId":"a","userId":"null"}]}`, "Key", "wk_dev_web")
	_, _, keys := d.take(t)
	user, _ := d.identifiers.Node("user_id", "u")
	cookie, _ := d.identifiers.Node("anonymous_id", "a")
	if asJSON(t, keys) != asJSON(t, []string{user.String(), user.String(), cookie.String()}) {
		t.Errorf("keys %v, want %s twice and %s", keys, user, cookie)
	}
}

// After a produce that failed Kafka may still read the records: nothing else may be written over them.
func TestRecordsOfAFailedProduceStayAsTheyAre(t *testing.T) {
	d := newDirect(t, nil)
	keep := d.produce
	var held []*stream.Record
	d.produce = func(_ context.Context, records ...*stream.Record) error {
		held = records
		return errors.New("no answer in time")
	}
	d.do(http.MethodPost, "/v1/track", goodEvent, "Key", "wk_dev_web")
	value, key := string(held[0].Value), string(held[0].Key)
	d.produce = keep
	for range 20 {
		d.do(http.MethodPost, "/v1/track", strings.ReplaceAll(goodEvent, "u", "other"), "Key", "wk_dev_web")
		d.do(http.MethodPost, "/v1/batch", `{"batch":[{"type":"page","userId":"v"}]}`, "Key", "wk_dev_app")
	}
	if string(held[0].Value) != value || string(held[0].Key) != key {
		t.Error("a later request wrote over the records")
	}
}

func TestStreamedZstd(t *testing.T) {
	d := newDirect(t, nil)
	streamed := func(text string) string {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(8<<20))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // in pieces, so that the frame does not say how long it is
			if _, err := w.Write([]byte(text[:len(text)/100])); err != nil {
				t.Fatal(err)
			}
			text = text[len(text)/100:] + text[:len(text)/100]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	body := `{"event":"X","userId":"u"}`
	body += strings.Repeat(" ", 100*len(body)-len(body))
	for text, want := range map[string]int{body: 200, strings.Repeat(" ", 1<<20): 413} {
		if w := d.do(http.MethodPost, "/v1/track", streamed(text), "Key", "wk_dev_web", "Content-Encoding", "zstd"); w.Code != want {
			t.Errorf("%d bytes: %d %s, want %d", len(text), w.Code, w.Body, want)
		}
	}
}
