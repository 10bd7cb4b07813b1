package place

import (
	"fmt"
	"os"
	"strconv"

	"github.com/parcours-cdp/parcours/services/enricher/internal/sheet"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Classes of density, those of the European degree of urbanisation.
const (
	Dense        = "dense"
	Intermediate = "intermediate"
	Rural        = "rural"
)

// Densities are the classes of the communes.
type Densities struct{ classes map[string]string }

// Of is the class of a commune by its INSEE code, empty when it is not known.
func (d *Densities) Of(code string) string {
	if d == nil {
		return ""
	}
	return d.classes[code]
}

// Names of the columns in the editions of the grid.
var (
	densityCode  = []string{"CODGEO", "Code commune", "codgeo_2025", "code_insee", "com", "code"}
	densitySeven = []string{"DENS7", "DENS_7", "niveau_7", "typo_degre_densite_7", "Degré de densité de la commune à 7 niveaux"}
	densityLevel = []string{
		"DENS", "TYPEDENS", "typ_degre_densite", "Typo degré densité", "Typo degré de Densité", "degre_densite", "niveau_densite", "Degré de densité de la commune",
		"Degré densité", "densite",
	}
)

func densityDataset() reference.Dataset {
	return reference.Dataset{
		Name:      DensityData,
		What:      "density class of each commune (grille communale de densité)",
		Publisher: "INSEE",
		Licence:   "Licence Ouverte 2.0",
		Where: "INSEE publishes a spreadsheet with each edition of the grid (insee.fr/fr/information/8571524); save its sheet of communes as grille_densite.csv, " +
			"with the header line first.",
		Files: []string{"grille*densite*.csv", "grille*densité*.csv", "densite*.csv", "fichier_diffusion_*.csv"},
		Least: 30_000,
		Load:  loadDensities,
	}
}

func loadDensities(files []reference.File) (reference.Loaded, error) {
	file := files[len(files)-1]
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return reference.Loaded{}, err
	}
	d, err := parseDensities(data)
	if err != nil {
		return reference.Loaded{}, fmt.Errorf("%s: %w", file.Name, err)
	}
	return reference.Loaded{Table: d, Rows: len(d.classes)}, nil
}

// parseDensities reads the grid of 3, 4 or 7 levels. How many there are decides what a level means: 3 is rural of three, and a small town of seven.
func parseDensities(data []byte) (*Densities, error) {
	table, err := sheet.Parse(data)
	if err != nil {
		return nil, err
	}
	code, level := table.Column(densityCode...), table.Column(densityLevel...)
	if level < 0 {
		level = table.Column(densitySeven...)
	}
	if code < 0 || level < 0 {
		return nil, fmt.Errorf("there is no column with the code of the commune (%s) or with the level (%s)", densityCode[0], densityLevel[0])
	}
	levels := make(map[string]int, len(table.Rows))
	most := 0
	for _, row := range table.Rows {
		n, err := strconv.Atoi(row.Value(level))
		if err != nil || n < 1 || n > 7 {
			return nil, fmt.Errorf("line %d: %s is %q: give 1 to 7", row.Line, table.Columns[level], row.Value(level))
		}
		levels[padded(row.Value(code))] = n
		most = max(most, n)
	}
	urban := 2 // The last level that is not rural.
	if most > 4 {
		urban = 4
	}
	d := &Densities{classes: make(map[string]string, len(levels))}
	for code, n := range levels {
		switch {
		case n == 1:
			d.classes[code] = Dense
		case n <= urban:
			d.classes[code] = Intermediate
		default:
			d.classes[code] = Rural
		}
	}
	return d, nil
}

// padded gives a code its leading zero back, which spreadsheets take.
func padded(code string) string {
	if len(code) == 4 {
		return "0" + code
	}
	return code
}
