package enricher

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

const smallList = "place/testdata/small/"

func communesOf(t testing.TB) reference.Edition {
	t.Helper()
	edition, err := place.Dataset().Read(smallList+"communes.json", smallList+"departements.json", smallList+"regions.json")
	if err != nil {
		t.Fatal(err)
	}
	return edition
}

func living(postcode, city, region, country string) *schemas.IdentifiedTouchpoint {
	event := &schemas.IdentifiedTouchpoint{}
	event.Person = schemas.Some(schemas.Person{PostalCode: postcode, City: city, Region: region, Country: country})
	return event
}

func TestPlace(t *testing.T) {
	link := linkWith(t, newPlace, communesOf(t))
	f := func(event *schemas.IdentifiedTouchpoint, want Outcome, wantHome schemas.Home) {
		t.Helper()
		for range 2 { // The second answer is remembered.
			added := &Suffix{}
			got := link.Apply(event, added)
			if got != want || added.Home.Valid != (want.Status == StatusApplied) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if diff := cmp.Diff(wantHome, added.Home.Value); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
	f(living("75012", "PARIS", "", ""), Applied(), schemas.Home{
		Basis: basisEvent, Country: "FR", PostalCode: "75012", CommuneCode: "75112", Commune: "Paris 12e Arrondissement", DepartmentCode: "75", Department: "Paris",
		RegionCode: "11", Region: "Île-de-France", Population: schemas.Some(int32(138024)), Match: place.Exact, Confidence: schemas.Some(1.0),
	})
	f(living("75999", "CEDEX", "", "FRA"), Applied(), schemas.Home{
		Basis: basisEvent, Country: "FR", PostalCode: "75999", DepartmentCode: "75", Department: "Paris", RegionCode: "11", Region: "Île-de-France", Match: place.Department,
	})
	f(living("1000", "Bruxelles", "", "Belgique"), Applied(), schemas.Home{Basis: basisEvent, Country: "BE"})
	f(living("", "", "", "FR"), Applied(), schemas.Home{Basis: basisEvent, Country: "FR"})
	f(living("", "Trifouilly", "", ""), Skipped(reasonUnknownPlace), schemas.Home{})
	f(living("", "", "", ""), Skipped(reasonNoAddress), schemas.Home{})
	f(&schemas.IdentifiedTouchpoint{}, Skipped(reasonNoAddress), schemas.Home{})

	empty := linkWith(t, newPlace)
	if got := empty.Apply(living("75012", "Paris", "", ""), &Suffix{}); got != Skipped(reasonNoData) {
		t.Errorf("without a list: %+v", got)
	}
}

// Without an address on the event, that which is known of the customer counts; one on the event counts before it.
func TestPlaceOfAKnownCustomer(t *testing.T) {
	link := linkWith(t, newPlace, communesOf(t))
	f := func(event *schemas.IdentifiedTouchpoint, known attributes.Known, want Outcome, basis, country, postcode, commune, match string) {
		t.Helper()
		added := &Suffix{Known: &known}
		got := link.Apply(event, added)
		home := added.Home.Value
		if got != want || home.Basis != basis || home.Country != country || home.PostalCode != postcode || home.CommuneCode != commune || home.Match != match {
			t.Errorf("%+v: got %+v %+v", known, got, home)
		}
		if home.CommuneCode != "" && home.RegionCode == "" || home.Confidence.Valid != (match != "" && commune != "") {
			t.Errorf("%+v: %+v", known, home)
		}
	}
	nobody := &schemas.IdentifiedTouchpoint{}
	f(nobody, attributes.Known{Country: "FR", PostalCode: "75012", CommuneCode: "75112"}, Applied(), basisCustomer, "FR", "75012", "75112", "")
	f(nobody, attributes.Known{PostalCode: "01300", CommuneCode: "01340"}, Applied(), basisCustomer, "FR", "01300", "01015", "")
	f(nobody, attributes.Known{PostalCode: "75012"}, Applied(), basisCustomer, "FR", "75012", "75112", place.Only)
	f(nobody, attributes.Known{PostalCode: "75012", CommuneCode: "99999"}, Applied(), basisCustomer, "FR", "75012", "75112", place.Only)
	f(nobody, attributes.Known{Country: "BE", PostalCode: "1000"}, Applied(), basisCustomer, "BE", "", "", "")
	f(nobody, attributes.Known{LoyaltyTier: "gold"}, Skipped(reasonNoAddress), "", "", "", "", "")
	f(living("69003", "Lyon", "", ""), attributes.Known{CommuneCode: "75112"}, Applied(), basisEvent, "FR", "69003", "69383", place.Exact)
}

// What the cache keeps must not be memory of the batch.
func TestPlaceKeepsNothingOfTheEvent(t *testing.T) {
	link := linkWith(t, newPlace, communesOf(t))
	memory := []byte("75012Paris-------")
	text := unsafe.String(&memory[0], len(memory))
	apply := func() schemas.Home {
		added := &Suffix{}
		link.Apply(living(text[:5], text[5:10], "", ""), added)
		return added.Home.Value
	}
	first := apply()
	copy(memory, "69003Lyon3")
	if _, ok := link.(*residence).found.GetIfPresent(place.Address{PostalCode: "75012", City: "Paris"}); !ok {
		t.Error("what was remembered changed with the memory of the event")
	}
	if first.PostalCode != "75012" {
		t.Errorf("the postcode became %s", first.PostalCode)
	}
	if second := apply(); second.CommuneCode != "69383" {
		t.Errorf("the next batch was answered %s", second.CommuneCode)
	}
	copy(memory, "75012Paris")
	if third := apply(); third.CommuneCode != "75112" {
		t.Errorf("the cache answered %s", third.CommuneCode)
	}
}

func TestPlaceIsAtHomeInTheWorkspace(t *testing.T) {
	ws := workspace.DefaultConfig()
	ws.Region = "BE"
	link, err := newPlace(parts{cfg: DefaultConfig(), workspace: ws, data: reference.NewSnapshot(communesOf(t)), lasting: &lasting{}})
	if err != nil {
		t.Fatal(err)
	}
	added := &Suffix{}
	link.Apply(living("1000", "Bruxelles", "", ""), added)
	if diff := cmp.Diff(schemas.Home{Basis: basisEvent, Country: "BE"}, added.Home.Value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	link.Apply(living("75012", "Paris", "", "France"), added)
	if added.Home.Value.CommuneCode != "75112" {
		t.Errorf("got %+v", added.Home.Value)
	}
}

func BenchmarkPlaceLink(b *testing.B) {
	link := linkWith(b, newPlace, communesOf(b))
	for name, event := range map[string]*schemas.IdentifiedTouchpoint{"typed": living("75012", "Paris", "", "FR"), "known": living("", "", "", "")} {
		b.Run(name, func(b *testing.B) {
			added := &Suffix{Known: &attributes.Known{Country: "FR", PostalCode: "75012", CommuneCode: "75112"}}
			b.ReportAllocs()
			for b.Loop() {
				link.Apply(event, added)
			}
		})
	}
}
