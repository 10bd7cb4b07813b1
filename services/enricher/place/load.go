package place

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Names of the data sets.
const (
	CommunesData = "communes"
	DensityData  = "density"
	CentresData  = "centres"
)

// Datasets are those of places.
func Datasets() []reference.Dataset {
	return []reference.Dataset{Dataset(), densityDataset(), centresDataset()}
}

// Dataset is the list of communes, departments and regions.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name:      CommunesData,
		What:      "communes of France with postcodes and population, departments, regions",
		Publisher: "INSEE and La Poste, packed by Etalab as @etalab/decoupage-administratif",
		Licence:   "Licence Ouverte 2.0",
		Where:     "`parcours data install communes` fetches the npm package @etalab/decoupage-administratif; its files are communes.json, departements.json and regions.json.",
		Files:     []string{"communes.json", "departements.json", "regions.json"},
		Several:   true,
		Least:     34_000,
		Package: &reference.Package{
			Name: "@etalab/decoupage-administratif", Version: "6.0.0",
			Files: []string{"data/communes.json", "data/departements.json", "data/regions.json"},
		},
		Load: load,
	}
}

// unit is a line of the files: a commune of today or of yesterday, an arrondissement, a department or a region.
type unit struct {
	Code        string   `json:"code"`
	Name        string   `json:"nom"`
	Type        string   `json:"type"`
	Department  string   `json:"departement"`
	Region      string   `json:"region"`
	Postcodes   []string `json:"codesPostaux"`
	Population  int      `json:"population"`
	Chief       string   `json:"chefLieu"`
	City        string   `json:"commune"`
	FormerCodes []string `json:"anciensCodes"`
}

// Kinds of units in communes.json.
const (
	kindToday          = "commune-actuelle"
	kindDelegated      = "commune-deleguee"
	kindAssociated     = "commune-associee"
	kindArrondissement = "arrondissement-municipal"
)

func load(files []reference.File) (reference.Loaded, error) {
	lists := map[string][]unit{}
	for _, file := range files {
		list, err := units(file)
		if err != nil {
			return reference.Loaded{}, err
		}
		lists[strings.ToLower(file.Name)] = list
	}
	for _, name := range []string{"communes.json", "departements.json", "regions.json"} {
		if lists[name] == nil {
			return reference.Loaded{}, fmt.Errorf("%s is missing: put the three files of one edition into the folder", name)
		}
	}
	x, err := build(lists["communes.json"], lists["departements.json"], lists["regions.json"])
	if err != nil {
		return reference.Loaded{}, err
	}
	return reference.Loaded{Table: x, Rows: len(x.towns)}, nil
}

func units(file reference.File) ([]unit, error) {
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return nil, err
	}
	var list []unit
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file.Name, err)
	}
	for i, u := range list {
		if u.Code == "" || u.Name == "" {
			return nil, fmt.Errorf("parse %s: entry %d has no code or no nom", file.Name, i+1)
		}
	}
	return list, nil
}

func build(communes, departments, regions []unit) (*Index, error) {
	x := &Index{
		home: france, byCode: make(map[string]int32, len(communes)), byName: make(map[string][]ref, len(communes)),
		byBare: map[string][]ref{}, areas: map[string]*area{}, departments: map[string]*Commune{}, regionNames: map[string]string{},
	}
	for _, r := range regions {
		x.regionNames[r.Code] = r.Name
	}
	for _, d := range departments {
		if x.regionNames[d.Region] == "" {
			return nil, fmt.Errorf("department %s is in region %q, which regions.json does not have", d.Code, d.Region)
		}
		x.departments[d.Code] = &Commune{DepartmentCode: d.Code, Department: d.Name, RegionCode: d.Region, Region: x.regionNames[d.Region]}
	}
	for code, region := range x.regionNames { // The collectivities overseas stand among the regions only.
		if x.departments[code] == nil && len(code) == 3 {
			x.departments[code] = &Commune{DepartmentCode: code, Department: region, RegionCode: code, Region: region}
		}
	}
	var faults []error
	for _, u := range communes {
		if u.Type == kindToday || u.Type == kindArrondissement {
			faults = append(faults, x.addTown(u))
		}
	}
	for _, u := range communes {
		switch u.Type {
		case kindArrondissement:
			faults = append(faults, x.joinCity(u))
		case kindDelegated, kindAssociated:
			faults = append(faults, x.addFormer(u))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	x.fillAreas()
	x.nameTowns()
	x.nameDivisions()
	return x, nil
}

func (x *Index) addTown(u unit) error {
	d := x.departments[u.Department]
	if d == nil {
		return fmt.Errorf("commune %s is in department %q, which departements.json does not have", u.Code, u.Department)
	}
	if _, twice := x.byCode[u.Code]; twice {
		return fmt.Errorf("commune %s stands twice in communes.json", u.Code)
	}
	at := int32(len(x.towns))
	c := *d
	c.Code, c.Name, c.Population = u.Code, u.Name, u.Population
	t := town{Commune: c, postcodes: u.Postcodes, whole: -1}
	if u.Type == kindToday {
		t.names = []name{nameOf(words(u.Name), false)}
		if before, _, brackets := strings.Cut(u.Name, "("); brackets {
			t.names = append(t.names, nameOf(words(before), false))
		}
	}
	x.towns = append(x.towns, t)
	x.byCode[u.Code] = at
	for _, code := range u.FormerCodes {
		if _, known := x.byCode[code]; !known {
			x.byCode[code] = at
		}
	}
	return nil
}

// joinCity makes an arrondissement part of its city, whose name it is found by.
func (x *Index) joinCity(u unit) error {
	at, whole := x.byCode[u.Code], x.byCode[u.City]
	city, number := &x.towns[whole], 0
	for _, word := range words(u.Name) {
		if n, ok := ordinal(word); ok {
			number = n
		}
	}
	if city.Code != u.City || number == 0 {
		return fmt.Errorf("arrondissement %s (%s) has no number, or its commune %q is not in the list", u.Code, u.Name, u.City)
	}
	city.parts = append(city.parts, at)
	part := &x.towns[at]
	part.whole, part.arrondissement, part.names = whole, number, city.names[:1]
	return nil
}

// addFormer makes a commune that merged into another one found under its old name and code.
func (x *Index) addFormer(u unit) error {
	at, ok := x.byCode[u.Chief]
	if !ok {
		return fmt.Errorf("former commune %s (%s) belongs to %q, which is not in the list", u.Code, u.Name, u.Chief)
	}
	if _, known := x.byCode[u.Code]; !known {
		x.byCode[u.Code] = at
	}
	t := &x.towns[at]
	former := nameOf(words(u.Name), true)
	if !slices.ContainsFunc(t.names, func(n name) bool { return n.key == former.key }) {
		t.names = append(slices.Clip(t.names), former)
	}
	return nil
}

// fillAreas gives each postcode its communes, the largest first. In the three cities the arrondissements stand for the city.
func (x *Index) fillAreas() {
	for i := range x.towns {
		t := &x.towns[i]
		if len(t.parts) > 0 {
			continue
		}
		for _, code := range t.postcodes {
			here := x.areas[code]
			if here == nil {
				here = &area{}
				x.areas[code] = here
			}
			here.towns = append(here.towns, int32(i))
			here.people += t.Population
		}
	}
	for _, here := range x.areas {
		slices.SortStableFunc(here.towns, func(a, b int32) int { return x.towns[b].Population - x.towns[a].Population })
	}
}

func (x *Index) nameTowns() {
	for i := range x.towns {
		t := &x.towns[i]
		if t.whole >= 0 {
			continue // The city has the name.
		}
		for _, n := range t.names {
			at := ref{town: int32(i), old: n.old}
			x.byName[n.key] = append(x.byName[n.key], at)
			x.byBare[n.bare] = append(x.byBare[n.bare], at)
		}
	}
}
