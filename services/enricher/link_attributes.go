package enricher

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
)

// reasonNoAttributes says that no provider said anything of the person or of where they live.
const reasonNoAttributes = "nothing_known"

// imported fills in what providers said, in files or when they were asked.
type imported struct {
	store *attributes.Store
	// objects are the JSON of what providers say of a customer; areas that of a place.
	objects *otter.Cache[*attributes.Known, *saying]
	areas   *otter.Cache[locality, *saying]
}

// locality is a place that providers say something of.
type locality struct {
	kind facts.SubjectKind
	code string
}

// saying is what providers say of one subject, in the order of their names.
type saying struct {
	parts []part
	// whole is the object of all of them.
	whole string
}

// part is what one provider says for one purpose, as JSON.
type part struct {
	provider, purpose, object string
	from, until               schemas.Optional[schemas.Millis]
}

const (
	// objectEntries bound the objects of customers and areas that are kept.
	objectEntries = 65_536
	// areaFresh is how long what is said of an area is not looked up again.
	areaFresh = 10 * time.Second
)

func newImported(p parts) (Enrichment, error) {
	objects, err := otter.New(&otter.Options[*attributes.Known, *saying]{MaximumSize: objectEntries})
	if err != nil {
		return nil, fmt.Errorf("make the cache of attributes: %w", err)
	}
	areas, err := otter.New(&otter.Options[locality, *saying]{
		MaximumSize: objectEntries, ExpiryCalculator: otter.ExpiryCreating[locality, *saying](areaFresh),
	})
	if err != nil {
		return nil, fmt.Errorf("make the cache of areas: %w", err)
	}
	return &imported{store: p.lasting.store, objects: objects, areas: areas}, nil
}

func (i *imported) Describe() Description {
	return Description{Name: Attributes, Version: "attributes-1", Purpose: PurposeOfProvider, Reads: []string{"occurred_at"}, Writes: []string{"attributes"}}
}

func (i *imported) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	var withheld []string
	object := noAttributes
	if added.Known != nil && len(added.Known.Providers) > 0 {
		object = permitted(i.ofCustomer(added.Known), added, event.OccurredAt, object, &withheld)
	}
	// Of what a provider says of several, the nearest to the person counts: first the person, then the smallest area.
	var places [3]locality
	for _, place := range places[:areasOf(added, &places)] {
		said, err := i.ofArea(place)
		if err != nil {
			return Failed(reasonStore)
		}
		if len(said.parts) > 0 {
			object = permitted(said, added, event.OccurredAt, object, &withheld)
		}
	}
	reason := strings.Join(withheld, ",")
	switch {
	case object != noAttributes:
		added.Attributes = object
		return Outcome{Status: StatusApplied, Reason: reason}
	case reason != "":
		return Skipped(reason)
	}
	return Skipped(reasonNoAttributes)
}

// reasonStore says that the store of attributes could not be read.
const reasonStore = "store"

// permitted puts what may be used of a saying into the object, where it has nothing of that provider. What may not is named with its reason: the
// providers are few, so these reasons are.
func permitted(said *saying, added *Suffix, at schemas.Millis, object string, withheld *[]string) string {
	all := object == noAttributes
	for n := range said.parts {
		p := &said.parts[n]
		if !p.holds(at) {
			all = false
		} else if reason := added.Permissions.Refusal(p.purpose); reason != "" {
			all = false
			if entry := reason + ":" + p.provider; !slices.Contains(*withheld, entry) {
				*withheld = append(*withheld, entry)
			}
		}
	}
	if all && said.whole != "" {
		return said.whole
	}
	for n := range said.parts {
		p := &said.parts[n]
		if p.holds(at) && added.Permissions.Refusal(p.purpose) == "" && !hasProvider(object, p.provider) {
			object = withProvider(object, p.provider, p.object)
		}
	}
	return object
}

func (p *part) holds(at schemas.Millis) bool {
	return (!p.from.Valid || at >= p.from.Value) && (!p.until.Valid || at < p.until.Value)
}

// ofCustomer makes the JSON once for as long as the customer is known alike.
func (i *imported) ofCustomer(known *attributes.Known) *saying {
	if said, ok := i.objects.GetIfPresent(known); ok {
		return said
	}
	said := &saying{}
	for n := range known.Providers {
		p := &known.Providers[n]
		// What is known is of the time of the event already: the store cuts it by the bounds.
		said.add(part{provider: p.Provider, purpose: p.Purpose, object: string(provider.AppendObject(nil, p.Values))})
	}
	said.finish()
	i.objects.Set(known, said)
	return said
}

func (i *imported) ofArea(place locality) (*saying, error) {
	if said, ok := i.areas.GetIfPresent(place); ok {
		return said, nil
	}
	said := &saying{}
	if i.store != nil {
		sets, err := i.store.Area(place.kind, place.code)
		if err != nil {
			return nil, err
		}
		for _, set := range sets {
			said.add(part{
				provider: set.Provider, purpose: set.Purpose, object: string(provider.AppendObject(nil, set.Values)), from: set.ValidFrom, until: set.ValidUntil,
			})
		}
	}
	said.finish()
	place.code = strings.Clone(place.code)
	i.areas.Set(place, said)
	return said, nil
}

func (s *saying) add(p part) {
	if p.object != "{}" {
		s.parts = append(s.parts, p)
	}
}

// finish writes the whole. A provider with two purposes is written by its parts, as far as they are permitted.
func (s *saying) finish() {
	slices.SortStableFunc(s.parts, func(a, b part) int { return strings.Compare(a.provider, b.provider) })
	whole := noAttributes
	for n := range s.parts {
		if n > 0 && s.parts[n].provider == s.parts[n-1].provider {
			return
		}
		whole = withProvider(whole, s.parts[n].provider, s.parts[n].object)
	}
	s.whole = whole
}

// areasOf are where the person lives, the smallest first.
func areasOf(added *Suffix, all *[3]locality) (n int) {
	put := func(kind facts.SubjectKind, code string) {
		if code != "" {
			all[n] = locality{kind, code}
			n++
		}
	}
	switch iris := added.knownIRIS(); {
	case iris != "":
		put(facts.IRIS, iris)
	case added.Area.Valid && added.Area.Value.Level == string(facts.IRIS):
		put(facts.IRIS, added.Area.Value.Code)
	}
	if added.Home.Valid {
		put(facts.Commune, added.Home.Value.CommuneCode)
		put(facts.Postcode, added.Home.Value.PostalCode)
	}
	return n
}

// knownOf is what a provider said of the customer before, as JSON; empty when it is not known or does not hold.
func knownOf(added *Suffix, name, purpose string) string {
	if added.Known == nil {
		return ""
	}
	for n := range added.Known.Providers {
		if p := &added.Known.Providers[n]; p.Provider == name && p.Purpose == purpose && len(p.Values) > 0 {
			return string(provider.AppendObject(nil, p.Values))
		}
	}
	return ""
}
