package sink_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
)

// kiosk is the anchor of a tablet in a shop: identity says that it is nobody's.
const kiosk = 31

// retailer invents events of some weeks before now, among them what views are easily wrong about.
type retailer struct {
	t    testing.TB
	dice *rand.Rand
	now  time.Time
	sent []*schemas.EnrichedTouchpoint
}

func (m *retailer) add(anchor byte, source, channel, name string, at time.Time) *schemas.EnrichedTouchpoint {
	e := event(anchor, name)
	e.Source, e.Channel = source, channel
	e.OccurredAt = schemas.MillisOf(at)
	// Received soon after, but for some that come days later; never close to an hour or a day ago.
	received := at.Add(time.Duration(m.dice.IntN(3000)) * time.Millisecond)
	if m.dice.IntN(12) == 0 {
		received = at.Add(31 * time.Hour)
	}
	for _, age := range []time.Duration{time.Hour, 24 * time.Hour, 48 * time.Hour, 30 * 24 * time.Hour} {
		if d := m.now.Sub(received) - age; d > -10*time.Minute && d < 10*time.Minute {
			received = received.Add(-20 * time.Minute)
		}
	}
	if received.After(m.now) {
		received = m.now.Add(-time.Minute)
	}
	e.ReceivedAt = schemas.MillisOf(received)
	m.enrich(e, int(anchor))
	m.sent = append(m.sent, e)
	return e
}

// enrich adds what is known of every third person and so on: a commune with statistics, one whose are withheld, a country without.
func (m *retailer) enrich(e *schemas.EnrichedTouchpoint, n int) {
	place := schemas.Enrichment{Name: "place", Version: fmt.Sprint("place-", n%2), Status: "skipped", Reason: "no_address"}
	area := schemas.Enrichment{Name: "area", Version: "area-1", Status: "skipped", Reason: "consent"}
	if n%3 == 0 {
		place.Status, place.Reason = "applied", ""
		e.Home = schemas.Some(schemas.Home{Basis: "event", Country: "FR", CommuneCode: []string{"69383", "35238"}[n%2]})
		switch n % 4 {
		case 0:
			e.Home.Value = schemas.Home{Basis: "event", Country: []string{"BE", "FR"}[n%8/4]}
		case 1:
			e.Area = schemas.Some(schemas.Area{Code: e.Home.Value.CommuneCode, Status: "withheld"})
			area.Status, area.Reason = "applied", ""
		case 2:
			e.Area = schemas.Some(schemas.Area{Code: e.Home.Value.CommuneCode, Status: "known", MedianIncome: schemas.Some[int32](21_000)})
			area.Status, area.Reason = "applied", ""
		}
	}
	if n%5 == 0 {
		e.Profile = schemas.Some(schemas.Profile{AgeBand: []string{"25-34", ""}[n%2], Gender: "female"})
		e.Customer = schemas.Some(schemas.KnownCustomer{AgeBand: []string{"75+", "35-44", ""}[n%3]})
	}
	e.Enrichments = []schemas.Enrichment{place, area}
}

func (m *retailer) ago(days float64) time.Time {
	return m.now.Add(-time.Duration(days * 24 * float64(time.Hour))).Truncate(time.Millisecond)
}

func (m *retailer) product(n int) schemas.Item {
	return schemas.Item{
		ProductID: fmt.Sprintf("p%d", n), Name: fmt.Sprintf("Product %d", n), Category: []string{"garden", "kitchen", "", "bath"}[n%4],
		Price: schemas.Some(schemas.Decimal(10_000*int64(n+1) + 3333)),
	}
}

func (m *retailer) goods() []schemas.Item {
	var items []schemas.Item
	for range 1 + m.dice.IntN(4) {
		items = append(items, m.product(m.dice.IntN(9)))
	}
	return items
}

func (m *retailer) order(anchor byte, channel, id string, at time.Time, items []schemas.Item) *schemas.EnrichedTouchpoint {
	source := "web"
	if channel == "store" {
		source = "pos"
	}
	e := m.add(anchor, source, channel, "Order Completed", at)
	total := schemas.Decimal(0)
	for _, i := range items {
		total += i.Price.Value
	}
	e.Commerce = schemas.Some(schemas.Commerce{OrderID: id, Total: schemas.Some(total), Tax: schemas.Some(total / 6), Currency: "EUR", Items: items})
	if channel == "store" {
		e.Context.Store.StoreID = []string{"lyon", "paris"}[anchor%2]
	}
	return e
}

func (m *retailer) about(anchor byte, source, channel, name, order string, at time.Time, amount schemas.Decimal) {
	e := m.add(anchor, source, channel, name, at)
	e.Commerce = schemas.Some(schemas.Commerce{OrderID: order, Currency: "EUR"})
	if amount > 0 {
		e.Commerce.Value.Total = schemas.Some(amount)
	}
}

var origins = []schemas.Traffic{
	{ChannelGroup: "direct", ReferrerClass: "none"},
	{Source: "google", Medium: "cpc", Campaign: "brand", ChannelGroup: "paid_search"},
	{Source: "bing", Medium: "organic", ChannelGroup: "organic_search"},
	{Source: "newsletter", Medium: "email", Campaign: "spring", ChannelGroup: "email"},
}

// visit is some pages and products, entered from somewhere.
func (m *retailer) visit(anchor byte, at time.Time) {
	origin := origins[m.dice.IntN(len(origins))]
	for i := range 1 + m.dice.IntN(4) {
		e := m.add(anchor, "web", "web", "Page", at.Add(time.Duration(i)*time.Minute))
		e.Type = "page"
		e.Traffic = schemas.Some(origin)
		if i > 0 && m.dice.IntN(2) == 0 {
			e.Traffic = schemas.Some(schemas.Traffic{ChannelGroup: "internal", ReferrerClass: "internal"})
		}
		if m.dice.IntN(3) == 0 {
			v := m.add(anchor, "web", "web", "Product Viewed", at.Add(time.Duration(i)*time.Minute+time.Second))
			v.Commerce = schemas.Some(schemas.Commerce{Items: []schemas.Item{m.product(m.dice.IntN(9))}})
		}
		if m.dice.IntN(6) == 0 {
			v := m.add(anchor, "web", "web", "Product List Viewed", at.Add(time.Duration(i)*time.Minute+2*time.Second))
			v.Commerce = schemas.Some(schemas.Commerce{ListCategory: "bath", Items: []schemas.Item{m.product(1)}})
		}
	}
}

func (m *retailer) message(anchor byte, name, campaign string, at time.Time) *schemas.EnrichedTouchpoint {
	e := m.add(anchor, "email", "email", name, at)
	e.Context.Campaign = schemas.Campaign{Name: campaign, Source: "newsletter", Medium: "email"}
	e.Traffic = schemas.Some(schemas.Traffic{Source: "newsletter", Medium: "email", Campaign: campaign, ChannelGroup: "email"})
	return e
}

func (m *retailer) answer(anchor byte, kind string, score, scale, comment, order string, at time.Time) {
	e := m.add(anchor, "survey", "survey", "Survey Answered", at)
	f := schemas.Feedback{SurveyID: "after " + kind, Kind: kind, Comment: comment}
	if score != "" {
		f.Score = amount(m.t, score)
	}
	if scale != "" {
		f.Scale = amount(m.t, scale)
	}
	e.Feedback = schemas.Some(f)
	if order != "" {
		e.Properties = fmt.Sprintf(`{"order_id":%q}`, order)
	}
}

// weeks plays what everybody does at random.
func (m *retailer) weeks() {
	for anchor := byte(1); anchor <= kiosk; anchor++ {
		for v := range 6 {
			at := m.ago(m.dice.Float64()*70 + 1)
			m.visit(anchor, at)
			if v%2 == 0 {
				m.order(anchor, "web", fmt.Sprintf("w%d-%d", anchor, v), at.Add(10*time.Minute), m.goods())
			}
			if v == 1 {
				m.about(anchor, "server", "server", "Order Refunded", fmt.Sprintf("w%d-0", anchor), m.ago(.8), schemas.Decimal(5_000))
			}
			if anchor%5 == 0 && v == 2 {
				m.about(anchor, "server", "server", "Order Cancelled", fmt.Sprintf("w%d-2", anchor), at.Add(time.Hour), 0)
			}
		}
		for n := range 4 {
			ticket := m.order(anchor, "store", fmt.Sprintf("t%d-%d", anchor, n), m.ago(m.dice.Float64()*60+1), m.goods())
			m.answer(anchor, []string{"nps", "csat", "ces", "Review"}[n], fmt.Sprint(m.dice.IntN(6)), []string{"10", "5", "7", ""}[m.dice.IntN(4)], "", ticket.Commerce.Value.OrderID, m.ago(m.dice.Float64()*50))
		}
		for _, campaign := range []string{"spring", "sale", ""} {
			at := m.ago(m.dice.Float64()*60 + 1)
			m.message(anchor, "Email Delivered", campaign, at)
			for range m.dice.IntN(3) {
				m.message(anchor, "Email Opened", campaign, at.Add(time.Duration(m.dice.IntN(90))*time.Hour))
			}
			if m.dice.IntN(2) == 0 {
				m.message(anchor, "Email Link Clicked", campaign, at.Add(time.Duration(m.dice.IntN(90))*time.Hour))
			}
		}
		person := m.add(anchor, "crm", "crm", "", m.ago(float64(anchor)*20))
		person.Type = "identify"
		person.Person = schemas.Some(schemas.Person{
			Email: []string{"a@b.example", "A@B.example ", "no address", "x@localhost", ""}[anchor%5], Phone: []string{"06 12 34 56 78", "+33612345678", "12", ""}[anchor%4],
			PostalCode: []string{"75011", "97410", "99999", "1000"}[anchor%4], Country: []string{"", "FR", "be"}[anchor%3],
			LastName: []string{"Ng", "X", "D2", "Éluard"}[anchor%4], BirthDate: schemas.Optional[schemas.Date]{Valid: anchor%2 == 0, Value: schemas.DateOf(1890+int(anchor)*5, 2, 3)},
		})
		person.Consent = schemas.Optional[schemas.Consent]{Valid: anchor%3 > 0, Value: schemas.Consent{Granted: []string{"ads"}, Denied: []string{[]string{"analytics", "ads"}[anchor%2]}}}
	}
}

// edges adds the cases that views are easily wrong about.
func (m *retailer) edges() {
	// Two clicks on two campaigns in one millisecond, then an order in that millisecond as well.
	at := m.ago(9.2)
	m.message(40, "Email Link Clicked", "spring", at)
	m.message(40, "Email Link Clicked", "sale", at)
	m.order(40, "store", "tie", at, m.goods())
	// A click seven days before to the millisecond counts; one a millisecond older does not, and the later opening does not either: there is no click.
	at = m.ago(20.1)
	m.message(41, "Email Link Clicked", "spring", at.Add(-7*24*time.Hour))
	m.order(41, "store", "edge in", at, m.goods())
	m.message(42, "Email Link Clicked", "spring", at.Add(-7*24*time.Hour-time.Millisecond))
	m.order(42, "store", "edge out", at, m.goods())
	m.message(43, "Email Link Clicked", "spring", at.Add(-8*24*time.Hour))
	m.message(43, "Email Opened", "sale", at.Add(-time.Hour))
	m.order(43, "store", "by opening", at, m.goods())
	// What was cancelled is no order, and what was refunded whole is one of nothing.
	m.message(58, "Email Link Clicked", "spring", at.Add(-time.Hour))
	for _, id := range []string{"clicked, cancelled", "clicked, refunded"} {
		m.order(58, "web", id, at, m.goods())
	}
	m.about(58, "server", "server", "Order Cancelled", "clicked, cancelled", at.Add(time.Hour), 0)
	m.about(58, "server", "server", "Order Refunded", "clicked, refunded", at.Add(time.Hour), 0)
	// What is not told by name: ids and names in the properties, other media, and channels that name the medium.
	sms := m.add(44, "email", "sms", "Unsubscribed", at)
	sms.Properties = `{"campaign_id":"77","campaign_name":"Texts"}`
	m.add(44, "email", "sms", "SMS Sent", at).Properties = `{"campaign_id":"77"}`
	m.add(44, "app", "app", "Push Notification Tapped", at).Properties = `{"campaign_name":"Push"}`
	m.add(44, "email", "server", "Unsubscribed", at).Properties = `{"email_id":"e9"}`
	m.add(44, "email", "email", "Email Marked as Spam", at)
	m.add(44, "email", "email", "Email Bounced", at)
	// Direct after a campaign, an unbroken run, the same origin after a pause, and a touch 30 days before to the millisecond.
	page := func(anchor byte, origin int, at time.Time) {
		e := m.add(anchor, "web", "web", "Page", at)
		e.Type, e.Traffic = "page", schemas.Some(origins[origin])
	}
	at = m.ago(12.3)
	page(45, 1, at.Add(-30*24*time.Hour))
	page(45, 2, at.Add(-3*time.Hour))
	page(45, 2, at.Add(-150*time.Minute))
	page(45, 2, at.Add(-119*time.Minute))
	page(45, 0, at.Add(-time.Minute))
	m.order(45, "web", "many touches", at, m.goods())
	page(46, 1, at.Add(-30*24*time.Hour-time.Millisecond))
	page(46, 0, at.Add(-2*time.Minute))
	m.order(46, "web", "direct only", at, m.goods())
	m.order(47, "web", "no touch", at, m.goods())
	// A crawler is no visit, and neither is a kiosk whose events are nobody's.
	page(48, 1, at.Add(-time.Hour))
	m.sent[len(m.sent)-1].Device = schemas.Some(schemas.Device{Class: "bot", IsBot: true})
	m.order(48, "store", "crawled", at, m.goods())
	// Baskets: of one product, of the same one twice, of none, of too many, and a pair that is always together. Amounts of zero, and none at all.
	m.order(49, "web", "one", at, []schemas.Item{m.product(1)})
	m.order(49, "web", "twice", at, []schemas.Item{m.product(1), m.product(1)})
	m.order(49, "store", "none", at, nil)
	many := make([]schemas.Item, 51)
	for i := range many {
		many[i] = m.product(i)
	}
	m.order(49, "web", "wholesale", at, many)
	for i := range 3 {
		m.order(49, "web", fmt.Sprintf("pair %d", i), at, []schemas.Item{{ProductID: "salt"}, {ProductID: "pepper", Price: schemas.Some(schemas.Decimal(0))}})
	}
	// Orders that the site's server tells, and one by telephone, after a visit to a shop.
	m.order(49, "server", "told", at.Add(time.Hour), []schemas.Item{m.product(1)})
	m.order(49, "call_center", "called", at.Add(time.Hour), []schemas.Item{m.product(1)})
	// A refund of an order that was never seen; an order that was refunded whole; another currency.
	m.about(50, "server", "server", "Order Refunded", "unseen", at, 70_000)
	m.order(50, "store", "refunded", at, m.goods())
	m.about(50, "pos", "store", "Order Refunded", "refunded", at.Add(time.Hour), 0)
	foreign := m.order(50, "store", "foreign", at, m.goods())
	foreign.Commerce.Value.Currency = "XXX"
	// Amounts far above and below the others; what is all the same but once; a source that stops.
	for i, total := range []schemas.Decimal{900_000_000, 1} {
		m.order(51, "web", fmt.Sprintf("odd %d", i), at, nil).Commerce.Value.Total = schemas.Some(total)
	}
	for day := 2; day <= 25; day++ {
		hour := m.now.Truncate(24*time.Hour).AddDate(0, 0, -day).Add(time.Duration((m.now.Hour()+8)%24) * time.Hour)
		steady := 2
		if day == 6 {
			steady = 9
		}
		for range steady {
			m.add(52, "same", "server", "Beat", hour.Add(time.Minute))
		}
		if day > 4 {
			for range 20 + day%3 {
				m.add(53, "stops", "server", "Beat", hour.Add(5*time.Minute))
			}
		}
		m.order(54, "store", fmt.Sprintf("day %d", day), hour.Add(7*time.Hour), []schemas.Item{{ProductID: "till", Price: schemas.Some(schemas.Decimal(1_000_000 + int64(day)*1_000 + int64(day/25)*90_000_000))}})
	}
	for i := range 3 {
		m.sent[len(m.sent)-1-i].Context.Store.StoreID = "rare"
	}
	// Surveys: no scale, a scale of zero, a score above it, a comment alone, an order that nobody knows.
	m.answer(55, "nps", "9", "", "good", "tie", at)
	m.answer(55, "nps", "6", "0", "", "unknown", at)
	m.answer(55, "nps", "11", "10", "", "", at)
	m.answer(55, "nps", "", "10", "no score", "", at)
	m.answer(55, "csat", "8", "10", "", "", at)
	m.answer(55, "csat", "-1", "5", "", "", at)
	m.answer(55, "mood", "3", "", "", "", at)
	m.answer(55, "ces", "2", "7", "", "", at)
	// The same said again, which merges take for one; and one value alone, which leaves the others as they were.
	for i, values := range []schemas.Person{{Email: "same@b.example", Phone: "0612345678"}, {Email: "same@b.example", Phone: "0612345678"}, {Email: "no address"}} {
		e := m.add(57, "again", "crm", "", m.ago(float64(9-i)))
		e.Type, e.Person = "identify", schemas.Some(values)
	}
	// Wrong data: the future, long ago, an amount below zero, products without id or price.
	m.add(56, "late", "server", "Odd", m.now.AddDate(-3, 0, 0)).ReceivedAt = schemas.MillisOf(m.now.Add(-3 * time.Hour))
	m.add(56, "late", "server", "Odd", m.now.Add(6*time.Hour)).ReceivedAt = schemas.MillisOf(m.now.Add(-3 * time.Hour))
	wrong := m.order(56, "web", "wrong", m.ago(3.4), []schemas.Item{{ProductID: " p1"}, {ProductID: "p2", Price: schemas.Some(schemas.Decimal(-5))}})
	wrong.Commerce.Value.Total = schemas.Some(schemas.Decimal(-9))
	wrong.Identifiers = nil
	wrong.IgnoredIdentifiers = []schemas.IgnoredIdentifier{{Type: "email", Reason: "invalid"}}
	m.add(56, "web", "web", "Product Viewed", m.ago(3.4)).Commerce = schemas.Some(schemas.Commerce{Items: []schemas.Item{{Name: "no id"}}})
}
