package enricher

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/money"
)

const inventedRates = "Date,USD,GBP,\n2026-11-20,1.25,0.8,\n2026-11-19,1.6,0.8,\n"

func amountIn(currency string, at time.Time, total string) *schemas.IdentifiedTouchpoint {
	event := new(schemas.IdentifiedTouchpoint)
	event.OccurredAt = schemas.MillisOf(at)
	c := schemas.Commerce{Currency: currency}
	if total != "" {
		amount, err := schemas.ParseDecimal(total)
		if err != nil {
			panic(err)
		}
		c.Total, c.Tax = schemas.Some(amount), schemas.Some(amount/2)
	}
	event.Commerce = schemas.Some(c)
	return event
}

func TestMoney(t *testing.T) {
	file := editionOf(t, money.Dataset(), inventedRates)
	euros, pounds, none := makeLink(t, newMoney, "EUR", file), makeLink(t, newMoney, "GBP", file), makeLink(t, newMoney, "EUR")
	f := func(link Enrichment, event *schemas.IdentifiedTouchpoint, added Suffix, want string) {
		t.Helper()
		outcome := link.Apply(event, &added)
		got := outcome.Status + " " + outcome.Reason
		if outcome.Status == StatusApplied {
			m := added.Money.Value
			got = fmt.Sprintf("%s %s %s %s %s", m.OriginalCurrency, m.Rate, m.RateSource, m.Total.Value, m.Currency)
			if m.RateDate.Valid {
				got += " " + m.RateDate.Value.Time().Format(time.DateOnly)
			}
			if m.Value.Valid || !m.Tax.Valid {
				t.Errorf("other amounts than those of the event: %+v", m)
			}
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	friday := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f(euros, amountIn("USD", friday, "100"), Suffix{}, "USD 0.8 ecb 80 EUR 2026-11-20")
	f(euros, amountIn("usd", friday.AddDate(0, 0, 7), "100"), Suffix{}, "USD 0.8 ecb 80 EUR 2026-11-20")
	f(euros, amountIn("USD", friday.AddDate(0, 0, 8), "100"), Suffix{}, "failed no_rate")
	f(euros, amountIn("USD", friday.AddDate(0, 0, -2), "100"), Suffix{}, "failed no_rate")
	// At half past eleven at night in London it is the next day in Paris.
	late := time.Date(2026, 11, 19, 23, 30, 0, 0, time.UTC)
	f(euros, amountIn("USD", late, "100"), Suffix{}, "USD 0.8 ecb 80 EUR 2026-11-20")
	london := Suffix{Calendar: schemas.Some(schemas.Calendar{LocalDate: schemas.DateOf(2026, 11, 19)})}
	f(euros, amountIn("USD", late, "100"), london, "USD 0.625 ecb 62.5 EUR 2026-11-19")
	f(pounds, amountIn("USD", friday, "-12.50"), Suffix{}, "USD 0.64 ecb -8 GBP 2026-11-20")
	f(pounds, amountIn("EUR", friday, "12.50"), Suffix{}, "EUR 0.8 ecb 10 GBP 2026-11-20")
	f(none, amountIn("", friday, "12.5001"), Suffix{}, "EUR 1 none 12.5001 EUR")
	f(none, amountIn("eur", friday, "12.5001"), Suffix{}, "EUR 1 none 12.5001 EUR")
	f(none, amountIn("USD", friday, "100"), Suffix{}, "skipped no_data")
	f(euros, amountIn("PTS", friday, "100"), Suffix{}, "skipped unknown_currency")
	f(euros, amountIn("points", friday, "100"), Suffix{}, "skipped unknown_currency")
	f(euros, amountIn("USD", friday, ""), Suffix{}, "skipped no_amount")
	f(euros, new(schemas.IdentifiedTouchpoint), Suffix{}, "skipped no_amount")
	f(makeLink(t, newMoney, "USD", file), amountIn("EUR", friday, "99999999999999"), Suffix{}, "failed amount_too_large")
}

// All seven amounts find their place.
func TestEveryAmountIsConverted(t *testing.T) {
	link := makeLink(t, newMoney, "EUR", editionOf(t, money.Dataset(), inventedRates))
	event := amountIn("USD", time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), "")
	amount := func(n schemas.Decimal) schemas.Optional[schemas.Decimal] { return schemas.Some(n * 10_000) }
	c := &event.Commerce.Value
	c.Value, c.Subtotal, c.Revenue, c.Total, c.Shipping, c.Tax, c.Discount = amount(10), amount(20), amount(30), amount(40), amount(50), amount(60), amount(70)
	var added Suffix
	link.Apply(event, &added)
	want := schemas.Money{
		Currency: "EUR", OriginalCurrency: "USD", Rate: "0.8", RateSource: "ecb", RateDate: schemas.Some(schemas.DateOf(2026, 11, 20)),
		Value: amount(8), Subtotal: amount(16), Revenue: amount(24), Total: amount(32), Shipping: amount(40), Tax: amount(48), Discount: amount(56),
	}
	if diff := cmp.Diff(want, added.Money.Value); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkLinkMoney(b *testing.B) {
	link := makeLink(b, newMoney, "EUR", editionOf(b, money.Dataset(), inventedRates))
	for _, currency := range []string{"EUR", "USD"} {
		b.Run(currency, func(b *testing.B) {
			event := amountIn(currency, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), "129.90")
			var added Suffix
			b.ReportAllocs()
			for b.Loop() {
				link.Apply(event, &added)
			}
		})
	}
}
