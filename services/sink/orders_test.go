package sink_test

import (
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

// A number is one order only where it was given: shops and website count for themselves, and tills from one every morning.
func TestOneNumberMayBeSeveralOrders(t *testing.T) {
	r := newRig(t)
	r.run()
	var sent []*schemas.EnrichedTouchpoint
	add := func(e *schemas.EnrichedTouchpoint, total string, day int) {
		if total != "" {
			e.Commerce.Value.Total = amount(t, total)
		}
		e.OccurredAt = schemas.MillisOf(time.Date(2026, 3, day, 9, 0, 0, len(sent)*1_000_000, time.UTC))
		sent = append(sent, e)
	}
	inShop := func(anchor byte, name, order, store string) *schemas.EnrichedTouchpoint {
		return atTill(commerce(anchor, name, order, 8), store, "r")
	}
	add(commerce(1, "Order Completed", "100", 8), "10", 1)
	add(inShop(2, "Order Completed", "100", "paris"), "20", 1)
	add(inShop(3, "Order Completed", "100", "lyon"), "30", 1)
	add(inShop(2, "Order Refunded", "100", "paris"), "5", 1)  // of its own shop
	add(inShop(9, "Order Refunded", "100", "nice"), "2", 1)   // which of three? none
	add(commerce(4, "Order Completed", "200", 8), "40", 1)    // bought online,
	add(inShop(4, "Order Refunded", "200", "paris"), "15", 2) // taken back in a shop
	add(inShop(4, "Order Updated", "200", "paris"), "39", 2)  // and handed over there
	ticket := func(anchor byte, name string) *schemas.EnrichedTouchpoint {
		return atTill(commerce(anchor, name, "", 8), "paris", "7")
	}
	add(ticket(5, "Order Completed"), "1", 1)
	add(ticket(6, "Order Completed"), "2", 2)
	late := ticket(7, "Order Completed") // after midnight, of the day before
	late.Commerce.Value.BusinessDate = schemas.Some(schemas.DateOf(2026, 3, 3))
	add(late, "4", 4)
	add(ticket(6, "Order Refunded"), "1", 2)
	r.produce(sent...)
	r.awaitCommitted(int64(len(sent)))
	r.golden("SELECT order_key, order_id, customer_id, total, net_total FROM orders WHERE workspace = %s ORDER BY order_key", [][]string{
		{"100", "100", node(1).String(), "10", "10"},
		{"200", "200", node(4).String(), "39", "24"},
		{"lyon/100", "100", node(3).String(), "30", "30"},
		{"nice/100", "100", node(9).String(), "0", "-2"},
		{"paris/1/2026-03-01/7", "paris/1/2026-03-01/7", node(5).String(), "1", "1"},
		{"paris/1/2026-03-02/7", "paris/1/2026-03-02/7", node(6).String(), "2", "1"},
		{"paris/1/2026-03-03/7", "paris/1/2026-03-03/7", node(7).String(), "4", "4"},
		{"paris/100", "100", node(2).String(), "20", "15"},
	})
}

// What is paid back in another currency is told apart, never subtracted as if it were the order's.
func TestForeignRefundsAreKeptApart(t *testing.T) {
	r := newRig(t)
	r.run()
	paid := func(name, order, total, currency string) *schemas.EnrichedTouchpoint {
		e := commerce(1, name, order, 8)
		e.Commerce.Value.Currency = currency
		if total != "" {
			e.Commerce.Value.Total = amount(t, total)
		}
		return e
	}
	r.produce(
		paid("Order Completed", "a", "100", "CHF"), paid("Order Refunded", "a", "30", "EUR"), paid("Order Refunded", "a", "5", "EUR"), paid("Order Refunded", "a", "1", "USD"), paid("Order Refunded", "a", "20", ""),
		paid("Order Completed", "b", "100", "CHF"), paid("Order Refunded", "b", "", "EUR"),
		paid("Order Completed", "c", "100", "CHF"), paid("Order Refunded", "c", "100", "EUR"),
	)
	r.awaitCommitted(9)
	r.golden("SELECT order_id, status, currency, refunded_total, mapSort(foreign_refunds), net_total, net_revenue FROM orders WHERE workspace = %s ORDER BY order_id", [][]string{
		{"a", "partially_refunded", "CHF", "20", "{'EUR':35,'USD':1}", "80", "80"},
		{"b", "refunded", "CHF", "100", "{}", "0", "0"},
		{"c", "partially_refunded", "CHF", "0", "{'EUR':100}", "100", "100"},
	})
}

// A field's value is of the source that is believed most for it, until that value is no longer fresh; what leaves the configuration is forgotten.
func TestSourcesAreBelievedAsConfigured(t *testing.T) {
	r := newRig(t)
	said := func(source string, daysAgo int, traits, email string) *schemas.EnrichedTouchpoint {
		e := event(1, "")
		e.Type, e.Source, e.Traits = "identify", source, traits
		e.OccurredAt = schemas.MillisOf(time.Now().AddDate(0, 0, -daysAgo))
		e.Person = schemas.Some(schemas.Person{Email: email})
		return e
	}
	ask := func(want ...string) {
		t.Helper()
		// The sink brings the rules in at its start.
		r.eventually("SELECT arrayStringConcat([traits['tier'], traits['size']], ' ') FROM customers WHERE workspace = %s", want[0]+" "+want[1])
		r.eventually("SELECT email FROM golden_contacts WHERE workspace = %s", want[2])
	}
	again := func(priorities ...workspace.SourcePriority) {
		t.Helper()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.priorities = priorities
		r.run()
	}
	r.run()
	r.produce(said("crm", 100, `{"tier":"crm","size":"crm"}`, "crm@example.com"), said("web", 10, `{"tier":"web","size":"web"}`, "web@example.com"))
	r.awaitCommitted(2)
	ask("web", "web", "web@example.com")
	again(workspace.SourcePriority{Source: "crm", Field: "*", Priority: 1}, workspace.SourcePriority{Source: "crm", Field: "size", Priority: 2, FreshDays: 30})
	ask("crm", "web", "crm@example.com")
	again(workspace.SourcePriority{Source: "crm", Field: "email", Priority: 1, FreshDays: 365})
	ask("web", "web", "crm@example.com")
	again()
	ask("web", "web", "web@example.com")
}
