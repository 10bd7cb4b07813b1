package enricher

import (
	"fmt"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of place, also of those links that need a place.
const (
	reasonNoAddress    = "no_address"
	reasonUnknownPlace = "unknown_place"
)

// Where the address was from.
const (
	basisEvent    = "event"
	basisCustomer = "customer"
)

// countryFrance is that of all communes.
const countryFrance = "FR"

const (
	// addresses bounds the cache of addresses: towns and postcodes of customers, and what they misspell; about 0.5 KB each.
	addresses = 32_768
	// longestAddress is the longest that is remembered.
	longestAddress = 256
)

// residence fills in the home of the person.
type residence struct {
	index       *place.Index
	found       *otter.Cache[place.Address, *schemas.Home]
	description Description
}

func newPlace(p parts) (Enrichment, error) {
	r := &residence{description: Description{
		Name: Place, Version: place.Version + p.data.Suffix(place.CommunesData, place.DensityData), Purpose: purposeAnalytics,
		Reads:  []string{"person.postal_code", "person.city", "person.region", "person.country"},
		Writes: []string{"home"},
	}}
	index, ok := reference.Table[*place.Index](p.data, place.CommunesData)
	density, _ := reference.Table[*place.Densities](p.data, place.DensityData)
	if !ok {
		return r, nil
	}
	r.index = index.In(p.workspace.Region)
	if density != nil {
		r.index = r.index.With(density, nil)
	}
	var err error
	if r.found, err = otter.New(&otter.Options[place.Address, *schemas.Home]{MaximumSize: addresses}); err != nil {
		return nil, fmt.Errorf("make the cache of addresses: %w", err)
	}
	return r, nil
}

func (r *residence) Describe() Description { return r.description }

func (r *residence) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if r.index == nil {
		return Skipped(reasonNoData)
	}
	person := &event.Person.Value // Empty when there is none.
	if person.PostalCode != "" || person.City != "" || person.Region != "" || person.Country != "" {
		return r.settle(added, basisEvent, r.find(place.Address{
			PostalCode: person.PostalCode, City: person.City, Region: person.Region, Country: person.Country,
		}))
	}
	if added.Known != nil {
		return r.settleKnown(added)
	}
	return Skipped(reasonNoAddress)
}

// settleKnown takes the address of an earlier event. How its commune was found then is not kept, so match and confidence stay empty.
func (r *residence) settleKnown(added *Suffix) Outcome {
	known := added.Known
	if commune, ok := r.index.ByCode(known.CommuneCode); ok {
		added.Home = schemas.Some(homeIn(commune))
		home := &added.Home.Value
		home.Basis, home.Country, home.PostalCode = basisCustomer, countryFrance, known.PostalCode
		return Applied()
	}
	if known.PostalCode == "" && known.Country == "" {
		return Skipped(reasonNoAddress)
	}
	return r.settle(added, basisCustomer, r.find(place.Address{PostalCode: known.PostalCode, Country: known.Country}))
}

func (r *residence) settle(added *Suffix, basis string, home *schemas.Home) Outcome {
	if home == nil {
		return Skipped(reasonUnknownPlace)
	}
	added.Home = schemas.Some(*home)
	added.Home.Value.Basis = basis
	return Applied()
}

// find answers from the cache, or looks the address up. What it remembers holds no memory of the event.
func (r *residence) find(address place.Address) *schemas.Home {
	if home, ok := r.found.GetIfPresent(address); ok {
		return home
	}
	home := homeOf(r.index, address)
	if len(address.PostalCode)+len(address.City)+len(address.Region)+len(address.Country) <= longestAddress {
		r.found.Set(place.Address{
			PostalCode: strings.Clone(address.PostalCode), City: strings.Clone(address.City),
			Region: strings.Clone(address.Region), Country: strings.Clone(address.Country),
		}, home)
	}
	return home
}

// homeOf is nil when not even the country is known.
func homeOf(index *place.Index, address place.Address) *schemas.Home {
	commune, match, ok := index.Find(address)
	if !ok && match.Country == "" {
		return nil
	}
	home := homeIn(&commune)
	home.Country, home.Match, home.PostalCode = match.Country, match.How, strings.Clone(match.PostalCode)
	if commune.Code != "" {
		home.Confidence = schemas.Some(match.Confidence)
	}
	return &home
}

func homeIn(c *place.Commune) schemas.Home {
	home := schemas.Home{
		CommuneCode: c.Code, Commune: c.Name, DepartmentCode: c.DepartmentCode, Department: c.Department, RegionCode: c.RegionCode, Region: c.Region,
		Density: c.Density,
	}
	if c.Code != "" && c.Population > 0 {
		home.Population = schemas.Some(int32(c.Population))
	}
	return home
}
