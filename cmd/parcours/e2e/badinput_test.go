package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// badInput: each mistake has its documented answer; an event that is wrong inside a right request is answered 200 and
// is a row of rejected_events with its reason and its original bytes.
func (p *pipeline) badInput(t *testing.T) {
	refused := func(name string, want int, key, path, body string, header http.Header) {
		t.Helper()
		if status, answer := p.send(t, key, http.MethodPost, path, body, header); status != want {
			t.Errorf("%s was answered %d, want %d: %s", name, status, want, answer)
		}
	}
	gzipHeader := http.Header{"Content-Encoding": {"gzip"}}
	event := `{"anonymousId":"bad-cookie","event":"Bad"}`
	refused("no key", http.StatusUnauthorized, "", "/v1/track", event, nil)
	refused("wrong key", http.StatusUnauthorized, "wk_dev_nobody", "/v1/track", event, nil)
	refused("no JSON", http.StatusBadRequest, "wk_dev_web", "/v1/track", `{"event":`, nil)
	refused("no batch", http.StatusBadRequest, "wk_dev_web", "/v1/batch", `{"events":[]}`, nil)
	refused("oversize", http.StatusRequestEntityTooLarge, "wk_dev_web", "/v1/batch", `{"batch":[{"x":"`+strings.Repeat("x", 2<<20)+`"}]}`, nil)
	refused("gzip bomb", http.StatusRequestEntityTooLarge, "wk_dev_web", "/v1/batch", gzipped(t, `{"batch":["`+strings.Repeat("x", 64<<20)+`"]}`), gzipHeader)
	refused("no gzip", http.StatusBadRequest, "wk_dev_web", "/v1/track", event, gzipHeader)
	refused("unknown encoding", http.StatusUnsupportedMediaType, "wk_dev_web", "/v1/track", event, http.Header{"Content-Encoding": {"br"}})

	rejected := func(id, reason, field, event string) {
		t.Helper()
		p.accept(t, "wk_dev_server", "/v1/batch", fmt.Sprintf(`{"batch":[%s,{"type":"track","event":"Right","anonymousId":"bad-cookie","messageId":"bad-right-%s"}]}`, event, id))
		p.eventually(t, "collector\t"+reason+"\t"+field+"\t1",
			`SELECT stage, reason, field, count() FROM parcours.rejected_events WHERE position(payload, 'bad-`+id+`') > 0 GROUP BY stage, reason, field`)
		// The rest of the request goes its way.
		p.eventually(t, "1", `SELECT count() FROM parcours.customer_events WHERE message_id = 'bad-right-`+id+`'`)
	}
	rejected("ids", "missing_identifier", "userId", `{"type":"track","event":"Bad","messageId":"bad-ids"}`)
	rejected("amount", "invalid_amount", "properties.total", `{"type":"track","event":"Order Completed","anonymousId":"bad-cookie","messageId":"bad-amount","properties":{"order_id":"1","total":"douze"}}`)
	rejected("type", "unknown_type", "type", `{"type":"shout","anonymousId":"bad-cookie","messageId":"bad-type"}`)
	rejected("deep", "too_deep", "properties"+strings.Repeat(".a", 19), `{"type":"track","event":"Bad","anonymousId":"bad-cookie","messageId":"bad-deep","properties":`+strings.Repeat(`{"a":`, 200)+`1`+strings.Repeat(`}`, 200)+`}`)
	rejected("twice", "duplicate_key", "event", `{"type":"track","event":"Bad","event":"Worse","anonymousId":"bad-cookie","messageId":"bad-twice"}`)
	rejected("utf8", "invalid_utf8", "event", "{\"type\":\"track\",\"event\":\"B\xe9d\",\"anonymousId\":\"bad-cookie\",\"messageId\":\"bad-utf8\"}")
	rejected("time", "invalid_timestamp", "timestamp", `{"type":"track","event":"Bad","anonymousId":"bad-cookie","messageId":"bad-time","timestamp":"demain"}`)

	// A date in the future is no reason to lose the event: it happened at the latest when it was received.
	p.accept(t, "wk_dev_server", "/v1/track", `{"event":"Future","anonymousId":"bad-cookie","messageId":"bad-future","timestamp":"2199-01-01T00:00:00Z"}`)
	p.eventually(t, "1\t2199", `SELECT occurred_at <= received_at, toYear(assumeNotNull(original_timestamp)) FROM parcours.events WHERE message_id = 'bad-future'`)
}
