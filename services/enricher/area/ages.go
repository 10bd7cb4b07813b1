package area

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Ages are the shares of the young and of the old, by commune and by IRIS.
type Ages struct {
	// Year of the census.
	Year   int
	shares map[uint64]share
}

// share of people, in tenths of a percent.
type share struct{ under30, over60 int16 }

// headcount is people by age; those of a commune may be a sum over its IRIS.
type headcount struct{ all, under30, over60 float64 }

func (h *headcount) add(other headcount) {
	h.all += other.all
	h.under30 += other.under30
	h.over60 += other.over60
}

func (h headcount) share() share {
	return share{under30: int16(h.under30/h.all*1000 + 0.5), over60: int16(h.over60/h.all*1000 + 0.5)}
}

// agesReader puts several files together: a row of a commune wins over the sum of its IRIS.
type agesReader struct {
	year                 int
	communes, sums, iris map[uint64]headcount
}

func newAgesReader() *agesReader {
	return &agesReader{communes: map[uint64]headcount{}, sums: map[uint64]headcount{}, iris: map[uint64]headcount{}}
}

// ReadAges reads the publisher's files of communes or of IRIS.
func ReadAges(files ...io.Reader) (*Ages, error) {
	r := newAgesReader()
	for _, file := range files {
		if err := r.read(file); err != nil {
			return nil, err
		}
	}
	return r.table(), nil
}

func (r *agesReader) read(file io.Reader) error {
	sheet, err := openSheet(file)
	if err != nil {
		return err
	}
	columns, err := findAgeColumns(sheet)
	if err != nil {
		return err
	}
	r.year = max(r.year, columns.year)
	for {
		row, err := sheet.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.row(row, columns); err != nil {
			return fmt.Errorf("read ages: line %d: %w", sheet.line(), err)
		}
	}
}

func (r *agesReader) row(row []string, columns ageColumns) error {
	count, ok, err := columns.count(row)
	if err != nil || !ok {
		return err
	}
	commune, ok := pack(strings.TrimSpace(row[columns.commune]))
	if !ok || len(strings.TrimSpace(row[columns.commune])) != communeDigits {
		return fmt.Errorf("%q is no code of a commune", row[columns.commune])
	}
	if columns.iris < 0 {
		if _, twice := r.communes[commune]; twice {
			return errors.New("the commune stands in the files twice")
		}
		r.communes[commune] = count
		return nil
	}
	code := strings.TrimSpace(row[columns.iris])
	iris, ok := pack(code)
	if !ok || len(code) != irisDigits {
		return fmt.Errorf("%q is no code of an IRIS", code)
	}
	if _, twice := r.iris[iris]; twice {
		return errors.New("the IRIS stands in the files twice")
	}
	r.iris[iris] = count
	sum := r.sums[commune]
	sum.add(count)
	r.sums[commune] = sum
	return nil
}

func (r *agesReader) table() *Ages {
	t := &Ages{Year: r.year, shares: make(map[uint64]share, len(r.sums)+len(r.communes)+len(r.iris))}
	for _, counts := range []map[uint64]headcount{r.sums, r.communes, r.iris} { // The later wins.
		for code, count := range counts {
			if count.all > 0 {
				t.shares[code] = count.share()
			}
		}
	}
	return t
}

// ageColumns are the columns of the newest census in a file, which may have older ones beside it.
type ageColumns struct {
	year, commune, iris, all int
	young, old               []int
}

func findAgeColumns(sheet *sheet) (ageColumns, error) {
	c := ageColumns{commune: sheet.column("CODGEO"), iris: sheet.column("IRIS")}
	if c.iris >= 0 {
		c.commune = sheet.column("COM")
	}
	if c.commune < 0 {
		return c, errors.New("read ages: there is no column CODGEO, or IRIS and COM: give the publisher's file as it is")
	}
	year := -1
	for yy := range 100 {
		if sheet.column(fmt.Sprintf("P%02d_POP", yy)) >= 0 && fullYear(yy) > year {
			year = fullYear(yy)
		}
	}
	if year < 0 {
		return c, errors.New("read ages: there is no column P21_POP or of another year: this is another file")
	}
	c.year = year
	column := func(ages string) int { return sheet.column(fmt.Sprintf("P%02d_POP%s", year%100, ages)) }
	c.all = column("")
	c.young = []int{column("0014"), column("1529")}
	c.old = []int{column("6074"), column("75P")}
	if c.old[1] < 0 { // The files of communes cut once more.
		c.old = []int{column("6074"), column("7589"), column("90P")}
	}
	for _, i := range append(append([]int{}, c.young...), c.old...) {
		if i < 0 {
			return c, fmt.Errorf("read ages: the file lacks a column of P%02d_POP0014, 1529, 6074, and 75P or 7589 and 90P", year%100)
		}
	}
	return c, nil
}

// count reads a row; not ok when the publisher left the commune out.
func (c ageColumns) count(row []string) (headcount, bool, error) {
	var h headcount
	for _, part := range []struct {
		to      *float64
		columns []int
	}{{&h.all, []int{c.all}}, {&h.under30, c.young}, {&h.over60, c.old}} {
		for _, column := range part.columns {
			people, err := cell(row[column], 1000, 1e12)
			if err != nil {
				return h, false, err
			}
			if people < 0 {
				return h, false, nil
			}
			*part.to += float64(people) / 1000
		}
	}
	if h.under30+h.over60 > h.all*1.001+0.01 {
		return h, false, errors.New("more young and old people than people")
	}
	return h, true, nil
}

func loadAges(files []reference.File) (reference.Loaded, error) {
	r := newAgesReader()
	for _, f := range files {
		if err := r.readFile(f); err != nil {
			return reference.Loaded{}, err
		}
	}
	table := r.table()
	return reference.Loaded{Table: table, Rows: len(table.shares)}, nil
}

func (r *agesReader) readFile(f reference.File) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read.
	if err := r.read(file); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}
