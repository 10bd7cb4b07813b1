package schemas

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// reader walks an Avro body. Its error is sticky: the first problem is kept, the position jumps to the end, and every
// later read answers zero. So decoders check once, after the last field or the item of an array, and not at every read.
type reader struct {
	buf     []byte
	pos     int
	at      int    // where the value at fault begins
	problem string // what is wrong with it; empty when nothing is
	depth   int    // of recursive types being skipped
	hollow  int    // items read that take no bytes
	spans   []Span
}

func (r *reader) failed() bool { return r.problem != "" }

func (r *reader) fail(at int, problem string) {
	if r.problem == "" {
		r.at, r.problem = at, problem
	}
	r.pos = len(r.buf)
}

const (
	problemShort   = "the body ends inside of the value"
	problemVarint  = "the number has more than 64 bits"
	problemInt     = "the number has more than 32 bits"
	problemLength  = "the length is negative or goes beyond the end of the body"
	problemCount   = "the array or map has more items than the rest of the body can hold"
	problemBool    = "the boolean is neither 0 nor 1"
	problemUnion   = "the union has no such branch"
	problemDecimal = "the decimal has more than 18 digits"
	problemDepth   = "records are nested too deep"
)

func (r *reader) long() int64 {
	if r.pos < len(r.buf) {
		if b := r.buf[r.pos]; b < 0x80 {
			r.pos++
			return int64(b>>1) ^ -int64(b&1)
		}
	}
	return r.longSlow()
}

func (r *reader) longSlow() int64 {
	u, n := binary.Uvarint(r.buf[r.pos:])
	switch {
	case n == 0:
		r.fail(r.pos, problemShort)
		return 0
	case n < 0:
		r.fail(r.pos, problemVarint)
		return 0
	}
	r.pos += n
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) int() int32 {
	at := r.pos
	v := r.long()
	if v != int64(int32(v)) {
		r.fail(at, problemInt)
		return 0
	}
	return int32(v)
}

// bytes returns a value with a length in front. It aliases the body.
func (r *reader) bytes() []byte {
	// Most values are shorter than 64 bytes: the length is one byte, and even for it is not negative.
	if r.pos < len(r.buf) {
		if b := r.buf[r.pos]; b&0x81 == 0 {
			start := r.pos + 1
			if end := start + int(b>>1); end <= len(r.buf) {
				r.pos = end
				return r.buf[start:end:end]
			}
		}
	}
	return r.longBytes()
}

func (r *reader) longBytes() []byte {
	at := r.pos
	n := r.long()
	if uint64(n) > uint64(len(r.buf)-r.pos) {
		r.fail(at, problemLength)
		return nil
	}
	start := r.pos
	r.pos += int(n)
	return r.buf[start:r.pos:r.pos]
}

// string returns a string that aliases the body.
func (r *reader) string() string {
	b := r.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (r *reader) fixed(n int) []byte {
	if n > len(r.buf)-r.pos {
		r.fail(r.pos, problemShort)
		return nil
	}
	start := r.pos
	r.pos += n
	return r.buf[start:r.pos]
}

func (r *reader) uuid() (u UUID) {
	copy(u[:], r.fixed(len(u)))
	return u
}

func (r *reader) bool() bool {
	if r.pos >= len(r.buf) {
		r.fail(r.pos, problemShort)
		return false
	}
	b := r.buf[r.pos]
	if b > 1 {
		r.fail(r.pos, problemBool)
		return false
	}
	r.pos++
	return b == 1
}

func (r *reader) double() float64 {
	b := r.fixed(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

func (r *reader) float() float64 {
	b := r.fixed(4)
	if b == nil {
		return 0
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}

func (r *reader) decimal() Decimal {
	at := r.pos
	b := r.bytes()
	if len(b) == 0 {
		return 0
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		if v < math.MinInt64>>8 || v > math.MaxInt64>>8 {
			r.fail(at, problemDecimal)
			return 0
		}
		v = v<<8 | int64(c)
	}
	if Decimal(v) > maxDecimal || Decimal(v) < -maxDecimal {
		r.fail(at, problemDecimal)
		return 0
	}
	return Decimal(v)
}

// nullAt tells how the writer's schema says that a value may be missing.
type nullAt int8

const (
	neverNull nullAt = iota
	nullFirst
	nullLast
)

// present reads the branch of a union with null; a writer that never writes null has no branch to read.
func (r *reader) present(null nullAt) bool {
	if null == neverNull {
		return !r.failed()
	}
	at := r.pos
	switch branch := r.long(); branch {
	case 0, 1:
		return branch == 1 == (null == nullFirst) && !r.failed()
	default:
		r.fail(at, problemUnion)
		return false
	}
}

// block reads the head of a block of an array or map and returns its number of items, 0 after the last block. An item
// takes at least minimum bytes, so a count that the rest of the body cannot hold is refused before anything is allocated.
// Items that take no bytes, as nulls do, may be as many in all as the body has bytes: a few bytes could claim billions.
func (r *reader) block(minimum int) int {
	at := r.pos
	n := r.long()
	if n < 0 {
		size := r.long()
		if uint64(size) > uint64(len(r.buf)-r.pos) {
			r.fail(at, problemLength)
			return 0
		}
		n = -n
	}
	room := len(r.buf) - r.hollow
	if minimum > 0 {
		room = (len(r.buf) - r.pos) / minimum
	}
	if uint64(n) > uint64(room) {
		r.fail(at, problemCount)
		return 0
	}
	if minimum == 0 {
		r.hollow += int(n)
	}
	return int(n)
}

// mark notes the bytes from start on as those of the selected fields at.
func (r *reader) mark(at []int, start int) {
	for _, i := range at {
		r.spans[i] = Span{Start: start, End: r.pos}
	}
}

func decodeStringArray(r *reader, items []string) []string {
	items = items[:0]
	for n := r.block(1); n > 0; n = r.block(1) {
		for range n {
			items = append(items, r.string())
			if r.failed() {
				return items
			}
		}
	}
	return items
}
