package enricher

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/shop"
)

// Reasons of calendar.
const reasonNoTime = "no_time"

// franceCode is the country of addresses in France, overseas departments included.
const franceCode = "FR"

// moment fills in the calendar.
type moment struct {
	calendar    *calendar.Calendar
	description Description
}

func newCalendar(p parts) (Enrichment, error) {
	var tables calendar.Tables
	tables.School, _ = reference.Table[*calendar.School](p.data, calendar.SchoolDataset)
	if shops, ok := reference.Table[*shop.Directory](p.data, shop.Data); ok {
		tables.Shops = shops
	}
	c, err := calendar.New(p.cfg.Calendar, p.workspace.Timezone, p.workspace.Region, tables)
	if err != nil {
		return nil, err
	}
	return &moment{calendar: c, description: Description{
		Name: Calendar, Version: calendar.Version + p.data.Suffix(calendar.SchoolDataset, shop.Data), Purpose: purposeOperations,
		Reads:  []string{"occurred_at", "context.timezone", "context.store.store_id"},
		Writes: []string{"calendar"},
	}}, nil
}

func (m *moment) Describe() Description { return m.description }

func (m *moment) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if event.OccurredAt == 0 {
		return Failed(reasonNoTime)
	}
	seen := calendar.Seen{StoreID: event.Context.Store.StoreID, Timezone: event.Context.Timezone}
	if home := &added.Home; home.Valid {
		seen.Department = home.Value.DepartmentCode
		seen.Abroad = seen.Department == "" && home.Value.Country != "" && home.Value.Country != franceCode
	}
	at := m.calendar.At(event.OccurredAt.Time(), seen)
	added.Calendar = schemas.Some(schemas.Calendar{
		Timezone: at.Timezone, LocalDate: schemas.DateOf(at.Year, at.Month, at.Day), Hour: int32(at.Hour), Weekday: int32(at.Weekday),
		IsWeekend: at.Weekend, Holiday: at.Holiday, SchoolHoliday: at.SchoolHoliday, SchoolZone: at.SchoolZone, SalesPeriod: at.SalesPeriod,
	})
	return Applied()
}
