package traffic

import (
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Names of the data sets.
const (
	SearchDataset = "referrers_search"
	SocialDataset = "referrers_social"
	AIDataset     = "referrers_ai"
)

// DatasetNames are those of all lists, the surer first: where two claim one page, the first has it.
var DatasetNames = []string{AIDataset, SearchDataset, SocialDataset}

// Datasets are the public lists of sites that may stand beside the ones in the program, which they override.
func Datasets() []reference.Dataset {
	list := func(name, class, what, file string, least int, patterns ...string) reference.Dataset {
		return reference.Dataset{
			Name: name, What: what,
			Publisher: "Matomo, searchengine-and-social-list", Licence: "CC0-1.0",
			Where: "The file " + file + " of the repository matomo-org/searchengine-and-social-list; lists of your own have the same layout.",
			Files: append([]string{file}, patterns...),
			Least: least,
			Load: reference.OneText(func(text []byte) (any, int, error) {
				sites, err := ReadSites(class, text)
				if err != nil {
					return nil, 0, err
				}
				return sites, sites.Len(), nil
			}),
		}
	}
	return []reference.Dataset{
		list(SearchDataset, ClassSearch, "Search engines, and where they put the words searched", "SearchEngines.yml", 50, "search-engines*.yml"),
		list(SocialDataset, ClassSocial, "Social networks", "Socials.yml", 10, "socials*.yml"),
		list(AIDataset, ClassAI, "Assistants that answer with links", "AIAssistants.yml", 5, "ai-assistants*.yml"),
	}
}
