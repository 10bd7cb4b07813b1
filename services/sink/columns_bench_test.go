package sink

import (
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

// BenchmarkEventsBlock builds and encodes blocks of events, as many page views to an order as a shop has: of visitors nobody
// knows, and of customers whose home, area, profile and amounts are known.
func BenchmarkEventsBlock(b *testing.B) {
	for _, known := range []bool{false, true} {
		b.Run(map[bool]string{false: "visitors", true: "customers"}[known], func(b *testing.B) {
			var t touchpoint
			events := newEvents(&t)
			const size = 5000
			for b.Loop() {
				for i := range size {
					t.someone(i, known)
					events.add()
				}
				body, err := events.block.Encode(time.UnixMilli(1_700_000_000_000))
				if err == nil {
					_, err = io.Copy(io.Discard, body)
				}
				if err != nil {
					b.Fatal(err)
				}
				events.block.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/row")
		})
	}
}

func (t *touchpoint) someone(i int, known bool) {
	if i == 0 {
		t.Workspace, t.Source, t.Channel, t.Type, t.Name = "default", "web", "web", "page", "Category"
		t.Context.Page = schemas.Page{URL: "https://shop.example/category/12", Path: "/category/12", Title: "Garden"}
		t.Context.UserAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
		t.Device = schemas.Some(schemas.Device{Class: "desktop", Brand: "Apple", OS: "macOS", OSVersion: "10.15", Browser: "Safari", BrowserVersion: "17.4"})
		t.Traffic = schemas.Some(schemas.Traffic{Source: "newsletter", Medium: "email", Campaign: "sales", ChannelGroup: "email"})
		t.Calendar = schemas.Some(schemas.Calendar{Timezone: "Europe/Paris", LocalDate: schemas.DateOf(2026, 3, 14), Hour: 16, Weekday: 6})
		t.properties, t.traits, t.customerTraits, t.attributes = `{"list":"home","position":3}`, "{}", "{}", "{}"
		t.network, t.standIns = "203.0.113.0", []uuid.UUID{{1}}
		t.Enrichments = []schemas.Enrichment{{Name: "user_agent", Version: "1", Status: "applied"}, {Name: "area", Version: "1", Status: "skipped", Reason: "no_data"}}
		if known {
			t.Home = schemas.Some(schemas.Home{Basis: "customer", Country: "FR", PostalCode: "69003", CommuneCode: "69383", Commune: "Lyon 3e", DepartmentCode: "69", Department: "Rhône", RegionCode: "84", Region: "Auvergne-Rhône-Alpes", Match: "exact"})
			t.Area = schemas.Some(schemas.Area{Level: "commune", Code: "69383", Status: "known", MedianIncome: schemas.Some[int32](24_000), IncomeDecile: schemas.Some[int32](7)})
			t.Profile = schemas.Some(schemas.Profile{AgeBand: "35-44", Gender: "female", Contactability: schemas.Some[int32](80)})
			t.Customer = schemas.Some(schemas.KnownCustomer{AgeBand: "35-44", OrdersBand: "2-3"})
			t.attributed = true
			t.attributes = `{"panel":{"segment":"families"}}`
		}
	}
	t.EventID[0], t.EventID[1], t.Anchor[0] = byte(i), byte(i>>8), byte(i/7)
	t.OccurredAt = schemas.Millis(1_700_000_000_000 + i)
	t.Commerce = schemas.Optional[schemas.Commerce]{}
	if i%10 == 0 {
		t.Commerce = schemas.Some(schemas.Commerce{OrderID: t.EventID.String(), Currency: "EUR", Total: schemas.Some(schemas.Decimal(250_000)), Items: make([]schemas.Item, 2)})
	}
}
