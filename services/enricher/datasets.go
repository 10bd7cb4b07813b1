package enricher

import (
	"github.com/parcours-cdp/parcours/services/enricher/area"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/firstname"
	"github.com/parcours-cdp/parcours/services/enricher/money"
	"github.com/parcours-cdp/parcours/services/enricher/network"
	"github.com/parcours-cdp/parcours/services/enricher/person"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/shop"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// Datasets are all kinds of reference data that the enrichments know, in the order in which operators see them.
func Datasets() []reference.Dataset {
	var all []reference.Dataset
	all = append(all, useragent.Datasets()...)
	all = append(all, traffic.Datasets()...)
	all = append(all, calendar.Datasets()...)
	all = append(all, place.Datasets()...)
	all = append(all, network.Dataset(), shop.Dataset())
	all = append(all, person.Dataset())
	all = append(all, area.Datasets()...)
	all = append(all, firstname.Dataset(), money.Dataset())
	return all
}
