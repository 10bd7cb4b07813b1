package sink_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// shoppers make the events that the analysts' views are recounted on: people whose steps meet the limits of every definition to the millisecond.
type shoppers struct {
	t      *testing.T
	random *rand.Rand
	whims  *rand.Rand // what is known of people, so that their steps stay the same
	events []*schemas.EnrichedTouchpoint
	orders []*schemas.EnrichedTouchpoint // that placed one, to be confirmed again, refunded, cancelled
	moves  map[uuid.UUID]uuid.UUID       // node to customer, where it is not its own
	hub    uuid.UUID
}

const (
	second, minute, hour = 1000, 60_000, 3_600_000
	day                  = 24 * hour
)

// steps stand on both sides of the definitions: 10 seconds, 30 minutes, an hour, 24 hours, seven days; 0 makes ties.
var steps = []int64{
	0, 1, second, 9_999, 10_000, 5 * second, minute, minute, 5 * minute, 30 * minute, 30*minute + 1, 59 * minute, hour, hour + 1, 3 * hour,
	day, day + 1, 3 * day, 7 * day, 7*day + 1, 20 * day,
}

func pick[T any](s *shoppers, from []T) T { return from[s.random.IntN(len(from))] }

func newShoppers(t *testing.T, seed uint64) *shoppers {
	s := &shoppers{t: t, random: rand.New(rand.NewPCG(seed, 4)), whims: rand.New(rand.NewPCG(seed, 5)), moves: make(map[uuid.UUID]uuid.UUID), hub: node(99)}
	for n := byte(1); n <= 24; n++ {
		s.live(n)
	}
	for n := byte(1); n <= 12; n++ {
		if s.random.IntN(2) == 0 {
			s.moves[node(n)] = node(byte(20 + s.random.IntN(4)))
		}
	}
	// Late events: what is stored last need not be what happened last.
	s.random.Shuffle(len(s.events), func(i, j int) { s.events[i], s.events[j] = s.events[j], s.events[i] })
	return s
}

// live is one person's life, which ends half an hour ago at the latest.
func (s *shoppers) live(n byte) {
	end := time.Now().Add(-30 * time.Minute).UnixMilli()
	at := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1-s.random.IntN(200)).UnixMilli() - int64(s.random.IntN(3)*minute)
	for range 10 + s.random.IntN(40) {
		if at += pick(s, steps); at > end {
			at = end // the last cart of some is too young
		}
		s.act(n, at)
	}
}

func (s *shoppers) amount(n int) schemas.Optional[schemas.Decimal] {
	return amount(s.t, fmt.Sprint(n))
}

func (s *shoppers) act(n byte, at int64) {
	e := event(n, "")
	e.OccurredAt = schemas.Millis(at)
	anchor := node(n)
	e.Anchor, e.CustomerID = anchor, anchor
	e.AnchorType = []string{"anonymous_id", "user_id", "user_id", "till_record", "device_id"}[n%5]
	e.Identifiers = []schemas.Identifier{{Type: e.AnchorType, Value: anchor.String()}}
	if e.AnchorType == "user_id" {
		e.Identifiers = append(e.Identifiers, schemas.Identifier{Type: "anonymous_id", Value: node(byte(150 + s.random.IntN(2))).String()})
	}
	// A kiosk: alone it is nobody, beside an account it is that customer's.
	if s.random.IntN(12) == 0 {
		e.Identifiers = append([]schemas.Identifier{{Type: "loyalty_card", Value: s.hub.String()}}, e.Identifiers...)
		if s.random.IntN(2) == 0 {
			e.Identifiers = e.Identifiers[:1]
		}
		e.Anchor, e.AnchorType, e.CustomerID = s.hub, "loyalty_card", s.hub
	}
	e.Channel = pick(s, []string{"web", "web", "web", "app"})
	e.Source = e.Channel
	if s.random.IntN(3) == 0 {
		local := time.UnixMilli(at).UTC().Add(2 * time.Hour)
		e.Calendar = schemas.Some(schemas.Calendar{Timezone: "Europe/Paris", LocalDate: schemas.DateOf(local.Year(), local.Month(), local.Day()), Hour: int32(local.Hour()), Weekday: 1})
	}
	if s.random.IntN(3) == 0 {
		e.Traffic = schemas.Some(schemas.Traffic{Source: pick(s, []string{"google", "letter", ""}), Medium: "m", ChannelGroup: pick(s, []string{"", "direct", "email"})})
	}
	if s.random.IntN(3) == 0 {
		e.Device = schemas.Some(schemas.Device{Class: pick(s, []string{"mobile", "desktop", ""}), IsBot: s.random.IntN(15) == 0})
	}
	s.kind(e)
	s.know(e)
	s.events = append(s.events, e)
}

func (s *shoppers) kind(e *schemas.EnrichedTouchpoint) {
	switch s.random.IntN(10) {
	case 0, 1, 2:
		e.Type, e.Name = pick(s, []string{"page", "screen"}), "Home"
		e.Context.Page.Path = pick(s, []string{"", "/a", "/b"})
	case 3, 4, 5:
		e.Name = pick(s, []string{"Product Added", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started", "Checkout Step Viewed", "Payment Info Entered"})
		c := schemas.Commerce{CartID: pick(s, []string{"", "", "c1", "c2"}), Currency: pick(s, []string{"EUR", "EUR", "GBP"})}
		for range s.random.IntN(3) {
			item := schemas.Item{ProductID: pick(s, []string{"p1", "p2", "p3", ""}), SKU: pick(s, []string{"", "s1"})}
			if s.random.IntN(4) > 0 {
				item.Price = s.amount(1 + s.random.IntN(9))
			}
			if s.random.IntN(2) == 0 {
				item.Quantity = s.amount(1 + s.random.IntN(2))
			}
			c.Items = append(c.Items, item)
		}
		e.Commerce = schemas.Some(c)
	case 6, 7:
		s.order(e)
	case 8:
		e.Name, e.Channel, e.Source = pick(s, []string{"Unsubscribed", "Newsletter Subscribed", "Email Opened", "Email Marked as Spam"}), "email", "email"
	case 9:
		s.identify(e)
	}
}

func (s *shoppers) order(e *schemas.EnrichedTouchpoint) {
	if len(s.orders) > 0 && s.random.IntN(3) == 0 {
		old := pick(s, s.orders)
		e.Name = pick(s, []string{"Order Completed", "Order Refunded", "Order Refunded", "Order Cancelled"})
		c := schemas.Commerce{OrderID: old.Commerce.Value.OrderID}
		if s.random.IntN(3) == 0 {
			e.Channel, e.Source, e.Context.Store.StoreID = "store", "store", "lyon"
		}
		if e.Name == "Order Refunded" {
			c.Currency = pick(s, []string{"", "", "EUR", "USD"})
		}
		if e.Name != "Order Cancelled" && s.random.IntN(3) > 0 {
			c.Total = s.amount(2 * s.random.IntN(15)) // the half is a whole number too
		}
		e.Commerce = schemas.Some(c)
		return
	}
	e.Name, e.Channel = "Order Completed", pick(s, []string{"web", "web", "app", "store", "store", "server", "call_center"})
	e.Source = e.Channel
	c := schemas.Commerce{OrderID: fmt.Sprint("o", s.random.IntN(400)), Total: s.amount(1 + s.random.IntN(60)), Currency: pick(s, []string{"", "EUR", "EUR", "EUR", "USD"})}
	if e.Channel == "store" {
		e.Context.Store.StoreID = pick(s, []string{"paris", "lyon"})
	}
	e.Commerce = schemas.Some(c)
	s.orders = append(s.orders, e)
}

func (s *shoppers) identify(e *schemas.EnrichedTouchpoint) {
	e.Type, e.Source = "identify", pick(s, []string{"web", "crm", "old"})
	maybe := func(values ...string) string { return pick(s, append(values, "")) }
	if s.random.IntN(2) == 0 {
		p := schemas.Person{
			Email: maybe("a@example.com", "b@example.org", "not an address"), Phone: maybe("06 12 34 56 78", "+33 1 23 45 67 89", "+44 7700 900123", "12"),
			FirstName: maybe("A"), LastName: maybe("B"), FullName: maybe("", "", "A B"), Street: maybe("1 rue"), PostalCode: maybe("75001"), City: maybe("Paris"),
		}
		if s.random.IntN(2) == 0 {
			p.BirthDate = schemas.Some(schemas.DateOf(1980, 1, 2))
		}
		e.Person = schemas.Some(p)
	}
	if s.random.IntN(3) == 0 {
		e.Traits = pick(s, []string{`{"newsletter":true}`, `{"newsletter":false}`, `{"sms_opt_in":"non"}`, `{"newsletter":"perhaps"}`, `{"tier":"gold"}`, `{"tier":"silver"}`, `{"tier":null}`})
	}
	if e.Traits == "" && s.random.IntN(2) == 0 {
		e.Consent = schemas.Some(pick(s, []schemas.Consent{
			{Granted: []string{"Analytics"}, Denied: []string{"Advertising"}},
			{Denied: []string{"*"}},
			{Granted: []string{"E-mail"}, Denied: []string{"SMS"}},
			{Granted: []string{"marketing"}},
			{Granted: []string{"Analytics"}, Denied: []string{"Direct Marketing"}},
			{Granted: []string{"sms", "post"}},
			{},
		}))
	}
}

// send stores the events and says who is who, and waits until the views know it.
func (s *shoppers) send(r *rig) {
	s.t.Helper()
	for part := range slices.Chunk(s.events, 200) {
		r.produce(part...)
	}
	rows := []*identitymap.Row{{Workspace: r.workspace, Node: s.hub, Canonical: s.hub, Version: 1, Reason: identitymap.Hub, Previous: s.hub, Shared: true}}
	for from, to := range s.moves {
		rows = append(rows, &identitymap.Row{Workspace: r.workspace, Node: from, Canonical: to, Version: 2, Reason: identitymap.Joined, Previous: from})
	}
	rows = append(rows, &identitymap.Row{Workspace: r.workspace, Node: node(200), Canonical: node(201), Version: 3, Reason: identitymap.Joined, Previous: node(200)})
	var records []*stream.Record
	for _, row := range rows {
		records = append(records, &stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, row), Value: identitymap.Append(nil, row)})
	}
	r.send(records...)
	r.awaitCommitted(int64(len(s.events)))
	r.eventually("SELECT count() FROM identity_map WHERE workspace = %s", fmt.Sprint(len(rows)))
	for _, dictionary := range []string{"identity_map_dict", "identity_changes_dict"} {
		if err := r.db.Exec(s.t.Context(), "SYSTEM RELOAD DICTIONARY parcours."+dictionary); err != nil {
			s.t.Fatal(err)
		}
	}
}

// analysed are the columns that are recounted, for each view in an order of its own.
var analysed = map[string]string{
	"sessions":          "SELECT session_key, customer_id, shared, visitor, source, channel, started_at, ended_at, duration_s, local_date, events, pages, entry_page, exit_page, traffic_source, traffic_channel_group, device_class, orders, revenue, currency, bounced, is_bot FROM sessions WHERE workspace = %s ORDER BY session_key",
	"customer_rfm":      "SELECT customer_id, recency_days, frequency, monetary, currency, r_score, f_score, m_score, rfm, segment, as_of FROM customer_rfm WHERE workspace = %s ORDER BY customer_id",
	"channel_mix":       "SELECT customer_id, mix, orders, web_orders, app_orders, store_orders, other_orders, web_share, store_share, revenue, web_revenue, store_revenue, other_revenue, currency, stores FROM channel_mix WHERE workspace = %s ORDER BY customer_id",
	"abandoned_carts":   "SELECT cart_key, customer_id, cart_id, channel, started_at, last_activity_at, stage, events, items, quantity, value, currency, products, recovered, recovered_order_key, recovered_at, recovered_channel FROM abandoned_carts WHERE workspace = %s ORDER BY cart_key",
	"retention_cohorts": "SELECT cohort_month, months_since, customers, retained, retention, orders, revenue, complete FROM retention_cohorts WHERE workspace = %s ORDER BY cohort_month, months_since",
	"customer_profiles": "SELECT " + profileColumns + " FROM customer_profiles WHERE workspace = %s ORDER BY customer_id",
	"profile_channel_mix": "SELECT dimension, value, customers, web_only, store_only, multichannel, other_only, web_only_share, store_only_share, multichannel_share, orders, average_basket, currency, small " +
		"FROM profile_channel_mix WHERE workspace = %s ORDER BY dimension, value",
	"orders":    "SELECT order_key, customer_id, shared, status, channel, store_id, occurred_at, local_date, currency, net_revenue, money_currency, money_net_revenue FROM orders WHERE workspace = %s ORDER BY order_key",
	"customers": "SELECT customer_id, shared, events, has_email, has_phone, has_name, has_address, has_birth_date, completeness, contact_refused, contactable_by, traits['tier'] FROM customers WHERE workspace = %s ORDER BY customer_id",
}

// Every view of the analysts' layer equals a recount in plain loops, whatever the order in which things were stored, and says the same after merges.
func TestAnalystsViewsEqualARecount(t *testing.T) {
	for _, seed := range []uint64{1, 3} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := newRig(t)
			r.priorities = []workspace.SourcePriority{
				{Source: "crm", Field: "*", Priority: 5, FreshDays: 60}, {Source: "old", Field: "email", Priority: -1}, {Source: "old", Field: "tier", Priority: 9},
			}
			r.run()
			s := newShoppers(t, seed)
			s.send(r)
			refreshed, err := sink.RefreshViews(t.Context(), r.db)
			if err != nil {
				t.Fatal(err)
			}
			for _, view := range []string{"sessions", "customer_rfm", "channel_mix", "abandoned_carts", "retention_cohorts", "customer_profiles"} {
				if !slices.Contains(refreshed, view) {
					t.Errorf("%s was not refreshed: %v", view, refreshed)
				}
			}
			recount := newRecount(r, s)
			answers := make(map[string][][]string)
			for view, query := range analysed {
				answers[view] = r.rows(query)
				if len(answers[view]) < 5 {
					t.Errorf("%s has %d rows: too few to tell anything", view, len(answers[view]))
				}
			}
			for view, want := range map[string][][]string{
				"sessions": recount.sessions(), "customer_rfm": recount.rfm(), "channel_mix": recount.mix(), "customer_profiles": recount.profiles(), "profile_channel_mix": recount.profileMix(),
				"abandoned_carts": recount.carts(), "retention_cohorts": recount.cohorts(), "customers": recount.customers(), "orders": recount.orders(),
			} {
				compare(t, view, want, answers[view])
			}
			// Merges change nothing.
			for _, table := range []string{"events", "contacts", "traits", "identity_map", "identity_changes", "source_priorities"} {
				if err := r.db.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := sink.RefreshViews(t.Context(), r.db); err != nil {
				t.Fatal(err)
			}
			for view, query := range analysed {
				if diff := cmp.Diff(answers[view], r.rows(query)); diff != "" {
					t.Errorf("%s changes when parts merge (-before +after):\n%s", view, diff)
				}
			}
		})
	}
}

// compare shows the first rows that differ, as they stand.
func compare(t *testing.T, view string, want, got [][]string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s has %d rows, the recount %d", view, len(got), len(want))
	}
	shown := 0
	for i := range min(len(want), len(got)) {
		if !slices.Equal(want[i], got[i]) {
			t.Errorf("%s, row %d:\nrecount %s\nview    %s", view, i, strings.Join(want[i], " | "), strings.Join(got[i], " | "))
			if shown++; shown == 3 {
				return
			}
		}
	}
}
