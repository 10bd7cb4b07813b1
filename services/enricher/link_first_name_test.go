package enricher

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/firstname"
)

const births = `sexe;preusuel;annais;nombre
2;MONIQUE;1946;1000
1;MONIQUE;1946;1
1;KEVIN;1991;1000
2;CAMILLE;1990;800
1;CAMILLE;1985;200
2;MARIE-CLAUDE;1950;10
`

func namedEvent(person schemas.Person) *schemas.IdentifiedTouchpoint {
	event := new(schemas.IdentifiedTouchpoint)
	event.OccurredAt = schemas.MillisOf(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	event.Person = schemas.Some(person)
	return event
}

func TestFirstNames(t *testing.T) {
	link := makeLink(t, newFirstName, "EUR", editionOf(t, firstname.Dataset(), births))
	f := func(person schemas.Person, want string) {
		t.Helper()
		var added Suffix
		outcome := link.Apply(namedEvent(person), &added)
		got := outcome.Reason
		if outcome.Status == StatusApplied {
			e := added.FirstName.Value
			got = fmt.Sprintf("%.4f %s", e.FemaleProbability.Value, e.Gender)
			if e.BirthDecade.Valid {
				got += fmt.Sprintf(" %d %.4f %s %.4f", e.BirthDecade.Value, e.BirthDecadeProbability.Value, e.AgeBand, e.AgeBandProbability.Value)
			}
			got += fmt.Sprint(" ", e.People.Value)
		}
		if got != want {
			t.Errorf("%+v\ngot  %s\nwant %s", person, got, want)
		}
	}
	f(schemas.Person{FirstName: "Monique"}, "0.9993 female 1940 1.0000 75+ 1.0000 711")
	f(schemas.Person{FirstName: "Kévin"}, "0.0000 male 1990 1.0000 25-34 0.5000 972")
	f(schemas.Person{FirstName: "camille"}, "0.8041 ambiguous 1990 0.8041 35-44 1.0000 981")
	f(schemas.Person{FullName: "Marie Claude DURAND"}, "1.0000 female 1950 1.0000 75+ 1.0000 8")
	f(schemas.Person{FullName: "Kévin Durand", LastName: "Durand"}, "0.0000 male 1990 1.0000 25-34 0.5000 972")
	f(schemas.Person{FullName: "Camille Kévin"}, "unsure_first_name")
	f(schemas.Person{FirstName: "Mme Camille"}, "unknown_first_name")
	f(schemas.Person{FirstName: "Xyzzy"}, "unknown_first_name")
	f(schemas.Person{FirstName: strings.Repeat("Kévin ", 40)}, "unknown_first_name")
	f(schemas.Person{Email: "kevin@example.com"}, "no_first_name")
	// What is known of the age is not estimated; the estimate that is remembered stays whole.
	f(schemas.Person{FirstName: "Monique", BirthDate: schemas.Some(schemas.DateOf(1946, 1, 1))}, "0.9993 female 711")
	f(schemas.Person{FirstName: "Monique"}, "0.9993 female 1940 1.0000 75+ 1.0000 711")
	added := Suffix{Profile: schemas.Some(schemas.Profile{Age: schemas.Some[int32](80)})}
	if link.Apply(namedEvent(schemas.Person{FirstName: "Monique"}), &added); added.FirstName.Value.AgeBand != "" {
		t.Error("an age is estimated beside the one that is known")
	}
	added = Suffix{Known: &attributes.Known{BirthMonth: "1946-03"}}
	if link.Apply(namedEvent(schemas.Person{FirstName: "Monique"}), &added); added.FirstName.Value.BirthDecade.Valid || !added.FirstName.Valid {
		t.Error("a decade is estimated beside the month that is known of the customer")
	}
	without := makeLink(t, newFirstName, "EUR")
	if outcome := without.Apply(namedEvent(schemas.Person{FirstName: "Monique"}), new(Suffix)); outcome.Reason != reasonNoData {
		t.Errorf("without data: %+v", outcome)
	}
}

// The cache keeps no memory of the batch: the batch's memory is written over.
func TestFirstNamesOutliveTheirBatch(t *testing.T) {
	link := makeLink(t, newFirstName, "EUR", editionOf(t, firstname.Dataset(), births))
	batch := []byte("Monique")
	event := namedEvent(schemas.Person{FirstName: unsafe.String(&batch[0], len(batch))})
	var added Suffix
	link.Apply(event, &added)
	copy(batch, "Xxxxxxx")
	for range 2 {
		added = Suffix{}
		link.Apply(namedEvent(schemas.Person{FirstName: "Monique"}), &added)
		if added.FirstName.Value.Gender != genderFemale {
			t.Errorf("%+v", added.FirstName)
		}
	}
	if outcome := link.Apply(event, &added); outcome.Reason != reasonUnknownFirstName {
		t.Errorf("the name of another batch is remembered: %+v", outcome)
	}
}

func BenchmarkLinkFirstName(b *testing.B) {
	link := makeLink(b, newFirstName, "EUR", installed(b, firstname.Dataset(), "../../../shared/data/prenoms-insee-1900-2024.parquet"))
	event := namedEvent(schemas.Person{FirstName: "Jean-Pierre"})
	var added Suffix
	b.ReportAllocs()
	for b.Loop() {
		link.Apply(event, &added)
	}
}
