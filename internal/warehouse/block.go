package warehouse

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// Block is rows of one table, held column by column. It is filled by one goroutine, inserted, and reset; its
// buffers are kept.
type Block struct {
	table    string
	names    []string
	columns  []Column
	sections []*Section
	stamp    string
	rows     int
	piece    []byte // of the column that is being encoded
}

// Section is columns that have values in the same rows, as those of an order: rows without are counted, and filled in when
// the next one has some. A section that no row of the block has is not sent at all: the table's defaults are what a row
// without a value has.
type Section struct {
	block    *Block
	from, to int // of the block's columns
	absent   int // rows to be filled in
}

// Section makes one of the columns that add gives to the block. Sections stand beside each other, not in each other.
func (b *Block) Section(add func()) *Section {
	s := &Section{block: b, from: len(b.columns)}
	add()
	s.to = len(b.columns)
	b.sections = append(b.sections, s)
	return s
}

// Absent says that the next row has no values of the section: nothing is appended to its columns.
func (s *Section) Absent() { s.absent++ }

// Present comes before the columns of the section take the values of the next row.
func (s *Section) Present() {
	if s.absent == 0 {
		return
	}
	for _, column := range s.block.columns[s.from:s.to] {
		column.skip(s.absent)
	}
	s.absent = 0
}

// empty is whether no row has values of the section.
func (s *Section) empty() bool {
	return s.absent == s.block.rows && s.from < s.to && s.block.columns[s.from].rows() == 0
}

// sent are the places of the columns that are sent, filled in to their last row.
func (b *Block) sent() []int {
	sent := make([]int, 0, len(b.columns))
	next := 0
	for _, s := range b.sections {
		for ; next < s.from; next++ {
			sent = append(sent, next)
		}
		if s.empty() {
			next = s.to
			continue
		}
		s.Present()
	}
	for ; next < len(b.columns); next++ {
		sent = append(sent, next)
	}
	return sent
}

// NewBlock returns an empty block of a table of the database.
func NewBlock(table string) *Block { return &Block{table: table} }

// Add gives the block a column, whose rows the caller appends.
func Add[C Column](b *Block, name string, column C) C {
	b.names = append(b.names, name)
	b.columns = append(b.columns, column)
	return column
}

// AddStamp gives the block a DateTime64(3, 'UTC') column that holds, in every row, when the insert was sent: a
// second attempt is stamped anew.
func (b *Block) AddStamp(name string) { b.stamp = name }

// Table is the name of the block's table.
func (b *Block) Table() string { return b.table }

// Columns are the names of the columns that are sent: those that a row has a value of. The table fills in the others.
func (b *Block) Columns() []string {
	sent := b.sent()
	names := make([]string, 0, len(sent)+1)
	for _, i := range sent {
		names = append(names, b.names[i])
	}
	if b.stamp != "" {
		names = append(names, b.stamp)
	}
	return names
}

// EndRow says that every column has the next row.
func (b *Block) EndRow() { b.rows++ }

// Rows is how many rows there are.
func (b *Block) Rows() int { return b.rows }

// Reset empties the block.
func (b *Block) Reset() {
	b.rows = 0
	for _, column := range b.columns {
		column.reset()
	}
	for _, s := range b.sections {
		s.absent = 0
	}
}

// Encode returns what reads as the block in Native format. It is made column by column while it is read, so that there is
// never a second copy of the whole; the block must not change meanwhile, and one is read at a time.
func (b *Block) Encode(now time.Time) (io.Reader, error) {
	e := &encoding{block: b, sent: b.sent(), now: now}
	for _, i := range e.sent {
		if column := b.columns[i]; column.rows() != b.rows {
			return nil, fmt.Errorf("encode block of %s: column %s has %d rows and the block %d", b.table, b.names[i], column.rows(), b.rows)
		}
	}
	width := len(e.sent)
	if b.stamp != "" {
		width++
	}
	b.piece = binary.AppendUvarint(binary.AppendUvarint(b.piece[:0], uint64(width)), uint64(b.rows))
	e.left[0] = b.piece
	return e, nil
}

// encoding is a block that is being read.
type encoding struct {
	block *Block
	sent  []int
	now   time.Time
	next  int       // of sent; past it comes the stamp
	left  [2][]byte // of the column in hand: what was made of it, and what is sent as it stands
}

// Read implements io.Reader.
func (e *encoding) Read(into []byte) (n int, err error) {
	for n < len(into) {
		if len(e.left[0]) == 0 {
			e.left[0], e.left[1] = e.left[1], nil
		}
		if len(e.left[0]) == 0 && !e.column() {
			return n, io.EOF
		}
		copied := copy(into[n:], e.left[0])
		e.left[0], n = e.left[0][copied:], n+copied
	}
	return n, nil
}

// column takes the next one in hand, if there is one.
func (e *encoding) column() bool {
	var name string
	var column Column
	switch b := e.block; {
	case e.next < len(e.sent):
		name, column = b.names[e.sent[e.next]], b.columns[e.sent[e.next]]
	case e.next == len(e.sent) && b.stamp != "":
		stamps := NewTimes()
		for range b.rows {
			stamps.Append(e.now.UnixMilli())
		}
		name, column = b.stamp, stamps
	default:
		return false
	}
	e.next++
	piece := appendText(appendText(e.block.piece[:0], name), column.chType())
	if e.block.rows > 0 { // a block without rows has no prefixes either
		piece = column.prefix(piece)
		if c, plain := column.(plainColumn); plain {
			e.left[1] = c.plain()
		} else {
			piece = column.encode(piece)
		}
	}
	e.block.piece, e.left[0] = piece, piece
	return true
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// insertStatement names the columns, so that a table may have more of them than we know.
func insertStatement(table string, columns []string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + Database + "." + table + " (")
	for i, name := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + name + "`")
	}
	b.WriteString(")")
	return b.String()
}
