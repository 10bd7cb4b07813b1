package sink

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// document is the text that a JSON column takes for the text of an event, so that every value of it stays as it was
// said. ClickHouse would refuse the row, or store another number, for
//
//   - a name with a dot beside an object that reads the same, {"a.b": 1, "a": {"b": 2}}: the dot becomes %2E, which is
//     how ClickHouse writes a dot that is part of a name;
//   - a number that none of its types holds to the last digit: it becomes a text of the same digits.
//
// An empty text is an object without names. A text that is no JSON is returned as it is, for ClickHouse to refuse.
func document(text string) string {
	if text == "" {
		return "{}"
	}
	if !wantsCare(text) {
		return text
	}
	p := jsonText{text: text}
	root, ok := p.value(0)
	p.space()
	if !ok || p.at != len(text) || root.kind != '{' {
		return text
	}
	root.escapeNames()
	return string(root.append(make([]byte, 0, len(text)+16)))
}

// exactDigits is how many digits of a decimal number a float64 always holds.
const exactDigits = 15

// wantsCare is one pass over the text that finds, without reading it, whether a name has a dot or an escape, and whether
// a number has many digits or an exponent. It may say so of a text without, never the reverse.
func wantsCare(text string) bool {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"':
			start := i + 1
			odd := false // has a dot or an escape
			for i = start; i < len(text) && text[i] != '"'; i++ {
				switch text[i] {
				case '\\':
					odd = true
					i++
				case '.':
					odd = true
				}
			}
			i++
			if odd {
				next := i
				for next < len(text) && text[next] <= ' ' {
					next++
				}
				if next < len(text) && text[next] == ':' {
					return true
				}
			}
		case '0' <= c && c <= '9':
			start := i
			for i < len(text) && ('0' <= text[i] && text[i] <= '9' || text[i] == '.') {
				i++
			}
			if i-start > exactDigits || i < len(text) && (text[i] == 'e' || text[i] == 'E') {
				return true
			}
		default:
			i++
		}
	}
	return false
}

// jsonNode is a value of a document: its text, and for objects and arrays what is inside.
type jsonNode struct {
	kind    byte // { [ " 0 for numbers, a for true, false and null
	text    string
	names   []string // of an object, as written, with their quotes
	escape  []bool   // of names, whose dots are escaped
	inside  []*jsonNode
	inexact bool // a number that becomes a text
}

// jsonText reads a text into nodes. It is as strict as it has to be not to change what it does not understand.
type jsonText struct {
	text string
	at   int
}

// deepest is as deep as ClickHouse would go.
const deepest = 1000

func (p *jsonText) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *jsonText) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *jsonText) value(depth int) (*jsonNode, bool) {
	p.space()
	if p.at >= len(p.text) || depth > deepest {
		return nil, false
	}
	start := p.at
	switch c := p.text[p.at]; c {
	case '{', '[':
		return p.group(c, depth)
	case '"':
		text, ok := p.quoted()
		return &jsonNode{kind: '"', text: text}, ok
	default:
		for p.at < len(p.text) && strings.IndexByte(" \t\r\n,]}", p.text[p.at]) < 0 {
			p.at++
		}
		text := p.text[start:p.at]
		if !json.Valid([]byte(text)) {
			return nil, false
		}
		if c == 't' || c == 'f' || c == 'n' {
			return &jsonNode{kind: 'a', text: text}, true
		}
		return &jsonNode{kind: '0', text: text, inexact: !exact(text)}, true
	}
}

func (p *jsonText) group(open byte, depth int) (*jsonNode, bool) {
	n := &jsonNode{kind: open}
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	p.at++
	if p.take(end) {
		return n, true
	}
	for {
		if open == '{' {
			p.space()
			name, ok := p.quoted()
			if !ok || !p.take(':') {
				return nil, false
			}
			n.names = append(n.names, name)
		}
		inner, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		n.inside = append(n.inside, inner)
		if p.take(',') {
			continue
		}
		if open == '[' && n.hasFraction() {
			n.roundless()
		}
		n.escape = make([]bool, len(n.names))
		return n, p.take(end)
	}
}

func (p *jsonText) quoted() (string, bool) {
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		return "", false
	}
	start := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			return p.text[start:p.at], true
		}
	}
	return "", false
}

// hasFraction reports whether an array, or one in it, has a number with a fraction: all its numbers are floats then.
func (n *jsonNode) hasFraction() bool {
	for _, inner := range n.inside {
		if inner.kind == '0' && strings.ContainsAny(inner.text, ".eE") || inner.kind == '[' && inner.hasFraction() {
			return true
		}
	}
	return false
}

// roundless marks the integers of an array that floats do not hold.
func (n *jsonNode) roundless() {
	for _, inner := range n.inside {
		switch {
		case inner.kind == '[':
			inner.roundless()
		case inner.kind == '0' && !exactFloat(inner.text):
			inner.inexact = true
		}
	}
}

// exact reports whether ClickHouse holds a number to its last digit.
func exact(text string) bool {
	if strings.ContainsAny(text, ".eE") {
		return exactFloat(text)
	}
	if text[0] == '-' {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	}
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

// exactFloat reports whether the shortest text of the nearest float64 is the same number.
func exactFloat(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return false
	}
	digits, exponent := scientific(text)
	again, power := scientific(strconv.FormatFloat(v, 'e', -1, 64))
	return digits == again && (exponent == power || digits == "")
}

// scientific is a number as its digits without zeros at either end, and the power of ten of the first.
func scientific(text string) (digits string, exponent int) {
	text = strings.TrimPrefix(text, "-")
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		// An exponent that is no int is that of a number that is too large or nothing, and is never compared.
		exponent, _ = strconv.Atoi(strings.TrimPrefix(text[e+1:], "+"))
		text = text[:e]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	exponent += len(whole) - 1
	digits = whole + fraction
	for strings.HasPrefix(digits, "0") {
		digits = digits[1:]
		exponent--
	}
	return strings.TrimRight(digits, "0"), exponent
}

// leaf is a value as ClickHouse finds it: by the names that lead to it, joined by dots.
type leaf struct {
	path   string
	dotted []*bool // of the names that have a dot themselves
}

// escapeNames marks the names with dots whose paths would meet others, in the object and the objects of arrays in it,
// which ClickHouse holds as documents of their own.
func (n *jsonNode) escapeNames() {
	var leaves []leaf
	n.gather("", nil, &leaves)
	seen := make(map[string]int, len(leaves))
	for _, l := range leaves {
		seen[l.path]++
	}
	meets := make(map[string]bool)
	for _, l := range leaves {
		if seen[l.path] > 1 {
			meets[l.path] = true
		}
		for i := range len(l.path) {
			if above := l.path[:i]; l.path[i] == '.' && seen[above] > 0 {
				meets[above], meets[l.path] = true, true
			}
		}
	}
	for _, l := range leaves {
		if meets[l.path] {
			for _, escape := range l.dotted {
				*escape = true
			}
		}
	}
}

func (n *jsonNode) gather(path string, dotted []*bool, leaves *[]leaf) {
	switch n.kind {
	case '{':
		for i, quoted := range n.names {
			var name string
			if err := json.Unmarshal([]byte(quoted), &name); err != nil {
				continue // ClickHouse will refuse it
			}
			below := dotted[:len(dotted):len(dotted)]
			if strings.Contains(name, ".") {
				below = append(below, &n.escape[i])
			}
			if path != "" {
				name = path + "." + name
			}
			n.inside[i].gather(name, below, leaves)
		}
		return
	case '[':
		n.eachObject((*jsonNode).escapeNames)
	}
	*leaves = append(*leaves, leaf{path: path, dotted: dotted})
}

// eachObject visits the objects of an array and of the arrays in it.
func (n *jsonNode) eachObject(visit func(*jsonNode)) {
	for _, inner := range n.inside {
		switch inner.kind {
		case '{':
			visit(inner)
		case '[':
			inner.eachObject(visit)
		}
	}
}

var escapeDots = strings.NewReplacer(".", "%2E", `\u002e`, "%2E", `\u002E`, "%2E")

func (n *jsonNode) append(to []byte) []byte {
	switch n.kind {
	case '{':
		to = append(to, '{')
		for i, inner := range n.inside {
			if i > 0 {
				to = append(to, ',')
			}
			name := n.names[i]
			if n.escape[i] {
				name = escapeDots.Replace(name)
			}
			to = append(append(to, name...), ':')
			to = inner.append(to)
		}
		return append(to, '}')
	case '[':
		to = append(to, '[')
		for i, inner := range n.inside {
			if i > 0 {
				to = append(to, ',')
			}
			to = inner.append(to)
		}
		return append(to, ']')
	}
	if n.inexact {
		return append(append(append(to, '"'), n.text...), '"')
	}
	return append(to, n.text...)
}
