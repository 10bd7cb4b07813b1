package graph

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// End is one of the two nodes of a pair.
type End struct {
	Node uuid.UUID
	// Type of the identifier; the rules know its rank.
	Type string
	// Weak is true for a value that is shared by nature: a land line, a role mailbox.
	Weak bool
}

// Edge is evidence that two nodes were seen together.
type Edge struct {
	Workspace string
	// A is the end with the smaller node.
	A, B End
	// Class is how far the pair can be believed, 0 best, 3 last.
	Class uint8
	// Score refines the class, 0 to 100, 100 best.
	Score uint8
	// FirstSeen is when the pair was first seen, in milliseconds since 1970.
	FirstSeen int64
	// Source is the emitter that showed it, for people who ask why.
	Source string
	// Normaliser is the version of the normalisers that made the nodes.
	Normaliser uint16
}

// NewEdge puts the ends in order.
func NewEdge(workspace string, a, b End) Edge {
	if bytes.Compare(a.Node[:], b.Node[:]) > 0 {
		a, b = b, a
	}
	return Edge{Workspace: workspace, A: a, B: b, Score: fullScore}
}

const fullScore = 100

// The kinds of evidence records: the first byte of the key. Others come with engines that understand
// them.
const kindEdge = 1

const (
	edgeLayout = 1
	flagWeakA  = 1 << 0
	flagWeakB  = 1 << 1
	worstClass = 3
)

const (
	// MaxFirstSeen keeps 48 bits: the year 10889.
	MaxFirstSeen = 1<<48 - 1
	// MaxText is the longest name of a workspace, type or source in a record, in bytes.
	MaxText = 255
)

// ErrNewer marks evidence that this engine does not understand: applying what follows would give another
// partition than instances that do understand it, so the reader must stop.
var ErrNewer = errors.New("evidence is of a newer engine: update this service")

// AppendKey appends the key of the edge's record: kind, workspace, nodes. Compaction keeps one record a
// pair.
func (e *Edge) AppendKey(dst []byte) []byte {
	dst = append(dst, kindEdge, byte(len(e.Workspace)))
	dst = append(dst, e.Workspace...)
	dst = append(dst, e.A.Node[:]...)
	return append(dst, e.B.Node[:]...)
}

// AppendValue appends the value of the edge's record.
func (e *Edge) AppendValue(dst []byte) []byte {
	var flags byte
	if e.A.Weak {
		flags |= flagWeakA
	}
	if e.B.Weak {
		flags |= flagWeakB
	}
	dst = append(dst, edgeLayout, e.Class, e.Score, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.FirstSeen))
	dst = binary.BigEndian.AppendUint16(dst, e.Normaliser)
	for _, text := range []string{e.A.Type, e.B.Type, e.Source} {
		dst = append(dst, byte(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

// ParseEdge reads a record of the evidence log. It answers [ErrNewer] for kinds and layouts of newer
// engines, and another error for bytes that are no evidence at all. Bytes after the known ones are left
// to layouts that only add.
func ParseEdge(key, value []byte) (Edge, error) {
	if len(key) == 0 || len(value) == 0 {
		return Edge{}, fmt.Errorf("parse evidence: key of %d and value of %d bytes", len(key), len(value))
	}
	if key[0] != kindEdge {
		return Edge{}, fmt.Errorf("parse evidence of kind %d: %w", key[0], ErrNewer)
	}
	if value[0] != edgeLayout {
		return Edge{}, fmt.Errorf("parse evidence of layout %d: %w", value[0], ErrNewer)
	}
	const fixed = 4 + 8 + 2
	if len(key) < 2 || len(key) != 2+int(key[1])+32 || len(value) < fixed {
		return Edge{}, fmt.Errorf("parse evidence: key of %d and value of %d bytes do not hold a pair", len(key), len(value))
	}
	nodes := key[2+int(key[1]):]
	e := Edge{
		Workspace:  string(key[2 : 2+int(key[1])]),
		A:          End{Node: uuid.UUID(nodes[:16]), Weak: value[3]&flagWeakA != 0},
		B:          End{Node: uuid.UUID(nodes[16:]), Weak: value[3]&flagWeakB != 0},
		Class:      value[1],
		Score:      value[2],
		FirstSeen:  int64(binary.BigEndian.Uint64(value[4:12])),
		Normaliser: binary.BigEndian.Uint16(value[12:14]),
	}
	rest := value[fixed:]
	for _, text := range []*string{&e.A.Type, &e.B.Type, &e.Source} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return Edge{}, errors.New("parse evidence: value ends in the middle of a text")
		}
		*text = string(rest[1 : 1+int(rest[0])])
		rest = rest[1+int(rest[0]):]
	}
	return e, e.check()
}

// check holds what every writer promises.
func (e *Edge) check() error {
	switch {
	case bytes.Compare(e.A.Node[:], e.B.Node[:]) >= 0:
		return errors.New("parse evidence: nodes are not two in ascending order")
	case e.Class > worstClass:
		return fmt.Errorf("parse evidence: class %d is over %d", e.Class, worstClass)
	case e.Score > fullScore:
		return fmt.Errorf("parse evidence: score %d is over %d", e.Score, fullScore)
	case e.FirstSeen < 0 || e.FirstSeen > MaxFirstSeen:
		return fmt.Errorf("parse evidence: first seen %d is out of range", e.FirstSeen)
	}
	return nil
}
