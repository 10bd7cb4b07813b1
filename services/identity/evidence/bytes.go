package evidence

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"
)

// layout is the first byte of every value.
const layout = 1

// Flags of an edge, and of a cut.
const (
	flagWeakA = 1 << 0
	flagWeakB = 1 << 1

	flagLifted = 1 << 0
)

// AppendKey appends the pair's key: workspace and nodes, so that compaction keeps one record a pair.
func (e *Edge) AppendKey(dst []byte) []byte {
	return pairKey(dst, kindEdge, e.Workspace, e.A.Node, e.B.Node)
}

// AppendValue appends the pair's value: class, score, flags, first seen, normaliser, event, then the texts.
func (e *Edge) AppendValue(dst []byte) []byte {
	var flags byte
	if e.A.Weak {
		flags |= flagWeakA
	}
	if e.B.Weak {
		flags |= flagWeakB
	}
	dst = append(dst, layout, e.Class, e.Score, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.FirstSeen))
	dst = binary.BigEndian.AppendUint16(dst, e.Normaliser)
	dst = append(dst, e.Event[:]...)
	dst = appendText(dst, e.A.Type)
	dst = appendText(dst, e.B.Type)
	return appendText(dst, e.Source)
}

func (e *Edge) readKey(r *reader) {
	e.Workspace, e.A.Node, e.B.Node = r.workspace, r.node(), r.node()
}

func (e *Edge) readValue(r *reader) {
	e.Class, e.Score = r.byte(), r.byte()
	flags := r.byte()
	e.A.Weak, e.B.Weak = flags&flagWeakA != 0, flags&flagWeakB != 0
	e.FirstSeen = int64(r.number(8))
	e.Normaliser = uint16(r.number(2))
	e.Event = r.node()
	e.A.Type, e.B.Type, e.Source = r.text(1), r.text(1), r.text(1)
}

// AppendKey appends the cut's key: workspace and nodes.
func (c *Cut) AppendKey(dst []byte) []byte { return pairKey(dst, kindCut, c.Workspace, c.A, c.B) }

// AppendValue appends the cut's value: flags and note.
func (c *Cut) AppendValue(dst []byte) []byte {
	var flags byte
	if c.Lifted {
		flags |= flagLifted
	}
	return appendNote(append(dst, layout, flags), c.Note)
}

func (c *Cut) readKey(r *reader) { c.Workspace, c.A, c.B = r.workspace, r.node(), r.node() }

func (c *Cut) readValue(r *reader) {
	c.Lifted = r.byte()&flagLifted != 0
	c.Note = r.note()
}

// AppendKey appends the verdict's key: workspace and node.
func (v *Verdict) AppendKey(dst []byte) []byte {
	return append(appendKey(dst, kindVerdict, v.Workspace), v.Node[:]...)
}

// AppendValue appends the verdict's value: ruling and note.
func (v *Verdict) AppendValue(dst []byte) []byte {
	return appendNote(append(dst, layout, byte(v.Ruling)), v.Note)
}

func (v *Verdict) readKey(r *reader) { v.Workspace, v.Node = r.workspace, r.node() }

func (v *Verdict) readValue(r *reader) {
	v.Ruling = Ruling(r.byte())
	v.Note = r.note()
	if v.Ruling > Allowed && r.err == nil {
		// Passing over a ruling would leave another partition than that of who knows it.
		r.err = fmt.Errorf("ruling %d: %w", v.Ruling, ErrNewer)
	}
}

// AppendKey appends the erasure's key: workspace and request.
func (e *Erase) AppendKey(dst []byte) []byte {
	return append(appendKey(dst, kindErase, e.Workspace), e.Request[:]...)
}

// AppendValue appends the erasure's value: note, then the nodes after their number.
func (e *Erase) AppendValue(dst []byte) []byte {
	dst = appendNote(append(dst, layout), e.Note)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Nodes)))
	for i := range e.Nodes {
		dst = append(dst, e.Nodes[i][:]...)
	}
	return dst
}

func (e *Erase) readKey(r *reader) { e.Workspace, e.Request = r.workspace, r.node() }

func (e *Erase) readValue(r *reader) {
	e.Note = r.note()
	n := int(r.number(4))
	if n > MaxErase {
		r.err = tooManyNodes(n)
		return
	}
	nodes := reader{rest: r.bytes(16 * n)}
	if r.short {
		return
	}
	e.Nodes = make([]uuid.UUID, n)
	for i := range e.Nodes {
		e.Nodes[i] = nodes.node()
	}
}

// AppendKey appends the key of what is suppressed: workspace and suppression key.
func (s *Suppress) AppendKey(dst []byte) []byte {
	return append(appendKey(dst, kindSuppress, s.Workspace), s.Key[:]...)
}

// AppendValue appends the time.
func (s *Suppress) AppendValue(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, layout), uint64(s.At))
}

func (s *Suppress) readKey(r *reader) {
	s.Workspace = r.workspace
	s.Key = SuppressionKey(r.node())
}

func (s *Suppress) readValue(r *reader) { s.At = int64(r.number(8)) }

// AppendKey appends the key of the workspace's rules.
func (r *Rules) AppendKey(dst []byte) []byte { return appendKey(dst, kindRules, r.Workspace) }

// AppendValue appends the rules' value: note, configuration, and the rules as JSON after their length.
func (r *Rules) AppendValue(dst []byte) []byte {
	dst = appendText(appendNote(append(dst, layout), r.Note), r.Configuration)
	body := r.Rules.json()
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}

func (r *Rules) readKey(from *reader) { r.Workspace = from.workspace }

func (r *Rules) readValue(from *reader) {
	r.Note = from.note()
	r.Configuration = from.text(1)
	body := from.bytes(int(from.number(4)))
	if from.short {
		return
	}
	r.Rules, from.err = parseRuleset(body)
}

// AppendKey appends the key of the workspace's engine.
func (e *Engine) AppendKey(dst []byte) []byte { return appendKey(dst, kindEngine, e.Workspace) }

// AppendValue appends the engine's value: number and note.
func (e *Engine) AppendValue(dst []byte) []byte {
	return appendNote(binary.BigEndian.AppendUint16(append(dst, layout), e.Number), e.Note)
}

func (e *Engine) readKey(r *reader) { e.Workspace = r.workspace }

func (e *Engine) readValue(r *reader) {
	e.Number = uint16(r.number(2))
	e.Note = r.note()
}

// AppendKey appends the key of the workspace's digest.
func (d *Digest) AppendKey(dst []byte) []byte { return appendKey(dst, kindDigest, d.Workspace) }

// AppendValue appends the digest's value: position and sums.
func (d *Digest) AppendValue(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, layout), uint64(d.Position))
	return d.Sums.Append(dst)
}

func (d *Digest) readKey(r *reader) { d.Workspace = r.workspace }

func (d *Digest) readValue(r *reader) {
	d.Position = int64(r.number(8))
	d.Sums = Sums{Map: r.number(8), Evidence: r.number(8), Nodes: r.number(8), Pairs: r.number(8)}
}

// Append appends the sums, 32 bytes.
func (s Sums) Append(dst []byte) []byte {
	for _, n := range []uint64{s.Map, s.Evidence, s.Nodes, s.Pairs} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}

// AppendKey appends the key of what is taken back.
func (t *Tombstone) AppendKey(dst []byte) []byte { return t.Of.AppendKey(dst) }

// AppendValue appends nothing: a tombstone has no value.
func (*Tombstone) AppendValue(dst []byte) []byte { return dst }

// appendKey appends what every key begins with.
func appendKey(dst []byte, kind byte, workspace string) []byte {
	return appendText(append(dst, kind), workspace)
}

func pairKey(dst []byte, kind byte, workspace string, a, b uuid.UUID) []byte {
	dst = append(appendKey(dst, kind, workspace), a[:]...)
	return append(dst, b[:]...)
}

// appendText appends a text after its length. What is longer than a length can say is cut, so that the rest
// of the record stays readable; [Check] says so beforehand.
func appendText(dst []byte, text string) []byte {
	text = cut(text, MaxText)
	return append(append(dst, byte(len(text))), text...)
}

func appendNote(dst []byte, n Note) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(n.At))
	dst = appendText(dst, n.Author)
	reason := cut(n.Reason, MaxReason)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(reason)))
	return append(dst, reason...)
}

func (r *reader) note() Note {
	return Note{At: int64(r.number(8)), Author: r.text(1), Reason: r.text(2)}
}

// cut takes the longest beginning of whole runes.
func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	for longest > 0 && !utf8.RuneStart(text[longest]) {
		longest--
	}
	return text[:longest]
}

// json is one text for one ruleset: encoding/json sorts keys.
func (r Ruleset) json() []byte {
	body, err := json.Marshal(r)
	if err != nil {
		// No value of these types does that. An empty text is refused by Parse, as rules nobody meant must be.
		return nil
	}
	return body
}
