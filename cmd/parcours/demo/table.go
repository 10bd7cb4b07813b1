package demo

import (
	"strings"
	"unicode/utf8"
)

// format is how a column's values are written.
type format uint8

const (
	text format = iota
	count
	money
	percent
	ratio
	hidden // in the SQL and in JSON, not in the table
)

// column names one column of a query's answer, in the words of its reader.
type column struct {
	title  string
	format format
}

// grouped writes a whole number in groups of three digits, as the French do.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}

// cell writes one value of ClickHouse's for people.
func (f format) cell(value string) string {
	if value == "" {
		return ""
	}
	whole, part, _ := strings.Cut(value, ".")
	switch f {
	case count:
		return grouped(whole)
	case money:
		return grouped(whole) + "," + (part + "00")[:2]
	case percent:
		return strings.Replace(value, ".", ",", 1) + " %"
	case ratio:
		return strings.Replace(value, ".", ",", 1)
	}
	return value
}

const gap = 2

// layout writes rows under their titles, numbers to the right. The widest text columns give way until all fits.
func layout(columns []column, rows [][]string, width int) []string {
	columns, rows = visible(columns, rows)
	widths := make([]int, len(columns))
	cells := make([][]string, 0, len(rows)+1)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	cells = append(cells, titles)
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			if i < len(row) {
				line[i] = c.format.cell(row[i])
			}
		}
		cells = append(cells, line)
	}
	total := -gap
	for i := range columns {
		for _, line := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		total += widths[i] + gap
	}
	for total > width {
		widest := -1
		for i, c := range columns {
			if c.format == text && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= minText {
			break
		}
		widths[widest]--
		total--
	}
	lines := make([]string, len(cells))
	for n, line := range cells {
		var b strings.Builder
		for i, c := range columns {
			value := cut(line[i], widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(value))
			if i > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			if c.format == text {
				b.WriteString(value + pad)
			} else {
				b.WriteString(pad + value)
			}
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// visible leaves hidden columns out.
func visible(columns []column, rows [][]string) (shown []column, kept [][]string) {
	kept = make([][]string, len(rows))
	for i, c := range columns {
		if c.format == hidden {
			continue
		}
		shown = append(shown, c)
		for n, row := range rows {
			kept[n] = append(kept[n], row[i])
		}
	}
	return shown, kept
}

const minText = 8

// wrap breaks a sentence into lines of at most width.
func wrap(sentence string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(sentence) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func cut(value string, width int) string {
	if utf8.RuneCountInString(value) <= width {
		return value
	}
	return string([]rune(value)[:width-1]) + "…"
}
