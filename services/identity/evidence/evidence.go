// Package evidence knows the records of the topic identity.evidence: what was seen together, and what
// operators ruled about it.
//
// It owns their bytes and their order of strength. It promises that what AppendKey and AppendValue write,
// [Parse] reads; that joining two records about a pair is associative, commutative and idempotent; and
// that a record of a newer engine is told from a broken one. There is nothing to close.
package evidence

import (
	"errors"

	"github.com/google/uuid"
)

// ErrNewer marks a record that this engine does not understand. Applying what follows would give another
// partition than instances that do understand it, so a reader must stop.
var ErrNewer = errors.New("evidence is of a newer engine: update this service")

// Record is one of [Edge], [Cut], [Verdict], [Erase], [Suppress], [Rules], [Engine], [Digest] or
// [Tombstone].
type Record interface {
	// AppendKey appends the record's key: its kind, the workspace, what it is about. Compaction keeps the
	// last record of a key.
	AppendKey(dst []byte) []byte
	// AppendValue appends the record's value; a tombstone's is nil.
	AppendValue(dst []byte) []byte
}

// End is one of the two nodes of a pair.
type End struct {
	Node uuid.UUID
	// Type of the identifier; the rules know its rank, class, limit and hubs.
	Type string
	// Weak is true for a value that is shared by nature: a land line, a role mailbox. A pair with a weak end
	// is inferred, whatever its types.
	Weak bool
}

// Edge is evidence that two nodes were seen together. Records about one pair are joined by minimum of
// class, distance from the full score, first seen and weakness, each for itself.
type Edge struct {
	Workspace string
	// A is the end with the smaller node.
	A, B End
	// Class is how far this sight of the pair can be believed, 0 (authenticated) to 3 (inferred). The rules
	// add what they say of the types: a pair counts with the worst of the three.
	Class uint8
	// Score refines the class, 0 to 100, 100 best.
	Score uint8
	// FirstSeen is when the pair was first seen, in milliseconds since 1970.
	FirstSeen int64
	// Source is the emitter that showed it, and Event the touchpoint, for people who ask why; they are of
	// the record, not of the joined evidence.
	Source string
	Event  uuid.UUID
	// Normaliser is the version of the normalisers that made the nodes.
	Normaliser uint16
}

// Note says who ruled, when and why; it decides nothing.
type Note struct {
	// At is in milliseconds since 1970.
	At int64
	// Author is an operator's name or "configuration", Reason what was written with the ruling. Neither may
	// hold personal data of customers.
	Author, Reason string
}

// Cut says that two nodes are never one customer, whatever links them; Lifted takes it back. The last
// record of a pair holds.
type Cut struct {
	Workspace string
	// A is the smaller node.
	A, B   uuid.UUID
	Lifted bool
	Note   Note
}

// Ruling is what an operator said of a node.
type Ruling uint8

// The rulings; the last one of a node holds.
const (
	// Neutral: F decides.
	Neutral Ruling = iota
	// Blocked: the node carries no links.
	Blocked
	// Allowed: the node is never a hub, nor blocked by the rules.
	Allowed
)

// Verdict is an operator's ruling on a node.
type Verdict struct {
	Workspace string
	Node      uuid.UUID
	Ruling    Ruling
	Note      Note
}

// Erase forgets nodes, at Note.At: their pairs and rulings go, their observations up to that time are
// dropped, later ones get nodes of a new generation. It is written once, atomically; what follows from it
// (Suppress records, tombstones of pairs, a tombstone of itself) is appended by the publisher.
type Erase struct {
	Workspace string
	// Request makes the key, so that two erasures are two records.
	Request uuid.UUID
	Nodes   []uuid.UUID
	Note    Note
}

// SuppressionKey is a second keyed hash, of an erased node: it recognises the node when it comes again and
// cannot be turned back into it without the workspace's key.
type SuppressionKey [16]byte

// Suppress is what stays of an erased node.
type Suppress struct {
	Workspace string
	Key       SuppressionKey
	// At is the time of the erasure in milliseconds since 1970.
	At int64
}

// TypeRule is what the rules say of a type of identifier.
type TypeRule struct {
	// Rank orders the members of a customer: the smallest names it. Weak values rank WeakRank later.
	Rank uint8 `json:"rank"`
	// Class is the best class a pair with this type can have.
	Class uint8 `json:"class"`
	// Limit is how many nodes of the type one customer has at most; 0 is no limit.
	Limit int `json:"limit,omitempty"`
	// Hubs has for other types how many neighbours of them a node of this type has at most; with more it is
	// a hub.
	Hubs map[string]int `json:"hubs,omitempty"`
}

const (
	// WeakRank is added to the rank of a weak value, so that no weak value goes before a strong one.
	WeakRank = 16
	// UnknownRank is the rank of types that the rules do not have; such types have no limit and no hubs.
	UnknownRank = 200
	// WorstClass is inferred, and the class of types that the rules do not have.
	WorstClass = 3
	// ScoreBucket is how many points of a score make no difference to the order of pairs.
	ScoreBucket = 10
)

// Ruleset is everything the partition depends on besides evidence and rulings.
type Ruleset struct {
	// LinkClass is the worst class of pairs that join customers.
	LinkClass uint8 `json:"link_class"`
	// MaxCluster is how many nodes a customer has at most; MaxComponent how many connected nodes are
	// considered together.
	MaxCluster   int                 `json:"max_cluster"`
	MaxComponent int                 `json:"max_component"`
	Types        map[string]TypeRule `json:"types"`
	// Blocked are nodes of values that are nobody's, ascending. An operator's Allowed goes over it.
	Blocked []uuid.UUID `json:"blocked,omitempty"`
}

// Rules replaces the workspace's rules. Before the first such record nothing is linked.
type Rules struct {
	Workspace string
	Rules     Ruleset
	// Configuration is the fingerprint of the configured rules that the record comes from; empty when an
	// operator gave them. An instance that starts logs its configuration only if its fingerprint is not the
	// last one logged, so that a restart does not take back what an operator changed.
	Configuration string
	Note          Note
}

// EngineNumber is what F computes here. A record that asks for a higher one stops this instance.
const EngineNumber = 1

// Engine says that records after it count by the semantics of engine Number; the highest one holds.
type Engine struct {
	Workspace string
	Number    uint16
	Note      Note
}

// Digest is what one instance had at a position, for the others to compare.
type Digest struct {
	Workspace string
	// Position is how much of the log was applied: an offset plus one.
	Position int64
	Sums     Sums
}

// Sums are of a whole graph, independent of order: equal graphs have equal sums.
type Sums struct {
	// Map is of each node with its customer and whether it is shared, Evidence of each pair with all that is
	// known of it.
	Map, Evidence uint64
	// Nodes and Pairs are counts.
	Nodes, Pairs uint64
}

// Tombstone is a record without a value: what was said under its key is taken back.
type Tombstone struct {
	Workspace string
	// Of is the zero record of the kind with the key's fields filled in.
	Of Record
}
