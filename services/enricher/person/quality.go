package person

import (
	"math"
	"strings"
)

// Points of an address, 100 in all. The country counts as known when the postcode has the form of it.
const (
	pointsStreet   = 25
	pointsNumber   = 15
	pointsPostcode = 25
	pointsTown     = 20
	pointsCountry  = 5
	pointsFit      = 10
)

// digits of a postcode by country; others are not checked.
var digits = map[string]int{
	"FR": 5, "RE": 5, "GP": 5, "MQ": 5, "GF": 5, "YT": 5, "PM": 5, "BL": 5, "MF": 5, "PF": 5, "NC": 5, "WF": 5, "MC": 5,
	"BE": 4, "CH": 4, "LU": 4, "AT": 4, "DK": 4, "NO": 4, "DE": 5, "ES": 5, "IT": 5, "US": 5, "FI": 5,
}

// formOf tells whether a postcode has the form of the country's; ok is false when that is not known.
func formOf(code, country string) (fits, ok bool) {
	n, known := digits[country]
	if !known {
		return false, false
	}
	if !number(code) || len(code) != n {
		return false, true
	}
	if n == 5 && country == "FR" {
		return code >= "01000" && code < "99000", true
	}
	return n != 4 || code[0] != '0', true
}

// completeness of an address, 0 to 100; unknown when nothing of one was stated. A box, a hamlet and a named place need no number.
func (s *street) completeness(f *Facts, country, dwelling string) int32 {
	code, city := postcode(f.PostalCode), strings.TrimSpace(f.City)
	if len(s.words) == 0 && code == "" && city == "" {
		return unknown
	}
	points := 0
	named := len(s.road) > 0 || dwelling != "" && len(s.words) > 0 || len(s.words) >= 2
	if named {
		points += pointsStreet
		if s.number != "" || len(s.road) == 0 && (dwelling == POBox || dwelling == RuralPlace || dwelling == CareHome || dwelling == StudentResidence || dwelling == Campsite) {
			points += pointsNumber
		}
	}
	fits, checked := formOf(code, country)
	switch {
	case code == "":
	case checked && !fits:
		points += pointsPostcode * 2 / 5
	default:
		points += pointsPostcode
	}
	if hasLetters(city) {
		points += pointsTown
	}
	if f.Country != "" && country != "" || fits {
		points += pointsCountry
	}
	if code != "" && hasLetters(city) {
		points += fitPoints(f.Fit, fits, checked)
	}
	return int32(points)
}

// fitPoints are for postcode and town that belong together; without a list of places the form of the postcode has to do.
func fitPoints(fit Fit, fits, checked bool) int {
	switch {
	case fit == FitSure:
		return pointsFit
	case fit == FitDoubtful, checked && !fits:
		return 0
	}
	return pointsFit / 2
}

func hasLetters(s string) bool {
	n := 0
	for _, w := range split(s) {
		if !number(w.text) {
			n += len(w.text)
		}
	}
	return n >= 1
}

// How surely a channel reaches the person, 0 to 1.
const (
	byEmail     = 0.90
	byRole      = 0.60
	byDoubtful  = 0.10 // a disposable address, or one with a typing mistake
	byMobile    = 0.90
	byLandline  = 0.70
	byOtherLine = 0.50
	byPossible  = 0.30
	byPost      = 0.70 // times the completeness of the address
)

// deliverable is the completeness from which a letter may arrive.
const deliverable = 70

// contactability is the chance, in percent, that one of the channels that were stated reaches the person, as if they failed independently. What
// was not stated is not known: it neither adds nor takes away. Unknown when nothing was stated.
func contactability(p Profile) int32 {
	if p.EmailStatus == "" && p.PhoneStatus == "" && p.AddressCompleteness < 0 {
		return unknown
	}
	missed := (1 - emailReach(p)) * (1 - phoneReach(p))
	if p.AddressCompleteness >= deliverable {
		missed *= 1 - byPost*float64(p.AddressCompleteness)/100
	}
	return int32(math.Round(100 * (1 - missed)))
}

func emailReach(p Profile) float64 {
	switch {
	case p.EmailStatus == EmailTypo, p.EmailStatus == EmailDisposable:
		return byDoubtful
	case p.EmailStatus != EmailValid:
		return 0
	case p.EmailClass == ClassRole:
		return byRole
	}
	return byEmail
}

func phoneReach(p Profile) float64 {
	switch {
	case p.PhoneStatus == PhonePossible:
		return byPossible
	case p.PhoneStatus != PhoneValid, p.PhoneLine == LinePremium, p.PhoneLine == LineTollFree:
		return 0 // numbers that one calls and nobody has
	case p.PhoneLine == LineMobile:
		return byMobile
	case p.PhoneLine == LineFixed, p.PhoneLine == LineVoIP:
		return byLandline
	}
	return byOtherLine
}
