package area

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// sheet is a file as INSEE writes them: separated by semicolons, a line of names first.
type sheet struct {
	rows    *csv.Reader
	columns map[string]int
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func openSheet(r io.Reader) (*sheet, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	if start, _ := buffered.Peek(len(byteOrderMark)); bytes.Equal(start, byteOrderMark) {
		if _, err := buffered.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
	}
	s := &sheet{rows: csv.NewReader(buffered), columns: map[string]int{}}
	s.rows.Comma, s.rows.ReuseRecord = ';', true
	names, err := s.rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("read the names of the columns: the file is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("read the names of the columns: %w", err)
	}
	for i, name := range names {
		name = strings.ToUpper(strings.TrimSpace(name))
		if _, twice := s.columns[name]; twice && name != "" {
			return nil, fmt.Errorf("read the names of the columns: the name of column %d stands there twice", i+1)
		}
		s.columns[name] = i
	}
	return s, nil
}

// next is the next row, with as many cells as there are names. It is overwritten by the one after it.
func (s *sheet) next() ([]string, error) {
	row, err := s.rows.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	return row, err
}

func (s *sheet) line() int {
	line, _ := s.rows.FieldPos(0)
	return line
}

// column is the place of a column, -1 when there is none.
func (s *sheet) column(name string) int {
	if i, ok := s.columns[name]; ok {
		return i
	}
	return -1
}

// newest is the latest year of a column that is called so with two digits of the year behind, and its place; -1 when there is none.
func (s *sheet) newest(name string) (year, column int) {
	column = -1
	for yy := range 100 {
		if i := s.column(fmt.Sprintf("%s%02d", name, yy)); i >= 0 && fullYear(yy) > year {
			year, column = fullYear(yy), i
		}
	}
	return year, column
}

// fullYear reads two digits: there were no such files before 1968, the first census that they hold.
func fullYear(yy int) int {
	if yy < 68 {
		return 2000 + yy
	}
	return 1900 + yy
}

// cell reads a figure times scale. Figures that are kept secret are withheld, those that do not exist are missing.
func cell(text string, scale, most float64) (int64, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "s", "ns", "c": // secret, not significant, confidential
		return withheld, nil
	case "nd", "so", "n/a", "na", "": // not available, without object
		return missing, nil
	}
	number, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(text), ",", ".", 1), 64)
	if err != nil || math.IsNaN(number) || number < 0 || number*scale > most {
		return 0, fmt.Errorf("%.20q is no figure that may stand there", text)
	}
	return int64(math.Round(number * scale)), nil
}
