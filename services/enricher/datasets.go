package enricher

import (
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// Datasets are all kinds of reference data that the enrichments know, in the order in which operators see them.
func Datasets() []reference.Dataset {
	var all []reference.Dataset
	all = append(all, useragent.Datasets()...)
	all = append(all, traffic.Datasets()...)
	return all
}
