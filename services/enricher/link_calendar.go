package enricher

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
)

// Reasons of calendar.
const reasonNoTime = "no_time"

// moment fills in the calendar.
type moment struct {
	calendar    *calendar.Calendar
	description Description
}

func newCalendar(p parts) (Enrichment, error) {
	c, err := calendar.New(p.cfg.Calendar, p.workspace.Timezone, p.workspace.Region)
	if err != nil {
		return nil, err
	}
	return &moment{calendar: c, description: Description{
		Name: Calendar, Version: calendar.Version, Purpose: purposeAnalytics,
		Reads:  []string{"occurred_at", "context.timezone", "context.store.store_id"},
		Writes: []string{"calendar"},
	}}, nil
}

func (m *moment) Describe() Description { return m.description }

func (m *moment) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if event.OccurredAt == 0 {
		return Failed(reasonNoTime)
	}
	at := m.calendar.At(event.OccurredAt.Time(), event.Context.Store.StoreID, event.Context.Timezone)
	added.Calendar = schemas.Some(schemas.Calendar{
		Timezone: at.Timezone, LocalDate: schemas.DateOf(at.Year, at.Month, at.Day), Hour: int32(at.Hour), Weekday: int32(at.Weekday),
		IsWeekend: at.Weekend, Holiday: at.Holiday,
	})
	return Applied()
}
