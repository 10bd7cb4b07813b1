package identifier

import (
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/parcours-cdp/parcours/schemas"
)

// territories are the countries of telephone numbers by the first three digits of French postcodes.
var territories = map[string]string{
	"971": "GP", "972": "MQ", "973": "GF", "974": "RE", "975": "PM", "976": "YT", "977": "BL", "978": "MF",
	"986": "WF", "987": "PF", "988": "NC", "980": "MC",
}

// countries are names that forms and tills give to countries, besides their two letters.
var countries = map[string]string{
	"FRANCE": "FR", "FRA": "FR", "FRANCE METROPOLITAINE": "FR", "BELGIQUE": "BE", "BELGIUM": "BE", "BEL": "BE",
	"SUISSE": "CH", "SWITZERLAND": "CH", "CHE": "CH", "LUXEMBOURG": "LU", "LUX": "LU", "MONACO": "MC", "MCO": "MC",
	"ALLEMAGNE": "DE", "GERMANY": "DE", "DEU": "DE", "ESPAGNE": "ES", "SPAIN": "ES", "ESP": "ES", "ITALIE": "IT", "ITALY": "IT", "ITA": "IT",
	"PORTUGAL": "PT", "PRT": "PT", "PAYS BAS": "NL", "NETHERLANDS": "NL", "NLD": "NL", "ROYAUME UNI": "GB", "UNITED KINGDOM": "GB", "GBR": "GB", "UK": "GB",
	"REUNION": "RE", "LA REUNION": "RE", "REU": "RE", "GUADELOUPE": "GP", "GLP": "GP", "MARTINIQUE": "MQ", "MTQ": "MQ",
	"GUYANE": "GF", "GUYANE FRANCAISE": "GF", "FRENCH GUIANA": "GF", "GUF": "GF", "MAYOTTE": "YT", "MYT": "YT",
}

// KnownRegion tells the ISO 3166 codes that telephone numbers can be read in.
func KnownRegion(code string) bool {
	return phonenumbers.GetSupportedRegions()[code]
}

// Region is the country or overseas department that somebody who lives at a postcode writes telephone
// numbers for, as ISO 3166; empty when the place does not say, which leaves the workspace's. The country
// may be a code or a name.
func (s *Identifiers) Region(country, postcode string) string {
	region := country
	if !(len(country) == 2 && KnownRegion(country)) {
		region = s.named(country)
	}
	if region == "" && country != "" {
		return ""
	}
	if region == "" || region == "FR" {
		// Elsewhere five digits are another country's: 97401 is in Oregon.
		if postcode = strings.TrimSpace(postcode); len(postcode) == 5 && isNumber(postcode) && (region == "FR" || s.region == "FR") {
			if territory := territories[postcode[:3]]; territory != "" {
				return territory
			}
		}
	}
	return region
}

// named finds a country by its name or by its code in small letters.
func (s *Identifiers) named(country string) string {
	if country == "" || len(country) > 64 {
		return ""
	}
	words, ok := nameWords(capitals(country))
	if !ok {
		return ""
	}
	name := strings.Join(words, " ")
	if region := countries[name]; region != "" {
		return region
	}
	if KnownRegion(name) {
		return name
	}
	return ""
}

// Prepare makes an identifier fit to travel with its touchpoint: a telephone number that is one in the
// region gets its country, because nothing behind knows where it was written; ok is false for the number
// of a payment card, which goes nowhere. An empty region leaves telephone numbers as they are.
func (s *Identifiers) Prepare(id schemas.Identifier, region string) (prepared schemas.Identifier, ok bool) {
	k := s.kinds[id.Type]
	switch {
	case k == nil:
	case k.Normaliser == "payment":
		return id, !IsCardNumber(id.Value)
	case k.Normaliser == "phone" && region != "" && region != s.region:
		if value, _, reason := s.phone(id.Value, region); reason == "" {
			id.Value = value
		}
	}
	return id, true
}
