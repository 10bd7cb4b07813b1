package collector

import (
	"net/http"
	"testing"

	"github.com/parcours-cdp/parcours/schemas"
)

// Who has the message id of an event finds its row: tools name events as the collector does.
func TestEventIDIsFoundByMessageID(t *testing.T) {
	d := newDirect(t, nil)
	f := func(messageID string, named bool) {
		t.Helper()
		d.do(http.MethodPost, "/v1/track", `{"event":"A","userId":"u","messageId":"`+messageID+`"}`, "Key", "wk_dev_server")
		touchpoints, _, _ := d.take(t)
		if len(touchpoints) != 1 {
			t.Fatalf("%d touchpoints", len(touchpoints))
		}
		got := touchpoints[0]
		id, ok := schemas.EventID(got.Workspace, got.Source, messageID)
		if ok != named || ok && id != got.EventID {
			t.Errorf("message id %q: EventID is %s, %v and the collector says %s", messageID, id, ok, got.EventID)
		}
	}
	f("order-1", true)
	f("ajs-next-1767225600000-4f0c", true)
	f("0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42", true)
	f("0B6A4F0E-95A1-4F0C-8E55-5D1F0B1C7A42", true)
	f("0b6a4f0e95a14f0c8e555d1f0b1c7a42", true)
	f("0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7aXY", true)
	f("00000000-0000-0000-0000-000000000000", false)
	f("", false)
}
