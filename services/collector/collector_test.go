package collector

import (
	"encoding/json"
	"testing"
)

func TestSmoke(t *testing.T) {
	r := start(t, nil)
	body := `{"batch":[{"type":"track","event":"completed order","userId":"u1","messageId":"m1","properties":{"order_id":"o1","total":"12.90","revenue":10.5,"products":[{"product_id":"p1","price":"5.25","quantity":2,"size":"L"}],"x":1e2},"context":{"traits":{"email":"a@b.fr","plan":"gold"}}},
	{"type":"track","event":"x"}],"sentAt":"2026-01-01T00:00:00Z"}`
	status, answer := r.send("/v1/batch", "wk_dev_web", body)
	t.Log(status, answer)
	text, _ := json.MarshalIndent(r.touchpoints(1), "", " ")
	t.Log(string(text))
	text, _ = json.MarshalIndent(r.rejections(1), "", " ")
	t.Log(string(text))
}
