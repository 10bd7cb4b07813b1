package collector

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/schemas"
)

// conserved says that every event of a request that was answered 200 is either kept or quarantined, and
// that what is kept can be read by whoever comes after.
func conserved(t *testing.T, d *direct, path string, body []byte) {
	t.Helper()
	w := d.do(http.MethodPost, path, string(body), "Key", "wk_dev_web")
	touchpoints, rejections, _ := d.take(t)
	switch w.Code {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		if len(touchpoints) != 0 || len(rejections) != 1 {
			t.Fatalf("%d with %d touchpoints and %d rejections", w.Code, len(touchpoints), len(rejections))
		}
		return
	default:
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var answer struct {
		Accepted *int
		Rejected []struct{ Count int }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, r := range answer.Rejected {
		told += r.Count
	}
	if answer.Accepted != nil && *answer.Accepted != len(touchpoints) || len(answer.Rejected) != len(rejections) {
		t.Fatalf("answer %s, %d kept, %d quarantined", w.Body, len(touchpoints), len(rejections))
	}
	if events := countEvents(path, body); events >= 0 && len(touchpoints)+told != events {
		t.Fatalf("%d events, %d kept, %d quarantined", events, len(touchpoints), told)
	}
	for i := range touchpoints {
		readable(t, &touchpoints[i])
	}
}

// countEvents counts as encoding/json does; -1 when it sees something else than we do (of two batches it
// takes the last).
func countEvents(path string, body []byte) int {
	if path != "/v1/batch" {
		return 1
	}
	var batch struct{ Batch []json.RawMessage }
	if strings.Count(strings.ToLower(string(body)), "batch") != 1 || json.Unmarshal(body, &batch) != nil {
		return -1
	}
	return len(batch.Batch)
}

func readable(t *testing.T, touchpoint *schemas.Touchpoint) {
	t.Helper()
	for name, text := range map[string]string{"properties": touchpoint.Properties, "traits": touchpoint.Traits} {
		var object map[string]any
		if text != "" && json.Unmarshal([]byte(text), &object) != nil {
			t.Fatalf("%s is no JSON object: %q", name, text)
		}
	}
	if len(touchpoint.Identifiers) == 0 || touchpoint.EventID == (schemas.UUID{}) || touchpoint.OccurredAt > touchpoint.ReceivedAt {
		t.Fatalf("unusable touchpoint %+v", touchpoint)
	}
	text, err := json.Marshal(touchpoint)
	if err != nil || !utf8.Valid(text) {
		t.Fatalf("%v: %q", err, text)
	}
}

func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/sdk/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n\n")
		f.Add([]byte(body))
		f.Add([]byte(`{"batch":[` + body + `]}`))
	}
	for _, body := range []string{
		``, `{}`, `[]`, `{"batch":[]}`, `{"batch":[{},[],1,null]}`, `{"batch":[{"type":"track","event":"Order Completed","userId":"u","properties":{"products":[{"price":"1,5"},{}],"tender":[{}]}}],"context":{"traits":{"email":"a@b.fr"}},"sentAt":1}`,
		`{"type":"track","event":"\ud83d","userId":"\u0000","context":{"traits":{"a":"\udc00"},"page":{"url":"\ud800"}}}`,
		`{"event":"x","userId":1e3,"timestamp":-1,"context":{"screen":{"width":1e300,"density":"NaN"},"externalIds":[{"id":"1","type":"t"}]}}`,
		"{\"event\":\"x\xff\",\"userId\":\"u\"}", `{"event":"x","event":"y"}`, `{"batch":[{"type":"identify","traits":{"address":{"street":"s"},"company":{"name":"c"}}}],"batch":[]}`,
	} {
		f.Add([]byte(body))
	}
}

func FuzzSingle(f *testing.F) {
	seeds(f)
	d := newDirect(f, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/v1/track", "/v1/identify", "/v1/page", "/v1/group"} {
			conserved(t, d, path, body)
		}
	})
}

func FuzzBatch(f *testing.F) {
	seeds(f)
	d := newDirect(f, func(c *Config) { c.Limits.BatchEvents = 8 })
	f.Fuzz(func(t *testing.T, body []byte) { conserved(t, d, "/v1/batch", body) })
}
