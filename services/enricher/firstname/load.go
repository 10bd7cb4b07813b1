package firstname

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parquet-go/parquet-go"
)

// Name of the data set.
const Name = "first_names"

// Dataset is the publisher's file of first names, as Parquet or CSV.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name: Name, What: "births in France by first name, sex and year", Publisher: "INSEE, fichier des prénoms",
		Licence: "Licence Ouverte 2.0: free to use; name the source and the year",
		Where:   "insee.fr, search for \"fichier des prénoms\": put the national file (prenoms-YYYY-nat.parquet, or nat2022.csv) into the folder.",
		Files:   []string{"prenoms*.parquet", "prenoms*.csv", "nat[12][0-9][0-9][0-9].csv", "nat[12][0-9][0-9][0-9].parquet"},
		Least:   400_000,
		Load:    load,
	}
}

func load(files []reference.File) (reference.Loaded, error) {
	if len(files) != 1 {
		return reference.Loaded{}, fmt.Errorf("read first names: %d files where one is wanted", len(files))
	}
	file, err := os.Open(files[0].Path)
	if err != nil {
		return reference.Loaded{}, err
	}
	defer func() { _ = file.Close() }() // It was only read.
	info, err := file.Stat()
	if err != nil {
		return reference.Loaded{}, err
	}
	names, err := Read(file, info.Size())
	if err != nil {
		return reference.Loaded{}, err
	}
	return reference.Loaded{Table: names, Rows: names.rows}, nil
}

var parquetMark = []byte("PAR1")

// Read reads a file, Parquet or CSV by how it begins.
func Read(file io.ReaderAt, size int64) (*Names, error) {
	var start [4]byte
	if n, err := file.ReadAt(start[:], 0); n < len(start) && err != nil {
		return nil, fmt.Errorf("read first names: %w", err)
	}
	b := builder{index: map[string]uint32{}}
	var err error
	if bytes.Equal(start[:], parquetMark) {
		err = b.parquet(file, size)
	} else {
		err = b.csv(io.NewSectionReader(file, 0, size))
	}
	if err != nil {
		return nil, fmt.Errorf("read first names: %w", err)
	}
	if len(b.entries) == 0 {
		return nil, errors.New("read first names: there is no birth in the file")
	}
	return b.names(), nil
}

// Columns, by all the names that the publisher has given them.
var columnNames = [4][]string{{"sexe"}, {"prenom", "preusuel"}, {"annais", "periode"}, {"nombre", "valeur"}}

const (
	sexColumn = iota
	nameColumn
	yearColumn
	countColumn
)

// builder gathers the births.
type builder struct {
	index   map[string]uint32
	entries []entry
	rows    int

	lastName []byte // as in the file; rows of one name mostly follow each other
	lastID   uint32
	lastOK   bool
}

// entry is the births of a name, sex and year.
type entry struct {
	key   uint64 // name, sex, year
	count uint32
}

func keyOf(id uint32, sex, year int) uint64 {
	return uint64(id)<<32 | uint64(sex)<<16 | uint64(year-firstYear)
}

// add takes a row. Names that the publisher lumps together and years that it keeps secret are left out.
func (b *builder) add(sex, name, year []byte, count int64) error {
	b.rows++
	if string(name) == "_PRENOMS_RARES" || string(year) == "XXXX" || count == 0 || len(name) == 0 || len(year) == 0 {
		return nil
	}
	var who int
	switch string(sex) {
	case "1":
		who = male
	case "2":
		who = female
	default:
		return fmt.Errorf("row %d: the sex is %.5q, and 1 or 2 is wanted", b.rows, sex)
	}
	born, err := strconv.Atoi(string(year))
	if err != nil || born < firstYear || born > lastYear {
		return fmt.Errorf("row %d: %.10q is no year of birth", b.rows, year)
	}
	if count < 0 || count > 10_000_000 {
		return fmt.Errorf("row %d: %d births", b.rows, count)
	}
	if !b.lastOK || !bytes.Equal(name, b.lastName) {
		b.lastName = append(b.lastName[:0], name...)
		b.lastID, b.lastOK = b.id(string(name))
	}
	if b.lastOK {
		b.entries = append(b.entries, entry{key: keyOf(b.lastID, who, born), count: uint32(count)})
	}
	return nil
}

// id is the number of a name; no number for the few entries of the register that are no names, such as single letters.
func (b *builder) id(name string) (uint32, bool) {
	var space [maxName]byte
	folded, ok := fold(space[:0], name)
	if !ok {
		return 0, false
	}
	id, known := b.index[string(folded)]
	if !known {
		id = uint32(len(b.index))
		b.index[string(folded)] = id
	}
	return id, true
}

// names packs what was gathered.
func (b *builder) names() *Names {
	slices.SortFunc(b.entries, func(x, y entry) int {
		switch {
		case x.key < y.key:
			return -1
		case x.key > y.key:
			return 1
		}
		return 0
	})
	merged := b.entries[:0]
	for _, e := range b.entries { // KEVIN and KÉVIN are two names in the file and one here.
		if n := len(merged); n > 0 && merged[n-1].key == e.key {
			merged[n-1].count += e.count
			continue
		}
		merged = append(merged, e)
	}
	n := &Names{places: make(map[string]uint32, len(b.index)), rows: b.rows}
	places := make([]uint32, len(b.index))
	next := 0
	for id := range places {
		places[id] = uint32(len(n.births))
		for sex := range sexes {
			from := next
			for next < len(merged) && merged[next].key>>16 == uint64(id)<<16|uint64(sex) {
				next++
			}
			n.births = appendBirths(n.births, merged[from:next])
		}
	}
	n.births = slices.Clip(n.births)
	for name, id := range b.index {
		n.places[name] = places[id]
	}
	return n
}

func appendBirths(dst []byte, entries []entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	before := uint64(0)
	for _, e := range entries {
		year := e.key & 0xffff
		dst = binary.AppendUvarint(dst, year-before)
		dst = binary.AppendUvarint(dst, uint64(e.count))
		before = year
	}
	return dst
}

func (b *builder) csv(r io.Reader) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		if _, err := buffered.Discard(3); err != nil {
			return err
		}
	}
	rows := csv.NewReader(buffered)
	rows.Comma, rows.ReuseRecord = ';', true
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("read the names of the columns: %w", err)
	}
	columns, err := findColumns(func(name string) int {
		return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
	})
	if err != nil {
		return err
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		count, err := strconv.ParseInt(row[columns[countColumn]], 10, 64)
		if err != nil {
			return fmt.Errorf("row %d: %.20q is no number of births", b.rows+1, row[columns[countColumn]])
		}
		if err := b.add([]byte(row[columns[sexColumn]]), []byte(row[columns[nameColumn]]), []byte(row[columns[yearColumn]]), count); err != nil {
			return err
		}
	}
}

func findColumns(find func(name string) int) (columns [4]int, err error) {
	for i, names := range columnNames {
		columns[i] = -1
		for _, name := range names {
			if at := find(name); at >= 0 {
				columns[i] = at
				break
			}
		}
		if columns[i] < 0 {
			return columns, fmt.Errorf("there is no column %s: give the publisher's national file as it is", strings.Join(names, " or "))
		}
	}
	return columns, nil
}

// parquet reads the file with a library that panics on some broken files.
func (b *builder) parquet(file io.ReaderAt, size int64) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the Parquet file is broken: %v", cause)
		}
	}()
	if err := checkFooter(file, size); err != nil {
		return err
	}
	f, err := parquet.OpenFile(file, size)
	if err != nil {
		return err
	}
	columns, err := findColumns(func(name string) int {
		leaf, ok := f.Schema().Lookup(name)
		if !ok {
			return -1
		}
		return leaf.ColumnIndex
	})
	if err != nil {
		return err
	}
	for _, group := range f.RowGroups() {
		if err := b.rowGroup(group, columns); err != nil {
			return err
		}
	}
	return nil
}

// checkFooter looks at the end of the file: the library takes as much memory for the footer as the file says that it has, up to 4 GB.
func checkFooter(file io.ReaderAt, size int64) error {
	var end [8]byte
	if size < int64(len(end)+len(parquetMark)) {
		return errors.New("the Parquet file is cut off")
	}
	if _, err := file.ReadAt(end[:], size-int64(len(end))); err != nil {
		return err
	}
	if !bytes.Equal(end[4:], parquetMark) || int64(binary.LittleEndian.Uint32(end[:4])) > size-int64(len(end)+len(parquetMark)) {
		return errors.New("the Parquet file is cut off")
	}
	return nil
}

func (b *builder) rowGroup(group parquet.RowGroup, columns [4]int) error {
	rows := group.Rows()
	defer func() { _ = rows.Close() }() // It was only read.
	var buffer [512]parquet.Row
	var text [4][]byte
	for {
		n, err := rows.ReadRows(buffer[:])
		for _, row := range buffer[:n] {
			var count int64
			clear(text[:])
			for _, value := range row {
				at := slices.Index(columns[:], value.Column())
				switch {
				case at < 0 || value.IsNull():
				case at == countColumn:
					count = integer(value)
				case value.Kind() == parquet.ByteArray:
					text[at] = value.ByteArray()
				default:
					text[at] = strconv.AppendInt(nil, integer(value), 10)
				}
			}
			if err := b.add(text[sexColumn], text[nameColumn], text[yearColumn], count); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// integer is a number however the file keeps it; -1, which is refused, for what is none.
func integer(v parquet.Value) int64 {
	switch v.Kind() {
	case parquet.Int32:
		return int64(v.Int32())
	case parquet.Int64:
		return v.Int64()
	case parquet.Double:
		return int64(v.Double())
	case parquet.Float:
		return int64(v.Float())
	}
	return -1
}
