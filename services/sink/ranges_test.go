package sink

import (
	"math"
	"testing"

	"github.com/parcours-cdp/parcours/schemas"
)

// What an enrichment computed wrongly is refused by name, at both bounds and beyond them.
func TestNumbersOfEnrichmentsLieInTheirRange(t *testing.T) {
	var e touchpoint
	e.Shop.Valid, e.Home.Valid, e.Area.Valid, e.Profile.Valid, e.FirstName.Valid = true, true, true, true, true
	shop, home, area, profile, name := &e.Shop.Value, &e.Home.Value, &e.Area.Value, &e.Profile.Value, &e.FirstName.Value
	whole := func(field string, at *schemas.Optional[int32], least, most int32) {
		t.Helper()
		for value, want := range map[int32]string{least: "", most: "", least - 1: field, most + 1: field, math.MaxInt32: field, math.MinInt32: field} {
			if *at = schemas.Some(value); e.knownOutOfRange() != want {
				t.Errorf("%s of %d: %q, want %q", field, value, e.knownOutOfRange(), want)
			}
		}
		*at = schemas.Optional[int32]{}
	}
	share := func(field string, at *schemas.Optional[float64], most float64) {
		t.Helper()
		for value, want := range map[float64]string{0: "", most: "", -0.001: field, most + 0.001: field, math.Inf(1): field, math.Inf(-1): field} {
			if *at = schemas.Some(value); e.knownOutOfRange() != want {
				t.Errorf("%s of %v: %q, want %q", field, value, e.knownOutOfRange(), want)
			}
		}
		if *at = schemas.Some(math.NaN()); e.knownOutOfRange() != field {
			t.Errorf("%s takes what is no number", field)
		}
		*at = schemas.Optional[float64]{}
	}
	whole("area.income_quintile", &area.IncomeQuintile, 1, 5)
	whole("area.income_decile", &area.IncomeDecile, 1, 10)
	whole("profile.age", &profile.Age, 0, 150)
	whole("profile.address_completeness", &profile.AddressCompleteness, 0, 100)
	whole("profile.contactability", &profile.Contactability, 0, 100)
	share("shop.distance_km", &shop.DistanceKm, 20_100)
	share("home.confidence", &home.Confidence, 1)
	share("area.poverty_rate", &area.PovertyRate, 100)
	share("area.under_30", &area.Under30, 100)
	share("area.over_60", &area.Over60, 100)
	share("first_name.female_probability", &name.FemaleProbability, 1)
	share("first_name.birth_decade_probability", &name.BirthDecadeProbability, 1)
	share("first_name.age_band_probability", &name.AgeBandProbability, 1)
	if field := e.knownOutOfRange(); field != "" {
		t.Errorf("%s is refused though it is not known", field)
	}
}
