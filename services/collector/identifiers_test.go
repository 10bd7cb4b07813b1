package collector

import (
	"net/http"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
)

// asPairs are identifiers as type=value, in their order.
func asPairs(ids []schemas.Identifier) string {
	var pairs []string
	for _, id := range ids {
		pairs = append(pairs, id.Type+"="+id.Value)
	}
	return strings.Join(pairs, " ")
}

// anchor is the key of what the values under the configuration come to.
func anchor(t *testing.T, cfg identifier.Config, typ, value string) string {
	t.Helper()
	ids, err := identifier.New(cfg, testWorkspace())
	if err != nil {
		t.Fatal(err)
	}
	node, reason := ids.Node(typ, value)
	if reason != "" {
		t.Fatalf("%s %s: %s", typ, value, reason)
	}
	return node.String()
}

// A telephone number written as at home is of where its owner or its store is, and its spelling does not
// decide where the event goes.
func TestTelephoneNumbersGetTheCountryOfTheirPlace(t *testing.T) {
	d := newDirect(t, func(cfg *Config) { cfg.StoreRegions = map[string]string{"974-01": "RE", "BRU-1": "BE"} })
	f := func(properties, wantPhone, wantNumber string) {
		t.Helper()
		d.do(http.MethodPost, "/v1/track", `{"event":"Order Completed","properties":{"receipt_id":"77",`+properties+`}}`, "Key", "wk_dev_pos")
		touchpoints, _, keys := d.take(t)
		if len(touchpoints) != 1 {
			t.Fatalf("%s: %d touchpoints", properties, len(touchpoints))
		}
		if got := asPairs(touchpoints[0].Identifiers); got != "phone="+wantPhone {
			t.Errorf("%s: %s, want phone=%s", properties, got, wantPhone)
		}
		if want := anchor(t, identifier.DefaultConfig(), "phone", wantNumber); keys[0] != want {
			t.Errorf("%s: key is not that of %s", properties, wantNumber)
		}
	}
	// A shop of Saint-Denis, and a customer of it from the mainland: the shop's hint is wrong for her.
	f(`"store_id":"974-01","phone":"0692 12 34 56"`, "+262692123456", "+262692123456")
	f(`"store_id":"974-01","phone":"06 12 34 56 78"`, "06 12 34 56 78", "+33612345678")
	f(`"store_id":"974-01","phone":"+33 6 12 34 56 78"`, "+33612345678", "+33612345678")
	// Without a hint the overseas departments are tried.
	f(`"store_id":"LIL01","phone":"0692 12 34 56"`, "0692 12 34 56", "+262692123456")
	// The customer's address goes before the store.
	f(`"store_id":"LIL01","phone":"0694 20 12 34","billing_address":{"zip":"97300","city":"Cayenne"}`, "+594694201234", "+594694201234")
	f(`"store_id":"BRU-1","phone":"0470 12 34 56"`, "+32470123456", "+32470123456")
	f(`"store_id":"BRU-1","phone":"04 90 12 34 56","billing_address":{"zip":"84000","country":"France"}`, "04 90 12 34 56", "+33490123456")
	f(`"store_id":"LIL01","phone":"0470 12 34 56","billing_address":{"zip":"7000","country":"Belgique"}`, "+32470123456", "+32470123456")
	f(`"store_id":"LIL01","phone":"0470 12 34 56"`, "0470 12 34 56", "+33470123456")
}

// Types of one's own come in as external ids, with a rank, a normaliser and rules as configured.
func TestExternalIDsOfConfiguredTypes(t *testing.T) {
	cfg := identifier.Config{Types: map[string]identifier.TypeConfig{
		"erp_number":   {Rank: 1, Class: "verified", Normaliser: "card", Length: 8, Limit: 1, Hubs: map[string]int{"email": 3}},
		"email.sha256": {Rank: 4},
		"card_ref":     {Normaliser: "payment"},
	}}
	d := newDirect(t, nil)
	ids, err := identifier.New(cfg, testWorkspace())
	if err != nil {
		t.Fatal(err)
	}
	d.identifiers = ids
	f := func(externalIDs, wantIdentifiers, wantType, wantValue string) {
		t.Helper()
		body := `{"event":"Order Completed","anonymousId":"c1","properties":{},"context":{"externalIds":` + externalIDs + `}}`
		d.do(http.MethodPost, "/v1/track", body, "Key", "wk_dev_server")
		touchpoints, rejections, keys := d.take(t)
		if len(touchpoints) != 1 || len(rejections) != 0 {
			t.Fatalf("%s: %d touchpoints, %v", externalIDs, len(touchpoints), rejections)
		}
		if got := asPairs(touchpoints[0].Identifiers); got != wantIdentifiers {
			t.Errorf("%s: %s, want %s", externalIDs, got, wantIdentifiers)
		}
		if keys[0] != anchor(t, cfg, wantType, wantValue) {
			t.Errorf("%s: key is not that of %s %s", externalIDs, wantType, wantValue)
		}
		if strings.Contains(touchpoints[0].Properties, "externalIds") {
			t.Errorf("%s: clear identifiers stay in %s", externalIDs, touchpoints[0].Properties)
		}
	}
	f(`[{"id":"1234","type":"erp_number","collection":"users","encoding":"none"}]`, "anonymous_id=c1 erp_number=1234", "erp_number", "00001234")
	f(`[{"id":1234,"type":"erp_number"}]`, "anonymous_id=c1 erp_number=1234", "erp_number", "0000-1234")
	f(`[{"id":"2cf24dba","type":"email","collection":"users","encoding":"sha256"}]`, "anonymous_id=c1 email.sha256=2cf24dba", "email.sha256", "2cf24dba")
	f(`[{"id":"77","type":"erp_number","collection":"accounts"}]`, "anonymous_id=c1", "anonymous_id", "c1")
	// One that nobody configured travels on, for identity to say so, and decides nothing.
	f(`[{"id":"43","type":"shoe_size","collection":"users"}]`, "anonymous_id=c1 shoe_size=43", "anonymous_id", "c1")
	// A card number does not even get into Kafka, under whatever type of payment.
	f(`[{"id":"4970 1012 3456 7893","type":"card_ref"},{"id":"5555555555554444","type":"payment_reference"},{"id":"tok_1","type":"card_ref"}]`, "anonymous_id=c1 card_ref=tok_1", "anonymous_id", "c1")

	resolved := ids.Resolve([]schemas.Identifier{{Type: "shoe_size", Value: "43"}, {Type: "erp_number", Value: "x"}}, 0, nil, nil)
	if resolved[0].Reason != identifier.UnknownType || resolved[1].Reason != identifier.Invalid {
		t.Errorf("identity is not told why: %v", resolved)
	}
}
