package enricher

import (
	"fmt"
	"math"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/firstname"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of first_name.
const (
	reasonNoFirstName      = "no_first_name"
	reasonUnsureFirstName  = "unsure_first_name"
	reasonUnknownFirstName = "unknown_first_name"
)

// Values of the gender that a first name suggests.
const (
	genderFemale    = "female"
	genderMale      = "male"
	genderAmbiguous = "ambiguous"
)

// longestFirstName is the longest that is remembered.
const longestFirstName = 64

// naming fills in what the first name suggests. The name itself goes nowhere.
type naming struct {
	cfg firstname.Config
	// names are nil without data.
	names       *firstname.Names
	found       *otter.Cache[namedIn, *schemas.FirstNameEstimate]
	description Description
}

// namedIn is a first name as typed, and the year of the event.
type namedIn struct {
	name string
	year int
}

func newFirstName(p parts) (Enrichment, error) {
	n := &naming{cfg: p.cfg.FirstName, description: Description{
		Name: FirstName, Version: firstname.Version + p.data.Suffix(firstname.Name), Purpose: purposeProfiling,
		Reads:  []string{"occurred_at", "person.first_name", "person.full_name", "person.last_name", "person.birth_date"},
		Writes: []string{"first_name"},
	}}
	names, ok := reference.Table[*firstname.Names](p.data, firstname.Name)
	if !ok {
		return n, nil
	}
	n.names = names
	var err error
	if n.found, err = otter.New(&otter.Options[namedIn, *schemas.FirstNameEstimate]{MaximumSize: n.cfg.CacheEntries}); err != nil {
		return nil, fmt.Errorf("make the cache of first names: %w", err)
	}
	return n, nil
}

func (n *naming) Describe() Description { return n.description }

func (n *naming) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if n.names == nil {
		return Skipped(reasonNoData)
	}
	person := &event.Person.Value // Empty when there is none.
	name := person.FirstName
	if name == "" {
		if person.FullName == "" {
			return Skipped(reasonNoFirstName)
		}
		var sure bool
		if name, sure = firstname.FromFullName(person.FullName, person.LastName); !sure {
			return Skipped(reasonUnsureFirstName)
		}
	}
	estimate := n.find(name, event.OccurredAt.Time().UTC().Year())
	if estimate == nil {
		return Skipped(reasonUnknownFirstName)
	}
	added.FirstName = schemas.Some(*estimate)
	if person.BirthDate.Valid || added.Profile.Value.Age.Valid || (added.Known != nil && added.Known.BirthMonth != "") { // What is known is not estimated.
		e := &added.FirstName.Value
		e.BirthDecade, e.BirthDecadeProbability = schemas.Optional[int32]{}, schemas.Optional[float64]{}
		e.AgeBand, e.AgeBandProbability = "", schemas.Optional[float64]{}
	}
	return Applied()
}

// find answers from the cache, or from the table; nil for what is no first name. What it remembers holds no memory of the event.
func (n *naming) find(name string, year int) *schemas.FirstNameEstimate {
	if len(name) > longestFirstName {
		return n.estimate(name, year)
	}
	if found, ok := n.found.GetIfPresent(namedIn{name, year}); ok {
		return found
	}
	estimate := n.estimate(name, year)
	n.found.Set(namedIn{strings.Clone(name), year}, estimate)
	return estimate
}

func (n *naming) estimate(name string, year int) *schemas.FirstNameEstimate {
	e, ok := n.names.Of(name, year)
	if !ok {
		return nil
	}
	out := &schemas.FirstNameEstimate{
		FemaleProbability: schemas.Some(rounded(e.Female)), Gender: genderAmbiguous,
		BirthDecade: schemas.Some(int32(e.Decade)), BirthDecadeProbability: schemas.Some(rounded(e.DecadeProbability)),
		AgeBand: e.Band, AgeBandProbability: schemas.Some(rounded(e.BandProbability)), People: schemas.Some(int32(math.Round(e.People))),
	}
	switch {
	case e.Female >= n.cfg.Probability:
		out.Gender = genderFemale
	case 1-e.Female >= n.cfg.Probability:
		out.Gender = genderMale
	}
	return out
}

// rounded keeps four places: the estimate is not better than that.
func rounded(probability float64) float64 { return math.Round(probability*10_000) / 10_000 }
