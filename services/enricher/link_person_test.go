package enricher

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/person"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

func personLink(t testing.TB) Enrichment {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	link, err := newPerson(parts{cfg: DefaultConfig(), workspace: ws, identifiers: identifier.DefaultConfig(), data: reference.NewSnapshot()})
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestPersonReadsThePersonAlone(t *testing.T) {
	link := personLink(t)
	f := func(p schemas.Optional[schemas.Person], want Outcome) {
		t.Helper()
		var added Suffix
		if got := link.Apply(&schemas.IdentifiedTouchpoint{Touchpoint: schemas.Touchpoint{Person: p}}, &added); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if added.Profile.Valid != (want.Status == StatusApplied) {
			t.Errorf("%+v with profile %+v", want, added.Profile)
		}
	}
	f(schemas.Optional[schemas.Person]{}, Skipped(reasonNoPerson))
	f(schemas.Some(schemas.Person{UserID: "u-1", LoyaltyCard: "4000123"}), Skipped(reasonNoDetails))
	f(schemas.Some(schemas.Person{Region: "Bretagne", Country: "FR"}), Skipped(reasonNoDetails))
	f(schemas.Some(schemas.Person{City: "Lille"}), Applied())
	f(schemas.Some(schemas.Person{BirthDate: schemas.Some(schemas.DateOf(1980, 6, 15))}), Applied())
}

// The day of an event in the evening in Paris is not over in New York, and has begun in Réunion.
func TestAgeOnTheLocalDate(t *testing.T) {
	link := personLink(t)
	event := schemas.IdentifiedTouchpoint{Touchpoint: schemas.Touchpoint{
		OccurredAt: schemas.MillisOf(time.Date(2026, 6, 14, 22, 30, 0, 0, time.UTC)), // half past midnight in Paris
		Person:     schemas.Some(schemas.Person{BirthDate: schemas.Some(schemas.DateOf(1980, 6, 15))}),
	}}
	f := func(added Suffix, want int32) {
		t.Helper()
		link.Apply(&event, &added)
		if got := added.Profile.Value.Age; !got.Valid || got.Value != want {
			t.Errorf("got %+v, want %d", got, want)
		}
	}
	f(Suffix{}, 46)
	f(Suffix{Calendar: schemas.Some(schemas.Calendar{LocalDate: schemas.DateOf(2026, 6, 14)})}, 45)
	f(Suffix{Calendar: schemas.Some(schemas.Calendar{LocalDate: schemas.DateOf(2026, 6, 15)})}, 46)
}

func TestThePlaceSaysWhetherPostcodeAndTownFit(t *testing.T) {
	link := personLink(t)
	event := schemas.IdentifiedTouchpoint{Touchpoint: schemas.Touchpoint{Person: schemas.Some(schemas.Person{Street: "12 rue Pasteur", PostalCode: "75011", City: "Paris"})}}
	f := func(basis, match string, want int32) {
		t.Helper()
		added := Suffix{Home: schemas.Some(schemas.Home{Basis: basis, Match: match})}
		link.Apply(&event, &added)
		if got := added.Profile.Value.AddressCompleteness; got != schemas.Some(want) {
			t.Errorf("%s %s: got %+v, want %d", basis, match, got, want)
		}
	}
	f("event", place.Exact, 100)
	f("event", place.Cedex, 100)
	f("event", place.Spelled, 95)
	f("event", place.Largest, 90)
	f("event", place.Department, 90)
	f("customer", place.Exact, 95) // of an address that was known before
}

// Nothing of the batch's memory stays: neither in what is written, nor in what is remembered.
func TestPersonKeepsNothingOfTheEvent(t *testing.T) {
	link := personLink(t)
	memory := []byte("jean@gmial.com|12 rue Pasteur|75011|Paris|Dupont|06 12 34 56 79")
	parts := strings.Split(unsafe.String(&memory[0], len(memory)), "|")
	event := schemas.IdentifiedTouchpoint{Touchpoint: schemas.Touchpoint{Person: schemas.Some(schemas.Person{
		Email: parts[0], Street: parts[1], PostalCode: parts[2], City: parts[3], LastName: parts[4], Phone: parts[5],
	})}}
	var first, second Suffix
	link.Apply(&event, &first)
	want := first.Profile.Value
	want.EmailSuggestion, want.HouseholdID, want.PhoneCountry = strings.Clone(want.EmailSuggestion), strings.Clone(want.HouseholdID), strings.Clone(want.PhoneCountry)
	copied := event
	copied.Person.Value = schemas.Person{Email: "jean@gmial.com", Street: "12 rue Pasteur", PostalCode: "75011", City: "Paris", LastName: "Dupont", Phone: "06 12 34 56 79"}
	for i := range memory {
		memory[i] = 'x'
	}
	link.Apply(&copied, &second)
	if first.Profile.Value != want || second.Profile.Value != want {
		t.Errorf("got  %+v\nthen %+v\nwant %+v", first.Profile.Value, second.Profile.Value, want)
	}
	if want.EmailSuggestion != "gmail.com" || want.HouseholdID == "" || want.PhoneLine != person.LineMobile {
		t.Errorf("the rules did not speak: %+v", want)
	}
}

func BenchmarkPersonLink(b *testing.B) {
	link := personLink(b)
	event := schemas.IdentifiedTouchpoint{Touchpoint: schemas.Touchpoint{
		OccurredAt: schemas.MillisOf(time.Date(2026, 6, 14, 22, 30, 0, 0, time.UTC)),
		Person: schemas.Some(schemas.Person{
			Email: "jean@orange.fr", Street: "12 rue Pasteur", PostalCode: "75011", City: "Paris", LastName: "Dupont", Phone: "06 12 34 56 79",
			BirthDate: schemas.Some(schemas.DateOf(1980, 6, 15)),
		}),
	}}
	var added Suffix
	b.ReportAllocs()
	for b.Loop() {
		link.Apply(&event, &added)
	}
}
