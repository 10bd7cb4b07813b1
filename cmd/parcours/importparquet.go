package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetSource reads the columns of a Parquet file that are no lists.
type parquetSource struct {
	file   *os.File
	parts  []parquet.RowGroup
	rows   parquet.Rows
	buffer []parquet.Row
	ready  []parquet.Row
	names  []string
	// field is where a leaf of the file stands among the names; -1 for one that repeats.
	field  []int
	texts  []func(parquet.Value) string
	number int64
	total  int64
}

func openParquet(path string) (*parquetSource, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	opened, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s as Parquet: %w", path, err), file.Close())
	}
	s := &parquetSource{file: file, parts: opened.RowGroups(), total: opened.NumRows(), buffer: make([]parquet.Row, 256)}
	for _, path := range opened.Schema().Columns() {
		leaf, ok := opened.Schema().Lookup(path...)
		at := -1
		if ok && leaf.MaxRepetitionLevel == 0 {
			at = len(s.names)
			s.names = append(s.names, strings.Join(path, "."))
		}
		s.field = append(s.field, at)
		s.texts = append(s.texts, textOfParquet(leaf.Node))
	}
	return s, nil
}

func (s *parquetSource) columns() []string { return s.names }
func (s *parquetSource) header() []byte    { return nil }
func (s *parquetSource) position() int64   { return s.number }
func (s *parquetSource) size() int64       { return s.total }

func (s *parquetSource) next(row *importRow) (*refusal, error) {
	for len(s.ready) == 0 {
		if s.rows == nil {
			if len(s.parts) == 0 {
				return nil, io.EOF
			}
			s.rows, s.parts = s.parts[0].Rows(), s.parts[1:]
		}
		n, err := s.rows.ReadRows(s.buffer)
		s.ready = s.buffer[:n]
		if n > 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read row %d: %w", s.number+1, err)
		}
		if err := s.rows.Close(); err != nil {
			return nil, fmt.Errorf("read row %d: %w", s.number+1, err)
		}
		s.rows = nil
	}
	s.number++
	row.line = s.number
	row.fields = row.fields[:0]
	for range s.names {
		row.fields = append(row.fields, "")
	}
	for _, value := range s.ready[0] {
		if at := s.field[value.Column()]; at >= 0 && !value.IsNull() {
			row.fields[at] = s.texts[value.Column()](value)
		}
	}
	s.ready = s.ready[1:]
	row.raw = s.asJSON(row)
	return nil, nil
}

// asJSON is the row for a file of refused ones, which NDJSON can be made of.
func (s *parquetSource) asJSON(row *importRow) []byte {
	object := make(map[string]string, len(s.names))
	for i, name := range s.names {
		if row.fields[i] != "" {
			object[name] = row.fields[i]
		}
	}
	text, err := json.Marshal(object)
	if err != nil { // strings always have a JSON form
		return nil
	}
	return text
}

func (s *parquetSource) close() error {
	if s.rows != nil {
		return errors.Join(s.rows.Close(), s.file.Close())
	}
	return s.file.Close()
}

const secondsOfADay = 24 * 60 * 60

// textOfParquet writes the values of a leaf as a file of text would have them.
func textOfParquet(node parquet.Node) func(parquet.Value) string {
	if node == nil {
		return parquet.Value.String
	}
	if logical := node.Type().LogicalType(); logical != nil {
		switch kind := logical.Value.(type) {
		case *format.DateType:
			return func(v parquet.Value) string {
				return time.Unix(int64(v.Int32())*secondsOfADay, 0).UTC().Format(time.DateOnly)
			}
		case *format.TimestampType:
			unit := kind.Unit.Value
			return func(v parquet.Value) string {
				at := time.Unix(0, v.Int64())
				switch unit.(type) {
				case *format.MilliSeconds:
					at = time.UnixMilli(v.Int64())
				case *format.MicroSeconds:
					at = time.UnixMicro(v.Int64())
				}
				return at.UTC().Format(time.RFC3339)
			}
		case *format.DecimalType:
			scale := int(kind.Scale)
			return func(v parquet.Value) string { return decimalOf(v, scale) }
		}
	}
	return func(v parquet.Value) string {
		switch v.Kind() {
		case parquet.Boolean:
			return strconv.FormatBool(v.Boolean())
		case parquet.Int32:
			return strconv.FormatInt(int64(v.Int32()), 10)
		case parquet.Int64:
			return strconv.FormatInt(v.Int64(), 10)
		case parquet.Float:
			return strconv.FormatFloat(float64(v.Float()), 'f', -1, 32)
		case parquet.Double:
			return strconv.FormatFloat(v.Double(), 'f', -1, 64)
		}
		return string(v.ByteArray())
	}
}

func decimalOf(v parquet.Value, scale int) string {
	unscaled := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		unscaled.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		unscaled.SetInt64(v.Int64())
	default: // big-endian, two's complement
		digits := v.ByteArray()
		unscaled.SetBytes(digits)
		if len(digits) > 0 && digits[0] >= 0x80 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
		}
	}
	value := new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	return value.FloatString(scale)
}
