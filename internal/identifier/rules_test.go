package identifier_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
)

func TestTypesAreComplete(t *testing.T) {
	ids := open(t, identifier.Config{Types: map[string]identifier.TypeConfig{
		"device_id":  {Hubs: map[string]int{"user_id": 2, "erp_number": 1}},
		"phone":      {Hubs: map[string]int{"erp_number": 2}},
		"email":      {Hubs: map[string]int{"user_id": 0}},
		"erp_number": {Rank: 2, Class: "verified", Limit: 1, Hubs: map[string]int{"email": 3}},
		"crm_id":     {},
	}})
	want := identifier.DefaultConfig().Types
	change := func(typ string, to func(*identifier.TypeConfig)) {
		cfg := want[typ]
		to(&cfg)
		want[typ] = cfg
	}
	change("device_id", func(c *identifier.TypeConfig) { c.Hubs = map[string]int{"user_id": 2, "erp_number": 1} })
	change("phone", func(c *identifier.TypeConfig) { c.Hubs = map[string]int{"user_id": 4, "erp_number": 2} })
	change("email", func(c *identifier.TypeConfig) { c.Hubs = nil })
	want["erp_number"] = identifier.TypeConfig{Rank: 2, Class: "verified", Normaliser: "exact", Limit: 1, Hubs: map[string]int{"email": 3}}
	want["crm_id"] = identifier.TypeConfig{Rank: identifier.CustomRank, Class: "typed", Normaliser: "exact"}
	if diff := cmp.Diff(want, ids.Types()); diff != "" {
		t.Error(diff)
	}
	// They are the caller's: nothing that is done to them reaches the next one.
	ids.Types()["device_id"].Hubs["user_id"] = 99
	if ids.Types()["device_id"].Hubs["user_id"] != 2 {
		t.Error("types are shared with the caller")
	}
	if identifier.DefaultConfig().Types["device_id"].Hubs["user_id"] != 3 {
		t.Error("the defaults were written to")
	}
}

func TestBlockedNodes(t *testing.T) {
	free := golden()
	free.Blocked = nil
	unblocked := open(t, free)
	ids := open(t, golden())
	got := ids.BlockedNodes()
	if !slices.IsSortedFunc(got, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Error("blocked nodes are not ascending or not unique")
	}
	want := make(map[uuid.UUID]string)
	for _, spelling := range []string{
		"caisse.lyon@enseigne.fr", "CAISSE.LYON@ENSEIGNE.FR", "04 78 00 11 22", "MAGASIN-042", "magasin-042",
	} {
		for typ := range unblocked.Types() {
			if node, reason := unblocked.Node(typ, spelling); reason == "" {
				want[node] = typ
			}
		}
	}
	if diff := cmp.Diff(slices.SortedFunc(maps.Keys(want), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }), got); diff != "" {
		t.Error(diff)
	}
	if typ := want[must(t, unblocked, "phone", "+33478001122")]; typ != "phone" {
		t.Error("a blocked telephone number is blocked in one spelling only")
	}
	for typ := range ids.Types() {
		if _, reason := ids.Node(typ, "MAGASIN-042"); reason == "" {
			t.Errorf("%s: a blocked value has a node", typ)
		}
	}
	if len(unblocked.BlockedNodes()) != 0 {
		t.Error("nothing is configured, yet something is blocked")
	}
}

func TestRegion(t *testing.T) {
	f := func(country, postcode, want string) {
		t.Helper()
		if got := open(t, golden()).Region(country, postcode); got != want {
			t.Errorf("%q %q: %q, want %q", country, postcode, got, want)
		}
	}
	f("", "97400", "RE")
	f("FR", "97400", "RE")
	f("France", " 97110 ", "GP")
	f("fra", "97200", "MQ")
	f("", "97300", "GF")
	f("", "97600", "YT")
	f("", "97150", "GP")
	f("", "98800", "NC")
	f("", "75008", "")
	f("FR", "75008", "FR")
	f("RE", "", "RE")
	f("La Réunion", "", "RE")
	f("BE", "1000", "BE")
	f("be", "", "BE")
	f("BELGIQUE", "97400", "BE")
	f("Royaume-Uni", "SW1A 1AA", "GB")
	f("US", "97401", "US")
	f("", "", "")
	f("", "974", "")
	f("Atlantide", "97400", "")
	f("ZZ", "97400", "")
}

func TestPrepare(t *testing.T) {
	ids := open(t, golden())
	f := func(typ, value, region, want string) {
		t.Helper()
		got, ok := ids.Prepare(schemas.Identifier{Type: typ, Value: value}, region)
		if (want != "") != ok || ok && got != (schemas.Identifier{Type: typ, Value: want}) {
			t.Errorf("%s %s in %q: %v %v, want %s", typ, value, region, got, ok, want)
		}
	}
	f("phone", "0692 12 34 56", "RE", "+262692123456")
	f("phone", "06 12 34 56 78", "RE", "06 12 34 56 78") // of the mainland: read there, not here
	f("phone", "+33 6 12 34 56 78", "RE", "+33612345678")
	f("phone", "0470 12 34 56", "BE", "+32470123456") // a land line of Avignon where Belgium is not known
	f("phone", "0470 12 34 56", "", "0470 12 34 56")
	f("phone", "0470 12 34 56", "FR", "0470 12 34 56")
	f("phone", "voir fiche", "BE", "voir fiche")
	f("payment_reference", "tok_1", "RE", "tok_1")
	f("payment_reference", "4970 1012 3456 7893", "", "")
	f("loyalty_card", "4970101234567893", "", "4970101234567893")
	f("unheard_of", "0692123456", "RE", "0692123456")
	if mainland, reunion := must(t, ids, "phone", "0692 12 34 56"), must(t, ids, "phone", "+262692123456"); mainland != reunion {
		t.Error("with and without a region the number is two nodes")
	}
}
