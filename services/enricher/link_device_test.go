package enricher

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/shop"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// edition is a data set as if it was read from a file.
func edition(t testing.TB, name string, table any, err error) reference.Edition {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return reference.Edition{Dataset: name, Sum: "0123456789ab", Loaded: reference.Loaded{Table: table, Rows: 1}}
}

// linkWith makes one link of a French workspace with these data sets.
func linkWith(t testing.TB, maker func(parts) (Enrichment, error), editions ...reference.Edition) Enrichment {
	t.Helper()
	return makeLink(t, maker, "EUR", editions...)
}

const chromium = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"

func TestDevicesNameTheirBots(t *testing.T) {
	crawlers, err := useragent.ReadCrawlers([]byte(`[{"pattern": "PrixRouge", "tags": ["monitoring"]}]`))
	bare, listed := linkWith(t, newUserAgent), linkWith(t, newUserAgent, edition(t, useragent.CrawlersDataset, crawlers, err))
	if v := listed.Describe().Version; !strings.HasSuffix(v, "+crawlers@0123456789ab") || v == bare.Describe().Version {
		t.Errorf("version %s does not name the list", v)
	}
	f := func(link Enrichment, channel, agent, want string) {
		t.Helper()
		var event schemas.IdentifiedTouchpoint
		event.Channel, event.Context.UserAgent = channel, agent
		var added Suffix
		outcome := link.Apply(&event, &added)
		got := outcome.Status + outcome.Reason
		if outcome.Status == StatusApplied {
			d := added.Device.Value
			got = strings.TrimSpace(fmt.Sprintf("%s %v %s %s", d.Class, d.IsBot, d.BotKind, d.BotName))
		}
		if got != want {
			t.Errorf("%s on %s: %s, want %s", agent, channel, got, want)
		}
	}
	f(bare, "web", chromium+" PrixRouge/2", "desktop false")
	f(listed, "web", chromium+" PrixRouge/2", "bot true monitor PrixRouge")
	f(listed, "web", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "bot true ai GPTBot")
	f(listed, "web", "CaisseExpress/12.1", "bot true other CaisseExpress")
	f(listed, "store", "CaisseExpress/12.1", "till false") // Tills call themselves what they like.
	f(listed, "store", "UptimeRobot/2.0", "bot true monitor UptimeRobot")
	f(listed, "app", "okhttp/4.12.0", "skippedserver_library")
	f(listed, "web", "okhttp/4.12.0", "bot true tool okhttp")
}

func TestTrafficReadsTheListsOfSites(t *testing.T) {
	sites, err := traffic.ReadSites(traffic.ClassAI, []byte("Assistant du Nord:\n  - assistant-du-nord.fr\n"))
	bare, listed := linkWith(t, newTraffic), linkWith(t, newTraffic, edition(t, traffic.AIDataset, sites, err))
	if v := listed.Describe().Version; !strings.HasSuffix(v, "+referrers_ai@0123456789ab") {
		t.Errorf("version %s does not name the list", v)
	}
	f := func(link Enrichment, want string) {
		t.Helper()
		var event schemas.IdentifiedTouchpoint
		event.Channel, event.Context.Page.URL, event.Context.Page.Referrer = "web", "https://www.boutique.fr/", "https://assistant-du-nord.fr/"
		var added Suffix
		if link.Apply(&event, &added); added.Traffic.Value.ChannelGroup != want {
			t.Errorf("group %s, want %s", added.Traffic.Value.ChannelGroup, want)
		}
	}
	f(bare, traffic.Referral)
	f(listed, traffic.AIAssistant)
}

func TestTheCalendarKnowsShopsAndHomes(t *testing.T) {
	school, schoolErr := calendar.ReadSchool([]byte("date,vacances_zone_a,vacances_zone_b,vacances_zone_c,nom_vacances\n2026-02-17,True,True,False,Vacances d'hiver\n"))
	shops, shopsErr := shop.Parse("shops.csv", []byte("id,name,postal_code,city,country\n042,Lille,59000,Lille,FR\n974-1,Saint-Denis,97400,Saint-Denis,FR\n"))
	link := linkWith(t, newCalendar, edition(t, calendar.SchoolDataset, school, schoolErr), edition(t, shop.Data, shops, shopsErr))
	if v := link.Describe().Version; !strings.HasSuffix(v, "+school_holidays@0123456789ab+shops@0123456789ab") {
		t.Errorf("version %s does not name the data sets", v)
	}
	f := func(store string, home schemas.Home, want string) {
		t.Helper()
		var event schemas.IdentifiedTouchpoint
		event.OccurredAt = schemas.MillisOf(time.Date(2026, 2, 17, 10, 0, 0, 0, time.UTC))
		event.Context.Store.StoreID = store
		var added Suffix
		if home != (schemas.Home{}) {
			added.Home = schemas.Some(home)
		}
		link.Apply(&event, &added)
		c := added.Calendar.Value
		if got := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.Timezone, c.SchoolZone, c.SchoolHoliday, c.SalesPeriod)); got != want {
			t.Errorf("shop %q, home %+v: %s, want %s", store, home, got, want)
		}
	}
	f("", schemas.Home{}, "Europe/Paris")
	f("042", schemas.Home{}, "Europe/Paris B winter")
	f("042", schemas.Home{Country: "FR", DepartmentCode: "75"}, "Europe/Paris B winter")
	f("974-1", schemas.Home{}, "Indian/Reunion 974  summer_sales")
	f("", schemas.Home{Country: "FR", DepartmentCode: "75"}, "Europe/Paris C")
	f("", schemas.Home{Country: "FR", DepartmentCode: "69"}, "Europe/Paris A winter")
	f("", schemas.Home{Country: "BE"}, "Europe/Paris")
}

// benchmarkLink measures a link on what it has seen before.
func benchmarkLink(b *testing.B, link Enrichment) {
	var event schemas.IdentifiedTouchpoint
	event.Channel, event.Context.UserAgent, event.Context.Timezone = "web", chromium, "Europe/Paris"
	event.Context.Page.URL = "https://www.boutique.fr/produit/1?utm_source=newsletter&utm_medium=email"
	event.Context.Page.Referrer = "https://www.google.fr/"
	event.OccurredAt = schemas.MillisOf(time.Date(2026, 4, 17, 10, 0, 0, 0, time.UTC))
	var added Suffix
	link.Apply(&event, &added)
	b.ReportAllocs()
	for b.Loop() {
		link.Apply(&event, &added)
	}
}

func BenchmarkLinkUserAgent(b *testing.B) { benchmarkLink(b, linkWith(b, newUserAgent)) }

func BenchmarkLinkTraffic(b *testing.B) { benchmarkLink(b, linkWith(b, newTraffic)) }

func BenchmarkLinkCalendar(b *testing.B) { benchmarkLink(b, linkWith(b, newCalendar)) }
