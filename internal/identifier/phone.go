package identifier

import (
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// overseas has the blocks of the French numbering plan that belong to overseas departments. They are dialled as at home and are numbers
// of a country code of their own; the rules of metropolitan France take some of them for its own.
var overseas = map[string]string{
	"262": "RE", "263": "RE", "692": "RE", "693": "RE",
	"269": "YT", "639": "YT",
	"590": "GP", "690": "GP", "691": "GP",
	"594": "GF", "694": "GF",
	"596": "MQ", "696": "MQ", "697": "MQ",
}

// neverPersonal are numbers that one calls and nobody has.
var neverPersonal = []phonenumbers.PhoneNumberType{
	phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.UAN, phonenumbers.VOICEMAIL,
}

// phone writes a number in E.164. Weak numbers are those of a household.
func phone(raw, region string) (value string, weak bool, reason string) {
	text, ok := clean(raw)
	if !ok {
		return "", false, Invalid
	}
	text = strings.TrimPrefix(strings.ToLower(text), "tel:")
	digits := 0
	for _, r := range text {
		switch {
		case unicode.IsLetter(r):
			return "", false, Invalid // vanity numbers, extensions and sentences
		case unicode.IsDigit(r):
			digits++
		}
	}
	// Shorter ones are short codes, longer ones are not in E.164; neither is worth a parse.
	if digits < 6 || digits > 18 {
		return "", false, Invalid
	}
	number, valid := ParsePhone(text, region)
	if !valid {
		if IsFictionalPhone(text) {
			return "", false, Blocked
		}
		return "", false, Invalid
	}
	national := phonenumbers.GetNationalSignificantNumber(number)
	kind := phonenumbers.GetNumberType(number)
	if IsFictionalPhone(national) || slices.Contains(neverPersonal, kind) {
		return "", false, Blocked
	}
	weak = kind == phonenumbers.FIXED_LINE || kind == phonenumbers.VOIP
	return phonenumbers.Format(number, phonenumbers.E164), weak, ""
}

// ParsePhone reads a number as people in a region (ISO 3166) write it. One that is not valid has the form of a number that nobody
// was given; nil has not even that.
func ParsePhone(text, region string) (number *phonenumbers.PhoneNumber, valid bool) {
	number, err := phonenumbers.Parse(text, region)
	if err != nil {
		return nil, false
	}
	// +33 692 12 34 56 is how tills write a number of Reunion: what follows 33 is tried at home.
	if number.GetCountryCode() == 33 {
		if national := phonenumbers.GetNationalSignificantNumber(number); len(national) == 9 && overseas[national[:3]] != "" {
			if there, err := phonenumbers.Parse("0"+national, overseas[national[:3]]); err == nil {
				number = there
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

// IsFictionalPhone tells numbers typed to get past a form: one digit all along after the prefix (0600000000),
// or the keyboard's row (0123456789).
func IsFictionalPhone(number string) bool {
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
	return len(text) >= 8 && sameByte(text[len(text)-8:])
}
