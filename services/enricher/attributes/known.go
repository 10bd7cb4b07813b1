package attributes

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

// Known is what is known of a customer at one moment. It does not change.
type Known struct {
	// BirthMonth is year-month.
	BirthMonth string
	// Gender is female, male or other.
	Gender      string
	LoyaltyTier string
	// Country, PostalCode and CommuneCode are of one address.
	Country, PostalCode, CommuneCode string
	IRIS                             string
	FirstOrderAt                     schemas.Optional[schemas.Millis]
	// Orders is how many are known, ten for more; OrdersBand is 0, 1, 2-3, 4-9 or 10+.
	Orders     int
	OrdersBand string
	// Traits is a JSON object.
	Traits string
	// Consent is the last statement, made at ConsentAt; nil when there was none.
	Consent   *schemas.Consent
	ConsentAt schemas.Millis
	Providers []Provided
	// Stated is whether the retailer's own events say anything.
	Stated bool
}

// LastConsent is the last statement of the customer; nil when there was none.
func (k *Known) LastConsent() *schemas.Consent {
	if k == nil {
		return nil
	}
	return k.Consent
}

// Provided is what one provider says of the customer for one purpose.
type Provided struct {
	Provider, Purpose, Party, Licence string
	// Values by name, each the newest of all nodes.
	Values []facts.Value
	// ValidFrom and ValidUntil bound the moments at which all of them hold.
	ValidFrom, ValidUntil schemas.Optional[schemas.Millis]
}

// Names of the facts in the sets of the provider self. A configured trait has its name behind TraitPrefix.
const (
	FactBirthMonth  = "birth_month"
	FactGender      = "gender"
	FactLoyaltyTier = "loyalty_tier"
	FactAddress     = "address"
	FactIRIS        = "iris"
	FactConsent     = "consent"
	TraitPrefix     = "trait."
)

// addressSeparator stands between country, postcode and commune: one value, so that they are believed together.
const addressSeparator = "/"

// fieldOf is the name that the rules have for a fact: that of the trait or of the column of contacts.
func fieldOf(name string) string {
	if trait, ok := strings.CutPrefix(name, TraitPrefix); ok {
		return trait
	}
	if name == FactBirthMonth {
		return "birth_date"
	}
	return name
}

// joined is what is known of a customer during a span of time.
type joined struct {
	known *Known // nil for nothing
	holds span
	bytes uint32
}

// resolve joins sets of the nodes of one customer.
func (r Rules) resolve(sets []*facts.Set, at schemas.Millis) *joined {
	j := &joined{holds: span{ever, forever}, bytes: 96}
	var own *facts.Set
	var others []*facts.Set
	for _, set := range sets {
		if set.Provider == facts.Self {
			alike := *set // Of several nodes; whose it is does not matter here.
			alike.Node = uuid.Nil
			own = facts.Join(own, &alike)
			continue
		}
		for _, bound := range []schemas.Optional[schemas.Millis]{set.ValidFrom, set.ValidUntil} {
			if bound.Valid {
				j.holds.cut(bound.Value, at)
			}
		}
		if facts.HoldsAt(set, at.Time()) {
			others = append(others, set)
		}
	}
	if own == nil && len(others) == 0 {
		return j
	}
	k := &Known{OrdersBand: "0", Traits: "{}"}
	if own != nil {
		r.own(k, own, at, &j.holds)
	}
	k.Providers = provided(others)
	j.known = k
	j.bytes += k.size()
	return j
}

// own fills in what the retailer's own events say.
func (r Rules) own(k *Known, own *facts.Set, at schemas.Millis, holds *span) {
	k.Stated = true
	k.Orders, k.OrdersBand, k.FirstOrderAt = len(own.Orders), OrdersBand(len(own.Orders)), own.FirstOrderAt
	var traits []facts.Value
	for values := own.Values; len(values) > 0; {
		n := 1
		for n < len(values) && values[n].Name == values[0].Name {
			n++
		}
		name := values[0].Name
		if name == FactConsent {
			k.consent(values[:n])
			values = values[n:]
			continue
		}
		best := r.best(fieldOf(name), values[:n], at, holds)
		values = values[n:]
		if best.Type == facts.None {
			continue
		}
		switch name {
		case FactBirthMonth:
			k.BirthMonth = best.Text
		case FactGender:
			k.Gender = best.Text
		case FactLoyaltyTier:
			k.LoyaltyTier = best.Text
		case FactIRIS:
			k.IRIS = best.Text
		case FactAddress:
			parts := strings.SplitN(best.Text, addressSeparator, 3)
			if len(parts) == 3 {
				k.Country, k.PostalCode, k.CommuneCode = parts[0], parts[1], parts[2]
			}
		default:
			if trait, ok := strings.CutPrefix(name, TraitPrefix); ok {
				best.Name = trait
				traits = append(traits, best)
			}
		}
	}
	k.Traits = traitsJSON(traits)
}

// consent takes the last statement, whoever passed it on.
func (k *Known) consent(values []facts.Value) {
	last := slices.MaxFunc(values, func(v, w facts.Value) int {
		return cmp.Or(cmp.Compare(v.At, w.At), cmp.Compare(v.Text, w.Text))
	})
	var said statement
	if json.Unmarshal([]byte(last.Text), &said) != nil {
		return
	}
	k.Consent, k.ConsentAt = &schemas.Consent{Granted: said.Granted, Denied: said.Denied}, last.At
}

// statement is a consent as the text of a value.
type statement struct {
	Granted []string `json:"granted,omitempty"`
	Denied  []string `json:"denied,omitempty"`
}

// OrdersBand is how a number of orders is shown.
func OrdersBand(orders int) string {
	switch {
	case orders <= 0:
		return "0"
	case orders == 1:
		return "1"
	case orders <= 3:
		return "2-3"
	case orders <= 9:
		return "4-9"
	}
	return "10+"
}

// traitsJSON writes an object with typed values, in the order of names.
func traitsJSON(traits []facts.Value) string {
	if len(traits) == 0 {
		return "{}"
	}
	out := []byte{'{'}
	for i, v := range traits {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendJSON(out, v.Name)
		out = append(out, ':')
		switch v.Type {
		case facts.Number, facts.Boolean:
			out = append(out, v.Text...)
		default:
			out = appendJSON(out, v.Text)
		}
	}
	return string(append(out, '}'))
}

func appendJSON(dst []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(dst, `""`...) // A string always is JSON.
	}
	return append(dst, quoted...)
}

// provided joins the sets of each provider and purpose: of each attribute the newest.
func provided(sets []*facts.Set) []Provided {
	slices.SortFunc(sets, func(a, b *facts.Set) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(b.UpdatedAt, a.UpdatedAt),
			strings.Compare(string(a.Node[:]), string(b.Node[:])))
	})
	var all []Provided
	for _, set := range sets {
		n := len(all)
		if n == 0 || all[n-1].Provider != set.Provider || all[n-1].Purpose != set.Purpose {
			all = append(all, Provided{Provider: set.Provider, Purpose: set.Purpose, Party: set.Party, Licence: set.Licence})
			n++
		}
		p := &all[n-1]
		for _, v := range set.Values {
			if v.Type != facts.None && !slices.ContainsFunc(p.Values, func(w facts.Value) bool { return w.Name == v.Name }) {
				p.Values = append(p.Values, v)
			}
		}
		if set.ValidFrom.Valid && (!p.ValidFrom.Valid || set.ValidFrom.Value > p.ValidFrom.Value) {
			p.ValidFrom = set.ValidFrom
		}
		if set.ValidUntil.Valid && (!p.ValidUntil.Valid || set.ValidUntil.Value < p.ValidUntil.Value) {
			p.ValidUntil = set.ValidUntil
		}
	}
	for i := range all {
		slices.SortFunc(all[i].Values, func(v, w facts.Value) int { return cmp.Compare(v.Name, w.Name) })
	}
	return all
}

// size is about the memory of it, in bytes.
func (k *Known) size() uint32 {
	n := 300 + len(k.BirthMonth) + len(k.Gender) + len(k.LoyaltyTier) + len(k.Country) + len(k.PostalCode) + len(k.CommuneCode) + len(k.IRIS) + len(k.Traits)
	if k.Consent != nil {
		for _, name := range slices.Concat(k.Consent.Granted, k.Consent.Denied) {
			n += 16 + len(name)
		}
	}
	for _, p := range k.Providers {
		n += 130 + len(p.Provider) + len(p.Purpose) + len(p.Party) + len(p.Licence)
		for _, v := range p.Values {
			n += 72 + len(v.Name) + len(v.Type) + len(v.Text) + len(v.Source)
		}
	}
	return uint32(n)
}

// BirthMonthOf is how a date of birth is kept.
func BirthMonthOf(day time.Time) string { return day.Format("2006-01") }
