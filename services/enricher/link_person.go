package enricher

import (
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/person"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of person.
const (
	reasonNoPerson  = "no_person"
	reasonNoDetails = "no_details"
)

// profile fills in what the person's details say.
type profile struct {
	describer   *person.Describer
	zone        *time.Location
	description Description
}

func newPerson(p parts) (Enrichment, error) {
	zone, err := p.workspace.Location()
	if err != nil {
		return nil, err
	}
	domains, _ := reference.Table[*person.Domains](p.data, person.DisposableDomains)
	describer, err := person.New(p.cfg.Person, p.workspace, p.identifiers, domains)
	if err != nil {
		return nil, err
	}
	return &profile{describer: describer, zone: zone, description: Description{
		Name: Person, Version: person.Version + p.data.Suffix(person.DisposableDomains), Purpose: purposeAnalytics,
		Reads:  []string{"occurred_at", "person"},
		Writes: []string{"profile"},
	}}, nil
}

func (l *profile) Describe() Description { return l.description }

func (l *profile) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if !event.Person.Valid {
		return Skipped(reasonNoPerson)
	}
	stated := &event.Person.Value
	facts := person.Facts{
		Civility: stated.Civility, FirstName: stated.FirstName, LastName: stated.LastName, FullName: stated.FullName, Gender: stated.Gender,
		Email: stated.Email, Phone: stated.Phone, Street: stated.Street, PostalCode: stated.PostalCode, City: stated.City, Region: stated.Region,
		Country: stated.Country, Company: stated.Company, Title: stated.Title, Fit: fitOf(added),
	}
	if stated.BirthDate.Valid {
		facts.BirthDate = stated.BirthDate.Value.Time()
	}
	if !facts.Given() {
		return Skipped(reasonNoDetails) // known by an id or a card alone
	}
	p := l.describer.Describe(&facts, l.day(event, added))
	added.Profile = schemas.Some(schemas.Profile{
		Age: countOf(p.Age), AgeBand: p.AgeBand, Gender: p.Gender, GenderBasis: p.GenderBasis,
		Household: p.Household, HouseholdID: p.HouseholdID, Dwelling: p.Dwelling,
		EmailStatus: p.EmailStatus, EmailClass: p.EmailClass, EmailSuggestion: p.EmailSuggestion,
		PhoneStatus: p.PhoneStatus, PhoneLine: p.PhoneLine, PhoneCountry: p.PhoneCountry, PhoneRegion: p.PhoneRegion,
		AddressCompleteness: countOf(p.AddressCompleteness), Contactability: countOf(p.Contactability),
	})
	return Applied()
}

// day is the event's local date, as midnight UTC: that of the calendar, else of the workspace's zone.
func (l *profile) day(event *schemas.IdentifiedTouchpoint, added *Suffix) time.Time {
	if added.Calendar.Valid {
		return added.Calendar.Value.LocalDate.Time()
	}
	year, month, day := event.OccurredAt.Time().In(l.zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// fitOf tells whether the place of the event's own address was found by postcode and town together.
func fitOf(added *Suffix) person.Fit {
	if !added.Home.Valid || added.Home.Value.Basis != "event" {
		return person.FitUnknown
	}
	switch added.Home.Value.Match {
	case place.Exact, place.Cedex:
		return person.FitSure
	case place.Largest, place.Department:
		return person.FitDoubtful
	}
	return person.FitUnknown
}

func countOf(n int32) schemas.Optional[int32] {
	return schemas.Optional[int32]{Value: max(n, 0), Valid: n >= 0}
}
