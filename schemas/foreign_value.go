package schemas

import (
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// append writes the kept values of a record as an object, and reports whether there were any.
func (p *keepPlan) append(r *reader, to []byte) ([]byte, bool) {
	start := len(to)
	to = append(to, '{')
	some := false
	for i := range p.steps {
		s := &p.steps[i]
		if s.skip != nil {
			r.skip(s.skip)
			continue
		}
		before := len(to)
		if some {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), s.name...), `":`...)
		kept := false
		switch {
		case s.value != nil:
			to, kept = appendValue(r, to, s.value)
		case s.array:
			to, kept = s.record.appendItems(r, to)
		case r.present(s.null):
			to, kept = s.record.append(r, to)
		}
		if !kept {
			to = to[:before]
		}
		some = some || kept
	}
	if !some || r.failed() {
		return to[:start], false
	}
	return append(to, '}'), true
}

// appendItems writes an array of objects, an empty one for each item without a kept value.
func (p *keepPlan) appendItems(r *reader, to []byte) ([]byte, bool) {
	start := len(to)
	to = append(to, '[')
	some, first := false, true
	for n := r.block(p.minSize); n > 0; n = r.block(p.minSize) {
		for range n {
			if !first {
				to = append(to, ',')
			}
			first = false
			var kept bool
			if to, kept = p.append(r, to); !kept {
				to = append(to, "{}"...)
			}
			some = some || kept
			if r.failed() {
				return to[:start], false
			}
		}
	}
	if !some {
		return to[:start], false
	}
	return append(to, ']'), true
}

// appendValue writes a value of any type as JSON; a null is not written at the top, where kept is then false.
func appendValue(r *reader, to []byte, t *avsc.Type) (out []byte, kept bool) {
	if r.depth++; r.depth > maxSkipDepth {
		r.fail(r.pos, problemDepth)
	}
	defer func() { r.depth-- }()
	if r.failed() {
		return to, false
	}
	switch t.Kind {
	case avsc.Null:
		return to, false
	case avsc.Union:
		at := r.pos
		branch := r.long()
		if uint64(branch) >= uint64(len(t.Branches)) {
			r.fail(at, problemUnion)
			return to, false
		}
		return appendValue(r, to, t.Branches[branch])
	case avsc.Record:
		return appendRecord(r, to, t)
	case avsc.Array:
		return appendArray(r, to, t)
	case avsc.Map:
		return appendMap(r, to, t)
	}
	return appendScalar(r, to, t), !r.failed()
}

func appendRecord(r *reader, to []byte, t *avsc.Type) ([]byte, bool) {
	to = append(to, '{')
	first := true
	for i := range t.Fields {
		before := len(to)
		if !first {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), t.Fields[i].Name...), `":`...)
		var kept bool
		if to, kept = appendValue(r, to, t.Fields[i].Type); !kept {
			to = to[:before]
			continue
		}
		first = false
	}
	return append(to, '}'), !r.failed()
}

func appendArray(r *reader, to []byte, t *avsc.Type) ([]byte, bool) {
	to = append(to, '[')
	first := true
	least := minSize(t.Items)
	for n := r.block(least); n > 0 && !r.failed(); n = r.block(least) {
		for ; n > 0 && !r.failed(); n-- {
			if !first {
				to = append(to, ',')
			}
			first = false
			var kept bool
			if to, kept = appendValue(r, to, t.Items); !kept {
				to = append(to, "null"...) // keeps the positions of the others
			}
		}
	}
	return append(to, ']'), !r.failed()
}

func appendMap(r *reader, to []byte, t *avsc.Type) ([]byte, bool) {
	to = append(to, '{')
	first := true
	least := 1 + minSize(t.Items)
	for n := r.block(least); n > 0 && !r.failed(); n = r.block(least) {
		for ; n > 0 && !r.failed(); n-- {
			before := len(to)
			if !first {
				to = append(to, ',')
			}
			to = append(appendQuoted(to, r.bytes()), ':')
			var kept bool
			if to, kept = appendValue(r, to, t.Items); !kept {
				to = to[:before]
				continue
			}
			first = false
		}
	}
	return append(to, '}'), !r.failed()
}

func appendScalar(r *reader, to []byte, t *avsc.Type) []byte {
	switch t.Kind {
	case avsc.Boolean:
		return strconv.AppendBool(to, r.bool())
	case avsc.Int:
		return strconv.AppendInt(to, int64(r.int()), 10)
	case avsc.Long:
		return strconv.AppendInt(to, r.long(), 10)
	case avsc.Float:
		return appendFloat(to, r.float(), 32)
	case avsc.Double:
		return appendFloat(to, r.double(), 64)
	case avsc.String:
		return appendQuoted(to, r.bytes())
	case avsc.Enum:
		at := r.pos
		if symbol := r.long(); uint64(symbol) < uint64(len(t.Symbols)) {
			return appendQuoted(to, []byte(t.Symbols[symbol]))
		}
		r.fail(at, problemUnion)
		return to
	case avsc.Fixed:
		return appendBinary(to, r.fixed(t.Size), t)
	}
	return appendBinary(to, r.bytes(), t)
}

func appendBinary(to, b []byte, t *avsc.Type) []byte {
	switch {
	case t.Logical == "decimal":
		return append(append(append(to, '"'), decimalText(b, t.Scale)...), '"')
	case t.Kind == avsc.Fixed && len(b) == len(uuid.UUID{}):
		return append(append(append(to, '"'), uuid.UUID(b).String()...), '"')
	}
	to = append(to, '"')
	to = base64.StdEncoding.AppendEncode(to, b)
	return append(to, '"')
}

// decimalText is a decimal of any size: big-endian two's complement of the value without its point.
func decimalText(b []byte, scale int) string {
	value := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		value.Sub(value, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if scale <= 0 {
		return value.String()
	}
	sign := ""
	if value.Sign() < 0 {
		sign = "-"
		value.Neg(value)
	}
	digits := value.String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// appendFloat writes the shortest text that reads as the same number, with a point or an exponent, so that it is never
// taken for an integer.
func appendFloat(to []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(to, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(to, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(to, `"-Infinity"`...)
	}
	start := len(to)
	to = strconv.AppendFloat(to, v, 'g', -1, bits)
	for _, c := range to[start:] {
		if c == '.' || c == 'e' {
			return to
		}
	}
	return append(to, ".0"...)
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string. Bytes that are not UTF-8 stay as they are: whoever reads the text has to refuse it.
func appendQuoted(to, s []byte) []byte {
	to = append(to, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c < 0x20:
			to = append(to, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}
