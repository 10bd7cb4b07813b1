package person

import "time"

// oldest is the age from which a date of birth is taken for a mistake.
const oldest = 120

// Age bands.
const (
	Under18    = "under_18"
	From18To24 = "18-24"
	From25To34 = "25-34"
	From35To44 = "35-44"
	From45To54 = "45-54"
	From55To64 = "55-64"
	From65To74 = "65-74"
	From75     = "75+"
)

// age in whole years on a day. Who was born on 29 February is a year older on 1 March in common years. Dates of birth that lie ahead or too far
// behind are not believed.
func age(birth, day time.Time) (years int32, band string) {
	if birth.After(day) {
		return unknown, ""
	}
	n := day.Year() - birth.Year()
	if day.Month() < birth.Month() || day.Month() == birth.Month() && day.Day() < birth.Day() {
		n--
	}
	if n > oldest {
		return unknown, ""
	}
	return int32(n), AgeBand(n)
}

// AgeBand is the band of an age in years.
func AgeBand(years int) string {
	switch {
	case years < 18:
		return Under18
	case years < 25:
		return From18To24
	case years < 35:
		return From25To34
	case years < 45:
		return From35To44
	case years < 55:
		return From45To54
	case years < 65:
		return From55To64
	case years < 75:
		return From65To74
	}
	return From75
}
