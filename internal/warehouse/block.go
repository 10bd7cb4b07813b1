package warehouse

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Block is rows of one table, held column by column. It is filled by one goroutine, inserted, and reset; its
// buffers are kept.
type Block struct {
	table   string
	names   []string
	columns []Column
	stamp   string
	rows    int
	body    []byte
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

// Columns are the names of the block's columns.
func (b *Block) Columns() []string {
	if b.stamp == "" {
		return b.names
	}
	return append(b.names[:len(b.names):len(b.names)], b.stamp)
}

// EndRow says that every column has the next row.
func (b *Block) EndRow() { b.rows++ }

// Rows is how many rows there are.
func (b *Block) Rows() int { return b.rows }

// keptBody is how large an encoded block may be to be kept for the next: a larger one costs little to make anew.
const keptBody = 1 << 20

// Reset empties the block.
func (b *Block) Reset() {
	b.rows = 0
	if cap(b.body) > keptBody {
		b.body = nil
	}
	for _, column := range b.columns {
		column.reset()
	}
}

// stampSize is room for the header of a block and of the stamp's column.
const stampSize = 128

// Encode returns the block in Native format. The bytes are good until the next call.
func (b *Block) Encode(now time.Time) ([]byte, error) {
	size := 0
	for i, column := range b.columns {
		size += len(b.names[i]) + len(column.chType()) + 2*binary.MaxVarintLen64 + column.size()
	}
	dst := slices.Grow(b.body[:0], size+stampSize+8*b.rows)
	dst = binary.AppendUvarint(dst, uint64(len(b.Columns())))
	dst = binary.AppendUvarint(dst, uint64(b.rows))
	for i, column := range b.columns {
		if column.rows() != b.rows {
			return nil, fmt.Errorf("encode block of %s: column %s has %d rows and the block %d", b.table, b.names[i], column.rows(), b.rows)
		}
		dst = appendText(appendText(dst, b.names[i]), column.chType())
		if b.rows > 0 { // a block without rows has no prefixes either
			dst = column.encode(column.prefix(dst))
		}
	}
	if b.stamp != "" {
		dst = appendText(appendText(dst, b.stamp), NewTimes().chType())
		for range b.rows {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(now.UnixMilli()))
		}
	}
	b.body = dst
	return dst, nil
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
