package sink_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever a sender calls its properties and of whatever type they are: each row keeps its own values, and what
// ClickHouse cannot keep is quarantined.
func TestPropertiesKeepWhatWasSent(t *testing.T) {
	r := newRig(t)
	r.run()
	kept := []struct{ sent, kept, types string }{
		{`{"a.b":1,"a":{"b":2}}`, `{"a%2Eb":1,"a":{"b":2}}`, `{'a%2Eb':'Int64','a.b':'Int64'}`},
		{`{"size":41}`, ``, `{'size':'Int64'}`},
		{`{"size":"41"}`, ``, `{'size':'String'}`},
		{`{"size":41.5}`, ``, `{'size':'Float64'}`},
		{`{"size":true}`, ``, `{'size':'Bool'}`},
		{`{"size":[41,"L",true]}`, ``, `{'size':'Array(Dynamic)'}`},
		{`{"size":{"eu":41}}`, ``, `{'size.eu':'Int64'}`},
		{`{"day":"2026-01-02","time":"2026-01-02T03:04:05.123456789+02:00","text":"12"}`, ``, `{'day':'String','text':'String','time':'String'}`},
		{`{"big":12345678901234567890123,"exact":0.1234567890123456789,"huge":1e999}`, `{"big":"12345678901234567890123","exact":"0.1234567890123456789","huge":"1e999"}`, `{'big':'String','exact':'String','huge':'String'}`},
		{`{"large":18446744073709551615,"small":-9223372036854775808}`, ``, `{'large':'UInt64','small':'Int64'}`},
		{`{"list":[18446744073709551615,-1]}`, ``, `{'list':'Array(Dynamic)'}`},
		{`{"list":[true,1]}`, ``, `{'list':'Array(Dynamic)'}`},
		{`{"list":[9007199254740993,0.5]}`, `{"list":["9007199254740993",0.5]}`, `{'list':'Array(Dynamic)'}`},
		{`{"list":[{"a.b":1,"a":{"b":2}},{"c":"x"}]}`, `{"list":[{"a%2Eb":1,"a":{"b":2}},{"c":"x"}]}`, ``},
		{`{"":1," ":2,"é\n":3}`, ``, ``},
	}
	for i, c := range kept {
		e := event(byte(i), "Sent")
		e.Properties = c.sent
		r.produce(e)
	}
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "15")
	rows := r.rows("SELECT toString(properties), toString(JSONAllPathsWithTypes(properties)) FROM events WHERE workspace = %s ORDER BY occurred_at")
	for i, c := range kept {
		want := c.kept
		if want == "" {
			want = c.sent
		}
		if diff := cmp.Diff(jsonValue(t, want), jsonValue(t, rows[i][0])); diff != "" {
			t.Errorf("%s became %s (-want +got):\n%s", c.sent, rows[i][0], diff)
		}
		if c.types != "" && c.types != rows[i][1] {
			t.Errorf("%s has types %s, want %s", c.sent, rows[i][1], c.types)
		}
	}

	// As docs/how-to/query-properties.md reads them.
	for _, c := range []struct{ expression, want string }{
		{"toString(properties.size)", "41 41 41.5 true"},
		{"toFloat64OrNull(toString(properties.size))", "41 41 41.5 "},
		{"properties.size.:Int64", "41   "},
		{"dynamicType(properties.size)", "Int64 String Float64 Bool"},
	} {
		var got []string
		for _, row := range r.rows("SELECT " + c.expression + " FROM events WHERE workspace = %s AND toSecond(occurred_at) BETWEEN 1 AND 4 ORDER BY occurred_at") {
			got = append(got, row[0])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s is %q, want %q", c.expression, got, c.want)
		}
	}

	refused := map[string]string{
		"a name twice":     `{"a":1,"a":2}`,
		"no JSON":          `{"a":1`,
		"no object":        `[1]`,
		"not a number":     `{"a":01}`,
		"not UTF-8":        "{\"a\":\"\xff\xfe\"}",
		"too deep objects": strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000),
		"too deep arrays":  `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}",
	}
	sent := map[string]string{}
	for name, properties := range refused {
		e := event(100, name)
		e.Properties = properties
		sent[name] = e.MessageID
		r.produce(e)
	}
	marker := event(101, "After")
	r.produce(marker)
	r.eventually("SELECT count() FROM events WHERE workspace = %s AND name = 'After'", "1")
	for name, event := range sent {
		r.eventually("SELECT count() FROM rejected_events WHERE %s != '' AND stage = 'sink' AND reason = 'refused_by_clickhouse' AND position(payload, '"+event+"') > 0 AND field = 'events'", "1")
		if got := r.rows("SELECT count() FROM events WHERE workspace = %s AND message_id = '" + event + "'")[0][0]; got != "0" {
			t.Errorf("%s is a row as well", name)
		}
	}
}

// jsonValue keeps numbers as they are written.
func jsonValue(t *testing.T, text string) (v any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
