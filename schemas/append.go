package schemas

import (
	"encoding/binary"
	"math"
)

// AppendIdentifiers appends the Avro of the identifiers field alone, for the stage that replaces it.
func AppendIdentifiers(dst []byte, identifiers []Identifier) []byte {
	return appendIdentifierArray(dst, identifiers)
}

func appendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func appendString(dst []byte, s string) []byte {
	if len(s) < 64 {
		return append(append(dst, byte(len(s)<<1)), s...)
	}
	return append(appendLong(dst, int64(len(s))), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(appendLong(dst, int64(len(b))), b...)
}

func appendStringArray(dst []byte, items []string) []byte {
	if len(items) == 0 {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(len(items)))
	for _, s := range items {
		dst = appendString(dst, s)
	}
	return append(dst, 0)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// appendDecimal writes the shortest two's complement, at least one byte.
func appendDecimal(dst []byte, v Decimal) []byte {
	n := 1
	for rest := int64(v) >> 7; rest != 0 && rest != -1; rest >>= 8 {
		n++
	}
	dst = append(dst, byte(n<<1))
	for shift := (n - 1) * 8; shift >= 0; shift -= 8 {
		dst = append(dst, byte(int64(v)>>shift))
	}
	return dst
}
