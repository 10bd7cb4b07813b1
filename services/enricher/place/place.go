// Package place finds the French commune of an address as people type it, and the country of any.
//
// It owns the index over the official list of communes, the rules for spellings, CEDEX, arrondissements and communes that merged, and the names of
// regions and countries. An index does not change and is safe for concurrent use. It never guesses in silence: each answer says how it was found
// and how likely it is, and names no commune that is more likely wrong than right.
package place

import (
	"slices"
	"strings"
)

// Version names the rules; it changes whenever an answer may change with the same data.
const Version = "place-1"

// How a commune was found.
const (
	// Exact is the name of the commune, or of one that merged into it, in its postcode; or a name that is unique.
	Exact = "exact"
	// Spelled is a name with typing errors, a part of the name or more than it; or the right name with a wrong postcode.
	Spelled = "spelled"
	// Only is the one commune of the postcode.
	Only = "only"
	// Largest is the one where most people of the postcode live, or of all communes of the name.
	Largest = "largest"
	// Cedex is the commune of a business postcode, found by its name in the department.
	Cedex = "cedex"
	// Department is an answer without a commune: only the department is sure.
	Department = "department"
)

// Address is an address as it was typed. Everything may be empty.
type Address struct {
	Street, PostalCode, City, Region, Country string
}

// Commune is a commune of today; in Paris, Lyon and Marseille an arrondissement, or the whole city when that is all that is known.
type Commune struct {
	// Code, DepartmentCode and RegionCode are INSEE's.
	Code, Name, DepartmentCode, Department, RegionCode, Region string
	// Population is 0 when the list has none.
	Population int
	// Density is dense, intermediate or rural; empty when not known.
	Density string
	// Latitude and Longitude of the centre, in degrees; both are 0 when not known.
	Latitude, Longitude float64
}

// Located says whether the centre is known.
func (c *Commune) Located() bool { return c.Latitude != 0 || c.Longitude != 0 }

// Match says how an address was understood.
type Match struct {
	// How is one of the constants above; empty when not even the department is known.
	How string
	// Confidence is the probability that the commune is right; 0 when none is named.
	Confidence float64
	// Country is the ISO 3166 code; empty when the country is not understood. The overseas parts of France are FR.
	Country string
	// PostalCode has five digits; it is the commune's when the typed one is a CEDEX or wrong and the commune has one only.
	PostalCode string
}

// Index is the list of communes, ready for questions.
type Index struct {
	towns  []town
	byCode map[string]int32
	// byName and byBare find towns by their keys, in whole and without the article in front; see key.
	byName map[string][]ref
	byBare map[string][]ref
	areas  map[string]*area
	// home is the country of addresses that name none.
	home        string
	departments map[string]*Commune
	regionNames map[string]string
	// regions and divisions find regions and departments by the keys of their names and codes.
	regions, divisions map[string]string
}

// town is a commune with what finds it.
type town struct {
	Commune
	names     []name
	postcodes []string
	// arrondissement is its number in Paris, Lyon and Marseille, or 0; whole is the index of the city, or -1.
	arrondissement int
	whole          int32
	parts          []int32
}

// name is one name of a town.
type name struct {
	words     []string
	key, bare string
	// old names are those of communes that are no more.
	old bool
}

// ref points at a town by one of its names.
type ref struct {
	town int32
	old  bool
}

// area is what a postcode delivers to, the most people first.
type area struct {
	towns  []int32
	people int
}

// ByCode finds a commune by its INSEE code, also by one that merged into it. The result must not be changed.
func (x *Index) ByCode(code string) (*Commune, bool) {
	at, ok := x.byCode[code]
	if !ok {
		return nil, false
	}
	return &x.towns[at].Commune, true
}

// PostalCodeOf is the postcode of a commune that has one only, else empty.
func (x *Index) PostalCodeOf(code string) string {
	at, ok := x.byCode[code]
	if !ok || len(x.towns[at].postcodes) != 1 {
		return ""
	}
	return x.towns[at].postcodes[0]
}

// ByCity finds the one commune of that name in a region, given by its INSEE code, or in all of France when the region is empty. It is silent when
// several have the name, also as a former one.
func (x *Index) ByCity(region, city string) (*Commune, bool) {
	t := x.parse(Address{City: city})
	refs := x.named(&t)
	refs = slices.DeleteFunc(refs, func(r ref) bool { return region != "" && x.towns[r.town].RegionCode != region })
	at, ok := unique(refs)
	if !ok {
		return nil, false
	}
	at, _ = x.inCity(at, t.arrondissement)
	return &x.towns[at].Commune, true
}

// Region is the INSEE code of a French region by its code, name, former name, English name or ISO 3166-2 code.
func (x *Index) Region(text string) (code string, ok bool) {
	if len(text) > longestText {
		return "", false
	}
	code, ok = x.regions[strings.Join(words(text), "")]
	return code, ok
}

// RegionName is the official name of a region.
func (x *Index) RegionName(code string) string { return x.regionNames[code] }

// Len is the number of communes and arrondissements.
func (x *Index) Len() int { return len(x.towns) }

// In is the same index for addresses that name no country and are in this one, given by its ISO code.
func (x *Index) In(country string) *Index {
	moved := *x
	moved.home = country
	return &moved
}

// With is the same index with density and centres filled in, where they are known. Either may be nil.
func (x *Index) With(density *Densities, centres *Centres) *Index {
	filled := *x
	filled.towns = slices.Clone(x.towns)
	for i := range filled.towns {
		c := &filled.towns[i].Commune
		code := c.Code
		if filled.towns[i].whole >= 0 && density.Of(code) == "" {
			code = filled.towns[filled.towns[i].whole].Code // The grid knows the city, not its arrondissements.
		}
		c.Density = density.Of(code)
		if point, ok := centres.Of(c.Code); ok {
			c.Latitude, c.Longitude = point.Latitude, point.Longitude
		}
	}
	return &filled
}

// unique is the only town among the refs; a name of today counts before former ones.
func unique(refs []ref) (int32, bool) {
	if len(refs) == 0 {
		return 0, false
	}
	at := int32(-1)
	for _, r := range refs {
		if at >= 0 && r.town != at {
			return 0, false
		}
		at = r.town
	}
	return at, true
}
