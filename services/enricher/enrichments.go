package enricher

import (
	"fmt"
	"strings"
)

// Names of the enrichments, as the configuration and the events have them.
const (
	Customer   = "customer"
	UserAgent  = "user_agent"
	Traffic    = "traffic"
	Network    = "network"
	Place      = "place"
	Shop       = "shop"
	Calendar   = "calendar"
	Person     = "person"
	Area       = "area"
	FirstName  = "first_name"
	Money      = "money"
	Attributes = "attributes"
	// Provider is followed by a dot and the name of one that is asked over HTTP.
	Provider = "provider"
)

// order is that of the chain by default: a link sees what those before it added.
var order = []string{Customer, UserAgent, Traffic, Network, Place, Shop, Calendar, Person, Area, FirstName, Money, Attributes}

// makers make the links by name. A name with a dot, such as provider.acme, is made by what stands under the part before it.
var makers = map[string]func(parts) (Enrichment, error){
	Customer:   newCustomer,
	UserAgent:  newUserAgent,
	Traffic:    newTraffic,
	Network:    newNetwork,
	Place:      newPlace,
	Shop:       newShop,
	Calendar:   newCalendar,
	Provider:   newBought,
	Attributes: newImported,
	Person:     newPerson,
	Area:       newArea,
	FirstName:  newFirstName,
	Money:      newMoney,
}

// Purposes of the enrichments.
const (
	purposeAnalytics  = "analytics"
	purposeProfiling  = "profiling"
	purposeOperations = "operations"
)

// reasonNoData says that the reference data without which the link can say nothing is not there.
const reasonNoData = "no_data"

// Channels that the enrichments treat on their own.
const (
	channelWeb        = "web"
	channelApp        = "app"
	channelStore      = "store"
	channelCallCenter = "call_center"
)

// build makes the enabled enrichments of the configuration, in its order. Links of an engine before this whose tables are the same now are taken
// over, with what they remember.
func build(p parts, before *engine) ([]Link, error) {
	var links []Link
	for _, entry := range p.cfg.chainEntries() {
		if !entry.Enabled {
			continue
		}
		link := Link{Required: entry.Required}
		if same := before.link(entry.Name, p.data); same != nil {
			link.Enrichment, link.data = same.Enrichment, same.data
			links = append(links, link)
			continue
		}
		kind, _, _ := strings.Cut(entry.Name, ".")
		maker := makers[kind]
		if maker == nil {
			return nil, fmt.Errorf("make enrichment %s: there is no such enrichment", entry.Name)
		}
		watched, asked := p.data.Watch()
		own := p
		own.name, own.data = entry.Name, watched
		enrichment, err := maker(own)
		if err != nil {
			return nil, fmt.Errorf("make enrichment %s: %w", entry.Name, err)
		}
		link.Enrichment, link.data = enrichment, asked
		links = append(links, link)
	}
	return links, nil
}
