package collector

import (
	"net/http"
	"strings"
	"testing"
)

// What a batch says once for all goes into the quarantine with each of its events, which can be sent again alone.
func TestRejectionsKeepWhatTheirBatchShares(t *testing.T) {
	d := newDirect(t, nil)
	ids := make(map[string]bool)
	f := func(shared, event, want string) {
		t.Helper()
		w := d.do(http.MethodPost, "/v1/batch", `{"batch":[`+event+`]`+shared+`}`, "Key", "wk_dev_server")
		_, rejections, _ := d.take(t)
		if w.Code != http.StatusOK || len(rejections) != 1 || string(rejections[0].Payload) != want {
			t.Fatalf("%d, %d rejections, payload %s, want %s", w.Code, len(rejections), rejections[0].Payload, want)
		}
		ids[rejections[0].RejectionID.String()] = true
	}
	event := `{"type":"track", "event":"X"}`
	f(``, event, event)
	f(`,"sentAt":"2026-11-21T19:13:13Z"`, event, `{"batch":[`+event+`],"sentAt":"2026-11-21T19:13:13Z"}`)
	f(`,"context":{"locale":"fr-FR"},"sentAt":1795289600000`, event, `{"batch":[`+event+`],"context":{"locale":"fr-FR"},"sentAt":1795289600000}`)
	f(`,"context":3`, event, `{"batch":[`+event+`],"context":3}`)
	// sentAt changes with each attempt of a sender, and makes no second rejection of one event.
	if len(ids) != 2 {
		t.Errorf("the event has %d ids, want one for each of its two faults", len(ids))
	}
}

// A large context in a batch of many wrong events does not fill the quarantine: it is repeated as often as for right ones.
func TestSharedContextIsRepeatedWithinBounds(t *testing.T) {
	d := newDirect(t, nil)
	context := `{"x":"` + strings.Repeat("x", d.cfg.Limits.EventBytes/2) + `"}`
	events := strings.Repeat(`{"type":"track","event":"X"},`, d.cfg.Limits.BatchEvents-1) + `{"type":"track","event":"X"}`
	d.do(http.MethodPost, "/v1/batch", `{"batch":[`+events+`],"context":`+context+`}`, "Key", "wk_dev_server")
	_, rejections, _ := d.take(t)
	if len(rejections) != d.cfg.Limits.BatchEvents {
		t.Fatalf("%d rejections, want %d", len(rejections), d.cfg.Limits.BatchEvents)
	}
	total := 0
	for _, rejection := range rejections {
		total += len(rejection.Payload)
	}
	if most := 5 * d.cfg.Limits.BodyBytes; total > most || total < 3*d.cfg.Limits.BodyBytes {
		t.Errorf("the rejections have %d bytes, want the context in some and at most %d", total, most)
	}
}
