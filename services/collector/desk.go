package collector

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

const (
	contentJSON = "application/json"
	success     = `{"success":true}`
)

// desk is where one request is worked on. It keeps its memory from request to request; Kafka holds the
// bytes of its records until they are acknowledged.
type desk struct {
	bodies      *bodies
	limits      Limits
	identifiers *identifier.Identifiers
	regions     map[string]string // of stores
	quarantine  *quarantine.Quarantine
	schemaID    int32

	arrival  arrival
	received int // bytes of the body as it came in
	wire     []byte
	plain    []byte
	index    jsonindex.Index
	draft    draft

	values   []byte          // of the records, one after the other
	ends     []int           // where each ends in values
	keys     []byte          // of the records, keySize each
	room     []stream.Record // the records of touchpoints
	records  []*stream.Record
	accepted [6]int // by place in eventTypes
	rejected []rejectedEvent
}

// rejectedEvent is what a sender is told of an event that was quarantined.
type rejectedEvent struct {
	Index     int    `json:"index"`
	MessageID string `json:"message_id,omitempty"`
	Reason    Reason `json:"reason"`
	Field     string `json:"field,omitempty"`
	Detail    string `json:"detail"`
	// Count is how many events it stands for, from Index on.
	Count int `json:"count"`
}

// keySize is a UUID as text.
const keySize = 36

func (d *desk) begin(c *collector) {
	d.bodies, d.limits, d.quarantine, d.schemaID = c.bodies, c.cfg.Limits, c.quarantine, c.schemaID
	d.identifiers, d.regions = c.identifiers, c.cfg.StoreRegions
	d.values, d.ends, d.keys = d.values[:0], d.ends[:0], d.keys[:0]
	d.records, d.rejected, d.accepted = d.records[:0], d.rejected[:0], [6]int{}
}

func (d *desk) read(r *http.Request, held *memory) (body []byte, err error) {
	d.plain, d.wire = d.plain[:0], d.wire[:0]
	d.wire, d.plain, err = d.bodies.read(r, held, d.wire, d.plain)
	d.received = max(len(d.wire), len(d.plain))
	if len(d.wire) > 0 {
		d.received = len(d.wire)
	}
	return d.plain, err
}

// segmentRequest is a body of the Segment dialect, opened.
type segmentRequest struct {
	target   endpoint
	writeKey string
	event    jsonindex.Value // of a path for one event
	batch    jsonindex.Value
	shared   segmentShared
	faults   []jsonindex.Fault // of events
	broken   *jsonindex.Fault  // of what all events share
	events   int
}

// openSegment indexes a body. A reason means that it is not the dialect at all.
func (d *desk) openSegment(body []byte, target endpoint, limits Limits) (segmentRequest, Reason) {
	request := segmentRequest{target: target, events: 1}
	bounds := jsonindex.Limits{Depth: limits.Depth, Keys: limits.Keys}
	if target.typ == "" {
		bounds.EventDepth = 2 // {"batch": [ event
	}
	if err := d.index.Parse(body, bounds); err != nil {
		return request, reasonInvalidJSON
	}
	root := d.index.Root()
	for m := root.Members(); m.More(); m = m.Next() {
		switch key := m.Key(); {
		case key == "writeKey":
			request.writeKey = plain(m.Value())
		case target.typ != "":
		case key == "batch":
			request.batch = m.Value()
		case key == "context":
			request.shared.context = m.Value()
		case key == "sentAt":
			request.shared.sentAt = m.Value()
		}
	}
	if target.typ != "" {
		if root.Kind() != jsonindex.Object {
			return request, ReasonNotAnObject
		}
		request.event, request.faults = root, d.index.Faults()
		return request, ""
	}
	if request.batch.Kind() != jsonindex.Array {
		return request, reasonNoBatch
	}
	request.events = request.batch.Len()
	return request, request.sortFaults(d.index.Faults())
}

// sortFaults tells faults of single events from those of the context, which every event shares; any
// other makes the whole body unusable.
func (r *segmentRequest) sortFaults(faults []jsonindex.Fault) Reason {
	for _, fault := range faults {
		switch {
		case within(r.batch, fault.Pos):
			r.faults = append(r.faults, fault)
		case within(r.shared.context, fault.Pos):
			r.broken = &fault
		default:
			return Reason(fault.Reason)
		}
	}
	slices.SortFunc(r.faults, func(a, b jsonindex.Fault) int { return a.Pos - b.Pos })
	return ""
}

func within(v jsonindex.Value, pos int) bool {
	start, end := v.Span()
	return pos >= start && pos < end
}

// mapSegment turns each event of a request into a touchpoint or a rejection.
func (d *desk) mapSegment(r segmentRequest) {
	if r.target.typ != "" {
		d.mapOne(&r, segmentEvent{value: r.event, typ: r.target.typ})
		return
	}
	// What the context of a batch may come to when each event repeats it.
	repeatable := 4 * d.limits.BodyBytes
	place := 0
	for i := r.batch.Items(); i.More(); i = i.Next() {
		event := segmentEvent{value: i.Value(), place: place, shared: r.shared}
		if place == d.limits.BatchEvents {
			d.rejectRest(&r, event)
			return
		}
		if repeatable -= len(event.value.Raw()) + len(r.shared.context.Raw()); repeatable < 0 {
			event.shared = segmentShared{}
			d.reject(event, Rejection{Reason: ReasonBatchTooLarge, Field: "context"})
		} else {
			d.mapOne(&r, event)
		}
		place++
	}
}

func (d *desk) mapOne(r *segmentRequest, e segmentEvent) {
	d.index.NextEvent()
	if why := d.unfit(r, e); why.Reason != "" {
		d.reject(e, why)
		return
	}
	if !d.draft.segment(e, &d.arrival) {
		d.reject(e, d.draft.rejection)
		return
	}
	d.prepareIdentifiers()
	node, _, ok := d.identifiers.Anchor(d.draft.touchpoint.Identifiers)
	if !ok && d.draft.identifyTicket() {
		// A made-up address typed at a till: the sale counts, and nobody's mailbox becomes a customer.
		node, _, ok = d.identifiers.Anchor(d.draft.touchpoint.Identifiers)
	}
	if !ok {
		d.reject(e, Rejection{Reason: ReasonUnusableIdentifier, Field: "userId"})
		return
	}
	d.accept(node)
}

// prepareIdentifiers gives telephone numbers the country of where they were written, which only the whole
// event tells, and drops card numbers: these are never kept.
func (d *desk) prepareIdentifiers() {
	t := &d.draft.touchpoint
	person := &t.Person.Value
	region := d.identifiers.Region(person.Country, person.PostalCode)
	if region == "" {
		region = d.regions[t.Context.Store.StoreID]
	}
	prepared := t.Identifiers[:0]
	for _, id := range t.Identifiers {
		if id, ok := d.identifiers.Prepare(id, region); ok {
			prepared = append(prepared, id)
		}
	}
	t.Identifiers = prepared
}

// unfit says why an event cannot even be looked at.
func (d *desk) unfit(r *segmentRequest, e segmentEvent) Rejection {
	_, end := e.value.Span()
	var fault *jsonindex.Fault
	for len(r.faults) > 0 && r.faults[0].Pos < end {
		if fault == nil {
			fault = &r.faults[0]
		}
		r.faults = r.faults[1:]
	}
	switch {
	case fault != nil:
		return Rejection{Reason: Reason(fault.Reason), Field: d.index.Path(e.value, fault.Pos)}
	case r.broken != nil:
		path := d.index.Path(r.shared.context, r.broken.Pos)
		return Rejection{Reason: Reason(r.broken.Reason), Field: strings.TrimSuffix("context."+path, ".")}
	case len(e.value.Raw())+len(e.shared.context.Raw()) > d.limits.EventBytes:
		return Rejection{Reason: ReasonEventTooLarge}
	case e.shared.context.Kind() > jsonindex.Null && e.shared.context.Kind() != jsonindex.Object:
		return Rejection{Reason: ReasonInvalidType, Field: "context"}
	}
	return Rejection{}
}

// accept encodes the draft.
func (d *desk) accept(anchor uuid.UUID) {
	d.values = schemas.AppendHeader(d.values, d.schemaID)
	d.values = d.draft.touchpoint.AppendAvro(d.values)
	d.ends = append(d.ends, len(d.values))
	var key [keySize]byte
	hex(&key, anchor)
	d.keys = append(d.keys, key[:]...)
	d.accepted[slices.Index(eventTypes, d.draft.touchpoint.Type)]++
}

// hex writes a UUID as text.
func hex(dst *[keySize]byte, id uuid.UUID) {
	const digits = "0123456789abcdef"
	at := 0
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst[at] = '-'
			at++
		}
		dst[at], dst[at+1] = digits[b>>4], digits[b&15]
		at += 2
	}
}

// reject quarantines an event with its own bytes, and with what its batch says once for all, without which it could not
// be sent again.
func (d *desk) reject(e segmentEvent, why Rejection) {
	typ := e.typ
	if typ == "" {
		typ = plain(e.value.Get("type"))
	}
	name := plain(e.value.Get("event"))
	if name == "" {
		name = plain(e.value.Get("name"))
	}
	d.quarantined(rejectedEvent{
		Index: e.place, MessageID: printable(plain(e.value.Get("messageId"))), Reason: why.Reason,
		Field: printable(why.Field), Detail: why.Detail(), Count: 1,
	}, printable(typ), printable(name), e.value.Raw(), e.alone())
}

// rejectRest quarantines the events past the limit as one array: a record for each would let a small
// body make many.
func (d *desk) rejectRest(r *segmentRequest, first segmentEvent) {
	start, _ := first.value.Span()
	batchStart, _ := r.batch.Span()
	rest := append([]byte{'['}, r.batch.Raw()[start-batchStart:]...)
	d.quarantined(rejectedEvent{
		Index: first.place, Reason: ReasonTooManyEvents, Field: "batch",
		Detail: details[ReasonTooManyEvents], Count: r.events - first.place,
	}, "", "", rest, rest)
}

// quarantined keeps a payload under an id made of the event that is in it: sentAt changes with every attempt.
func (d *desk) quarantined(r rejectedEvent, typ, name string, event, payload []byte) {
	d.rejected = append(d.rejected, r)
	d.records = append(d.records, d.quarantine.RecordAs(schemas.RejectedTouchpoint{
		ReceivedAt:  schemas.Some(d.arrival.received),
		Workspace:   d.arrival.workspace,
		Source:      d.arrival.source.Name,
		Reason:      string(r.Reason),
		Field:       r.Field,
		Detail:      r.Detail,
		MessageID:   r.MessageID,
		Type:        typ,
		Name:        name,
		ContentType: contentJSON,
		Payload:     payload,
	}, event))
}

// maxPrintable is as much of a sender's own words as is repeated to people.
const maxPrintable = 200

// printable cuts a text to what may stand in a column.
func printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:maxPrintable]
	}
	return strings.Clone(strings.ToValidUTF8(s, "\ufffd"))
}

// seal makes the records of the touchpoints, now that their bytes stay where they are, and returns all.
func (d *desk) seal() []*stream.Record {
	if cap(d.room) < len(d.ends) {
		d.room = make([]stream.Record, len(d.ends))
	}
	d.room = d.room[:len(d.ends)]
	start := 0
	for i, end := range d.ends {
		d.room[i] = stream.Record{
			Topic: stream.Touchpoints,
			Key:   d.keys[i*keySize : (i+1)*keySize : (i+1)*keySize],
			Value: d.values[start:end:end],
		}
		d.records = append(d.records, &d.room[i])
		start = end
	}
	return d.records
}

// answer says what became of the events. SDKs look at the status only; people at the rest.
func (d *desk) answer() answer {
	if len(d.rejected) == 0 {
		return answer{status: http.StatusOK, body: []byte(success)}
	}
	body, err := json.Marshal(struct {
		Success  bool            `json:"success"`
		Accepted int             `json:"accepted"`
		Rejected []rejectedEvent `json:"rejected"`
	}{true, len(d.ends), d.rejected})
	if err != nil {
		body = []byte(success)
	}
	return answer{status: http.StatusOK, body: body}
}
