package place

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

const france = "FR"

// overseas are the parts of France that have a country code of their own, with the first digits of their postcodes.
var overseas = map[string]string{
	"GP": "971", "MQ": "972", "GF": "973", "RE": "974", "PM": "975", "YT": "976", "BL": "977", "MF": "978", "TF": "984", "WF": "986", "PF": "987", "NC": "988",
	"FX": "",
}

// countries finds the ISO code of a country by its English or French name.
var countries = sync.OnceValue(func() map[string]string {
	found := map[string]string{
		"uk": "GB", "greatbritain": "GB", "england": "GB", "angleterre": "GB", "scotland": "GB", "ecosse": "GB", "usa": "US", "etatsunisdamerique": "US",
		"hollande": "NL", "holland": "NL", "francemetropolitaine": france, "republiquefrancaise": france,
	}
	inEnglish, inFrench := display.Regions(language.English), display.Regions(language.French)
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			region, err := language.ParseRegion(string([]rune{first, second}))
			if err != nil || !region.IsCountry() || region.Canonicalize() != region {
				continue
			}
			for _, name := range []string{inEnglish.Name(region), inFrench.Name(region)} {
				if name != "" {
					found[divisionKey(name)] = region.String()
				}
			}
		}
	}
	return found
})

// CountryCode reads a country as people and programs write it: codes of two, three letters or three digits, English and French names.
func CountryCode(text string) (code string, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 64 {
		return "", false
	}
	if text == "FR" || text == "France" || text == "FRANCE" || text == "fr" {
		return france, true
	}
	if len(text) == 2 || len(text) == 3 {
		if region, err := language.ParseRegion(text); err == nil && region.IsCountry() {
			return region.Canonicalize().String(), true
		}
	}
	code, ok = countries()[divisionKey(text)]
	return code, ok
}

// country of the address, and whether its communes are in the list. One without a country is at home, unless its postcode says otherwise.
func (x *Index) country(a Address) (code string, french bool) {
	if strings.TrimSpace(a.Country) == "" {
		if code := prefixed(a.PostalCode); code != "" {
			return code, code == france
		}
		return x.home, x.home == france
	}
	code, ok := CountryCode(a.Country)
	if !ok {
		return "", false
	}
	if _, part := overseas[code]; part {
		return france, true
	}
	return code, code == france
}

// Overseas says whether a country code is that of a part of France.
func Overseas(country string) bool { return overseas[country] != "" }

// RegionOfCountry is the INSEE code of the region that a part of France overseas with a country code of its own is, for example 04 for RE.
func (x *Index) RegionOfCountry(country string) string {
	if d := x.departments[overseas[country]]; d != nil {
		return d.RegionCode
	}
	return ""
}

// prefixed reads the country that is put in front of a postcode in Europe: B-1000, CH-1201, L-1234, D-10115.
func prefixed(postcode string) string {
	letters, _, found := strings.Cut(strings.TrimSpace(postcode), "-")
	if !found {
		return ""
	}
	switch strings.ToUpper(letters) {
	case "F", "FR":
		return france
	case "B", "BE":
		return "BE"
	case "L", "LU":
		return "LU"
	case "D", "DE":
		return "DE"
	case "CH", "AT", "NL", "PT", "ES", "IT", "MC", "PL", "SE", "DK", "FI":
		return strings.ToUpper(letters)
	}
	return ""
}
