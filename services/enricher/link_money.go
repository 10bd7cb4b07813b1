package enricher

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/money"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of money.
const (
	reasonNoAmount        = "no_amount"
	reasonUnknownCurrency = "unknown_currency"
	reasonNoRate          = "no_rate"
	reasonAmountTooLarge  = "amount_too_large"
)

// Where a rate is from.
const (
	rateECB  = "ecb"
	rateNone = "none"
)

// ratesKept bounds the cache of rates: a few currencies on as many days as late events come from.
const ratesKept = 8_192

// exchange fills in the amounts in the currency of the workspace.
type exchange struct {
	currency string
	zone     *time.Location
	// rates are nil without data; amounts in the currency of the workspace need none.
	rates       *money.Rates
	found       *otter.Cache[quote, quoted]
	description Description
}

// quote is what a rate is asked for: another currency on a day.
type quote struct {
	currency string
	day      schemas.Date
}

type quoted struct {
	rate   money.Rate
	text   string
	reason string
}

func newMoney(p parts) (Enrichment, error) {
	zone, err := time.LoadLocation(p.workspace.Timezone)
	if err != nil {
		return nil, fmt.Errorf("load the time zone of the workspace: %w", err)
	}
	e := &exchange{currency: p.workspace.Currency, zone: zone, description: Description{
		Name: Money, Version: money.Version + p.data.Suffix(money.Name), Purpose: purposeOperations,
		Reads: []string{
			"occurred_at", "commerce.currency", "commerce.value", "commerce.subtotal", "commerce.revenue", "commerce.total", "commerce.shipping",
			"commerce.tax", "commerce.discount",
		},
		Writes: []string{"money"},
	}}
	e.rates, _ = reference.Table[*money.Rates](p.data, money.Name)
	if e.found, err = otter.New(&otter.Options[quote, quoted]{MaximumSize: ratesKept}); err != nil {
		return nil, fmt.Errorf("make the cache of rates: %w", err)
	}
	return e, nil
}

func (e *exchange) Describe() Description { return e.description }

func (e *exchange) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	from := &event.Commerce.Value // Empty when there is none.
	if !from.Value.Valid && !from.Subtotal.Valid && !from.Revenue.Valid && !from.Total.Valid && !from.Shipping.Valid && !from.Tax.Valid && !from.Discount.Valid {
		return Skipped(reasonNoAmount)
	}
	currency := e.currency
	if from.Currency != "" {
		code, ok := money.Code(from.Currency)
		if !ok {
			return Skipped(reasonUnknownCurrency)
		}
		currency = code
	}
	if currency == e.currency {
		added.Money = schemas.Some(schemas.Money{
			Currency: e.currency, OriginalCurrency: e.currency, Rate: money.Same.String(), RateSource: rateNone,
			Value: from.Value, Subtotal: from.Subtotal, Revenue: from.Revenue, Total: from.Total,
			Shipping: from.Shipping, Tax: from.Tax, Discount: from.Discount,
		})
		return Applied()
	}
	if e.rates == nil {
		return Skipped(reasonNoData)
	}
	at := e.quote(currency, e.day(event, added))
	switch at.reason {
	case "":
	case reasonUnknownCurrency:
		return Skipped(at.reason)
	default:
		return Failed(at.reason)
	}
	added.Money = schemas.Some(schemas.Money{
		Currency: e.currency, OriginalCurrency: currency, Rate: at.text, RateDate: schemas.Some(schemas.Date(at.rate.Day)), RateSource: rateECB,
	})
	if !convert(&added.Money.Value, from, at.rate) {
		return Failed(reasonAmountTooLarge)
	}
	return Applied()
}

// convert fills in each amount that there is; false when one does not fit.
func convert(to *schemas.Money, from *schemas.Commerce, rate money.Rate) bool {
	for _, amount := range [...]struct {
		to, from *schemas.Optional[schemas.Decimal]
	}{
		{&to.Value, &from.Value},
		{&to.Subtotal, &from.Subtotal},
		{&to.Revenue, &from.Revenue},
		{&to.Total, &from.Total},
		{&to.Shipping, &from.Shipping},
		{&to.Tax, &from.Tax},
		{&to.Discount, &from.Discount},
	} {
		if !amount.from.Valid {
			continue
		}
		converted, ok := rate.Convert(int64(amount.from.Value))
		if !ok {
			return false
		}
		*amount.to = schemas.Some(schemas.Decimal(converted))
	}
	return true
}

// day is the date where the event happened, as the calendar has it, else where the workspace is.
func (e *exchange) day(event *schemas.IdentifiedTouchpoint, added *Suffix) schemas.Date {
	if added.Calendar.Valid {
		return added.Calendar.Value.LocalDate
	}
	return schemas.DateOf(event.OccurredAt.Time().In(e.zone).Date())
}

// quote answers from the cache, or from the table. What it remembers holds no memory of the event.
func (e *exchange) quote(currency string, day schemas.Date) quoted {
	if found, ok := e.found.GetIfPresent(quote{currency, day}); ok {
		return found
	}
	rate, err := e.rates.At(currency, e.currency, int32(day))
	at := quoted{rate: rate}
	switch {
	case errors.Is(err, money.ErrUnknown):
		at.reason = reasonUnknownCurrency
	case err != nil || rate.Zero():
		at.reason = reasonNoRate
	default:
		at.text = rate.String()
	}
	e.found.Set(quote{strings.Clone(currency), day}, at)
	return at
}
