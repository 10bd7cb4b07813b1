package collector

import (
	"net/http"
	"testing"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// TestTicketWithAMadeUpAddressIsASale: cashiers type test@test.fr to be rid of the question; the ticket then stands in
// for its buyer, and the sale is not lost.
func TestTicketWithAMadeUpAddressIsASale(t *testing.T) {
	r := start(t, nil)
	body := `{"batch":[{"type":"track","event":"Order Completed","messageId":"LIL01/02/77","properties":{"order_id":"o","total":"12.90","store_id":"LIL01","register_id":"02","receipt_id":"77","email":"test@test.fr"}}]}`
	if status, answer := r.send("/v1/batch", "wk_dev_pos", body); status != http.StatusOK {
		t.Fatalf("answered %d %s", status, answer)
	}
	got := r.touchpoints(1)[0]
	ids, err := identifier.New(identifier.DefaultConfig(), testWorkspace())
	if err != nil {
		t.Fatal(err)
	}
	want, reason := ids.Node(identifier.TillRecord, "LIL01/02/77")
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := string(r.arrived[0].Key); key != want.String() || reason != "" {
		t.Errorf("key %s of identifiers %v, want that of the ticket", key, got.Identifiers)
	}
	if len(r.rejected) > 0 {
		t.Error("the sale was rejected")
	}
}
