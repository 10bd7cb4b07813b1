package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// importRow is one line of a file, its fields in the order of importSource.columns. It is used again for the next line.
type importRow struct {
	line   int64
	fields []string
	// raw is the line as it stands in the file, in UTF-8.
	raw []byte
}

// importSource reads a file row by row.
type importSource interface {
	columns() []string
	// header is what a file of refused lines begins with.
	header() []byte
	// next fills the row; io.EOF ends. A refusal says that this line cannot be read, and the next may be.
	next(row *importRow) (*refusal, error)
	// position and size tell progress, in the same unit.
	position() int64
	size() int64
	close() error
}

func openImport(c importAttributesCommand, s *importSchema) (importSource, error) {
	format := c.Format
	if format == "auto" {
		switch strings.ToLower(filepath.Ext(c.File)) {
		case ".ndjson", ".jsonl", ".json":
			format = "ndjson"
		case ".parquet":
			format = "parquet"
		default:
			format = "csv"
		}
	}
	if format == "parquet" {
		return openParquet(c.File)
	}
	text, err := openText(c.File, c.Encoding)
	if err != nil {
		return nil, err
	}
	if format == "ndjson" {
		return newNDJSON(text, s), nil
	}
	source, err := newCSV(text, c.Delimiter)
	if err != nil {
		return nil, errors.Join(err, text.close())
	}
	return source, nil
}

const (
	// longestLine bounds what one line may hold, and one record of several lines.
	longestLine = 1 << 20
	// probed is how much of a file is looked at to tell its encoding.
	probed = 1 << 20
)

var (
	errLongLine = errors.New("line too long")
	utf8BOM     = []byte{0xef, 0xbb, 0xbf}
)

// text reads lines of a file in whatever encoding as UTF-8.
type text struct {
	file  *os.File
	lines *bufio.Reader
	read  int64
	bytes int64
}

type counting struct {
	from  io.Reader
	count *int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	*c.count += int64(n)
	return n, err
}

func openText(path, name string) (*text, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t := &text{file: file, bytes: info.Size()}
	raw := bufio.NewReaderSize(counting{file, &t.read}, probed)
	start, err := raw.Peek(probed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, file.Close())
	}
	decode := encodingOf(start, name)
	if bytes.HasPrefix(start, utf8BOM) {
		_, err = raw.Discard(len(utf8BOM))
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	t.lines = bufio.NewReaderSize(raw, longestLine)
	if decode != nil {
		t.lines = bufio.NewReaderSize(decode.NewDecoder().Reader(raw), longestLine)
	}
	return t, nil
}

// encodingOf is nil for UTF-8. What spreadsheets write for Europe that is neither marked nor UTF-8 is cp1252, of which latin1 is a part as far as
// letters go.
func encodingOf(start []byte, name string) encoding.Encoding {
	switch name {
	case "utf-8":
		return nil
	case "cp1252":
		return charmap.Windows1252
	case "latin1":
		return charmap.ISO8859_1
	}
	switch {
	case bytes.HasPrefix(start, utf8BOM):
		return nil
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	}
	// The look may have cut a letter in half.
	for cut := range min(utf8.UTFMax, len(start)+1) {
		if utf8.Valid(start[:len(start)-cut]) {
			return nil
		}
	}
	return charmap.Windows1252
}

// line reads one line without its end; errLongLine for one that is dropped.
func (t *text) line() ([]byte, error) {
	line, err := t.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = t.lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, errLongLine
	}
	if len(line) == 0 && err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (t *text) close() error { return t.file.Close() }

// csvSource reads CSV with quotes, over several lines too.
type csvSource struct {
	*text
	delimiter byte
	names     []string
	first     []byte
	number    int64
	// ahead are lines that were read for a record that never closed its quote.
	ahead [][]byte
}

var delimiters = map[string]byte{"comma": ',', "semicolon": ';', "tab": '\t', "pipe": '|'}

func newCSV(t *text, delimiter string) (*csvSource, error) {
	s := &csvSource{text: t, delimiter: delimiters[delimiter]}
	first, err := t.line()
	if err != nil {
		return nil, fmt.Errorf("read the first line, which names the columns: %w", err)
	}
	s.first, s.number = bytes.Clone(first), 1
	if s.delimiter == 0 {
		s.delimiter = ','
		for _, candidate := range []byte{';', '\t', '|'} {
			if bytes.Count(first, []byte{candidate}) > bytes.Count(first, []byte{s.delimiter}) {
				s.delimiter = candidate
			}
		}
	}
	names, err := splitCSV(string(s.first), s.delimiter, nil)
	if err != nil {
		return nil, fmt.Errorf("read the first line, which names the columns: %w", err)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) && name != "" {
			return nil, fmt.Errorf("the first line has two columns %q: name each once", name)
		}
	}
	s.names = names
	return s, nil
}

func (s *csvSource) columns() []string { return s.names }
func (s *csvSource) header() []byte    { return s.first }
func (s *csvSource) position() int64   { return s.read }
func (s *csvSource) size() int64       { return s.bytes }

func (s *csvSource) take() ([]byte, error) {
	if len(s.ahead) > 0 {
		line := s.ahead[0]
		s.ahead = s.ahead[1:]
		return line, nil
	}
	return s.line()
}

// mostLines is how many lines one record may have before its quote is taken for a stray one.
const mostLines = 100

func (s *csvSource) next(row *importRow) (*refusal, error) {
	var line []byte
	for { // Empty lines are no records.
		var err error
		line, err = s.take()
		s.number++
		if errors.Is(err, errLongLine) {
			row.line, row.raw = s.number, row.raw[:0]
			return &refusal{Line: s.number, Reason: "too_long", Advice: "the line has more than a megabyte: look for a quote that is not closed"}, nil
		}
		if err != nil {
			return nil, err
		}
		if len(line) > 0 {
			break
		}
	}
	row.line, row.raw = s.number, append(row.raw[:0], line...)
	if !utf8.Valid(row.raw) {
		return &refusal{Line: s.number, Reason: "bad_encoding", Advice: "the line is not in UTF-8: give --encoding cp1252"}, nil
	}
	var err error
	row.fields, err = splitCSV(string(row.raw), s.delimiter, row.fields[:0])
	if errors.Is(err, errOpenQuote) {
		return s.continued(row)
	}
	return s.checked(row, err)
}

// continued reads on until the quote is closed. If it never is, the first line alone is refused.
func (s *csvSource) continued(row *importRow) (*refusal, error) {
	whole := bytes.Clone(row.raw)
	var more [][]byte
	for len(more) < mostLines && len(whole) < longestLine {
		line, err := s.take()
		if err != nil {
			break // at the end, or a line too long: either way the quote is a stray one
		}
		more = append(more, bytes.Clone(line))
		whole = append(append(whole, '\n'), line...)
		fields, err := splitCSV(string(whole), s.delimiter, row.fields[:0])
		if errors.Is(err, errOpenQuote) {
			continue
		}
		row.raw, row.fields = whole, fields
		s.number += int64(len(more))
		return s.checked(row, err)
	}
	s.ahead = append(more, s.ahead...)
	//nolint:nilerr // The end of the file, or a line too long, closes no quote: the line is refused.
	return &refusal{Line: row.line, Reason: "open_quote", Advice: "a quote is opened and never closed: close it, or double it if it belongs to the text"}, nil
}

func (s *csvSource) checked(row *importRow, err error) (*refusal, error) {
	switch {
	case err != nil:
		//nolint:nilerr // The line is refused, and the file read on.
		return &refusal{Line: row.line, Reason: "bad_quote", Advice: "text follows a closing quote: double quotes that belong to the text"}, nil
	case len(row.fields) != len(s.names):
		return &refusal{Line: row.line, Reason: "column_count", Advice: fmt.Sprintf("it has %d columns, the first line %d: look for a delimiter inside of a text without quotes", len(row.fields), len(s.names))}, nil
	}
	return nil, nil
}

var (
	errOpenQuote = errors.New("a quote is not closed")
	errBadQuote  = errors.New("text follows a closing quote")
)

// splitCSV splits one record (RFC 4180). A quote inside of a text that does not begin with one is text.
func splitCSV(record string, delimiter byte, into []string) ([]string, error) {
	for {
		if !strings.HasPrefix(record, `"`) {
			field, rest, more := strings.Cut(record, string(rune(delimiter)))
			into = append(into, field)
			if !more {
				return into, nil
			}
			record = rest
			continue
		}
		record = record[1:]
		at := strings.IndexByte(record, '"')
		field := ""
		for at >= 0 && strings.HasPrefix(record[at+1:], `"`) {
			field += record[:at+1]
			record = record[at+2:]
			at = strings.IndexByte(record, '"')
		}
		if at < 0 {
			return into, errOpenQuote
		}
		into = append(into, field+record[:at])
		switch record = record[at+1:]; {
		case record == "":
			return into, nil
		case record[0] != delimiter:
			return into, errBadQuote
		}
		record = record[1:]
	}
}

// jsonSource reads one object a line. Columns are those that the schema wants; a.b is a member of a member.
type jsonSource struct {
	*text
	names  []string
	number int64
}

func newNDJSON(t *text, s *importSchema) *jsonSource {
	names := []string{s.KeyColumn}
	for _, name := range []string{s.ValidFromColumn, s.ValidUntilColumn} {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, column := range s.Columns {
		names = append(names, column.Column)
	}
	return &jsonSource{text: t, names: names}
}

func (s *jsonSource) columns() []string { return s.names }
func (s *jsonSource) header() []byte    { return nil }
func (s *jsonSource) position() int64   { return s.read }
func (s *jsonSource) size() int64       { return s.bytes }

func (s *jsonSource) next(row *importRow) (*refusal, error) {
	var line []byte
	for len(line) == 0 {
		var err error
		line, err = s.line()
		s.number++
		if errors.Is(err, errLongLine) {
			row.line, row.raw = s.number, row.raw[:0]
			return &refusal{Line: s.number, Reason: "too_long", Advice: "the line has more than a megabyte: write one object on each line"}, nil
		}
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSpace(line)
	}
	row.line, row.raw = s.number, append(row.raw[:0], line...)
	bad := &refusal{Line: s.number, Reason: "bad_json", Advice: "the line is no JSON object: write one object on each line"}
	if !utf8.Valid(row.raw) {
		return bad, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(row.raw))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		//nolint:nilerr // The line is refused, and the file read on.
		return bad, nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return bad, nil
	}
	row.fields = row.fields[:0]
	for _, name := range s.names {
		value, ok := memberText(object, name)
		if !ok {
			return &refusal{Line: s.number, Column: name, Reason: "bad_json", Advice: "it is an object or a list: give a text, a number or a boolean"}, nil
		}
		row.fields = append(row.fields, value)
	}
	return nil, nil
}

func memberText(object map[string]any, name string) (string, bool) {
	value, there := object[name]
	if !there {
		first, rest, nested := strings.Cut(name, ".")
		if inner, is := object[first].(map[string]any); nested && is {
			return memberText(inner, rest)
		}
	}
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
