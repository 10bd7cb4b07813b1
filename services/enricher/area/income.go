package area

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Income is one edition of Filosofi, by commune or by IRIS.
type Income struct {
	// Year of the statistics, from the names of the columns.
	Year int
	// Declared says that the incomes are those declared, before taxes and benefits.
	Declared   bool
	figures    map[uint64]figures
	boundaries boundaries
}

// figures of an area; negative when there are none.
type figures struct {
	median  int32 // EUR
	poverty int16 // tenths of a percent
}

// Why a figure is not there.
const (
	withheld = -1
	missing  = -2
)

func (f figures) status() string {
	switch {
	case f.median >= 0 && f.poverty >= 0:
		return Known
	case f.median >= 0 || f.poverty >= 0:
		return PartlyWithheld
	case f.median == withheld || f.poverty == withheld:
		return Withheld
	}
	return Unknown
}

// Has tells whether the table has a row of this code, of five digits for communes and nine for IRIS.
func (t *Income) Has(code string) bool {
	packed, ok := pack(code)
	if !ok {
		return false
	}
	_, ok = t.figures[packed]
	return ok
}

// Boundaries are the medians that cut the people into tenths.
func (t *Income) Boundaries() [9]int { // A copy, for the page of the data set and for tests.
	var b [9]int
	for i, median := range t.boundaries {
		b[i] = int(median)
	}
	return b
}

// edition is one kind of file: how its columns are called before the two digits of the year.
type edition struct {
	what                           string
	code, median, poverty, persons string
	declared                       bool
	digits                         int
}

var (
	communeEditions = []edition{
		{what: "communes", code: "CODGEO", median: "MED", poverty: "TP60", persons: "NBPERSMENFISC", digits: communeDigits},
	}
	irisEditions = []edition{
		{what: "IRIS, disposable income", code: "IRIS", median: "DISP_MED", poverty: "DISP_TP60", digits: irisDigits},
		{what: "IRIS, declared income", code: "IRIS", median: "DEC_MED", poverty: "DEC_TP60", declared: true, digits: irisDigits},
	}
)

// ReadCommunes reads the publisher's file of communes.
func ReadCommunes(r io.Reader) (*Income, error) { return readIncome(r, communeEditions) }

// ReadIRIS reads the publisher's file of IRIS, of disposable or of declared income.
func ReadIRIS(r io.Reader) (*Income, error) { return readIncome(r, irisEditions) }

func readIncome(r io.Reader, editions []edition) (*Income, error) {
	sheet, err := openSheet(r)
	if err != nil {
		return nil, err
	}
	for _, e := range editions {
		year, median := sheet.newest(e.median)
		if median < 0 {
			continue
		}
		yy := fmt.Sprintf("%02d", year%100)
		columns := incomeColumns{code: sheet.column(e.code), median: median, poverty: sheet.column(e.poverty + yy), persons: -1}
		if columns.code < 0 || columns.poverty < 0 {
			return nil, fmt.Errorf("read Filosofi (%s): there is a column %s%s and no %s or %s%s: give the publisher's file as it is",
				e.what, e.median, yy, e.code, e.poverty, yy)
		}
		if e.persons != "" {
			if columns.persons = sheet.column(e.persons + yy); columns.persons < 0 {
				return nil, fmt.Errorf("read Filosofi (%s): there is no column %s%s, which the quintiles are weighted with", e.what, e.persons, yy)
			}
		}
		return readFigures(sheet, e, columns, year)
	}
	return nil, fmt.Errorf("read Filosofi: there is no column %s21 or of another year: this is another file", editions[0].median)
}

type incomeColumns struct{ code, median, poverty, persons int }

func readFigures(sheet *sheet, e edition, columns incomeColumns, year int) (*Income, error) {
	t := &Income{Year: year, Declared: e.declared, figures: map[uint64]figures{}}
	people := map[uint64]int64{}
	arrondissements := map[string]bool{}
	for {
		row, err := sheet.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(row[columns.code])
		code, ok := pack(text)
		if !ok || len(text) != e.digits {
			return nil, fmt.Errorf("read Filosofi (%s): line %d: %q is no code of %d characters", e.what, sheet.line(), text, e.digits)
		}
		if _, twice := t.figures[code]; twice {
			return nil, fmt.Errorf("read Filosofi (%s): line %d: %s stands in the file twice", e.what, sheet.line(), text)
		}
		median, err := cell(row[columns.median], 1, math.MaxInt32)
		if err != nil {
			return nil, fmt.Errorf("read Filosofi (%s): line %d: median: %w", e.what, sheet.line(), err)
		}
		poverty, err := cell(row[columns.poverty], 10, 1000)
		if err != nil {
			return nil, fmt.Errorf("read Filosofi (%s): line %d: poverty rate: %w", e.what, sheet.line(), err)
		}
		t.figures[code] = figures{median: int32(median), poverty: int16(poverty)}
		count := int64(1)
		if columns.persons >= 0 {
			if count, err = cell(row[columns.persons], 1, math.MaxInt32); err != nil {
				return nil, fmt.Errorf("read Filosofi (%s): line %d: persons: %w", e.what, sheet.line(), err)
			}
		}
		people[code] = max(count, 0)
		if city := City(text); city != text {
			arrondissements[city] = true
		}
	}
	t.boundaries = cut(t.people(people, arrondissements))
	return t, nil
}

// people are the areas with a median and those who live there; of a city that is there in parts as well only the parts, else its people would
// count twice.
func (t *Income) people(people map[uint64]int64, parts map[string]bool) []weighted {
	whole := map[uint64]bool{}
	for city := range parts {
		code, _ := pack(city)
		whole[code] = true
	}
	var areas []weighted
	for code, f := range t.figures {
		if f.median > 0 && !whole[code] {
			areas = append(areas, weighted{median: f.median, people: people[code]})
		}
	}
	return areas
}

// Names of the data sets.
const (
	CommunesName = "filosofi_communes"
	IRISName     = "filosofi_iris"
	AgesName     = "ages"
)

// Datasets are the files that the statistics come from.
func Datasets() []reference.Dataset {
	const insee, licence = "INSEE", "Licence Ouverte 2.0: free to use; name the source and the year"
	return []reference.Dataset{
		{
			Name: CommunesName, What: "income and poverty by commune (Filosofi)", Publisher: insee, Licence: licence,
			Where: "insee.fr, search for \"Filosofi\", data by commune: put cc_filosofi_YYYY_COM.csv of the CSV archive into the folder.",
			Files: []string{"filosofi-*-communes.csv", "cc_filosofi_*_com.csv", "cc_filosofi_*_com-geo*.csv"},
			Least: 30_000, Load: loadIncome(ReadCommunes),
		},
		{
			Name: IRISName, What: "income and poverty by IRIS (Filosofi)", Publisher: insee, Licence: licence,
			Where: "insee.fr, search for \"Filosofi IRIS\": put BASE_TD_FILO_DISP_IRIS_YYYY.csv (disposable income, the concept of the communes) into the folder; " +
				"the edition DEC (declared income) is taken too and marked.",
			Files: []string{"filosofi-*-iris.csv", "base_td_filo*_disp_iris_*.csv", "base_td_filo*_iris_*_disp.csv", "base_td_filo*_dec_iris_*.csv", "base_td_filo*_iris_*_dec.csv"},
			Least: 10_000, Load: loadIncome(ReadIRIS),
		},
		{
			Name: AgesName, What: "people by age, by commune and by IRIS (census)", Publisher: insee, Licence: licence,
			Where: "insee.fr, search for \"évolution et structure de la population\": put base-cc-evol-struct-pop-YYYY.csv (communes) or " +
				"base-ic-evol-struct-pop-YYYY.csv (IRIS), or both, into the folder.",
			Files: []string{"base-cc-evol-struct-pop-*.csv", "base-ic-evol-struct-pop-*.csv"},
			Least: 30_000, Load: loadAges, Several: true,
		},
	}
}

func loadIncome(read func(io.Reader) (*Income, error)) func([]reference.File) (reference.Loaded, error) {
	return func(files []reference.File) (reference.Loaded, error) {
		if len(files) != 1 {
			return reference.Loaded{}, fmt.Errorf("read Filosofi: %d files where one is wanted", len(files))
		}
		file, err := os.Open(files[0].Path)
		if err != nil {
			return reference.Loaded{}, err
		}
		defer func() { _ = file.Close() }() // It was only read.
		table, err := read(file)
		if err != nil {
			return reference.Loaded{}, err
		}
		return reference.Loaded{Table: table, Rows: len(table.figures)}, nil
	}
}
