package api

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Node is an identifier as the graph has it: a keyed hash, its type, and what it is in the graph.
type Node struct {
	Node uuid.UUID `json:"node"`
	// Type is empty for a node that the graph has no evidence about and that was asked for by its id.
	Type string `json:"type,omitempty"`
	// Weak is true for a value that is shared by nature: a land line, a role mailbox.
	Weak bool `json:"weak,omitempty"`
	// Known is false when the graph has no evidence about the node: it was only ever seen alone, or never.
	Known bool `json:"known"`
	// Status is linked, alone, hub or blocked.
	Status string `json:"status"`
	// Rank orders the members of a customer: the smallest names it. FirstSeen breaks ties.
	// It is absent where the graph does not know it.
	Rank      int        `json:"rank,omitempty"`
	FirstSeen *time.Time `json:"first_seen,omitempty"`
	// CustomerID is the customer that the node belongs to.
	CustomerID uuid.UUID `json:"customer_id"`
	// Ruling is what an operator said of it last: blocked or allowed; empty for nothing.
	Ruling string `json:"ruling,omitempty"`
	// ErasedAt is when an earlier generation of the identifier was erased.
	ErasedAt *time.Time `json:"erased_at,omitempty"`
}

// The statuses of nodes.
const (
	Linked  = "linked"
	Alone   = "alone"
	Hub     = "hub"
	Blocked = "blocked"
)

// Pair is evidence that two identifiers were seen together.
type Pair struct {
	A     uuid.UUID `json:"a"`
	TypeA string    `json:"type_a"`
	B     uuid.UUID `json:"b"`
	TypeB string    `json:"type_b"`
	// Class is authenticated, verified, typed or inferred: that of this sight and of both types, the worst of it.
	Class string `json:"class"`
	// Score refines the class, 0 to 100.
	Score     int       `json:"score"`
	FirstSeen time.Time `json:"first_seen"`
	// Source and EventID are the emitter and the touchpoint that showed it first.
	Source  string     `json:"source,omitempty"`
	EventID *uuid.UUID `json:"event_id,omitempty"`
	// State is linked, refused, cut, shared or weak, and Why what stands in its way.
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
}

// The states of pairs besides Linked.
const (
	Refused = "refused"
	Cut     = "cut"
	Shared  = "shared"
	Weak    = "weak"
)

// Ruling is what an operator said of a pair or of a node.
type Ruling struct {
	// Kind is cut, blocked, allowed or neutral.
	Kind string `json:"kind"`
	// A is the node, or the one of the pair; types are left out of nodes that the graph has no evidence about.
	A     uuid.UUID `json:"a"`
	TypeA string    `json:"type_a,omitempty"`
	// B is the other node of a cut.
	B     *uuid.UUID `json:"b,omitempty"`
	TypeB string     `json:"type_b,omitempty"`
	// Lifted is true for a cut that was taken back.
	Lifted bool      `json:"lifted,omitempty"`
	At     time.Time `json:"at"`
	Author string    `json:"author"`
	Reason string    `json:"reason"`
}

// The kinds of rulings besides Cut and Blocked.
const (
	Allowed = "allowed"
	Neutral = "neutral"
)

// Moment is one line of what is known of how a customer came to be: a pair that was first seen, or a ruling.
type Moment struct {
	At    time.Time  `json:"at"`
	What  string     `json:"what"`
	A     uuid.UUID  `json:"a"`
	TypeA string     `json:"type_a,omitempty"`
	B     *uuid.UUID `json:"b,omitempty"`
	TypeB string     `json:"type_b,omitempty"`
	// By is the source of a pair, the author of a ruling.
	By string `json:"by,omitempty"`
	// Why is the reason of a ruling, or what stands in a pair's way.
	Why     string     `json:"why,omitempty"`
	EventID *uuid.UUID `json:"event_id,omitempty"`
}

// SeenTogether is the moment of a pair; that of a ruling is its kind, with _lifted behind for a cut taken back.
const SeenTogether = "seen_together"

// Customer is one customer, or what an identifier that is nobody's own is.
type Customer struct {
	// Position says how much of the evidence log the answer is true of: everything before this offset.
	Position   int64     `json:"position"`
	CustomerID uuid.UUID `json:"customer_id"`
	// Asked is the node that the question named, as a former id or an identifier does.
	Asked   Node   `json:"asked"`
	Members []Node `json:"members"`
	// Evidence is every pair of a member, oldest first, EvidenceTotal of them, of which an answer has MaxEvidence.
	Evidence      []Pair   `json:"evidence"`
	EvidenceTotal int      `json:"evidence_total"`
	Rulings       []Ruling `json:"rulings"`
	// History is evidence and rulings in the order of time.
	History []Moment `json:"history"`
}

// MaxEvidence is how many pairs an answer has at most.
const MaxEvidence = 2000

// Explanation says why two identifiers are, or are not, one customer.
type Explanation struct {
	Position    int64 `json:"position"`
	OneCustomer bool  `json:"one_customer"`
	A           Node  `json:"a"`
	B           Node  `json:"b"`
	// Verdict is the reason in one word: linked, same, or one of the words for what stands between them.
	Verdict string `json:"verdict"`
	// Detail says more of the verdict: the limit, the type, the size.
	Detail string `json:"detail,omitempty"`
	// Path is the strongest chain of pairs that links them.
	Path []Pair `json:"path,omitempty"`
	// Between are the pairs that would link them, with what stands in their way.
	Between []Pair `json:"between,omitempty"`
	// Rulings are the operators' rulings on what is named.
	Rulings []Ruling `json:"rulings,omitempty"`
	// Sentences are all of it in words.
	Sentences []string `json:"sentences"`
}

// Verdicts of explanations besides Linked, Refused, Cut, Shared and Weak.
const (
	// Same: both are one identifier.
	Same = "same"
	// NoEvidence: no chain of pairs leads from one to the other.
	NoEvidence = "no_evidence"
	// TooLarge: they are in a mass of identifiers too large to be taken for customers.
	TooLarge = "too_large"
)

// Move is a node whose customer changed. After is nil for a node that was erased.
type Move struct {
	Node   uuid.UUID  `json:"node"`
	Type   string     `json:"type"`
	Before uuid.UUID  `json:"before"`
	After  *uuid.UUID `json:"after"`
}

// Outcome is what a ruling did.
type Outcome struct {
	// Position is what Before would be wrong at and After is true at.
	Position int64 `json:"position"`
	// Recorded is the position right after the ruling in the log; absent when nothing was written.
	Recorded int64 `json:"recorded,omitempty"`
	// Changed is false when what was asked for was so already: nothing was written.
	Changed bool `json:"changed"`
	// Applied is false when the ruling is in the log for good but this instance had not got there in time.
	Applied bool `json:"applied"`
	// Kind is the ruling that was made: cut, cut_lifted, blocked, allowed, neutral, erased.
	Kind string `json:"kind"`
	// Note says what an operator should know of it.
	Note string `json:"note,omitempty"`
	// Before and After are the nodes that were named.
	Before []Node `json:"before"`
	After  []Node `json:"after"`
	// Moved are the nodes whose customer changed, MovedTotal of them, of which an answer has MaxMoved.
	Moved      []Move `json:"moved"`
	MovedTotal int    `json:"moved_total"`
}

// Add adds a sentence to the note.
func (o *Outcome) Add(sentence string) { o.Note = strings.TrimSpace(o.Note + " " + sentence) }

// MaxMoved is how many moved nodes an answer has at most.
const MaxMoved = 1000

// The kinds of outcomes besides Cut, Blocked, Allowed and Neutral.
const (
	CutLifted = "cut_lifted"
	Erased    = "erased"
)

// Rules are the rules in force.
type Rules struct {
	Position    int64            `json:"position"`
	Fingerprint string           `json:"fingerprint"`
	Rules       evidence.Ruleset `json:"rules"`
	// Configured is true when they come from the configuration, false when an operator gave them.
	Configured bool `json:"configured"`
	// ThisInstanceConfigured is false when they are, or an operator's went over, those of another configuration than
	// that of the instance which answers: then the instances' configurations differ.
	ThisInstanceConfigured bool      `json:"this_instance_configured"`
	At                     time.Time `json:"at"`
	Author                 string    `json:"author"`
	Reason                 string    `json:"reason"`
	// ConfiguredRules are those of this instance's configuration, when others are in force; absent in answers to changes.
	ConfiguredRules *evidence.Ruleset `json:"configured_rules,omitempty"`
}

// RulesOutcome is what a change of rules did.
type RulesOutcome struct {
	Rules
	Recorded int64  `json:"recorded,omitempty"`
	Changed  bool   `json:"changed"`
	Applied  bool   `json:"applied"`
	Note     string `json:"note,omitempty"`
}

// Status is how far this instance is and what it has.
type Status struct {
	Workspace string `json:"workspace"`
	Position  int64  `json:"position"`
	// End is the end of the evidence log, Lag what of it is not applied.
	End    int64 `json:"end"`
	Lag    int64 `json:"lag"`
	Engine int   `json:"engine"`
	// RulesFingerprint names the rules in force; equal rules have equal fingerprints.
	RulesFingerprint string `json:"rules_fingerprint"`
	// ThisInstanceConfigured is as in Rules.
	ThisInstanceConfigured bool `json:"this_instance_configured"`
	// MapSum and EvidenceSum are equal in instances that agree at a position.
	MapSum      string           `json:"map_sum"`
	EvidenceSum string           `json:"evidence_sum"`
	Counts      map[string]int64 `json:"counts"`
}
