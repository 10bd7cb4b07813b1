package person

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// What a telephone number is.
const (
	PhoneValid    = "valid"
	PhonePossible = "possible"
	PhoneInvalid  = "invalid"

	LineMobile   = "mobile"
	LineFixed    = "fixed"
	LineVoIP     = "voip"
	LinePremium  = "premium"
	LineTollFree = "toll_free"
	LineOther    = "other"
)

// call is the answer for one number.
type call struct{ status, line, country, region string }

// zones are the parts of France that the first two digits of a land line were given out in. Since 2023 a number may be used in all of metropolitan
// France, so this is where the number comes from, not where its owner lives.
var zones = map[byte]string{'1': "Île-de-France", '2': "Nord-Ouest", '3': "Nord-Est", '4': "Sud-Est", '5': "Sud-Ouest"}

// territories are the overseas departments by their country.
var territories = map[string]string{
	"RE": "La Réunion", "GP": "Guadeloupe", "MQ": "Martinique", "GF": "Guyane", "YT": "Mayotte", "PM": "Saint-Pierre-et-Miquelon",
	"BL": "Saint-Barthélemy", "MF": "Saint-Martin", "NC": "Nouvelle-Calédonie", "PF": "Polynésie française", "WF": "Wallis-et-Futuna",
}

// Shortest and longest numbers worth a parse, in digits: shorter ones are short codes, longer ones are not in E.164.
const (
	fewestDigits = 6
	mostDigits   = 18
	longestPhone = 64
)

// judgePhone tells what a number, written in a region, is.
func judgePhone(raw, region string) call {
	text := strings.TrimSpace(raw)
	if text == "" {
		return call{}
	}
	if len(text) > longestPhone {
		return call{status: PhoneInvalid}
	}
	text = strings.TrimPrefix(strings.ToLower(text), "tel:")
	count := 0
	for _, r := range text {
		switch {
		case unicode.IsLetter(r):
			return call{status: PhoneInvalid}
		case unicode.IsDigit(r):
			count++
		}
	}
	if count < fewestDigits || count > mostDigits || identifier.IsFictionalPhone(text) {
		return call{status: PhoneInvalid}
	}
	number, valid := identifier.ParsePhone(text, region)
	if _, overseas := territories[region]; overseas && !valid {
		// 06 12 34 56 79 written overseas is a number of the mainland.
		if other, there := identifier.ParsePhone(text, "FR"); there {
			number, valid = other, true
		}
	}
	switch {
	case number == nil || identifier.IsFictionalPhone(phonenumbers.GetNationalSignificantNumber(number)):
		return call{status: PhoneInvalid}
	case !valid:
		return call{status: PhonePossible}
	}
	c := call{status: PhoneValid, line: lineOf(number), country: phonenumbers.GetRegionCodeForNumber(number)}
	if c.line == LineFixed {
		c.region = regionOf(number, c.country)
	}
	return c
}

func lineOf(number *phonenumbers.PhoneNumber) string {
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE:
		return LineMobile
	case phonenumbers.FIXED_LINE:
		return LineFixed
	case phonenumbers.VOIP:
		return LineVoIP
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST:
		return LinePremium
	case phonenumbers.TOLL_FREE:
		return LineTollFree
	}
	return LineOther
}

func regionOf(number *phonenumbers.PhoneNumber, country string) string {
	if country != "FR" {
		return territories[country]
	}
	if national := phonenumbers.GetNationalSignificantNumber(number); len(national) == 9 {
		return zones[national[0]]
	}
	return ""
}
