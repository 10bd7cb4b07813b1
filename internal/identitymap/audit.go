package identitymap

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// AuditKind is what happened.
type AuditKind uint8

// The kinds there are; readers must bear others.
const (
	// AuditLinked: two nodes were seen together for the first time.
	AuditLinked AuditKind = 1
	// AuditRefused: a pair joins nobody, because of a limit, the cap or a cut.
	AuditRefused AuditKind = 2
	// AuditAccepted: a pair that was refused joins its nodes now.
	AuditAccepted AuditKind = 3
	// AuditHubRaised: a node has more neighbours of a type than one person has.
	AuditHubRaised AuditKind = 4
	// AuditHubLowered: a hub carries links again.
	AuditHubLowered AuditKind = 5
	// AuditOversize: so many nodes are connected that only better pairs are considered; a count of zero ends it.
	AuditOversize AuditKind = 6
	// AuditSplit: a customer fell apart.
	AuditSplit AuditKind = 7
	// AuditCut: an operator said that two nodes are never one customer.
	AuditCut AuditKind = 8
	// AuditCutLifted: a cut was taken back.
	AuditCutLifted AuditKind = 9
	// AuditBlocked: an operator said that a node carries no links.
	AuditBlocked AuditKind = 10
	// AuditAllowed: an operator said that a node is no hub, and not blocked by the rules.
	AuditAllowed AuditKind = 11
	// AuditNeutral: an operator's word on a node was taken back.
	AuditNeutral AuditKind = 12
	// AuditErased: a node was erased.
	AuditErased AuditKind = 13
	// AuditRules: the rules changed.
	AuditRules AuditKind = 14
	// AuditEngine: the semantics changed.
	AuditEngine AuditKind = 15
)

var auditKinds = [...]string{
	AuditLinked: "linked", AuditRefused: "refused", AuditAccepted: "accepted", AuditHubRaised: "hub_raised", AuditHubLowered: "hub_lowered",
	AuditOversize: "oversize", AuditSplit: "split", AuditCut: "cut", AuditCutLifted: "cut_lifted", AuditBlocked: "blocked",
	AuditAllowed: "allowed", AuditNeutral: "neutral", AuditErased: "erased", AuditRules: "rules", AuditEngine: "engine",
}

func (k AuditKind) String() string {
	if int(k) < len(auditKinds) && auditKinds[k] != "" {
		return auditKinds[k]
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// Audit is one thing that happened at a position of the evidence log.
type Audit struct {
	Workspace string
	// Position is the evidence position, an offset plus one; Sequence tells apart what happened there, from 0. The two
	// are the same each time the record is written.
	Position uint64
	Sequence uint32
	// At is the time of the evidence record in Kafka, in milliseconds since 1970.
	At   int64
	Kind AuditKind
	// A and B are the nodes it is about; B is zero where there is one, both are where it is about the whole workspace.
	A, B         uuid.UUID
	TypeA, TypeB string
	// Class and FirstSeen (milliseconds since 1970) are those of the pair.
	Class     uint8
	FirstSeen int64
	// Limit is which limit it is about: a type, types of a hub, the cap.
	Limit string
	// Count is how many there were: nodes, or neighbours.
	Count uint32
	// Source and Event are who showed the evidence; the zero event where no touchpoint did.
	Source string
	Event  uuid.UUID
	// Author and Reason are an operator's.
	Author, Reason string
}

// AppendAuditKey appends the record's key: length and name of the workspace, then the node A.
func AppendAuditKey(dst []byte, a *Audit) []byte { return appendKey(dst, a.Workspace, a.A) }

const auditSize = 1 + 8 + 4 + 8 + 1 + 16 + 1 + 8 + 4 + 16

// AppendAudit appends the record's value: layout, position, sequence, time, kind, B, class, first seen, count, event, then
// the texts.
func AppendAudit(dst []byte, a *Audit) []byte {
	dst = append(dst, layout)
	dst = binary.BigEndian.AppendUint64(dst, a.Position)
	dst = binary.BigEndian.AppendUint32(dst, a.Sequence)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.At))
	dst = append(dst, byte(a.Kind))
	dst = append(dst, a.B[:]...)
	dst = append(dst, a.Class)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.FirstSeen))
	dst = binary.BigEndian.AppendUint32(dst, a.Count)
	dst = append(dst, a.Event[:]...)
	for _, text := range a.texts() {
		dst = appendText(dst, *text)
	}
	return dst
}

// texts are the fields of varying length, in the order of the value.
func (a *Audit) texts() [6]*string {
	return [6]*string{&a.TypeA, &a.TypeB, &a.Limit, &a.Source, &a.Author, &a.Reason}
}

// ParseAudit reads a record of the audit. Bytes after the known ones are left to later layouts that only add.
func ParseAudit(key, value []byte) (Audit, error) {
	workspace, node, err := parseKey(key)
	if err != nil {
		return Audit{}, fmt.Errorf("parse identity audit key: %w", err)
	}
	if err := checkLayout(value, auditSize); err != nil {
		return Audit{}, fmt.Errorf("parse identity audit value: %w", err)
	}
	a := Audit{
		Workspace: workspace,
		A:         node,
		Position:  binary.BigEndian.Uint64(value[1:9]),
		Sequence:  binary.BigEndian.Uint32(value[9:13]),
		At:        int64(binary.BigEndian.Uint64(value[13:21])),
		Kind:      AuditKind(value[21]),
		B:         uuid.UUID(value[22:38]),
		Class:     value[38],
		FirstSeen: int64(binary.BigEndian.Uint64(value[39:47])),
		Count:     binary.BigEndian.Uint32(value[47:51]),
		Event:     uuid.UUID(value[51:auditSize]),
	}
	rest := value[auditSize:]
	for _, text := range a.texts() {
		if *text, rest, err = parseText(rest); err != nil {
			return Audit{}, fmt.Errorf("parse identity audit value: %w", err)
		}
	}
	return a, nil
}
