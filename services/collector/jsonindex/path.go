package jsonindex

import (
	"strconv"
	"strings"
)

const maxPath = 200

// step finds the member or item of v that holds a position, and how it is written in a path.
func (ix *Index) step(v Value, pos int) (Value, string) {
	for m := v.Members(); m.More(); m = m.Next() {
		start := int(ix.nodes[m.key].start)
		if _, end := m.Value().Span(); pos >= start && pos < end {
			return m.Value(), "." + m.Key()
		}
	}
	count := 0
	for i := v.Items(); i.More(); i = i.Next() {
		if start, end := i.Value().Span(); pos >= start && pos < end {
			return i.Value(), "[" + strconv.Itoa(count) + "]"
		}
		count++
	}
	return Value{}, ""
}

func trimPath(path []byte) string {
	if len(path) > maxPath {
		path = path[:maxPath]
	}
	return strings.ToValidUTF8(strings.TrimPrefix(string(path), "."), "\ufffd")
}
