package place

import "strings"

// regionAliases are other names of the regions by INSEE's code: in English, as people and files shorten them, by ISO 3166-2, and those of the regions that
// were merged in 2016.
var regionAliases = map[string][]string{
	"01": {"GP", "FR-971", "FR-GP", "FR-GUA"},
	"02": {"MQ", "FR-972", "FR-MQ"},
	"03": {"GF", "FR-973", "FR-GF", "French Guiana", "Guyane française"},
	"04": {"RE", "FR-974", "FR-RE", "FR-LRE", "Réunion", "Reunion Island", "Île de la Réunion"},
	"06": {"YT", "FR-976", "FR-YT", "FR-MAY"},
	"11": {"IDF", "FR-IDF", "FR-J", "Ile de France", "Région parisienne", "Paris Region", "Greater Paris"},
	"24": {"CVL", "FR-CVL", "FR-F", "Centre", "Centre-Loire Valley", "Centre Val-de-Loire"},
	"27": {"BFC", "FR-BFC", "FR-D", "FR-I", "Bourgogne", "Franche-Comté", "Burgundy", "Burgundy-Franche-Comté", "Burgundy-Free County"},
	"28": {"NOR", "FR-NOR", "FR-P", "FR-Q", "Normandy", "Haute-Normandie", "Basse-Normandie", "Upper Normandy", "Lower Normandy"},
	"32": {"HDF", "FR-HDF", "FR-O", "FR-S", "Nord-Pas-de-Calais", "Picardie", "Picardy", "Nord-Pas-de-Calais-Picardie", "Upper France"},
	"44": {"GES", "FR-GES", "FR-A", "FR-G", "FR-M", "Alsace", "Lorraine", "Champagne-Ardenne", "Alsace-Champagne-Ardenne-Lorraine", "FR-6AE"},
	"52": {"PDL", "FR-PDL", "FR-R", "Pays-de-la-Loire", "Loire Region"},
	"53": {"BRE", "FR-BRE", "FR-E", "Brittany"},
	"75": {
		"NAQ", "FR-NAQ", "FR-B", "FR-L", "FR-T", "Aquitaine", "Limousin", "Poitou-Charentes", "New Aquitaine", "Aquitaine-Limousin-Poitou-Charentes",
	},
	"76": {"OCC", "FR-OCC", "FR-K", "FR-N", "Languedoc-Roussillon", "Midi-Pyrénées", "Occitania", "Languedoc-Roussillon-Midi-Pyrénées"},
	"84": {"ARA", "FR-ARA", "FR-C", "FR-V", "Auvergne", "Rhône-Alpes", "Auvergne Rhone Alpes"},
	"93": {"PACA", "PAC", "FR-PAC", "FR-U", "Provence-Alpes-Côte-d'Azur", "Provence", "Région Sud", "Sud"},
	"94": {"COR", "FR-COR", "FR-20R", "FR-H", "Corsica"},
}

// departmentAliases are other names of departments, and what former ones are part of.
var departmentAliases = map[string][]string{
	"22": {"Côtes-du-Nord"}, "69": {"FR-69M", "69D", "69M", "Métropole de Lyon", "Lyon Metropolis"}, "75": {"FR-75C", "Seine", "Ville de Paris"},
	"2A": {"FR-2A", "South Corsica"}, "2B": {"FR-2B", "Upper Corsica"}, "67": {"Lower Rhine"}, "68": {"Upper Rhine"}, "974": {"Réunion"},
}

// nameDivisions makes the keys by which regions and departments are found.
func (x *Index) nameDivisions() {
	x.regions, x.divisions = map[string]string{}, map[string]string{}
	for code, official := range x.regionNames {
		x.regions[divisionKey(official)] = code
	}
	for code, aliases := range regionAliases {
		if _, known := x.regionNames[code]; !known {
			continue
		}
		for _, alias := range aliases {
			x.regions[divisionKey(alias)] = code
		}
	}
	for code, d := range x.departments {
		x.divisions[divisionKey(code)] = code
		x.divisions[divisionKey("FR-"+code)] = code
		x.divisions[divisionKey(d.Department)] = code
	}
	for code, aliases := range departmentAliases {
		if x.departments[code] == nil {
			continue
		}
		for _, alias := range aliases {
			x.divisions[divisionKey(alias)] = code
		}
	}
}

func divisionKey(text string) string { return strings.Join(words(text), "") }

// division reads a text as a region, a department or both. Digits alone are a department, as people write them.
func (x *Index) division(text string) (region, department string) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > longestText {
		return "", ""
	}
	key := divisionKey(text)
	if len(key) == 1 && isDigits(key) {
		key = "0" + key
	}
	department = x.divisions[key]
	region = x.regions[key]
	if department != "" && region == "" {
		region = x.departments[department].RegionCode
	}
	return region, department
}
