package collector

import (
	"crypto/sha1"
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

const (
	userIDType           = identifier.UserID
	anonymousIDType      = identifier.AnonymousID
	emailType            = identifier.Email
	phoneType            = identifier.Phone
	loyaltyCardType      = identifier.LoyaltyCard
	deviceIDType         = identifier.DeviceID
	paymentReferenceType = identifier.PaymentReference
	tillRecordType       = identifier.TillRecord
)

const (
	// maxMessageID is the published length of messageId.
	maxMessageID = 100
	// maxIdentifiers of one event: nobody has more, a mistake has.
	maxIdentifiers = 32
	// maxCustomType is the longest name of an identifier's type.
	maxCustomType = 64
)

// arrival is what a request says about all of its events.
type arrival struct {
	workspace string
	source    *source
	received  schemas.Millis
	// client is whoever sent the request: the visitor's browser or app, or a server.
	client client
}

// client is the sender as HTTP shows it.
type client struct {
	ip        string
	userAgent string
	hints     schemas.ClientHints
}

// draft is a touchpoint in the making. It is used for one event after the other and keeps its memory;
// texts of the touchpoint alias the request's body until the next event.
type draft struct {
	touchpoint schemas.Touchpoint
	rejection  Rejection

	clocks     clocks
	alone      schemas.Person
	merged     jsonindex.Index
	mergedText []byte
	properties []byte
	traits     []byte
	brands     []byte
	till       []byte
	unnamed    []byte
}

// begin clears the draft and fills in what every event of the request has in common.
func (d *draft) begin(a *arrival) {
	t := &d.touchpoint
	commerce := &t.Commerce.Value
	consent := &t.Consent.Value
	*t = schemas.Touchpoint{
		Workspace:   a.workspace,
		Source:      a.source.Name,
		Channel:     a.source.Channel,
		ReceivedAt:  a.received,
		Identifiers: t.Identifiers[:0],
		Commerce: schemas.Optional[schemas.Commerce]{Value: schemas.Commerce{
			Items: commerce.Items[:0], Tender: commerce.Tender[:0],
		}},
		Consent: schemas.Optional[schemas.Consent]{Value: schemas.Consent{
			Granted: consent.Granted[:0], Denied: consent.Denied[:0],
		}},
	}
	d.rejection = Rejection{}
	d.clocks = clocks{}
	d.properties, d.traits = d.properties[:0], d.traits[:0]
	d.brands, d.till = d.brands[:0], d.till[:0]
}

// reject notes the first thing that is wrong.
func (d *draft) reject(reason Reason, field string) {
	if d.rejection.Reason == "" {
		d.rejection = Rejection{Reason: reason, Field: field}
	}
}

func (d *draft) rejected() bool { return d.rejection.Reason != "" }

// identify adds an identifier, once.
func (d *draft) identify(typ, value string) {
	if value == "" {
		return
	}
	for _, id := range d.touchpoint.Identifiers {
		if id.Type == typ && id.Value == value {
			return
		}
	}
	if len(d.touchpoint.Identifiers) == maxIdentifiers {
		d.reject(ReasonTooManyIdentifiers, "context.externalIds")
		return
	}
	d.touchpoint.Identifiers = append(d.touchpoint.Identifiers, schemas.Identifier{Type: typ, Value: value})
}

// identifyTill makes the ticket the identifier of an event that has no other: a purchase nobody signed.
func (d *draft) identifyTill() {
	if len(d.touchpoint.Identifiers) == 0 {
		d.identifyTicket()
	}
}

// identifyTicket adds the ticket as an identifier, when the event has one.
func (d *draft) identifyTicket() bool {
	store := &d.touchpoint.Context.Store
	if store.StoreID == "" || store.ReceiptID == "" {
		return false
	}
	d.till = append(append(append(append(append(d.till, store.StoreID...), '/'), store.RegisterID...), '/'), store.ReceiptID...)
	d.identify(tillRecordType, alias(d.till))
	return true
}

// setTimes fills in the clocks.
func (d *draft) setTimes(received schemas.Millis) {
	t := &d.touchpoint
	d.clocks.queues = queuesOffline(t.Context.Library.Name)
	t.OriginalTimestamp = d.clocks.stated()
	t.SentAt = d.clocks.sent
	t.OccurredAt = d.clocks.occurred(received)
}

// eventSpace makes the ids of events differ from every other name-based id.
var eventSpace = uuid.MustParse("0b6a4f0e-95a1-5f0c-8e55-5d1f0b1c7a42")

// setEventID names the event: by its messageId when that is a UUID, by workspace, source and messageId
// when it is something else. An event without messageId is named by its own bytes: a repetition with
// the same time is the same event. When it states no time either, nothing tells a repetition from a
// second event like it, and the moment of arrival and the place in the request keep both.
func (d *draft) setEventID(event jsonindex.Value, a *arrival, place int) {
	t := &d.touchpoint
	if id, ok := canonicalUUID(t.MessageID); ok {
		t.EventID = id
		return
	}
	name := append(d.unnamed[:0], eventSpace[:]...)
	name = append(name, t.Workspace...)
	name = append(append(name, 0x1f), t.Source...)
	name = append(name, 0x1f)
	if t.MessageID != "" && t.MessageID != nilUUID {
		name = append(name, t.MessageID...)
	} else {
		name = append(name, 0x1f)
		name = jsonindex.AppendRest(name, event)
		if !d.clocks.stated().Valid {
			name = binary.BigEndian.AppendUint64(name, uint64(a.received))
			name = binary.BigEndian.AppendUint64(name, uint64(place))
		}
	}
	d.unnamed = name
	sum := sha1.Sum(name)
	copy(t.EventID[:], sum[:])
	t.EventID[6] = t.EventID[6]&0x0f | 0x50 // version 5
	t.EventID[8] = t.EventID[8]&0x3f | 0x80
}

const nilUUID = "00000000-0000-0000-0000-000000000000"

// canonicalUUID reads a UUID in its usual form; the nil UUID names nothing.
func canonicalUUID(s string) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil && id != uuid.Nil
}
