package enricher

import (
	"testing"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/network"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

func TestNetworkReasons(t *testing.T) {
	f := func(link Enrichment, ip, reason string) {
		t.Helper()
		event := &schemas.IdentifiedTouchpoint{}
		event.Context.IP = ip
		if got := link.Apply(event, &Suffix{}); got != Skipped(reason) {
			t.Errorf("%q: got %+v, want %s", ip, got, reason)
		}
	}
	empty := reference.Edition{Dataset: network.Data, Sum: "000000000000", Loaded: reference.Loaded{Table: &network.Places{}}}
	link := linkWith(t, newNetwork, empty)
	f(link, "", reasonNoIP)
	f(link, "192.168.1.1", reasonPrivateIP)
	f(link, "90.1.2", reasonMalformedIP)
	f(link, "90.1.2.3", reasonUnknownIP)
	f(link, "90.1.2.0", reasonUnknownIP)
	f(linkWith(t, newNetwork), "90.1.2.3", reasonNoData)
}
