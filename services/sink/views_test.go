package sink_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

func amount(t testing.TB, text string) schemas.Optional[schemas.Decimal] {
	t.Helper()
	d, err := schemas.ParseDecimal(text)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.Some(d)
}

// moved says on identity.map that nodes belong to a customer.
func (r *rig) moved(version uint64, customer uuid.UUID, nodes ...uuid.UUID) {
	r.t.Helper()
	var records []*stream.Record
	for _, n := range nodes {
		row := &identitymap.Row{Workspace: r.workspace, Node: n, Canonical: customer, Version: version, Reason: identitymap.Joined, Previous: n}
		records = append(records, &stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, row), Value: identitymap.Append(nil, row)})
	}
	r.send(records...)
}

// commerce is an event about an order, at an hour of the same day.
func commerce(anchor byte, name, order string, hour int) *schemas.EnrichedTouchpoint {
	e := event(anchor, name)
	e.OccurredAt = schemas.MillisOf(time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC))
	e.Commerce = schemas.Some(schemas.Commerce{OrderID: order})
	return e
}

func atTill(e *schemas.EnrichedTouchpoint, store, receipt string) *schemas.EnrichedTouchpoint {
	e.Channel, e.Source = "store", "pos"
	e.Context.Store = schemas.Store{StoreID: store, RegisterID: "1", ReceiptID: receipt}
	return e
}

func (r *rig) golden(query string, want [][]string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.rows(query)); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

func TestOrders(t *testing.T) {
	r := newRig(t)
	r.run()
	var sent []*schemas.EnrichedTouchpoint
	add := func(e *schemas.EnrichedTouchpoint, change func(c *schemas.Commerce)) {
		change(&e.Commerce.Value)
		sent = append(sent, e)
	}
	total := func(text string) func(*schemas.Commerce) {
		return func(c *schemas.Commerce) { c.Total = amount(t, text) }
	}
	none := func(*schemas.Commerce) {}
	whole := func(c *schemas.Commerce) {
		c.Total, c.Revenue, c.Shipping, c.Tax = amount(t, "120.50"), amount(t, "100"), amount(t, "0.50"), amount(t, "20")
		c.Coupon, c.PaymentMethod, c.Currency = "SPRING", "card", "CHF"
		c.Items = []schemas.Item{
			{ProductID: "p1", Name: "Scarf", Price: amount(t, "50"), Quantity: amount(t, "1")},
			{ProductID: "p2", Name: "Glove", Price: amount(t, "25.25"), Quantity: amount(t, "2"), Discount: amount(t, "0.50")},
		}
	}
	// a: plain, and said again by the server, later and by another identifier: one order, of the first.
	add(commerce(1, "Order Completed", "a", 8), whole)
	add(commerce(2, "Order Completed", "a", 9), whole)
	// b: half paid back. c: paid back whole, in two parts of which the second is too large. d: paid back without amount.
	add(commerce(1, "Order Completed", "b", 8), whole)
	add(commerce(3, "Order Refunded", "b", 10), total("60.25"))
	add(commerce(1, "Order Completed", "c", 8), total("30"))
	add(commerce(1, "Order Refunded", "c", 10), total("20"))
	add(commerce(1, "Order Refunded", "c", 11), total("-20"))
	add(commerce(1, "Order Completed", "d", 8), total("10"))
	add(commerce(1, "Order Refunded", "d", 10), none)
	// e: cancelled. f: updated to a lower amount. g: no amount but the lines. h: revenue only.
	add(commerce(1, "Order Completed", "e", 8), total("10"))
	add(commerce(1, "Order Cancelled", "e", 9), none)
	add(commerce(1, "Order Completed", "f", 8), total("10"))
	add(commerce(1, "Order Updated", "f", 9), total("7"))
	add(commerce(1, "Order Completed", "g", 8), func(c *schemas.Commerce) {
		c.Items = []schemas.Item{{ProductID: "p1", Price: amount(t, "3")}, {ProductID: "p2"}}
	})
	add(commerce(1, "Order Completed", "h", 8), func(c *schemas.Commerce) { c.Revenue, c.Tax = amount(t, "5"), amount(t, "1") })
	// i: two equal refunds, the second of which was delivered twice.
	add(commerce(1, "Order Completed", "i", 8), total("10"))
	add(commerce(1, "Order Refunded", "i", 9), total("2"))
	add(commerce(1, "Order Refunded", "i", 9), total("2"))
	sent = append(sent, sent[len(sent)-1])
	// A ticket without order, with its refund; a refund of an order never seen; an order that is not one.
	add(atTill(commerce(4, "Order Completed", "", 8), "paris", "77"), func(c *schemas.Commerce) {
		c.Total, c.Tender = amount(t, "15"), []schemas.Tender{{Type: "cash", Amount: amount(t, "15")}}
	})
	add(atTill(commerce(4, "Order Refunded", "", 9), "paris", "77"), total("5"))
	add(commerce(5, "Order Refunded", "unseen", 8), total("4"))
	add(commerce(5, "Order Cancelled", "never", 8), none)
	add(commerce(5, "Product Added", "cart only", 8), total("99"))
	r.produce(sent...)
	r.awaitCommitted(int64(len(sent)))

	r.golden("SELECT order_id, status, total, revenue, refunded_total, net_total, net_revenue, currency FROM orders WHERE workspace = %s ORDER BY order_id", [][]string{
		{"a", "completed", "120.5", "100", "0", "120.5", "100", "CHF"},
		{"b", "partially_refunded", "120.5", "100", "60.25", "60.25", "50", "CHF"},
		{"c", "refunded", "30", "30", "30", "0", "0", "EUR"},
		{"d", "refunded", "10", "10", "10", "0", "0", "EUR"},
		{"e", "cancelled", "10", "10", "0", "0", "0", "EUR"},
		{"f", "completed", "7", "7", "0", "7", "7", "EUR"},
		{"g", "completed", "3", "3", "0", "3", "3", "EUR"},
		{"h", "completed", "6", "5", "0", "6", "5", "EUR"},
		{"i", "partially_refunded", "10", "10", "4", "6", "6", "EUR"},
		{"paris/1/2026-03-01/77", "partially_refunded", "15", "15", "5", "10", "10", "EUR"},
		{"unseen", "refunded", "0", "0", "4", "-4", "-4", ""},
	})
	r.golden("SELECT order_id, customer_id, channel, source, store_id, register_id, receipt_id, occurred_at, coupon, payment_method, lines, quantity, shipping, tax, refunded_at FROM orders WHERE workspace = %s AND order_id IN ('a', 'paris/1/2026-03-01/77') ORDER BY order_id", [][]string{
		{"a", node(1).String(), "web", "web", "", "", "", "2026-03-01 08:00:00.000", "SPRING", "card", "2", "3", "0.5", "20", ""},
		{"paris/1/2026-03-01/77", node(4).String(), "store", "pos", "paris", "1", "77", "2026-03-01 08:00:00.000", "", "cash", "0", "0", "0", "0", "2026-03-01 09:00:00.000"},
	})
	r.golden("SELECT order_id, line, product_id, name, price, quantity, discount, amount, currency FROM order_items WHERE workspace = %s AND order_id IN ('a', 'g') ORDER BY order_id, line", [][]string{
		{"a", "1", "p1", "Scarf", "50", "1", "", "50", "CHF"},
		{"a", "2", "p2", "Glove", "25.25", "2", "0.5", "50", "CHF"},
		{"g", "1", "p1", "", "3", "", "", "3", "EUR"},
		{"g", "2", "p2", "", "", "", "", "", "EUR"},
	})
}

// A journey over web and store: once identity says who is who, the history follows within seconds.
func TestCustomersFollowTheIdentityMap(t *testing.T) {
	r := newRig(t)
	r.run()
	const cookie, card, account, guest = 1, 2, 3, 9

	browse := event(cookie, "Product Viewed")
	order := commerce(cookie, "Order Completed", "w1", 8)
	order.Commerce.Value.Total, order.Commerce.Value.Revenue = amount(t, "40"), amount(t, "30")
	ticket := atTill(commerce(card, "Order Completed", "", 12), "lyon", "5")
	ticket.AnchorType, ticket.Identifiers = "loyalty_card", []schemas.Identifier{{Type: "loyalty_card", Value: node(card).String()}}
	ticket.Commerce.Value.Total = amount(t, "10")
	sign := event(account, "")
	sign.Type, sign.AnchorType = "identify", "user_id"
	sign.Identifiers = []schemas.Identifier{{Type: "user_id", Value: node(account).String()}, {Type: "email", Value: node(77).String()}}
	sign.OccurredAt = schemas.MillisOf(time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC))
	sign.Traits = `{"tier":"silver","children":2,"tags":["a","b"],"gone":"x"}`
	sign.Consent = schemas.Some(schemas.Consent{Granted: []string{"analytics"}, Denied: []string{"ads"}})
	again := *sign
	again.EventID, again.Source, again.Consent = uuid.New(), "crm", schemas.Optional[schemas.Consent]{}
	again.OccurredAt += 1000
	again.Traits = `{"tier":"gold","gone":null}`
	group := *sign
	group.EventID, group.Type, group.Traits = uuid.New(), "group", `{"tier":"of the group"}`
	group.OccurredAt += 2000
	r.produce(browse, order, ticket, sign, &again, &group, event(guest, "Product Viewed"))
	r.eventually("SELECT count() FROM customers WHERE workspace = %s", "4")

	r.moved(1, node(account), node(cookie))
	r.eventually("SELECT count() FROM customers WHERE workspace = %s", "3")
	r.moved(2, node(account), node(card))
	r.eventually("SELECT count() FROM customers WHERE workspace = %s", "2")
	// A server refreshes the dictionary by itself as well, in its own time; the sink does it at once.
	poll(t, func() bool { return r.metric("parcours_sink_identity_reloads_total", "done") >= 3 }, func() string {
		return "the dictionary was not reloaded at the start and after each change"
	})

	r.golden("SELECT customer_id, events, channels, sources, anchors, known, orders, store_orders, remote_orders, stores, total, revenue, currency, first_seen, last_seen FROM customers WHERE workspace = %s ORDER BY events DESC", [][]string{
		{node(account).String(), "6", "['store','web']", "['crm','pos','web']", "3", "true", "2", "1", "1", "['lyon']", "50", "40", "EUR", "2026-03-01 08:00:00.000", "2026-03-01 14:00:02.000"},
		{node(guest).String(), "1", "['web']", "['web']", "1", "false", "0", "0", "0", "[]", "0", "0", "", "2026-03-01 10:00:09.000", "2026-03-01 10:00:09.000"},
	})
	r.golden("SELECT identifier_types, mapSort(traits), consent_granted, consent_denied, consent_at, first_order_at FROM customers WHERE workspace = %s AND known", [][]string{
		{"['anonymous_id','email','loyalty_card','user_id']", `{'children':'2','tags':'["a","b"]','tier':'gold'}`, "['analytics']", "['ads']", "2026-03-01 14:00:02.000", "2026-03-01 08:00:00.000"},
	})
	r.golden("SELECT name, channel, customer_id = '"+node(account).String()+"', customer_id_at_iv = anchor FROM customer_events WHERE workspace = %s AND name != '' AND anchor != '"+node(guest).String()+"' ORDER BY occurred_at", [][]string{
		{"Order Completed", "web", "1", "1"},
		{"Product Viewed", "web", "1", "1"},
		{"Order Completed", "store", "1", "1"},
	})
	r.golden("SELECT DISTINCT customer_id FROM orders WHERE workspace = %s", [][]string{{node(account).String()}})

	// An old version that comes again does not win; a split gives the card its own customer back.
	r.moved(1, node(200), node(card))
	r.moved(3, node(card), node(card))
	r.eventually("SELECT count() FROM customers WHERE workspace = %s", "3")
	r.eventually("SELECT toString(customer_id) FROM orders WHERE workspace = %s AND channel = 'store'", node(card).String())
	r.moved(2, node(201), node(card))
	r.moved(9, node(202), node(guest)) // tells when the dictionary has seen what came before
	r.eventually("SELECT count() FROM customers WHERE workspace = %s AND customer_id = '"+node(202).String()+"'", "1")
	r.golden("SELECT toString(customer_id) FROM orders WHERE workspace = %s AND channel = 'store'", [][]string{{node(card).String()}})
}

// A sum over several currencies names none, also where one of them came by a refund of an order that was never seen.
func TestCustomerNamesACurrencyOnlyWhenItIsOne(t *testing.T) {
	r := newRig(t)
	r.run()
	paid := func(anchor byte, name, order, currency string) *schemas.EnrichedTouchpoint {
		e := commerce(anchor, name, order, 8)
		e.Commerce.Value.Total, e.Commerce.Value.Currency = amount(t, "10"), currency
		return e
	}
	// In pounds, of which one is worth 1.2 euros on the day of the order, and 1.25 on that of the refund, of which 3 are euros.
	exchanged := func(name, currency, total, rate, euros string) *schemas.EnrichedTouchpoint {
		e := paid(4, name, "e", currency)
		e.Commerce.Value.Total = amount(t, total)
		e.Money = schemas.Some(schemas.Money{Currency: "EUR", OriginalCurrency: currency, Rate: rate, RateSource: "ecb", Total: amount(t, euros)})
		return e
	}
	r.produce(
		exchanged("Order Completed", "GBP", "8", "1.2", "9.6"), exchanged("Order Refunded", "EUR", "3", "1", "3"), exchanged("Order Refunded", "GBP", "2", "1.25", "2.5"),
		paid(4, "Order Completed", "f", "EUR"),
		paid(1, "Order Completed", "a", "EUR"), paid(1, "Order Refunded", "unseen a", "EUR"),
		paid(2, "Order Completed", "b", "EUR"), paid(2, "Order Refunded", "unseen b", "GBP"),
		paid(3, "Order Completed", "c", "EUR"), paid(3, "Order Completed", "d", "GBP"), paid(3, "Order Cancelled", "d", "GBP"),
	)
	r.awaitCommitted(11)
	r.golden("SELECT customer_id, orders, currency FROM customers WHERE workspace = %s ORDER BY customer_id", [][]string{
		{node(1).String(), "1", "EUR"},
		{node(2).String(), "1", ""},
		{node(3).String(), "1", "EUR"},
		{node(4).String(), "2", "EUR"},
	})
	// 8 pounds less 2, less the 2.5 that 3 euros were worth by the rate of the order: 3.5 pounds, 4.2 euros.
	r.golden("SELECT currency, total, refunded_total, foreign_refunds, net_total, money_currency, money_total, money_net_total, money_net_revenue FROM orders WHERE workspace = %s AND order_id = 'e'",
		[][]string{{"GBP", "8", "4.5", "{}", "3.5", "EUR", "9.6", "4.2", "4.2"}})
	r.golden("SELECT total, revenue FROM customers WHERE workspace = %s AND customer_id = '"+node(4).String()+"'", [][]string{{"14.2", "14.2"}})
	r.golden("SELECT currency, revenue FROM purchases WHERE workspace = %s AND order_key IN ('d', 'e', 'f') ORDER BY order_key", [][]string{{"EUR", "4.2"}, {"EUR", "10"}})
}

// Clear values stand in contacts alone, once for each set of values.
func TestContactsAreTheOnlyHome(t *testing.T) {
	r := newRig(t)
	r.run()
	state := func(at int, p schemas.Person) *schemas.EnrichedTouchpoint {
		e := event(1, "Signed Up")
		e.OccurredAt += schemas.Millis(at)
		e.Person = schemas.Some(p)
		return e
	}
	canary := "canary-" + r.workspace
	full := schemas.Person{
		UserID: canary + "1", LoyaltyCard: canary + "2", Email: canary + "@example.com", Phone: canary + "3", Civility: canary + "4", FirstName: canary + "5",
		LastName: canary + "6", FullName: canary + "7", Gender: canary + "8", BirthDate: schemas.Some(schemas.DateOf(1950, 2, 3)), Street: canary + "9",
		PostalCode: canary + "a", City: canary + "b", Region: canary + "c", Country: canary + "d", Company: canary + "e", Title: canary + "f",
	}
	r.produce(state(0, full), state(5, full), state(3, schemas.Person{Email: "other"}))
	r.awaitCommitted(3)
	r.eventually("SELECT uniqExact(content) FROM contacts WHERE workspace = %s", "2")
	r.golden("SELECT user_id, loyalty_card, email, phone, civility, first_name, last_name, full_name, gender, birth_date, street, postal_code, city, region, country, company, title, anchor, anchor_type, source, channel FROM contacts WHERE workspace = %s AND email != 'other' LIMIT 1", [][]string{{
		canary + "1", canary + "2", canary + "@example.com", canary + "3", canary + "4", canary + "5", canary + "6", canary + "7", canary + "8", "1950-02-03",
		canary + "9", canary + "a", canary + "b", canary + "c", canary + "d", canary + "e", canary + "f", node(1).String(), "anonymous_id", "web", "web",
	}})
	if err := r.db.Exec(t.Context(), "OPTIMIZE TABLE contacts FINAL"); err != nil {
		t.Fatal(err)
	}
	r.golden("SELECT max(occurred_at), count() FROM contacts WHERE workspace = %s AND email != 'other'", [][]string{{"2026-03-01 10:00:01.005", "1"}})
	for _, table := range []string{"events", "traits", "rejected_events", "customer_events", "customers", "orders"} {
		for _, row := range r.objects("SELECT * FROM " + table) {
			for column, value := range row {
				if text, ok := value.(string); ok && column != "workspace" && len(text) >= len(canary) && text[:len(canary)] == canary {
					t.Errorf("%s.%s holds a clear value", table, column)
				}
			}
		}
	}
}

// A view's columns have the types and the order that it declares, or a client reads something else than is documented.
func TestViewsKeepTheirTypes(t *testing.T) {
	r := newRig(t)
	for _, view := range []string{
		"customer_events", "customer_traits", "customer_contacts", "identifiers", "id_graph_updates", "order_events", "orders", "order_items", "golden_contacts", "contact_facts", "customer_attributes", "customer_profiles", "profile_channel_mix", "enrichment_outcomes",
		"contact_choices", "customers", "purchases", "sessions", "customer_rfm", "channel_mix", "abandoned_carts", "retention_cohorts",
		"refreshes", "campaign_performance", "first_last_touch", "store_web_overlap", "basket_pairs", "outliers", "feedback_scores", "data_quality", "pipeline_health",
	} {
		declared := r.rows("SELECT name, type FROM system.columns WHERE %s != '' AND database = 'parcours' AND table = '" + view + "' ORDER BY position")
		described, err := r.db.Query(t.Context(), "DESCRIBE (SELECT * FROM parcours."+view+")")
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, row := range described.Rows {
			got = append(got, row[:2])
		}
		if diff := cmp.Diff(declared, got); diff != "" {
			t.Errorf("%s (-declared +answered):\n%s", view, diff)
		}
	}
}
