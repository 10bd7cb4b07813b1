package useragent

import (
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Names of the data sets.
const (
	CrawlersDataset = "crawlers"
	RulesDataset    = "user_agents"
)

// Datasets are the public lists that may stand beside what the program carries.
func Datasets() []reference.Dataset {
	return []reference.Dataset{
		{
			Name: CrawlersDataset, What: "Crawlers, monitors and other programs by their user agents, with what they are for",
			Publisher: "Martin Monperrus and contributors, crawler-user-agents", Licence: "MIT",
			Where:   "Installed by `parcours data install crawlers`; the file is crawler-user-agents.json of the npm package crawler-user-agents.",
			Files:   []string{"crawler-user-agents*.json"},
			Least:   1000,
			Package: &reference.Package{Name: "crawler-user-agents", Version: "1.60.0", Files: []string{"crawler-user-agents.json"}},
			Load: reference.OneText(func(text []byte) (any, int, error) {
				crawlers, err := ReadCrawlers(text)
				if err != nil {
					return nil, 0, err
				}
				return crawlers, crawlers.Len(), nil
			}),
		},
		{
			Name: RulesDataset, What: "Expressions that tell browsers, systems and devices by their user agents, in the place of those that the program carries",
			Publisher: "ua-parser, uap-core", Licence: "Apache-2.0",
			Where:   "Installed by `parcours data install user_agents`; the file is regexes.yaml of the npm package uap-core or of the repository ua-parser/uap-core.",
			Files:   []string{"regexes*.yaml", "uap-core*.yaml"},
			Least:   1000,
			Package: &reference.Package{Name: "uap-core", Version: "0.18.0", Files: []string{"regexes.yaml"}},
			Load: reference.OneText(func(text []byte) (any, int, error) {
				rules, err := ReadRules(text)
				if err != nil {
					return nil, 0, err
				}
				return rules, rules.Len(), nil
			}),
		},
	}
}
