package enricher

import "github.com/parcours-cdp/parcours/services/enricher/reference"

// Datasets are all kinds of reference data that the enrichments know, in the order in which operators see them.
func Datasets() []reference.Dataset {
	var all []reference.Dataset
	return all
}
