package jsonindex

import (
	"errors"
	"hash/maphash"
	"math"
)

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds. Missing is the kind of a value that is not there.
const (
	Missing Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

// Limits bound what is taken from one event.
type Limits struct {
	// Depth is how many arrays and objects of one event may stand inside each other.
	Depth int
	// Keys is how many keys one event may have, over all its objects.
	Keys int
	// EventDepth is how many containers stand around an event: 0 when the text is one event, 2 when
	// events are the items of an array in an object.
	EventDepth int
}

// Reason is the kind of a [Fault].
type Reason string

// The reasons, as they are reported.
const (
	InvalidUTF8      Reason = "invalid_utf8"
	DuplicateKey     Reason = "duplicate_key"
	TooDeep          Reason = "too_deep"
	TooManyKeys      Reason = "too_many_keys"
	NumberOutOfRange Reason = "number_out_of_range"
)

// Fault is what makes one event unusable in a text that is JSON.
type Fault struct {
	Reason Reason
	// Pos is the byte where it was found.
	Pos int
}

// ErrSyntax is returned for a text that is not JSON.
var ErrSyntax = errors.New("not JSON")

// ErrTooLong is returned for a text whose positions do not fit the index.
var ErrTooLong = errors.New("JSON text over 1 GiB")

const maxText = 1 << 30

const (
	flagEscaped   uint8 = 1 << iota // a string with escapes
	flagSurrogate                   // a string with an escaped half of a surrogate pair
)

// node is one value, or one key; a key's value is the node after it.
type node struct {
	start, end uint32 // the span in the text, quotes and brackets included
	next       uint32 // the node after this one and all it contains
	mark       uint32 // see mark.go
	kind       Kind
	flags      uint8
}

type frame struct {
	node uint32
	keys uint32
}

// Index is the list of values of one text. The zero Index is ready; it keeps its memory between texts
// and is not safe for concurrent use.
type Index struct {
	text      []byte
	nodes     []node
	faults    []Fault
	stack     []frame
	seen      []uint64
	scratch   []byte
	strings   []byte
	event     uint32
	surrogate bool // some string has half a surrogate pair
}

var seed = maphash.MakeSeed()

// Parse checks and indexes a text. It returns [ErrSyntax] or [ErrTooLong]; faults of single events are
// in [Index.Faults]. The text must not change while the index or its values are used.
func (ix *Index) Parse(text []byte, limits Limits) error {
	ix.Reset()
	if len(text) > maxText {
		return ErrTooLong
	}
	ix.text = text
	p := parser{Index: ix, limits: limits, lastFault: math.MaxUint32}
	return p.run()
}

// Reset forgets the text, so that the index does not keep it alive.
func (ix *Index) Reset() {
	ix.text = nil
	ix.nodes = ix.nodes[:0]
	ix.faults = ix.faults[:0]
	ix.stack = ix.stack[:0]
	ix.strings = nil // strings that were handed out may still point into it
	ix.event = 1
	ix.surrogate = false
}

// Faults lists at most one fault for each event, ordered by event.
func (ix *Index) Faults() []Fault { return ix.faults }

// Root is the value of the whole text.
func (ix *Index) Root() Value {
	if len(ix.nodes) == 0 {
		return Value{}
	}
	return Value{ix: ix}
}
