package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

// ReplaySource is how events of a source are sent to the collector.
type ReplaySource struct {
	WriteKey string
	// Server is true for sources that state the address of their visitors themselves.
	Server bool
}

// replayEvent is one event as it goes back to the collector.
type replayEvent struct {
	body []byte
	// same is true for the very bytes that were rejected: rejected again, they are the same rejection.
	same    bool
	id      schemas.UUID
	changes []Change
}

// collected makes of the payload of a collector's rejection what the collector takes in its stead: the events, edited,
// each with a message id that is the same at every attempt, and with the times that they would have had.
func collected(rejection *Rejection, source ReplaySource, edit Edit, now time.Time) ([]replayEvent, error) {
	if rejection.Payload == "" {
		return nil, errors.New("nothing was kept of the body: have its sender send it again")
	}
	raw, shared, err := unwrap([]byte(rejection.Payload))
	if err != nil {
		return nil, err
	}
	events := make([]replayEvent, len(raw))
	for i := range raw {
		event, err := collectedOne(raw[i], shared, rejection, source, edit, now)
		if err != nil && len(raw) > 1 {
			err = fmt.Errorf("event %d of %d: %w", i+1, len(raw), err)
		}
		if err != nil {
			return nil, err
		}
		if err := event.finish(rejection, raw[i], i, len(raw)); err != nil {
			return nil, err
		}
		events[i] = event.replayEvent
	}
	return events, nil
}

// sharedByBatch is what a batch says once for all of its events.
type sharedByBatch struct{ context, sentAt any }

var errNoJSON = errors.New("the payload is no JSON, so that nothing in it can be set: print it with parcours rejected list --payload, repair it, send it to the collector and dismiss this one")

// unwrap finds the events in a payload: it is an event, a batch with what its events share, or a list of events.
func unwrap(payload []byte) (events []json.RawMessage, shared sharedByBatch, err error) {
	if _, err := decodeJSON(payload); err != nil {
		return nil, shared, errNoJSON
	}
	if events = list(payload); events != nil {
		return events, shared, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) == nil {
		events = list(members["batch"])
	}
	if events == nil {
		return []json.RawMessage{payload}, shared, nil
	}
	for name, into := range map[string]*any{"context": &shared.context, "sentAt": &shared.sentAt} {
		if len(members[name]) > 0 {
			if *into, err = decodeJSON(members[name]); err != nil {
				return nil, shared, errNoJSON
			}
		}
	}
	return events, shared, nil
}

// list are the items of a list; nil when it is none.
func list(text []byte) (items []json.RawMessage) {
	if json.Unmarshal(text, &items) != nil {
		return nil
	}
	return items
}

type editedEvent struct {
	replayEvent
	members map[string]any
}

var eventTypes = []string{"identify", "track", "page", "screen", "group", "alias"}

func collectedOne(raw []byte, shared sharedByBatch, rejection *Rejection, source ReplaySource, edit Edit, now time.Time) (e editedEvent, err error) {
	event, err := decodeJSON(raw)
	if err != nil {
		return e, errNoJSON
	}
	if members, is := event.(map[string]any); is {
		if slices.Contains(eventTypes, rejection.Type) {
			members["type"] = rejection.Type // the path may have said it
		}
		if under, is := shared.context.(map[string]any); is {
			if own, is := members["context"].(map[string]any); is || members["context"] == nil {
				members["context"] = over(own, under)
			}
		} else if shared.context != nil && members["context"] == nil {
			members["context"] = shared.context
		}
	}
	if event, err = edit.apply(event); err != nil {
		return e, err
	}
	members, is := event.(map[string]any)
	if !is {
		return e, errors.New("the event is no JSON object: give a patch with its members, or dismiss it")
	}
	keepTimes(members, shared.sentAt, rejection.ReceivedAt, now)
	keepAddress(members, source)
	e.members = members
	return e, nil
}

// over merges two objects at every depth, as the collector does with the context of a batch; the first one's members win.
func over(own, under map[string]any) map[string]any {
	merged := make(map[string]any, len(own)+len(under))
	for name, value := range under {
		merged[name] = value
	}
	for name, value := range own {
		mine, is := value.(map[string]any)
		theirs, are := under[name].(map[string]any)
		if is && are {
			value = over(mine, theirs)
		}
		merged[name] = value
	}
	return merged
}

// keepTimes lets the event happen when it happened: an event without a time at its first reception, and a sender's clock
// is corrected by what it lacked then, and not by how long the event lay in quarantine.
func keepTimes(event map[string]any, sharedSentAt any, received *time.Time, now time.Time) {
	sent := event["sentAt"]
	if missing(sent) {
		sent = sharedSentAt
	}
	delete(event, "sentAt")
	if received == nil {
		return
	}
	if missing(event["timestamp"]) && missing(event["originalTimestamp"]) {
		event["timestamp"] = received.UTC().Format(time.RFC3339Nano)
		return
	}
	if at, ok := moment(sent); ok {
		event["sentAt"] = at.Add(now.Sub(*received)).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
}

func missing(value any) bool { return value == nil || value == "" }

// moment reads a time as most SDKs write it.
func moment(value any) (time.Time, bool) {
	switch v := value.(type) {
	case string:
		at, err := time.Parse(time.RFC3339Nano, v)
		return at, err == nil
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		const secondsBelow = 100_000_000_000 // as the collector has it
		if n < secondsBelow {
			n *= 1000
		}
		return time.UnixMilli(n), err == nil
	}
	return time.Time{}, false
}

// keepAddress asks the collector for no address where it would take that of the connection, which is ours.
func keepAddress(event map[string]any, source ReplaySource) {
	context, is := event["context"].(map[string]any)
	if direct, _ := context["direct"].(bool); source.Server && !direct {
		return
	}
	if !is {
		if event["context"] != nil {
			return
		}
		context = make(map[string]any)
	}
	context["ip"] = "0.0.0.0"
	event["context"] = context
}

// finish names the event and writes it down. One without a message id takes the rejection's, so that each attempt is the
// same event.
func (e *editedEvent) finish(rejection *Rejection, raw []byte, place, of int) error {
	messageID := ""
	switch v := e.members["messageId"].(type) {
	case string:
		messageID = v
	case json.Number:
		messageID = v.String()
	}
	id, named := schemas.EventID(rejection.Workspace, rejection.Source, messageID)
	if !named {
		id = rejection.ID
		if of > 1 {
			id = uuid.NewSHA1(rejection.ID, []byte(strconv.Itoa(place)))
		}
		e.members["messageId"] = id.String()
	}
	e.id = id
	before, err := decodeJSON(raw)
	if err != nil {
		return errNoJSON
	}
	e.changes = changes("", before, any(e.members))
	if e.body, err = encodeJSON(e.members); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	e.same = string(e.body) == string(raw)
	return nil
}
