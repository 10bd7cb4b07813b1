package jsonindex

import (
	"unicode/utf8"
	"unsafe"
)

// Value is one value of an index; the zero Value is missing.
type Value struct {
	ix *Index
	n  uint32
}

// Kind says what the value is.
func (v Value) Kind() Kind {
	if v.ix == nil {
		return Missing
	}
	return v.ix.nodes[v.n].kind
}

// Raw is the text of the value, valid until the next Parse.
func (v Value) Raw() []byte {
	if v.ix == nil {
		return nil
	}
	n := &v.ix.nodes[v.n]
	return v.ix.text[n.start:n.end]
}

// Span is where the value stands in the text.
func (v Value) Span() (start, end int) {
	if v.ix == nil {
		return 0, 0
	}
	n := &v.ix.nodes[v.n]
	return int(n.start), int(n.end)
}

// Text is a string without quotes and escapes, or the text of any other scalar.
func (v Value) Text() string {
	if v.ix == nil {
		return ""
	}
	n := &v.ix.nodes[v.n]
	if n.kind != String {
		return alias(v.ix.text[n.start:n.end])
	}
	return v.ix.unquoted(n)
}

func (ix *Index) unquoted(n *node) string {
	raw := ix.text[n.start+1 : n.end-1]
	if n.flags&flagEscaped == 0 {
		return alias(raw)
	}
	from := len(ix.strings)
	ix.strings = appendUnescaped(ix.strings, raw)
	return alias(ix.strings[from:])
}

// alias turns bytes that nobody will change into a string without a copy.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Get finds a member of an object by its key.
func (v Value) Get(key string) Value {
	for m := v.Members(); m.More(); m = m.Next() {
		if m.is(key) {
			return m.Value()
		}
	}
	return Value{}
}

// lookup is Get for many keys: what looks each of its own up in a large object must not walk it every time.
func (v Value) lookup() func(key string) Value {
	if v.Len() <= pairwise {
		return v.Get
	}
	members := make(map[string]Value)
	for m := v.Members(); m.More(); m = m.Next() {
		members[m.Key()] = m.Value()
	}
	return func(key string) Value { return members[key] }
}

// Len is the number of items of an array or of members of an object.
func (v Value) Len() int {
	count := 0
	switch v.Kind() {
	case Object:
		for m := v.Members(); m.More(); m = m.Next() {
			count++
		}
	case Array:
		for i := v.Items(); i.More(); i = i.Next() {
			count++
		}
	}
	return count
}

// Members starts at the first member of an object; anything else has none.
func (v Value) Members() Member {
	if v.Kind() != Object {
		return Member{}
	}
	return Member{ix: v.ix, key: v.n + 1, end: v.ix.nodes[v.n].next}
}

// Member is a place in an object.
type Member struct {
	ix       *Index
	key, end uint32
}

// More says whether the place holds a member.
func (m Member) More() bool { return m.key < m.end }

// Next is the place after this one.
func (m Member) Next() Member {
	m.key = m.ix.nodes[m.key+1].next
	return m
}

// Key is the member's name.
func (m Member) Key() string {
	n := &m.ix.nodes[m.key]
	if n.flags&flagEscaped == 0 {
		return alias(m.ix.text[n.start+1 : n.end-1])
	}
	return m.ix.unquoted(n)
}

// is compares the key without making a text of it: a search compares many keys and keeps none.
func (m Member) is(key string) bool {
	n := &m.ix.nodes[m.key]
	raw := m.ix.text[n.start+1 : n.end-1]
	if n.flags&flagEscaped == 0 {
		return string(raw) == key
	}
	for i := 0; i < len(raw); {
		size := 1
		if raw[i] == '\\' {
			size, _ = escape(raw[i:])
		}
		var one [utf8.UTFMax]byte
		plain := appendUnescaped(one[:0], raw[i:i+size])
		if len(key) < len(plain) || key[:len(plain)] != string(plain) {
			return false
		}
		key, i = key[len(plain):], i+size
	}
	return key == ""
}

// Value is the member's value.
func (m Member) Value() Value { return Value{ix: m.ix, n: m.key + 1} }

// Items starts at the first item of an array; anything else has none.
func (v Value) Items() Item {
	if v.Kind() != Array {
		return Item{}
	}
	return Item{ix: v.ix, n: v.n + 1, end: v.ix.nodes[v.n].next}
}

// Item is a place in an array.
type Item struct {
	ix     *Index
	n, end uint32
}

// More says whether the place holds an item.
func (i Item) More() bool { return i.n < i.end }

// Next is the place after this one.
func (i Item) Next() Item {
	i.n = i.ix.nodes[i.n].next
	return i
}

// Value is the item.
func (i Item) Value() Value { return Value{ix: i.ix, n: i.n} }

// appendUnescaped resolves the escapes of a checked string; half a surrogate pair becomes U+FFFD.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		size, half := escape(raw[i:])
		switch e := raw[i+1]; e {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i:])
			if half {
				r = utf8.RuneError
			} else if size == 12 {
				low, _ := hex4(raw[i+6:])
				r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, e)
		}
		i += size
	}
	return dst
}
