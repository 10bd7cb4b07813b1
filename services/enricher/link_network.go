package enricher

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/maypok86/otter/v2"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/network"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of network.
const (
	reasonNoIP         = "no_ip"
	reasonMalformedIP  = "malformed_ip"
	reasonPrivateIP    = "private_ip"
	reasonUnknownIP    = "unknown_ip"
	reasonUnreadableIP = "unreadable_file"
)

// networks bounds the cache of networks of /24 and /48, about 0.3 KB each.
const networks = 131_072

// origins fills in the place of the network address.
type origins struct {
	places *network.Places
	// communes may be nil: then no codes of INSEE are known.
	communes    *place.Index
	found       *otter.Cache[netip.Addr, *schemas.NetworkPlace]
	description Description
}

func newNetwork(p parts) (Enrichment, error) {
	o := &origins{description: Description{
		Name: Network, Version: network.Version + p.data.Suffix(network.Data, place.CommunesData), Purpose: purposeAnalytics,
		Reads: []string{"context.ip"}, Writes: []string{"network"},
	}}
	var ok bool
	if o.places, ok = reference.Table[*network.Places](p.data, network.Data); !ok {
		return o, nil
	}
	o.communes, _ = reference.Table[*place.Index](p.data, place.CommunesData)
	var err error
	if o.found, err = otter.New(&otter.Options[netip.Addr, *schemas.NetworkPlace]{MaximumSize: networks}); err != nil {
		return nil, fmt.Errorf("make the cache of networks: %w", err)
	}
	return o, nil
}

func (o *origins) Describe() Description { return o.description }

func (o *origins) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if o.places == nil {
		return Skipped(reasonNoData)
	}
	if event.Context.IP == "" {
		return Skipped(reasonNoIP)
	}
	address, err := network.Cut(event.Context.IP)
	switch {
	case errors.Is(err, network.ErrPrivate):
		return Skipped(reasonPrivateIP)
	case err != nil:
		return Skipped(reasonMalformedIP)
	}
	found, ok := o.found.GetIfPresent(address)
	if !ok {
		if found, err = o.lookUp(address); err != nil {
			return Failed(reasonUnreadableIP)
		}
		o.found.Set(address, found)
	}
	if found == nil {
		return Skipped(reasonUnknownIP)
	}
	added.Network = schemas.Some(*found)
	return Applied()
}

// lookUp is nil when the file does not have the network.
func (o *origins) lookUp(address netip.Addr) (*schemas.NetworkPlace, error) {
	p, err := o.places.Of(address)
	if errors.Is(err, network.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := &schemas.NetworkPlace{Country: p.Country, Region: p.Region, City: p.City}
	if o.communes == nil {
		return found, nil
	}
	found.RegionCode = o.communes.RegionOfCountry(p.Country)
	if p.Country == "FR" {
		var ok bool
		if found.RegionCode, ok = o.communes.Region("FR-" + p.RegionISO); !ok {
			found.RegionCode, _ = o.communes.Region(p.Region)
		}
	}
	if found.RegionCode == "" || p.City == "" {
		return found, nil
	}
	if commune, ok := o.communes.ByCity(found.RegionCode, p.City); ok {
		found.CommuneCode = commune.Code
	}
	return found, nil
}
