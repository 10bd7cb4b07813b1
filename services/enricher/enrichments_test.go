package enricher

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
)

// What the enrichments say together about an event of each channel.
func TestEnrichmentsByChannel(t *testing.T) {
	chain := defaultChain(t)
	const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
	f := func(channel string, context schemas.Context, want string) {
		t.Helper()
		event := schemas.EnrichedTouchpoint{}
		event.Channel, event.Context = channel, context
		event.OccurredAt = schemas.MillisOf(time.Date(2026, 5, 8, 9, 0, 0, 0, time.UTC))
		if err := chain.Run(&event, new(Suffix)); err != nil {
			t.Fatal(err)
		}
		got := []string{channel}
		for _, entry := range event.Enrichments {
			switch {
			case !slices.Contains([]string{UserAgent, Traffic, Calendar}, entry.Name):
			case entry.Status != StatusApplied:
				got = append(got, entry.Status+":"+entry.Reason)
			case entry.Name == UserAgent:
				got = append(got, event.Device.Value.Class)
			case entry.Name == Traffic:
				got = append(got, event.Traffic.Value.ChannelGroup)
			case entry.Name == Calendar:
				got = append(got, event.Calendar.Value.Holiday)
			}
		}
		applied := func(name string) bool {
			return slices.ContainsFunc(event.Enrichments, func(e schemas.Enrichment) bool { return e.Name == name && e.Status == StatusApplied })
		}
		if event.Device.Valid != applied(UserAgent) || event.Traffic.Valid != applied(Traffic) {
			t.Errorf("%s: fields and entries do not agree: %+v", channel, event.Enrichments)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
	page := schemas.Page{URL: "https://www.boutique.fr/"}
	iphone := schemas.DeviceContext{Type: "ios", Model: "iPhone15,3"}
	f("web", schemas.Context{UserAgent: firefox, Page: page}, "web desktop direct victory_1945")
	f("web", schemas.Context{UserAgent: firefox}, "web desktop skipped:no_page victory_1945")
	f("web", schemas.Context{UserAgent: "curl/8.5.0", Page: page}, "web bot direct victory_1945")
	f("web", schemas.Context{ClientHints: schemas.ClientHints{Mobile: schemas.Some(true), Platform: "Android"}, Page: page}, "web mobile direct victory_1945")
	f("web", schemas.Context{UserAgent: firefox, Device: iphone, Page: page}, "web desktop direct victory_1945")
	f("app", schemas.Context{UserAgent: "okhttp/4.12.0", Device: iphone}, "app mobile skipped:no_page victory_1945")
	f("app", schemas.Context{Device: iphone, Campaign: schemas.Campaign{Source: "newsletter", Medium: "email"}}, "app mobile email victory_1945")
	f("store", schemas.Context{Store: schemas.Store{StoreID: "042"}}, "store skipped:no_user_agent skipped:offline_channel victory_1945")
	f("store", schemas.Context{UserAgent: "Java/17.0.9"}, "store skipped:server_library skipped:offline_channel victory_1945")
	f("store", schemas.Context{UserAgent: "CaisseExpress/12.1 (Windows NT 10.0)"}, "store till skipped:offline_channel victory_1945")
	f("store", schemas.Context{OS: schemas.OperatingSystem{Name: "Android"}}, "store till skipped:offline_channel victory_1945")
	f("call_center", schemas.Context{UserAgent: firefox, Page: page}, "call_center desktop skipped:offline_channel victory_1945")
	f("server", schemas.Context{UserAgent: "analytics-node/2.1"}, "server skipped:server_library skipped:no_page victory_1945")
	f("server", schemas.Context{UserAgent: firefox, Page: page}, "server desktop direct victory_1945")
	f("email", schemas.Context{}, "email skipped:no_user_agent skipped:no_page victory_1945")
}
