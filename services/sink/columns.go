package sink

import (
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
)

// rows builds the block of one table from a record that is decoded again and again into the same memory: each column
// knows where its value stands, so a row is one pass over the columns and no object.
type rows struct {
	block *warehouse.Block
	// unique tables have one row of each record for as long as it is kept, so they can be asked which they have. The rows of others merge
	// by key and version: one that is inserted again changes nothing.
	unique bool
	fill   []func()
}

func newRows(table string) *rows { return &rows{block: warehouse.NewBlock(table)} }

// add appends what the columns' places hold now as the next row.
func (r *rows) add() {
	for _, fill := range r.fill {
		fill()
	}
	r.block.EndRow()
}

// section makes one of the columns that add gives: where a record has no such section, its columns cost nothing.
func (r *rows) section(present *bool, add func()) {
	outer := r.fill
	r.fill = nil
	section := r.block.Section(add)
	inner := r.fill
	r.fill = append(outer, func() {
		if !*present {
			section.Absent()
			return
		}
		section.Present()
		for _, fill := range inner {
			fill()
		}
	})
}

type appender[V any] interface {
	warehouse.Column
	Append(v V)
}

func plain[V any, C appender[V]](r *rows, name string, column C, at *V) {
	warehouse.Add(r.block, name, column)
	r.fill = append(r.fill, func() { column.Append(*at) })
}

func (r *rows) words(name string, at *string) { plain(r, name, warehouse.NewWords(), at) }
func (r *rows) text(name string, at *string)  { plain(r, name, warehouse.NewStrings(), at) }

// documentPaths is how many names of a JSON column have files of their own, as the migrations state it for each.
const documentPaths = 64

func (r *rows) documents(name string, at *string) {
	plain(r, name, warehouse.NewDocuments(documentPaths), at)
}

func (r *rows) uuids(name string, at *uuid.UUID) {
	plain(r, name, warehouse.NewUUIDs(), at)
}
func (r *rows) int32s(name string, at *int32)   { plain(r, name, warehouse.NewInt32s(), at) }
func (r *rows) int64s(name string, at *int64)   { plain(r, name, warehouse.NewInt64s(), at) }
func (r *rows) uint64s(name string, at *uint64) { plain(r, name, warehouse.NewUInt64s(), at) }
func (r *rows) uint32s(name string, at *uint32) { plain(r, name, warehouse.NewUInt32s(), at) }
func (r *rows) uint8s(name string, at *uint8)   { plain(r, name, warehouse.NewUInt8s(), at) }
func (r *rows) bools(name string, at *bool)     { plain(r, name, warehouse.NewBools(), at) }

func (r *rows) times(name string, at *schemas.Millis) {
	column := warehouse.Add(r.block, name, warehouse.NewTimes())
	r.fill = append(r.fill, func() { column.Append(int64(*at)) })
}

func optional[V, W any, C appender[W]](r *rows, name string, column C, at *schemas.Optional[V], convert func(V) W) {
	nullable := warehouse.Add(r.block, name, warehouse.NewNullable[W](column))
	r.fill = append(r.fill, func() { nullable.Append(convert(at.Value), at.Valid) })
}

func same[V any](v V) V                   { return v }
func units(v schemas.Decimal) int64       { return int64(v) }
func days(v schemas.Date) int32           { return int32(v) }
func milliseconds(v schemas.Millis) int64 { return int64(v) }

func (r *rows) decimals(name string, at *schemas.Optional[schemas.Decimal]) {
	optional(r, name, warehouse.NewDecimals(), at, units)
}

func (r *rows) maybeTimes(name string, at *schemas.Optional[schemas.Millis]) {
	optional(r, name, warehouse.NewTimes(), at, milliseconds)
}

func (r *rows) maybeDates(name string, at *schemas.Optional[schemas.Date]) {
	optional(r, name, warehouse.NewDates(), at, days)
}

func (r *rows) maybeBools(name string, at *schemas.Optional[bool]) {
	optional(r, name, warehouse.NewBools(), at, same[bool])
}

func (r *rows) maybeUInt8s(name string, at *schemas.Optional[int32]) {
	optional(r, name, warehouse.NewUInt8s(), at, func(v int32) uint8 { return uint8(v) })
}

func (r *rows) maybeInt32s(name string, at *schemas.Optional[int32]) {
	optional(r, name, warehouse.NewInt32s(), at, same[int32])
}

func (r *rows) maybeInt64s(name string, at *schemas.Optional[int64]) {
	optional(r, name, warehouse.NewInt64s(), at, same[int64])
}

func (r *rows) maybeFloats(name string, at *schemas.Optional[float64]) {
	optional(r, name, warehouse.NewFloat64s(), at, same[float64])
}

// of makes a nullable column from a field of a section that may be missing as a whole.
func of[V any, C appender[V]](r *rows, name string, column C, value func() (V, bool)) {
	nullable := warehouse.Add(r.block, name, warehouse.NewNullable[V](column))
	r.fill = append(r.fill, func() { nullable.Append(value()) })
}

// wordLists is a column of lists of words.
func (r *rows) wordLists(name string, at *[]string) {
	column := warehouse.Add(r.block, name, warehouse.NewArray(warehouse.NewWords()))
	r.fill = append(r.fill, func() {
		for _, word := range *at {
			column.Items.Append(word)
		}
		column.End()
	})
}

// nodes is a column of lists of nodes.
func (r *rows) nodes(name string, at *[]uuid.UUID) {
	each(r, name, warehouse.NewUUIDs(), at, func(n *uuid.UUID) uuid.UUID { return *n })
}

// each is a column of arrays: a field of every record of a list.
func each[S, V any, C appender[V]](r *rows, name string, items C, at *[]S, field func(*S) V) {
	column := warehouse.Add(r.block, name, warehouse.NewArray(items))
	r.fill = append(r.fill, func() {
		list := *at
		for i := range list {
			column.Items.Append(field(&list[i]))
		}
		column.End()
	})
}

// eachOptional is each for a field that may be missing.
func eachOptional[S, V, W any, C appender[W]](r *rows, name string, items C, at *[]S, field func(*S) schemas.Optional[V], convert func(V) W) {
	column := warehouse.Add(r.block, name, warehouse.NewArray(warehouse.NewNullable[W](items)))
	r.fill = append(r.fill, func() {
		list := *at
		for i := range list {
			value := field(&list[i])
			column.Items.Append(convert(value.Value), value.Valid)
		}
		column.End()
	})
}

// lineage is where a row comes from.
type lineage struct {
	topic     string
	partition int32
	offset    int64
	schemaID  int32
	produced  schemas.Millis
}

func lineageOf(record *stream.Record, schemaID int32) lineage {
	return lineage{
		topic:     record.Topic,
		partition: record.Partition,
		offset:    record.Offset,
		schemaID:  schemaID,
		produced:  schemas.Millis(record.Timestamp.UnixMilli()),
	}
}

// origin gives a table its lineage columns.
func (r *rows) origin(at *lineage) {
	r.words("_topic", &at.topic)
	r.int32s("_partition", &at.partition)
	r.int64s("_offset", &at.offset)
	r.times("_produced_at", &at.produced)
	r.block.AddStamp("_ingested_at")
}
