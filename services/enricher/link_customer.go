package enricher

import (
	"strconv"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/person"
)

const customerVersion = "customer-1"

// reasonUnknownCustomer says that no event has said anything of the customer yet.
const reasonUnknownCustomer = "unknown_customer"

// customer fills in what was known of the customer. What this event says counts: the link runs again when it says anything new.
type customer struct {
	zone        *time.Location
	description Description
}

func newCustomer(p parts) (Enrichment, error) {
	zone, err := p.workspace.Location()
	if err != nil {
		return nil, err
	}
	return &customer{zone: zone, description: Description{
		Name: Customer, Version: customerVersion, Purpose: purposeAnalytics, Reads: []string{"occurred_at"}, Writes: []string{"customer"},
	}}, nil
}

func (c *customer) Describe() Description { return c.description }

func (c *customer) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	k := added.Known
	if k == nil || !k.Stated {
		return Skipped(reasonUnknownCustomer)
	}
	now := schemas.KnownCustomer{
		AgeBand: c.ageBand(k.BirthMonth, event.OccurredAt), Gender: k.Gender, LoyaltyTier: k.LoyaltyTier, OrdersBand: k.OrdersBand, Traits: k.Traits,
	}
	if k.FirstOrderAt.Valid {
		year, month, day := k.FirstOrderAt.Value.Time().In(c.zone).Date()
		now.FirstOrderDate = schemas.Some(schemas.DateOf(year, month, day))
	}
	added.Customer = schemas.Some(now)
	return Applied()
}

// oldest is the age from which a date of birth is taken for a slip.
const oldest = 120

// ageBand is that at the time of the event. Of a birth only the month is kept, so the band of a birthday holds from the first of its month on.
func (c *customer) ageBand(birthMonth string, at schemas.Millis) string {
	if len(birthMonth) != len("2006-01") {
		return ""
	}
	year, err := strconv.Atoi(birthMonth[:4])
	if err != nil {
		return ""
	}
	month, err := strconv.Atoi(birthMonth[5:])
	if err != nil {
		return ""
	}
	now := at.Time().In(c.zone)
	years := now.Year() - year
	if int(now.Month()) < month {
		years--
	}
	if years < 0 || years > oldest {
		return ""
	}
	return person.AgeBand(years)
}
