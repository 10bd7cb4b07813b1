package warehouse

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
)

// Column is one column of a block, or what an array or a nullable one is made of.
type Column interface {
	// skip adds n rows of what a row without a value has: nothing, zero, false, null, no items.
	skip(n int)
	// chType is the type as the block's header states it; the server converts what differs from the table's.
	chType() string
	rows() int
	// prefix appends what the Native format wants before any value of the column.
	prefix(dst []byte) []byte
	// encode appends the values.
	encode(dst []byte) []byte
	reset()
}

// plainColumn is one that is held as it is sent: plain is what encode appends.
type plainColumn interface{ plain() []byte }

// appender is a column that takes plain values.
type appender[V any] interface {
	Column
	Append(v V)
}

// Strings is a String column; it also feeds JSON columns, which the server parses.
type Strings struct {
	data []byte
	n    int
}

// NewStrings returns an empty String column.
func NewStrings() *Strings { return &Strings{} }

// Append adds a row; the bytes are copied.
func (c *Strings) Append(v string) {
	c.data = binary.AppendUvarint(c.data, uint64(len(v)))
	c.data = append(c.data, v...)
	c.n++
}

func (c *Strings) skip(n int) { c.data, c.n = zeros(c.data, n), c.n+n }

// zeros appends n of them.
func zeros(dst []byte, n int) []byte {
	before := len(dst)
	dst = slices.Grow(dst, n)[:before+n]
	clear(dst[before:])
	return dst
}

func (c *Strings) chType() string           { return "String" }
func (c *Strings) rows() int                { return c.n }
func (c *Strings) prefix(dst []byte) []byte { return dst }
func (c *Strings) encode(dst []byte) []byte { return append(dst, c.data...) }
func (c *Strings) plain() []byte            { return c.data }
func (c *Strings) reset()                   { c.data, c.n = c.data[:0], 0 }

// Documents is a JSON column. It is sent as JSON, with the paths that the table's has, and not as String: ClickHouse reads all,
// but it asks the session how to read what is of the table's type alone, and takes texts that resemble a time for one in the
// others (see insertSession).
type Documents struct {
	Strings
	paths int
}

// NewDocuments returns an empty column JSON(max_dynamic_paths = paths), whose values are texts of objects.
func NewDocuments(paths int) *Documents { return &Documents{paths: paths} }

// documentsAsText is the version of the serialisation in which each value is its text.
const documentsAsText = 1

func (c *Documents) skip(n int) {
	for range n {
		c.data = append(c.data, "\x02{}"...)
	}
	c.n += n
}

func (c *Documents) chType() string { return fmt.Sprintf("JSON(max_dynamic_paths=%d)", c.paths) }

func (c *Documents) prefix(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(dst, documentsAsText)
}

// Words is a LowCardinality(String) column: each different value is written once a block.
type Words struct {
	index map[string]uint32
	dict  Strings
	keys  []uint32
	last  string
	key   uint32
}

// NewWords returns an empty LowCardinality(String) column.
func NewWords() *Words { return &Words{index: make(map[string]uint32)} }

// Append adds a row. v may alias memory that is reused once the block is reset.
func (c *Words) Append(v string) {
	if len(c.keys) > 0 && v == c.last {
		c.keys = append(c.keys, c.key)
		return
	}
	key, known := c.index[v]
	if !known {
		key = uint32(c.dict.n)
		c.index[v] = key
		c.dict.Append(v)
	}
	c.last, c.key = v, key
	c.keys = append(c.keys, key)
}

func (c *Words) skip(n int) {
	if n == 0 {
		return
	}
	c.Append("")
	c.keys = slices.Grow(c.keys, n-1)
	for range n - 1 {
		c.keys = append(c.keys, c.key)
	}
}

// The Native format of a LowCardinality column: see SerializationLowCardinality in ClickHouse.
const (
	dictionaryVersion = 1      // shared dictionaries with additional keys
	hasAdditionalKeys = 1 << 9 // the dictionary follows
	keyUInt8          = 0
	keyUInt16         = 1
	keyUInt32         = 2
)

func (c *Words) chType() string { return "LowCardinality(String)" }
func (c *Words) rows() int      { return len(c.keys) }

func (c *Words) prefix(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(dst, dictionaryVersion)
}

func (c *Words) encode(dst []byte) []byte {
	if len(c.keys) == 0 {
		return dst
	}
	width := uint64(keyUInt32)
	switch {
	case c.dict.n <= math.MaxUint8:
		width = keyUInt8
	case c.dict.n <= math.MaxUint16:
		width = keyUInt16
	}
	dst = binary.LittleEndian.AppendUint64(dst, width|hasAdditionalKeys)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.dict.n))
	dst = c.dict.encode(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(c.keys)))
	switch {
	case c.dict.n == 1: // whose key is 0
		dst = zeros(dst, len(c.keys))
	case width == keyUInt8:
		for _, key := range c.keys {
			dst = append(dst, byte(key))
		}
	case width == keyUInt16:
		for _, key := range c.keys {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(key))
		}
	default:
		for _, key := range c.keys {
			dst = binary.LittleEndian.AppendUint32(dst, key)
		}
	}
	return dst
}

func (c *Words) reset() {
	clear(c.index)
	c.dict.reset()
	c.keys, c.last, c.key = c.keys[:0], "", 0
}

// fixed is a column whose values all have the same width.
type fixed struct {
	typ   string
	width int
	data  []byte
}

func (c *fixed) skip(n int)               { c.data = zeros(c.data, n*c.width) }
func (c *fixed) chType() string           { return c.typ }
func (c *fixed) rows() int                { return len(c.data) / c.width }
func (c *fixed) prefix(dst []byte) []byte { return dst }
func (c *fixed) encode(dst []byte) []byte { return append(dst, c.data...) }
func (c *fixed) plain() []byte            { return c.data }
func (c *fixed) reset()                   { c.data = c.data[:0] }

// Int64s is a column of eight bytes: whole numbers, or the decimals and times that stand on them.
type Int64s struct{ fixed }

// NewInt64s returns an Int64 column.
func NewInt64s() *Int64s { return &Int64s{fixed{typ: "Int64", width: 8}} }

// NewDecimals returns a Decimal(18, 4) column of values times 10^4.
func NewDecimals() *Int64s { return &Int64s{fixed{typ: "Decimal(18, 4)", width: 8}} }

// NewTimes returns a DateTime64(3, 'UTC') column of milliseconds since 1970.
func NewTimes() *Int64s { return &Int64s{fixed{typ: "DateTime64(3, 'UTC')", width: 8}} }

// Append adds a row.
func (c *Int64s) Append(v int64) { c.data = binary.LittleEndian.AppendUint64(c.data, uint64(v)) }

// UInt64s is a UInt64 column.
type UInt64s struct{ fixed }

// NewUInt64s returns a UInt64 column.
func NewUInt64s() *UInt64s { return &UInt64s{fixed{typ: "UInt64", width: 8}} }

// Append adds a row.
func (c *UInt64s) Append(v uint64) { c.data = binary.LittleEndian.AppendUint64(c.data, v) }

// UInt32s is a UInt32 column.
type UInt32s struct{ fixed }

// NewUInt32s returns a UInt32 column.
func NewUInt32s() *UInt32s { return &UInt32s{fixed{typ: "UInt32", width: 4}} }

// Append adds a row.
func (c *UInt32s) Append(v uint32) { c.data = binary.LittleEndian.AppendUint32(c.data, v) }

// Int32s is a column of four bytes: whole numbers, or the dates that stand on them.
type Int32s struct{ fixed }

// NewInt32s returns an Int32 column.
func NewInt32s() *Int32s { return &Int32s{fixed{typ: "Int32", width: 4}} }

// NewDates returns a Date32 column of days since 1970-01-01.
func NewDates() *Int32s { return &Int32s{fixed{typ: "Date32", width: 4}} }

// Append adds a row.
func (c *Int32s) Append(v int32) { c.data = binary.LittleEndian.AppendUint32(c.data, uint32(v)) }

// UInt8s is a UInt8 column.
type UInt8s struct{ fixed }

// NewUInt8s returns a UInt8 column.
func NewUInt8s() *UInt8s { return &UInt8s{fixed{typ: "UInt8", width: 1}} }

// Append adds a row.
func (c *UInt8s) Append(v uint8) { c.data = append(c.data, v) }

// Bools is a Bool column.
type Bools struct{ fixed }

// NewBools returns a Bool column.
func NewBools() *Bools { return &Bools{fixed{typ: "Bool", width: 1}} }

// Append adds a row.
func (c *Bools) Append(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	c.data = append(c.data, b)
}

// Float64s is a Float64 column.
type Float64s struct{ fixed }

// NewFloat64s returns a Float64 column.
func NewFloat64s() *Float64s { return &Float64s{fixed{typ: "Float64", width: 8}} }

// Append adds a row.
func (c *Float64s) Append(v float64) {
	c.data = binary.LittleEndian.AppendUint64(c.data, math.Float64bits(v))
}

// UUIDs is a UUID column.
type UUIDs struct{ fixed }

// NewUUIDs returns a UUID column.
func NewUUIDs() *UUIDs { return &UUIDs{fixed{typ: "UUID", width: 16}} }

// Append adds a row. ClickHouse keeps a UUID as two words of eight bytes, each in little-endian order.
func (c *UUIDs) Append(v uuid.UUID) {
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(v[:8]))
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(v[8:]))
}

// Nullable is a column of values that may be missing.
type Nullable[V any, C appender[V]] struct {
	nulls  []byte
	values C
}

// NewNullable makes a column nullable.
func NewNullable[V any, C appender[V]](values C) *Nullable[V, C] {
	return &Nullable[V, C]{values: values}
}

// Append adds a row: v, or null when it is not valid.
func (c *Nullable[V, C]) Append(v V, valid bool) {
	null := byte(0)
	if !valid {
		var zero V
		v, null = zero, 1
	}
	c.nulls = append(c.nulls, null)
	c.values.Append(v)
}

func (c *Nullable[V, C]) skip(n int) {
	for range n {
		c.nulls = append(c.nulls, 1)
	}
	c.values.skip(n)
}

func (c *Nullable[V, C]) chType() string           { return "Nullable(" + c.values.chType() + ")" }
func (c *Nullable[V, C]) rows() int                { return len(c.nulls) }
func (c *Nullable[V, C]) prefix(dst []byte) []byte { return c.values.prefix(dst) }
func (c *Nullable[V, C]) encode(dst []byte) []byte { return c.values.encode(append(dst, c.nulls...)) }
func (c *Nullable[V, C]) reset()                   { c.nulls = c.nulls[:0]; c.values.reset() }

// Array is a column of arrays: a row is what was appended to Items since the last End.
type Array[C Column] struct {
	Items C
	ends  []byte
}

// NewArray returns an array column of items.
func NewArray[C Column](items C) *Array[C] { return &Array[C]{Items: items} }

// End adds the row.
func (c *Array[C]) End() {
	c.ends = binary.LittleEndian.AppendUint64(c.ends, uint64(c.Items.rows()))
}

func (c *Array[C]) skip(n int) {
	for range n {
		c.End()
	}
}

func (c *Array[C]) chType() string           { return "Array(" + c.Items.chType() + ")" }
func (c *Array[C]) rows() int                { return len(c.ends) / 8 }
func (c *Array[C]) prefix(dst []byte) []byte { return c.Items.prefix(dst) }
func (c *Array[C]) encode(dst []byte) []byte { return c.Items.encode(append(dst, c.ends...)) }
func (c *Array[C]) reset()                   { c.ends = c.ends[:0]; c.Items.reset() }
