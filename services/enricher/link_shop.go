package enricher

import (
	"fmt"
	"math"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/shop"
)

// Reasons of shop.
const (
	reasonNoShop      = "no_shop"
	reasonUnknownShop = "unknown_shop"
)

// branch fills in the shop.
type branch struct {
	shops       map[string]*knownShop
	centres     *place.Centres
	location    *time.Location
	description Description
}

// knownShop is a shop with what the communes tell of it.
type knownShop struct {
	*shop.Shop
	told    schemas.Shop
	point   place.Point
	located bool
}

func newShop(p parts) (Enrichment, error) {
	b := &branch{description: Description{
		Name: Shop, Version: shop.Version + p.data.Suffix(shop.Data, place.CommunesData, place.CentresData), Purpose: purposeOperations,
		Reads: []string{"context.store.store_id", "occurred_at"}, Writes: []string{"shop"},
	}}
	directory, ok := reference.Table[*shop.Directory](p.data, shop.Data)
	if !ok {
		return b, nil
	}
	communes, _ := reference.Table[*place.Index](p.data, place.CommunesData)
	if communes != nil {
		communes = communes.In(p.workspace.Region)
	}
	b.centres, _ = reference.Table[*place.Centres](p.data, place.CentresData)
	var err error
	if b.location, err = time.LoadLocation(p.workspace.Timezone); err != nil {
		return nil, fmt.Errorf("read the workspace: timezone %q is not an IANA time zone: name one, for example Europe/Paris", p.workspace.Timezone)
	}
	b.shops = map[string]*knownShop{}
	for _, id := range directory.IDs() {
		s, _ := directory.Of(id)
		b.shops[id] = b.know(s, communes)
	}
	return b, nil
}

// sureShop is how likely the commune of a shop has to be.
const sureShop = 0.8

// know looks the commune of a shop up, once. One that is not sure is not told.
func (b *branch) know(s *shop.Shop, communes *place.Index) *knownShop {
	k := &knownShop{Shop: s, point: s.Point, located: s.Located, told: schemas.Shop{
		Name: s.Name, Banner: s.Banner, PostalCode: s.PostalCode, DepartmentCode: s.Department,
	}}
	if communes == nil {
		return k
	}
	commune, match, ok := communes.Find(place.Address{Street: s.Street, PostalCode: s.PostalCode, City: s.City, Region: s.Department, Country: s.Country})
	if !ok {
		return k
	}
	k.told.DepartmentCode, k.told.RegionCode = commune.DepartmentCode, commune.RegionCode
	if match.Confidence < sureShop {
		return k
	}
	k.told.CommuneCode = commune.Code
	if !k.located {
		k.point, k.located = b.centres.Of(commune.Code)
	}
	return k
}

func (b *branch) Describe() Description { return b.description }

func (b *branch) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if b.shops == nil {
		return Skipped(reasonNoData)
	}
	id := event.Context.Store.StoreID
	if id == "" {
		return Skipped(reasonNoShop)
	}
	known := b.shops[id]
	if known == nil {
		return Skipped(reasonUnknownShop)
	}
	told := known.told
	if event.OccurredAt != 0 {
		if open, sure := known.Open(event.OccurredAt.Time(), b.location); sure {
			told.Open = schemas.Some(open)
		}
	}
	if added.Home.Valid && known.located {
		if home, ok := b.centres.Of(added.Home.Value.CommuneCode); ok {
			told.DistanceKm = schemas.Some(math.Round(place.Distance(home, known.point)*10) / 10)
		}
	}
	added.Shop = schemas.Some(told)
	return Applied()
}
