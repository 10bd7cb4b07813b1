package identity

import (
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// taken is a record of the log, on its way into the replica.
type taken struct {
	record   *stream.Record
	evidence evidence.Record
	effect   graph.Effect
	// suppressed are the nodes of an erasure, or the one of a suppression, with the time that holds now.
	suppressed []evidence.Suppress
	// best is the evidence of the pair as the store has it, with who showed it first.
	best evidence.Edge
}

// messages are what the publisher has to produce for one record, in their order. They are a function of
// the log up to the record, apart from who is named as the source of a pair.
func (t *taken) messages(workspace string) []store.Message {
	m := maker{workspace: workspace, at: t.record.Timestamp.UnixMilli(), position: uint64(t.record.Offset) + 1, partition: t.record.Partition}
	m.trigger(t.evidence)
	erase, erasing := t.evidence.(*evidence.Erase)
	if erasing {
		// What keeps the erased away goes first.
		for i := range t.suppressed {
			m.evidence(&t.suppressed[i])
		}
	}
	m.effect(&t.effect)
	m.ruling(t.evidence)
	for i := range t.effect.Forgotten {
		m.tombstone(&t.effect.Forgotten[i])
	}
	for i := range t.effect.ForgottenCuts {
		m.tombstone(&t.effect.ForgottenCuts[i])
	}
	for i := range t.effect.ForgottenVerdicts {
		m.tombstone(&t.effect.ForgottenVerdicts[i])
	}
	if erasing {
		// Once this is gone the rest is no longer derived.
		m.tombstone(erase)
	}
	if t.effect.Worse {
		m.evidence(&t.best)
	}
	return m.made
}

// maker makes the messages of one record.
type maker struct {
	workspace string
	at        int64
	position  uint64
	partition int32
	// source and event showed the evidence; class and firstSeen are those of the pair.
	source    string
	event     uuid.UUID
	class     uint8
	firstSeen int64
	note      evidence.Note

	sequence uint32
	made     []store.Message
}

func (m *maker) trigger(record evidence.Record) {
	switch r := record.(type) {
	case *evidence.Edge:
		m.source, m.event, m.class, m.firstSeen = r.Source, r.Event, r.Class, r.FirstSeen
	case *evidence.Cut:
		m.note = r.Note
	case *evidence.Verdict:
		m.note = r.Note
	case *evidence.Erase:
		m.note = r.Note
	case *evidence.Rules:
		m.note = r.Note
	case *evidence.Engine:
		m.note = r.Note
	}
}

// effect makes the rows of the map and of the audit.
func (m *maker) effect(effect *graph.Effect) {
	for _, change := range effect.Changes {
		m.row(change)
	}
	for _, a := range effect.Audits {
		m.audit(identitymap.Audit{
			Kind: a.Kind, A: a.A, B: a.B, TypeA: a.TypeA, TypeB: a.TypeB, Limit: a.Limit, Count: uint32(max(a.Count, 0)),
			Class: a.Class, FirstSeen: m.firstSeen,
		})
	}
}

func (m *maker) row(change graph.Change) {
	row := identitymap.Row{
		Workspace: m.workspace, Node: change.Node, Type: change.Type, Canonical: change.Canonical, Previous: change.Previous,
		// Offsets never restart, so neither do versions.
		Version: m.position, Reason: change.Reason, Shared: change.Shared, Event: m.event, At: m.at,
	}
	key := identitymap.AppendKey(nil, &row)
	m.made = append(m.made, store.Message{Topic: stream.IdentityMap, Partition: anyPartition, Key: key, Value: identitymap.Append(nil, &row)})
	if change.Reason == identitymap.Erased {
		m.made = append(m.made, store.Message{Topic: stream.IdentityMap, Partition: anyPartition, Key: key})
	}
}

// anyPartition leaves the partition to the key.
const anyPartition = -1

// ruling makes the audit's rows of what people said.
func (m *maker) ruling(record evidence.Record) {
	a := identitymap.Audit{Author: m.note.Author, Reason: m.note.Reason}
	switch r := record.(type) {
	case *evidence.Cut:
		a.Kind, a.A, a.B = identitymap.AuditCut, r.A, r.B
		if r.Lifted {
			a.Kind = identitymap.AuditCutLifted
		}
	case *evidence.Verdict:
		a.A = r.Node
		a.Kind = map[evidence.Ruling]identitymap.AuditKind{
			evidence.Neutral: identitymap.AuditNeutral, evidence.Blocked: identitymap.AuditBlocked, evidence.Allowed: identitymap.AuditAllowed,
		}[r.Ruling]
	case *evidence.Erase:
		for _, node := range r.Nodes {
			a.Kind, a.A = identitymap.AuditErased, node
			m.audit(a)
		}
		return
	case *evidence.Rules:
		a.Kind, a.Source = identitymap.AuditRules, r.Configuration
	case *evidence.Engine:
		a.Kind, a.Count = identitymap.AuditEngine, uint32(r.Number)
	default:
		return
	}
	m.audit(a)
}

func (m *maker) audit(a identitymap.Audit) {
	a.Workspace, a.Position, a.Sequence, a.At = m.workspace, m.position, m.sequence, m.at
	a.Event = m.event
	if a.Source == "" {
		a.Source = m.source
	}
	m.sequence++
	m.made = append(m.made, store.Message{
		Topic: stream.IdentityAudit, Partition: anyPartition, Key: identitymap.AppendAuditKey(nil, &a), Value: identitymap.AppendAudit(nil, &a),
	})
}

func (m *maker) evidence(record evidence.Record) {
	m.made = append(m.made, store.Message{Topic: stream.Evidence, Partition: m.partition, Key: record.AppendKey(nil), Value: record.AppendValue(nil)})
}

func (m *maker) tombstone(of evidence.Record) {
	m.made = append(m.made, store.Message{Topic: stream.Evidence, Partition: m.partition, Key: of.AppendKey(nil)})
}
