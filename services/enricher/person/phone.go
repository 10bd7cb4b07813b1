package person

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
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

// overseas are tried after FR: numbers of the French overseas departments, dialled as at home, are not valid in metropolitan France.
var overseas = []string{"RE", "GP", "MQ", "GF", "YT"}

// overseasPrefixes are the first three digits, behind the 0, of the French plan that are overseas: the metadata of FR takes some for metropolitan.
var overseasPrefixes = map[string]string{
	"262": "RE", "263": "RE", "692": "RE", "693": "RE", "269": "YT", "639": "YT", "590": "GP", "690": "GP", "691": "GP",
	"594": "GF", "694": "GF", "596": "MQ", "696": "MQ", "697": "MQ",
}

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
	if count < fewestDigits || count > mostDigits || fictional(text) {
		return call{status: PhoneInvalid}
	}
	number, valid := parsePhone(text, region)
	switch {
	case number == nil || fictional(phonenumbers.GetNationalSignificantNumber(number)):
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

// parsePhone returns the number and whether it is valid; nil if it is not even possible.
func parsePhone(text, region string) (number *phonenumbers.PhoneNumber, valid bool) {
	number, err := phonenumbers.Parse(text, region)
	if err != nil {
		return nil, false
	}
	if number.GetCountryCode() == 33 || isOverseas(region) {
		// 0692 12 34 56, and +33 692 12 34 56 as tills write it, are numbers of Réunion; 06 12 34 56 79 written there is one of FR.
		national := phonenumbers.GetNationalSignificantNumber(number)
		for _, other := range append([]string{overseasPrefixes[national[:min(3, len(national))]], "FR"}, overseas...) {
			if number.GetCountryCode() != 33 && phonenumbers.IsValidNumber(number) {
				break
			}
			if n, err := phonenumbers.Parse("0"+national, other); other != "" && err == nil && phonenumbers.IsValidNumber(n) {
				return n, true
			}
		}
	}
	if phonenumbers.IsValidNumber(number) {
		return number, true
	}
	if phonenumbers.IsPossibleNumber(number) {
		return number, false
	}
	return nil, false
}

func isOverseas(region string) bool {
	_, is := territories[region]
	return is
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

// fictional tells numbers typed to get past a form: one digit all along after the prefix (06 00 00 00 00), or the keyboard's row.
func fictional(number string) bool {
	var digits []byte
	for i := range len(number) {
		if number[i] >= '0' && number[i] <= '9' {
			digits = append(digits, number[i])
		}
	}
	text := string(digits)
	if strings.HasSuffix(text, "123456789") && len(text) <= 10 {
		return true
	}
	return len(text) >= 8 && strings.Count(text[len(text)-8:], text[len(text)-1:]) == 8
}
