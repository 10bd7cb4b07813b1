// Package sheet reads tables with a header line as publishers and spreadsheets write them.
//
// It decides the separator, the encoding and how columns are called; rows are told with their line, so that errors can name it.
package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Sheet is a table in memory.
type Sheet struct {
	// Columns are the names of the header, as they stand there.
	Columns []string
	Rows    []Row
	keys    []string
}

// Row is one line of the table.
type Row struct {
	// Line is the number of the line in the file, the header being the first.
	Line   int
	values []string
}

// Value of a column, without blanks around it; empty when the row is shorter or the column is -1.
func (r Row) Value(column int) string {
	if column < 0 || column >= len(r.values) {
		return ""
	}
	return strings.TrimSpace(r.values[column])
}

// Parse reads a table separated by semicolons, commas or tabs, in UTF-8 or, where it is not valid UTF-8, in Latin 1. Empty lines are left out.
func Parse(data []byte) (*Sheet, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		data = fromLatin1(data)
	}
	header, _, _ := bytes.Cut(data, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = separator(header), -1, true
	s := &Sheet{}
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the table: %w", err)
		}
		line, _ := r.FieldPos(0)
		if s.Columns == nil {
			s.Columns = values
			for _, column := range values {
				s.keys = append(s.keys, Key(column))
			}
			continue
		}
		if strings.TrimSpace(strings.Join(values, "")) == "" {
			continue
		}
		s.Rows = append(s.Rows, Row{Line: line, values: values})
	}
	if len(s.Columns) == 0 {
		return nil, errors.New("read the table: it is empty; the first line has to name the columns")
	}
	return s, nil
}

// Column is the place of the first column that has one of these names, -1 when none has. Case, accents, blanks and signs do not matter.
func (s *Sheet) Column(names ...string) int {
	for _, name := range names {
		key := Key(name)
		for i, column := range s.keys {
			if column == key {
				return i
			}
		}
	}
	return -1
}

// Key is a name of a column without what writers vary: lower-case ASCII letters and digits.
func Key(name string) string {
	var key strings.Builder
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			key.WriteRune(r + 'a' - 'A')
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			key.WriteRune(r)
		default:
			if at := strings.IndexRune(accented, r); at >= 0 {
				key.WriteByte(plain[utf8.RuneCountInString(accented[:at])])
			}
		}
	}
	return key.String()
}

const (
	accented = "àâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ"
	plain    = "aaaeeeeiioouuucaaaeeeeiioouuuc"
)

func separator(header []byte) rune {
	best, most := ';', bytes.Count(header, []byte(";"))
	for _, r := range []rune{',', '\t'} {
		if n := bytes.Count(header, []byte(string(r))); n > most {
			best, most = r, n
		}
	}
	return best
}

func fromLatin1(data []byte) []byte {
	text := make([]rune, len(data))
	for i, b := range data {
		text[i] = rune(b)
	}
	return []byte(string(text))
}
