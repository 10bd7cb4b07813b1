package jsonindex

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

type parser struct {
	*Index
	limits    Limits
	pos       int
	eventAt   uint32 // where the event in hand starts
	eventKeys int
	lastFault uint32 // the event that already has a fault
}

type state uint8

const (
	wantValue state = iota
	wantKey
	haveValue
)

// run is the whole grammar, with a stack of its own instead of recursion so that nesting costs no more
// than the text that spells it.
func (p *parser) run() error {
	next := wantValue
	for {
		p.space()
		if p.pos >= len(p.text) {
			if next == haveValue && len(p.stack) == 0 {
				return nil
			}
			return ErrSyntax
		}
		var ok bool
		switch next {
		case wantValue:
			next, ok = p.value()
		case wantKey:
			next, ok = wantValue, p.key()
		case haveValue:
			next, ok = p.after()
		}
		if !ok {
			return ErrSyntax
		}
	}
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\n', '\t', '\r':
			p.pos++
		default:
			return
		}
	}
}

// value reads a scalar, or the opening of a container.
func (p *parser) value() (state, bool) {
	if len(p.stack) == p.limits.EventDepth {
		p.eventAt, p.eventKeys = uint32(p.pos), 0
	}
	start := p.pos
	switch c := p.text[p.pos]; c {
	case '"':
		return haveValue, p.str()
	case '{', '[':
		return p.open(c)
	case 't':
		return haveValue, p.word("true", True)
	case 'f':
		return haveValue, p.word("false", False)
	case 'n':
		return haveValue, p.word("null", Null)
	default:
		if !p.number() {
			return haveValue, false
		}
		p.leaf(start, Number, 0)
		return haveValue, true
	}
}

func (p *parser) leaf(start int, kind Kind, flags uint8) {
	p.nodes = append(p.nodes, node{
		start: uint32(start), end: uint32(p.pos), next: uint32(len(p.nodes) + 1), kind: kind, flags: flags,
	})
}

func (p *parser) word(word string, kind Kind) bool {
	if len(p.text)-p.pos < len(word) || string(p.text[p.pos:p.pos+len(word)]) != word {
		return false
	}
	start := p.pos
	p.pos += len(word)
	p.leaf(start, kind, 0)
	return true
}

func (p *parser) open(bracket byte) (state, bool) {
	kind, closing, next := Object, byte('}'), wantKey
	if bracket == '[' {
		kind, closing, next = Array, ']', wantValue
	}
	p.stack = append(p.stack, frame{node: uint32(len(p.nodes))})
	if len(p.stack)-p.limits.EventDepth == p.limits.Depth+1 {
		p.fault(TooDeep, p.pos)
	}
	p.nodes = append(p.nodes, node{start: uint32(p.pos), kind: kind})
	p.pos++
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == closing {
		p.close()
		return haveValue, true
	}
	return next, true
}

func (p *parser) close() {
	top := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	if len(p.stack) <= p.limits.EventDepth {
		p.eventKeys = 0 // the event has ended: what stands around it has other keys
	}
	p.pos++
	n := &p.nodes[top.node]
	n.end, n.next = uint32(p.pos), uint32(len(p.nodes))
	if top.keys > 1 {
		p.refuseDuplicates(top)
	}
}

func (p *parser) key() bool {
	if p.text[p.pos] != '"' {
		return false
	}
	if len(p.stack) == p.limits.EventDepth {
		p.eventAt, p.eventKeys = uint32(p.pos), 0 // beside the events, a member is counted like one
	}
	p.stack[len(p.stack)-1].keys++
	if p.eventKeys++; p.eventKeys == p.limits.Keys+1 {
		p.fault(TooManyKeys, p.pos)
	}
	if !p.str() {
		return false
	}
	p.space()
	if p.pos >= len(p.text) || p.text[p.pos] != ':' {
		return false
	}
	p.pos++
	return true
}

func (p *parser) after() (state, bool) {
	if len(p.stack) == 0 {
		return haveValue, false // text after the value
	}
	inObject := p.nodes[p.stack[len(p.stack)-1].node].kind == Object
	switch c := p.text[p.pos]; {
	case c == ',' && inObject:
		p.pos++
		return wantKey, true
	case c == ',':
		p.pos++
		return wantValue, true
	case c == '}' && inObject, c == ']' && !inObject:
		p.close()
		return haveValue, true
	}
	return haveValue, false
}

// fault notes the first fault of the event in hand.
func (p *parser) fault(reason Reason, pos int) {
	event := p.eventAt
	if len(p.stack) < p.limits.EventDepth {
		event = 0 // around the events
	}
	if p.lastFault == event {
		return
	}
	p.lastFault = event
	p.faults = append(p.faults, Fault{Reason: reason, Pos: pos})
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads a string, its opening quote under the cursor, eight bytes at a time where it can.
func (p *parser) str() bool {
	start, i, text := p.pos, p.pos+1, p.text
	var high uint64
	var flags uint8
	for {
		for i+8 <= len(text) {
			w := binary.LittleEndian.Uint64(text[i:])
			quote, slash := w^(ones*'"'), w^(ones*'\\')
			stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w) & highs
			high |= w
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		if i >= len(text) {
			return false
		}
		switch c := text[i]; {
		case c == '"':
			p.pos = i + 1
			if high&highs != 0 && !utf8.Valid(text[start:i]) {
				p.fault(InvalidUTF8, start)
			}
			p.leaf(start, String, flags)
			return true
		case c == '\\':
			size, half := escape(text[i:])
			if size == 0 {
				return false
			}
			i += size
			flags |= flagEscaped
			if half {
				flags |= flagSurrogate
				p.surrogate = true
			}
		case c < 0x20:
			return false
		default:
			high |= uint64(c)
			i++
		}
	}
}

// escape measures the escape that s starts with; half says that it is one half of a surrogate pair
// without the other. Size 0 means that it is no escape.
func escape(s []byte) (size int, half bool) {
	if len(s) < 2 {
		return 0, false
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, false
	case 'u':
	default:
		return 0, false
	}
	r, ok := hex4(s)
	if !ok {
		return 0, false
	}
	if r < 0xd800 || r > 0xdfff {
		return 6, false
	}
	if r < 0xdc00 && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if low, ok := hex4(s[6:]); ok && low >= 0xdc00 && low <= 0xdfff {
			return 12, false
		}
	}
	return 6, true
}

// hex4 reads the four digits of an escape \uXXXX.
func hex4(s []byte) (rune, bool) {
	if len(s) < 6 {
		return 0, false
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// digits of a float beyond which a number without an exponent may overflow.
const safeDigits = 300

// characters of a whole number beyond which it may not fit 64 bits, signed or not: the JSON columns of ClickHouse
// refuse such a number, and the row with it.
const safeWhole = 18

// number reads a number and leaves its text alone; only one that could overflow is converted, to see.
func (p *parser) number() bool {
	start, i, text := p.pos, p.pos, p.text
	if text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	case i < len(text) && isDigit(text[i]):
		i = digits(text, i)
	default:
		return false
	}
	whole := i
	if i < len(text) && text[i] == '.' {
		from := i + 1
		if i = digits(text, from); i == from {
			return false
		}
	}
	exponent := i < len(text) && text[i]|0x20 == 'e'
	if exponent {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		from := i
		if i = digits(text, from); i == from {
			return false
		}
	}
	switch {
	case i == whole:
		if i-start > safeWhole && !fitsWhole(string(text[start:i])) {
			p.fault(NumberOutOfRange, start)
		}
	case exponent || i-start > safeDigits:
		if _, err := strconv.ParseFloat(string(text[start:i]), 64); err != nil {
			p.fault(NumberOutOfRange, start)
		}
	}
	p.pos = i
	return true
}

func fitsWhole(text string) bool {
	if text[0] == '-' {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	}
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digits(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}
