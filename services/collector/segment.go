package collector

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// The Segment dialect: how the JSON of one call becomes a touchpoint. Everything here is a function of
// the call, what surrounds it in the request, and the time it was received.

// segmentShared is what a Segment batch says once for all of its events.
type segmentShared struct {
	context jsonindex.Value
	sentAt  jsonindex.Value
}

// segmentCall are the members of a call that are read; those not named here are the transport's and go
// no further.
type segmentCall struct {
	messageID, userID, anonymousID, groupID, previousID jsonindex.Value
	typ, event, name, category                          jsonindex.Value
	timestamp, originalTimestamp, sentAt                jsonindex.Value
	context, properties, traits                         jsonindex.Value
}

func readSegmentCall(event jsonindex.Value) segmentCall {
	var c segmentCall
	for m := event.Members(); m.More(); m = m.Next() {
		v := m.Value()
		switch m.Key() {
		case "messageId":
			c.messageID = v
		case "userId":
			c.userID = v
		case "anonymousId":
			c.anonymousID = v
		case "groupId":
			c.groupID = v
		case "previousId":
			c.previousID = v
		case "type":
			c.typ = v
		case "event":
			c.event = v
		case "name":
			c.name = v
		case "category":
			c.category = v
		case "timestamp":
			c.timestamp = v
		case "originalTimestamp":
			c.originalTimestamp = v
		case "sentAt":
			c.sentAt = v
			m.Lift() // it changes with every attempt: the event's name must not hang on it
		case "context":
			c.context = v
		case "properties":
			c.properties = v
		case "traits":
			c.traits = v
		case "_metadata", "writeKey", "integrations":
			m.Lift()
		}
	}
	return c
}

// segmentEvent is one call as it is handed to the mapping.
type segmentEvent struct {
	value  jsonindex.Value
	typ    string // by the path; empty in a batch, where the call says it
	place  int    // in the request
	shared segmentShared
}

// alone are the bytes of the call, as a batch of one where the batch that it came in said something for all.
func (e segmentEvent) alone() []byte {
	context, sentAt := e.shared.context.Raw(), e.shared.sentAt.Raw()
	if len(context) == 0 && len(sentAt) == 0 {
		return e.value.Raw()
	}
	batch := append([]byte(`{"batch":[`), e.value.Raw()...)
	batch = append(batch, ']')
	if len(context) > 0 {
		batch = append(append(batch, `,"context":`...), context...)
	}
	if len(sentAt) > 0 {
		batch = append(append(batch, `,"sentAt":`...), sentAt...)
	}
	return append(batch, '}')
}

// segment turns one call into the draft's touchpoint, or into its rejection. Top to bottom is the path
// of an event.
func (d *draft) segment(e segmentEvent, a *arrival) bool {
	d.begin(a)
	if e.value.Kind() != jsonindex.Object {
		d.reject(ReasonNotAnObject, "")
		return false
	}
	call := readSegmentCall(e.value)

	// 1. What it is. These come first so that a rejection can say which event it was.
	d.touchpoint.MessageID = d.id(call.messageID, "messageId")
	if len(d.touchpoint.MessageID) > maxMessageID {
		d.reject(ReasonMessageIDTooLong, "messageId")
	}
	event := d.segmentType(&call, e.typ)

	// 2. The objects it carries, the batch's context under its own.
	context := d.segmentContext(call.context, e.shared.context)
	properties := d.object(call.properties, "properties")
	traits := d.object(call.traits, "traits")
	if d.rejected() {
		return false
	}

	// 3. When it happened.
	d.clocks.timestamp = d.time(call.timestamp, "timestamp")
	d.clocks.original = d.time(call.originalTimestamp, "originalTimestamp")
	sentAt := call.sentAt
	if sentAt.Kind() <= jsonindex.Null {
		sentAt = e.shared.sentAt
	}
	d.clocks.sent = d.time(sentAt, "sentAt")
	d.setEventID(e.value, a, e.place) // before anything else is marked as lifted

	// 4. Who, what was bought, paid or answered, and where. Contact fields are taken from wherever they
	// stand, those of traits first, then the event's own properties, then what the context remembers.
	d.segmentIdentifiers(&call)
	d.segmentTraits(traits)
	d.liftProperties(properties, event)
	d.liftPerson(context.Get("traits"), traitFields)
	d.liftContext(context, a)
	if d.touchpoint.Type == "page" || d.touchpoint.Type == "screen" {
		d.liftPageProperties(properties) // over what the context says of the page
	}
	d.setTimes(a.received)

	// 5. The rest stays as it was written.
	d.identifyTill()
	if len(d.touchpoint.Identifiers) == 0 {
		d.reject(ReasonMissingIdentifier, "userId")
	}
	d.keepRest(properties, traits, context)
	return !d.rejected()
}

// segmentType reads type and name, and what the type cannot be without.
func (d *draft) segmentType(call *segmentCall, byPath string) knownEvent {
	t := &d.touchpoint
	t.Type = byPath
	if byPath == "" {
		t.Type = plain(call.typ)
	}
	switch t.Type {
	case "track":
		if t.Name = d.id(call.event, "event"); t.Name == "" {
			d.reject(ReasonMissingName, "event")
		}
		event := known(t.Name)
		if event.shape != shapeOther {
			t.Name = event.name
		}
		return event
	case "page", "screen":
		t.Name = d.id(call.name, "name")
		t.Context.Page.Category = d.id(call.category, "category")
	case "group":
		if t.Context.GroupID = d.id(call.groupID, "groupId"); t.Context.GroupID == "" {
			d.reject(ReasonMissingGroup, "groupId")
		}
	case "alias":
		if plain(call.previousID) == "" {
			d.reject(ReasonMissingPrevious, "previousId")
		}
		if plain(call.userID) == "" {
			d.reject(ReasonMissingUser, "userId")
		}
	case "identify":
	default:
		t.Type = ""
		d.reject(ReasonUnknownType, "type")
	}
	return knownEvent{}
}

// segmentContext is the call's context, its members over those of the batch.
func (d *draft) segmentContext(own, shared jsonindex.Value) jsonindex.Value {
	own = d.object(own, "context")
	switch {
	case shared.Kind() != jsonindex.Object:
		return own
	case own.Kind() != jsonindex.Object:
		return shared
	}
	d.mergedText = jsonindex.AppendMerged(d.mergedText[:0], own, shared)
	// Both were checked, so the merged text is JSON without faults.
	if err := d.merged.Parse(d.mergedText, jsonindex.Limits{Depth: len(d.mergedText), Keys: len(d.mergedText)}); err != nil {
		d.reject(ReasonInvalidType, "context")
		return jsonindex.Value{}
	}
	return d.merged.Root()
}

func (d *draft) segmentIdentifiers(call *segmentCall) {
	t := &d.touchpoint
	userID := d.id(call.userID, "userId")
	d.identify(userIDType, userID)
	d.identify(anonymousIDType, d.id(call.anonymousID, "anonymousId"))
	if t.Type == "alias" {
		// The id used until now. Segment lets it be a cookie or a former user id; it is taken for a
		// cookie, because two user ids are two customers until an operator says otherwise.
		d.identify(anonymousIDType, d.id(call.previousID, "previousId"))
	}
	if t.Type == "identify" && userID != "" {
		t.Person.Valid = true
	}
	t.Person.Value.UserID = userID
}

// segmentTraits takes the contact fields from the traits of the call. The traits of a group describe the
// group: only its name is taken, as the person's company.
func (d *draft) segmentTraits(traits jsonindex.Value) {
	if d.touchpoint.Type == "group" {
		d.liftPerson(traits, companyFields)
		return
	}
	d.liftPerson(traits, traitFields)
}

// id is a text that may have been sent as a number; anything else but null is refused.
func (d *draft) id(v jsonindex.Value, field string) string {
	switch v.Kind() {
	case jsonindex.Missing, jsonindex.Null:
	case jsonindex.String, jsonindex.Number:
		return v.Text()
	default:
		d.reject(ReasonInvalidType, field)
	}
	return ""
}

// plain is a text, or nothing.
func plain(v jsonindex.Value) string {
	if v.Kind() == jsonindex.String || v.Kind() == jsonindex.Number {
		return v.Text()
	}
	return ""
}

// object is an object, or nothing; anything else but null is refused.
func (d *draft) object(v jsonindex.Value, field string) jsonindex.Value {
	switch v.Kind() {
	case jsonindex.Object:
		return v
	case jsonindex.Missing, jsonindex.Null:
	default:
		d.reject(ReasonInvalidType, field)
	}
	return jsonindex.Value{}
}

func (d *draft) time(v jsonindex.Value, field string) schemas.Optional[schemas.Millis] {
	at, ok := parseTime(v)
	if !ok {
		d.reject(ReasonInvalidTimestamp, field)
	}
	return at
}
