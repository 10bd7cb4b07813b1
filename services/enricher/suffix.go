package enricher

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
)

// Suffix holds the fields that the enricher adds, and what the links know besides.
type Suffix struct {
	Device    schemas.Optional[schemas.Device]
	Traffic   schemas.Optional[schemas.Traffic]
	Calendar  schemas.Optional[schemas.Calendar]
	Network   schemas.Optional[schemas.NetworkPlace]
	Shop      schemas.Optional[schemas.Shop]
	Home      schemas.Optional[schemas.Home]
	Area      schemas.Optional[schemas.Area]
	Profile   schemas.Optional[schemas.Profile]
	FirstName schemas.Optional[schemas.FirstNameEstimate]
	Customer  schemas.Optional[schemas.KnownCustomer]
	Money     schemas.Optional[schemas.Money]
	// Attributes is JSON text: an object with one member a provider. It is empty when there is none.
	Attributes string

	// Permissions are what may be done with the event. The chain has asked for its links; a link that writes what several providers know asks for each.
	Permissions Permissions
	// Known is what is known of the customer, by earlier events and by providers; nil when nothing is. It is never written to the event as it is.
	Known *attributes.Known
}

// knownIRIS is where the person is known to live. What the retailer's events said is kept for analytics, so without consent for that it is not used for
// another purpose either.
func (s *Suffix) knownIRIS() string {
	if s.Known == nil || s.Permissions.Refusal(purposeAnalytics) != "" {
		return ""
	}
	return s.Known.IRIS
}

// field is one field of the suffix. A link that was not applied has its fields reset, and only fields of links that were applied reach the event.
type field struct {
	name  string
	reset func(*Suffix)
	copy  func(*schemas.EnrichedTouchpoint, *Suffix)
	// shared fields are written by several links, each of which adds to what the ones before it wrote.
	shared bool
}

var fields = []*field{
	{
		name: "device", reset: func(s *Suffix) { s.Device = schemas.Optional[schemas.Device]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Device = s.Device },
	},
	{
		name: "traffic", reset: func(s *Suffix) { s.Traffic = schemas.Optional[schemas.Traffic]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Traffic = s.Traffic },
	},
	{
		name: "calendar", reset: func(s *Suffix) { s.Calendar = schemas.Optional[schemas.Calendar]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Calendar = s.Calendar },
	},
	{
		name: "network", reset: func(s *Suffix) { s.Network = schemas.Optional[schemas.NetworkPlace]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Network = s.Network },
	},
	{
		name: "shop", reset: func(s *Suffix) { s.Shop = schemas.Optional[schemas.Shop]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Shop = s.Shop },
	},
	{
		name: "home", reset: func(s *Suffix) { s.Home = schemas.Optional[schemas.Home]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Home = s.Home },
	},
	{
		name: "area", reset: func(s *Suffix) { s.Area = schemas.Optional[schemas.Area]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Area = s.Area },
	},
	{
		name: "profile", reset: func(s *Suffix) { s.Profile = schemas.Optional[schemas.Profile]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Profile = s.Profile },
	},
	{
		name: "first_name", reset: func(s *Suffix) { s.FirstName = schemas.Optional[schemas.FirstNameEstimate]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.FirstName = s.FirstName },
	},
	{
		name: "customer", reset: func(s *Suffix) { s.Customer = schemas.Optional[schemas.KnownCustomer]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Customer = s.Customer },
	},
	{
		name: "money", reset: func(s *Suffix) { s.Money = schemas.Optional[schemas.Money]{} },
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Money = s.Money },
	},
	{
		name: "attributes", shared: true, reset: func(*Suffix) {}, // The chain puts back what the links before wrote.
		copy: func(e *schemas.EnrichedTouchpoint, s *Suffix) { e.Attributes = s.Attributes },
	},
}

func fieldOf(name string) *field {
	for _, f := range fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// clear takes out what links wrote.
func (s *Suffix) clear() { *s = Suffix{Known: s.Known} }

// noAttributes is the empty object, as the schema has it by default.
const noAttributes = "{}"

// clearFields nulls the fields of the event that links may write.
func clearFields(e *schemas.EnrichedTouchpoint) {
	e.Device, e.Traffic, e.Calendar = schemas.Optional[schemas.Device]{}, schemas.Optional[schemas.Traffic]{}, schemas.Optional[schemas.Calendar]{}
	e.Network, e.Shop, e.Home = schemas.Optional[schemas.NetworkPlace]{}, schemas.Optional[schemas.Shop]{}, schemas.Optional[schemas.Home]{}
	e.Area, e.Profile = schemas.Optional[schemas.Area]{}, schemas.Optional[schemas.Profile]{}
	e.FirstName, e.Customer = schemas.Optional[schemas.FirstNameEstimate]{}, schemas.Optional[schemas.KnownCustomer]{}
	e.Money, e.Attributes = schemas.Optional[schemas.Money]{}, noAttributes
}
