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
	from := len(b.resolved)
	b.resolved = s.ids.Resolve(touchpoint.Identifiers, firstSeen(touchpoint.OccurredAt, touchpoint.ReceivedAt), nil, b.resolved)
	resolved := b.resolved[from:]
	for i := range resolved {
		if resolved[i].Reason != "" {
			s.metrics.ignored.WithLabelValues(resolved[i].Reason).Inc()
		}
	}
	anchor := identifier.Strongest(resolved)
	if anchor < 0 {
		b.resolved = b.resolved[:from]
		s.reject(b, record, noUsableIdentifier, "identifiers", "every identifier is blocked, invalid or of an unknown type")
		return nil
	}
	b.events = append(b.events, event{
		record: record, input: in, body: body, identifiers: b.spans[len(b.spans)-1],
		from: from, to: len(b.resolved), anchor: from + anchor,
		source:    touchpoint.Source,
		firstSeen: firstSeen(touchpoint.OccurredAt, touchpoint.ReceivedAt),
	})
	return nil
}

// firstSeen is the event's time, within what its reception allows.
func firstSeen(occurred, received schemas.Millis) int64 {
	last := min(max(int64(received), 0), graph.MaxFirstSeen)
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
	selection, err := decoder.Select("workspace", "source", "occurred_at", "received_at", "identifiers")
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
	// from, to and anchor are places in batch.resolved.
	from, to, anchor int
	source           string
	firstSeen        int64
	paired           bool
}

// batch is the memory of one round, used again by the next.
type batch struct {
	events   []event
	resolved []identifier.Resolved
	missing  []graph.Edge
	places   map[pair]int // of a pair in missing
	rejected []*stream.Record
	refused  map[int32]error

	scratch  schemas.EnrichedTouchpoint
	spans    []schemas.Span
	strength []int
	out      []byte
	records  []stream.Record
	pointers []*stream.Record
	ids      []schemas.Identifier
	text     []byte
}

type pair struct{ a, b uuid.UUID }

func (b *batch) reset() {
	clear(b.events)
	b.events, b.resolved, b.missing, b.rejected = b.events[:0], b.resolved[:0], b.missing[:0], nil
	if b.places == nil {
		b.places, b.refused = make(map[pair]int), make(map[int32]error)
	}
	clear(b.places)
	clear(b.refused)
}

// collect finds the pairs that are not known, or known with less, over the whole batch.
func (s *stitcher) collect(b *batch) {
	s.replica.mu.RLock()
	defer s.replica.mu.RUnlock()
	for i := range b.events {
		e := &b.events[i]
		if e.to-e.from < 2 {
			continue
		}
		resolved := b.resolved[e.from:e.to]
		b.strength = strongest(resolved, b.strength[:0])
		for x, first := range b.strength {
			for _, second := range b.strength[x+1:] {
				s.pair(b, e, &resolved[first], &resolved[second])
			}
		}
		// What we derive from an identifier says something of that one only.
		for x := range resolved {
			if resolved[x].Derived && x > 0 && resolved[x-1].Reason == "" {
				s.pair(b, e, &resolved[x-1], &resolved[x])
			}
		}
	}
}

// strongest are the places of the event's strongest identifiers, each node once.
func strongest(resolved []identifier.Resolved, into []int) []int {
	for i := range resolved {
		if resolved[i].Reason != "" || resolved[i].Derived {
			continue
		}
		if !slices.ContainsFunc(into, func(j int) bool { return resolved[j].Node == resolved[i].Node }) {
			into = append(into, i)
		}
	}
	if len(into) > cliqueSize {
		slices.SortFunc(into, func(i, j int) int {
			if identifier.Stronger(&resolved[i], &resolved[j]) {
				return -1
			}
			return 1
		})
		into = into[:cliqueSize]
	}
	return into
}

// pair notes a pair of one event if the graph lacks it.
func (s *stitcher) pair(b *batch, e *event, x, y *identifier.Resolved) {
	if x.Node == y.Node {
		return
	}
	e.paired = true
	edge := graph.NewEdge(s.workspace, end(x), end(y))
	edge.Class = uint8(max(x.Class, y.Class))
	edge.FirstSeen = e.firstSeen
	edge.Source = e.source[:min(len(e.source), graph.MaxText)]
	edge.Normaliser = identifier.Version
	edge, lacking := s.replica.graph.Missing(&edge)
	if !lacking {
		return
	}
	key := pair{edge.A.Node, edge.B.Node}
	if place, noted := b.places[key]; noted {
		b.missing[place] = b.missing[place].Join(&edge)
		return
	}
	b.places[key] = len(b.missing)
	b.missing = append(b.missing, edge)
}

func end(r *identifier.Resolved) graph.End {
	return graph.End{Node: r.Node, Type: r.Type, Weak: r.Rank >= identifier.WeakRank}
}

// resolve names the customer of each event and makes its output: the bytes of its body, with nodes in
// place of identifiers, and the fields of this stage behind.
func (s *stitcher) resolve(b *batch) {
	s.replica.mu.RLock()
	defer s.replica.mu.RUnlock()
	position := s.replica.graph.Position(s.workspace)
	b.records = slices.Grow(b.records[:0], len(b.events))[:len(b.events)]
	b.out = b.out[:0]
	for i := range b.events {
		e := &b.events[i]
		anchor := &b.resolved[e.anchor]
		customer, known := s.replica.graph.Customer(s.workspace, anchor.Node)
		var out schemas.IdentifiedTouchpoint
		out.Anchor, out.AnchorType, out.CustomerID = anchor.Node, anchor.Type, customer
		if known || e.paired {
			out.IV = position
		}
		resolved := b.resolved[e.from:e.to]
		for j := range resolved {
			if resolved[j].Reason != "" {
				out.IgnoredIdentifiers = append(out.IgnoredIdentifiers, schemas.IgnoredIdentifier{Type: resolved[j].Type, Reason: resolved[j].Reason})
			}
		}
		// The slice of an earlier event stays where it is if this one makes the buffer move.
		began := len(b.out)
		b.out = schemas.AppendHeader(b.out, e.input.outputID)
		b.out = append(b.out, e.body[:e.identifiers.Start]...)
		b.out = schemas.AppendIdentifiers(b.out, b.nodes(resolved))
		b.out = append(b.out, e.body[e.identifiers.End:]...)
		b.out = out.AppendSuffix(b.out)
		b.records[i] = stream.Record{
			Topic: stream.Identified, Key: e.record.Key, Headers: e.record.Headers, Value: b.out[began:len(b.out):len(b.out)],
		}
	}
}

// nodes are the usable identifiers with their node for a value, each node once.
func (b *batch) nodes(resolved []identifier.Resolved) []schemas.Identifier {
	const size = 36
	b.text = slices.Grow(b.text[:0], size*len(resolved))[:size*len(resolved)]
	for i := range resolved {
		writeUUID(b.text[size*i:], resolved[i].Node)
	}
	text := string(b.text)
	b.ids = b.ids[:0]
	for i := range resolved {
		r := &resolved[i]
		again := slices.ContainsFunc(resolved[:i], func(before identifier.Resolved) bool { return before.Node == r.Node })
		if r.Reason == "" && !again {
			b.ids = append(b.ids, schemas.Identifier{Type: r.Type, Value: text[size*i : size*(i+1)]})
		}
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
