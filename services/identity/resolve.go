package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// Reasons why a record is quarantined.
const (
	undecodable        = "undecodable"
	unknownWorkspace   = "unknown_workspace"
	noUsableIdentifier = "no_usable_identifier"
)

// cliqueSize bounds the pairs an event brings: those of its strongest identifiers.
const cliqueSize = 5

// lateLimit bounds how far back an event can claim to have seen a pair, so that a bad clock cannot take
// a customer over by being the first.
const lateLimit = 30 * 24 * 60 * 60 * 1000 // milliseconds

// input is what is known of an input schema: how to read it, and the schema of what comes out.
type input struct {
	selection *schemas.Selection
	outputID  int32
}

// read takes one record as far as its identifiers. Errors are faults of the platform; faults of the
// record put it into the quarantine.
func (s *stitcher) read(ctx context.Context, b *batch, record *stream.Record) error {
	schemaID, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		s.reject(b, record, undecodable, "", err.Error())
		return nil
	}
	in, err := s.input(ctx, b, schemaID)
	if err != nil {
		if ctx.Err() != nil || registry.IsUnavailable(err) {
			return err
		}
		b.refused[schemaID] = err
		s.reject(b, record, undecodable, "", err.Error())
		return nil
	}
	touchpoint := &b.scratch
	b.spans, err = in.selection.Decode(body, touchpoint, b.spans)
	if err != nil {
		field := ""
		if at := (*schemas.DecodeError)(nil); errors.As(err, &at) {
			field = at.Field
		}
		s.reject(b, record, undecodable, field, err.Error())
		return nil
	}
	if touchpoint.Workspace != s.workspace {
		// Its identifiers are hashed with a key that is not ours.
		s.reject(b, record, unknownWorkspace, "workspace", "this instance serves another workspace: run one for this workspace, or correct the source")
		return nil
	}
	at := firstSeen(touchpoint.OccurredAt, touchpoint.ReceivedAt)
	from := len(b.resolved)
	b.resolved = s.ids.Resolve(touchpoint.Identifiers, at, b.erased, b.resolved)
	resolved := b.resolved[from:]
	for i := range resolved {
		switch resolved[i].Reason {
		case "":
		case identifier.Erased:
			// Of a person who was erased since. Not for the quarantine either, which would keep it.
			b.resolved = b.resolved[:from]
			b.forgotten++
			return nil
		default:
			b.ignored[resolved[i].Reason]++
		}
	}
	orderFrom := len(b.order)
	b.order = strongestFirst(resolved, from, b.order)
	if len(b.order) == orderFrom {
		b.resolved = b.resolved[:from]
		s.reject(b, record, noUsableIdentifier, "identifiers", "every identifier is blocked, invalid or of an unknown type")
		return nil
	}
	b.events = append(b.events, event{
		record: record, input: in, body: body, identifiers: b.spans[len(b.spans)-1],
		from: from, to: len(b.resolved), orderFrom: orderFrom, orderTo: len(b.order),
		id: touchpoint.EventID, source: touchpoint.Source, firstSeen: at,
	})
	return nil
}

// strongestFirst appends the places, from base on, of the usable identifiers, each node once.
func strongestFirst(resolved []identifier.Resolved, base int, order []int) []int {
	began := len(order)
	for i := range resolved {
		r := &resolved[i]
		if r.Reason != "" {
			continue
		}
		// A handful at most: insertion is the fastest way to sort them.
		at := len(order)
		for at > began && identifier.Stronger(r, &resolved[order[at-1]-base]) {
			at--
		}
		if at > began && resolved[order[at-1]-base].Node == r.Node {
			continue
		}
		order = slices.Insert(order, at, base+i)
	}
	return order
}

// firstSeen is the event's time, within what its reception allows.
func firstSeen(occurred, received schemas.Millis) int64 {
	last := min(max(int64(received), 0), evidence.MaxTime)
	return min(max(int64(occurred), last-lateLimit, 0), last)
}

func (s *stitcher) reject(b *batch, record *stream.Record, reason, field, detail string) {
	b.rejected = append(b.rejected, s.quarantine.FromRecord(record, reason, field, detail))
}

// input compiles what is needed of a schema, once.
func (s *stitcher) input(ctx context.Context, b *batch, schemaID int32) (*input, error) {
	if in := s.inputs[schemaID]; in != nil {
		return in, nil
	}
	// One refusal a batch is enough: a flood of foreign records is no flood of requests.
	if err := b.refused[schemaID]; err != nil {
		return nil, err
	}
	decoder, err := s.registry.Decoder(ctx, schemaID)
	if err != nil {
		return nil, err
	}
	selection, err := decoder.Select("event_id", "workspace", "source", "occurred_at", "received_at", "identifiers")
	if err != nil {
		return nil, err
	}
	outputID, err := s.registry.Derived(ctx, schemaID, stream.Identified, schemas.ExtendIdentified)
	if err != nil {
		return nil, err
	}
	in := &input{selection: selection, outputID: outputID}
	s.inputs[schemaID] = in
	return in, nil
}

// event is a touchpoint on its way through a batch. What it points at belongs to the fetched record.
type event struct {
	record      *stream.Record
	input       *input
	body        []byte
	identifiers schemas.Span
	// from and to are places in batch.resolved, orderFrom and orderTo in batch.order.
	from, to, orderFrom, orderTo int
	id                           uuid.UUID
	source                       string
	firstSeen                    int64
	paired                       bool
}

// batch is the memory of one round, used again by the next.
type batch struct {
	events   []event
	resolved []identifier.Resolved
	// order has for each event the places in resolved of its usable identifiers, strongest first.
	order    []int
	missing  []evidence.Edge
	places   map[pair]int // of a pair in missing
	rooms    map[seat]int // how many more neighbours make no hub, after those in missing
	rejected []*stream.Record
	refused  map[int32]error
	// erased is nil when nobody was; erasures is how many there were when the batch was read, forgotten how
	// many of its events are of them.
	erased    identifier.Erasures
	erasures  int
	forgotten int
	// ignored counts identifiers that were not used, by reason.
	ignored map[string]int

	scratch  schemas.EnrichedTouchpoint
	spans    []schemas.Span
	strength []int
	out      []byte
	records  []stream.Record
	pointers []*stream.Record
	ids      []schemas.Identifier
	text     []byte
}

func (b *batch) reset() {
	clear(b.events)
	b.events, b.resolved, b.order, b.missing, b.rejected = b.events[:0], b.resolved[:0], b.order[:0], b.missing[:0], nil
	if b.places == nil {
		b.places, b.rooms = make(map[pair]int), make(map[seat]int)
		b.refused, b.ignored = make(map[int32]error), make(map[string]int)
	}
	clear(b.places)
	clear(b.rooms)
	clear(b.refused)
	clear(b.ignored)
	b.erased, b.erasures, b.forgotten = nil, 0, 0
}

// resolve names the customer of each event and makes its output: the bytes of its body, with nodes in
// place of identifiers, and the fields of this stage behind. It answers false when the batch was read
// before somebody was erased.
func (s *stitcher) resolve(b *batch) bool {
	s.replica.mu.RLock()
	defer s.replica.mu.RUnlock()
	g := s.replica.graph
	if g.Suppressions() != b.erasures {
		return false
	}
	b.records = slices.Grow(b.records[:0], len(b.events))[:len(b.events)]
	b.out = b.out[:0]
	for i := range b.events {
		e := &b.events[i]
		out, known := b.name(g, e)
		if known || e.paired {
			out.IV = s.replica.next
		}
		// The slice of an earlier event stays where it is if this one makes the buffer move.
		began := len(b.out)
		b.out = schemas.AppendHeader(b.out, e.input.outputID)
		b.out = append(b.out, e.body[:e.identifiers.Start]...)
		b.out = schemas.AppendIdentifiers(b.out, b.nodes(e))
		b.out = append(b.out, e.body[e.identifiers.End:]...)
		b.out = out.AppendSuffix(b.out)
		b.records[i] = stream.Record{
			Topic: stream.Identified, Key: e.record.Key, Headers: e.record.Headers, Value: b.out[began:len(b.out):len(b.out)],
		}
	}
	return true
}

// name fills in the fields of this stage. The anchor is the strongest usable identifier, shared or not: it
// must not depend on what is a hub when the event goes by. The customer is that of the strongest identifier
// that is one person's. known is whether evidence had a say in it.
func (b *batch) name(g *graph.Graph, e *event) (out schemas.IdentifiedTouchpoint, known bool) {
	order := b.order[e.orderFrom:e.orderTo]
	anchor := &b.resolved[order[0]]
	out.Anchor, out.AnchorType, out.CustomerID = anchor.Node, anchor.Type, anchor.Node
	for i := e.from; i < e.to; i++ {
		if r := &b.resolved[i]; r.Reason != "" {
			out.IgnoredIdentifiers = append(out.IgnoredIdentifiers, schemas.IgnoredIdentifier{Type: r.Type, Reason: r.Reason})
		}
	}
	named := false
	for _, place := range order {
		r := &b.resolved[place]
		if reason := shared(g, r.Node); reason != "" {
			b.ignored[reason]++
			out.IgnoredIdentifiers = append(out.IgnoredIdentifiers, schemas.IgnoredIdentifier{Type: r.Type, Reason: reason})
			known = true
			continue
		}
		if !named {
			var linked bool
			out.CustomerID, linked = g.Customer(r.Node)
			named, known = true, known || linked
		}
	}
	return out, known
}

// shared says why a node is nobody's; empty when it is somebody's.
func shared(g *graph.Graph, node uuid.UUID) string {
	if !g.Shared(node) {
		return ""
	}
	if member, _ := g.Node(node); member.Status == graph.Blocked {
		return identifier.Ruled
	}
	return identifier.Hub
}

// nodes are the event's usable identifiers with their node for a value, strongest first.
func (b *batch) nodes(e *event) []schemas.Identifier {
	const size = 36
	order := b.order[e.orderFrom:e.orderTo]
	b.text = slices.Grow(b.text[:0], size*len(order))[:size*len(order)]
	for i, place := range order {
		writeUUID(b.text[size*i:], b.resolved[place].Node)
	}
	text := string(b.text)
	b.ids = b.ids[:0]
	for i, place := range order {
		b.ids = append(b.ids, schemas.Identifier{Type: b.resolved[place].Type, Value: text[size*i : size*(i+1)]})
	}
	return b.ids
}

func writeUUID(dst []byte, id uuid.UUID) {
	hex.Encode(dst, id[:4])
	dst[8] = '-'
	hex.Encode(dst[9:], id[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:], id[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:], id[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:], id[10:])
}

// output is everything the batch produces; it is valid until the next reset.
func (b *batch) output() []*stream.Record {
	b.pointers = b.pointers[:0]
	for i := range b.records {
		b.pointers = append(b.pointers, &b.records[i])
	}
	return append(b.pointers, b.rejected...)
}
