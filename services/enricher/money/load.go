package money

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Name of the data set.
const Name = "currency"

// Dataset is the reference rates of the European Central Bank.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name: Name, What: "the euro's reference rates by day", Publisher: "European Central Bank", Licence: "free to use; name the source",
		Where: "ecb.europa.eu, \"Euro foreign exchange reference rates\": put eurofxref-hist.csv (all days) of the archive into the folder, and " +
			"eurofxref.csv (the last day) beside it as often as you like.",
		Files: []string{"eurofxref*.csv"},
		Least: 1, Several: true,
		Load: load,
	}
}

func load(files []reference.File) (reference.Loaded, error) {
	b := builder{}
	for _, f := range files {
		if err := b.readFile(f); err != nil {
			return reference.Loaded{}, err
		}
	}
	rates := b.rates()
	return reference.Loaded{Table: rates, Rows: len(rates.days)}, nil
}

func (b *builder) readFile(f reference.File) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read.
	if err := b.read(file); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// Read reads files of rates, as the publisher writes them. Of a day that stands in several of them the first counts.
func Read(files ...io.Reader) (*Rates, error) {
	b := builder{}
	for _, file := range files {
		if err := b.read(file); err != nil {
			return nil, err
		}
	}
	return b.rates(), nil
}

// builder gathers the rates of each day by currency.
type builder map[int32]map[string]uint64

func (b builder) read(file io.Reader) error {
	buffered := bufio.NewReaderSize(file, 64<<10)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		if _, err := buffered.Discard(3); err != nil {
			return err
		}
	}
	rows := csv.NewReader(buffered)
	rows.TrimLeadingSpace = true
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("read rates: the file is empty")
	}
	if err != nil {
		return fmt.Errorf("read rates: %w", err)
	}
	if err := checkHeader(header); err != nil {
		return fmt.Errorf("read rates: %w", err)
	}
	here := map[int32]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read rates: %w", err)
		}
		line, _ := rows.FieldPos(0)
		day, err := parseDay(row[0])
		if err != nil {
			return fmt.Errorf("read rates: line %d: %w", line, err)
		}
		if here[day] {
			return fmt.Errorf("read rates: line %d: the day stands in the file twice", line)
		}
		here[day] = true
		rates, err := parseRow(header, row)
		if err != nil {
			return fmt.Errorf("read rates: line %d: %w", line, err)
		}
		if _, known := b[day]; !known {
			b[day] = rates
		}
	}
}

// checkHeader wants a date and codes of currencies; the publisher ends each line with a comma.
func checkHeader(header []string) error {
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	if len(header) < 2 || !strings.EqualFold(header[0], "Date") {
		return errors.New("the first column is not Date: give the publisher's CSV file as it is")
	}
	seen := map[string]bool{}
	for i, name := range header[1:] {
		last := i == len(header)-2
		if name == "" && last {
			continue
		}
		code, ok := Code(name)
		if !ok || code != name || code == euro || seen[code] {
			return fmt.Errorf("column %d, %.10q, is not the code of one more currency", i+2, name)
		}
		seen[code] = true
	}
	if len(seen) == 0 {
		return errors.New("there is no currency in the file")
	}
	return nil
}

// firstDay bounds what is taken for a day of publication: the euro began in 1999.
var firstDay = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func parseDay(text string) (int32, error) {
	text = strings.TrimSpace(text)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		day, err = time.Parse("2 January 2006", text)
	}
	if err != nil || day.Before(firstDay) || day.Year() > 2199 {
		return 0, fmt.Errorf("%.20q is no day of publication", text)
	}
	return int32(day.Unix() / (24 * 60 * 60)), nil
}

func parseRow(header, row []string) (map[string]uint64, error) {
	rates := map[string]uint64{}
	for i, name := range header[1:] {
		text := strings.TrimSpace(row[i+1])
		switch {
		case name == "" && text != "":
			return nil, fmt.Errorf("column %d has a rate and no currency", i+2)
		case text == "" || text == "N/A" || text == "-":
			continue
		}
		rate, ok := parseRate(text)
		if !ok {
			return nil, fmt.Errorf("%s: %.20q is no rate", name, text)
		}
		rates[name] = rate
	}
	return rates, nil
}

// parseRate reads a positive decimal number of at most ten digits before the point and eight behind it.
func parseRate(text string) (uint64, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" || len(whole) > 10 || len(fraction) > places {
		return 0, false
	}
	var rate uint64
	for _, c := range []byte(whole + fraction) {
		if c < '0' || c > '9' {
			return 0, false
		}
		rate = rate*10 + uint64(c-'0')
	}
	rate *= powers[places-len(fraction)]
	return rate, rate > 0
}

func (b builder) rates() *Rates {
	r := &Rates{perEuro: map[string][]uint64{}}
	for day := range b {
		r.days = append(r.days, day)
	}
	slices.Sort(r.days)
	for i, day := range r.days {
		for code, rate := range b[day] {
			if r.perEuro[code] == nil {
				r.perEuro[strings.Clone(code)] = make([]uint64, len(r.days))
			}
			r.perEuro[code][i] = rate
		}
	}
	return r
}
