package sink

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// Reasons of the sink's quarantine.
const (
	reasonUndecodable     = "undecodable"
	reasonClearIdentifier = "identifier_not_hashed"
	reasonOutOfRange      = "out_of_range"
	reasonRefused         = "refused_by_clickhouse"
)

// fault is why a record makes no row.
type fault struct{ reason, field, detail string }

func undecodable(err error) *fault { return &fault{reason: reasonUndecodable, detail: err.Error()} }

// touchpoint is the record in hand, with what the tables want and the record does not have.
type touchpoint struct {
	schemas.EnrichedTouchpoint
	lineage lineage

	nodes      []uuid.UUID // the identifiers' values
	standIns   []uuid.UUID // of them, those that are not the anchor
	network    string      // of the address; the address itself is not stored
	currency   string
	properties string
	// customerTraits and attributes are what the enricher knows, as documents.
	customerTraits, attributes string
	traits                     string
	withTraits, attributed     bool   // whether these documents say anything
	version                    uint64 // orders values of one anchor
	content                    uint64 // hash of the person
	kept                       foreignValues
	unknown                    string // those of them that are personal
}

// touchpoints loads touchpoints.enriched into events, contacts and traits. It is used by one goroutine at a time.
type touchpoints struct {
	registry *registry.Registry
	currency string // of the workspace

	decoder   *schemas.Decoder // of decoderID
	decoderID int32
	decoded   bool                   // the record in hand could be read
	foreign   []schemas.ForeignField // of decoderID
	unknowns  *unknowns
	t         touchpoint
	events    *rows
	contacts  *rows
	traits    *traitRows
}

func newTouchpoints(reg *registry.Registry, currency string, u *unknowns) *touchpoints {
	l := &touchpoints{registry: reg, currency: currency, unknowns: u}
	l.events = newEvents(&l.t)
	l.contacts = newContacts(&l.t)
	l.traits = newTraits(&l.t)
	return l
}

func (l *touchpoints) tables() []*rows { return []*rows{l.events, l.contacts, l.traits.rows} }
func (l *touchpoints) trusted() bool   { return false }

func (l *touchpoints) event() (quarantine.Event, bool) {
	return quarantine.EventOf(&l.t.Touchpoint), l.decoded
}

// load decodes each record once and adds the rows that it makes.
func (l *touchpoints) load(ctx context.Context, records []*stream.Record, only *rows, reject func(*stream.Record, fault)) error {
	for _, record := range records {
		wrong, err := l.read(ctx, record)
		if err != nil {
			return err
		}
		if wrong != nil {
			reject(record, *wrong)
			continue
		}
		if only == nil || only == l.events {
			l.events.add()
		}
		if l.t.stated() && (only == nil || only == l.contacts) {
			l.contacts.add()
		}
		if l.t.Traits != "" && (only == nil || only == l.traits.rows) {
			l.traits.add(&l.t)
		}
	}
	return nil
}

// read makes the record the touchpoint in hand. It fails only when the registry cannot be asked.
func (l *touchpoints) read(ctx context.Context, record *stream.Record) (*fault, error) {
	l.decoded = false
	id, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		return undecodable(err), nil
	}
	if l.decoder == nil || id != l.decoderID {
		decoder, err := l.registry.TolerantDecoder(ctx, id)
		switch {
		case err == nil:
			l.decoder, l.decoderID, l.foreign = decoder, id, decoder.Foreign()
			l.unknowns.tell(id, l.foreign)
		case ctx.Err() != nil, registry.IsUnavailable(err):
			return nil, fmt.Errorf("find schema of %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
		default:
			return undecodable(err), nil
		}
	}
	if err := l.decoder.Decode(body, &l.t.EnrichedTouchpoint); err != nil {
		// The memory holds halves of the record now.
		l.t.EnrichedTouchpoint = schemas.EnrichedTouchpoint{}
		return undecodable(err), nil
	}
	l.decoded = true
	if err := l.unknowns.read(l.decoder, l.foreign, body, &l.t.kept); err != nil {
		return undecodable(err), nil
	}
	if wrong := l.t.check(); wrong != nil {
		return wrong, nil
	}
	l.t.lineage = lineageOf(record, id)
	l.t.complete(l.currency)
	return nil, nil
}

// check finds what the tables cannot hold as it is. It fills nodes and stand-ins on its way.
func (t *touchpoint) check() *fault {
	t.nodes, t.standIns = t.nodes[:0], t.standIns[:0]
	for i := range t.Identifiers {
		node, err := uuid.Parse(t.Identifiers[i].Value)
		if err != nil || len(t.Identifiers[i].Value) != 36 {
			return &fault{reason: reasonClearIdentifier, field: "identifiers", detail: "an identifier is not a node, and clear identifiers are not stored: let identity write the topic"}
		}
		t.nodes = append(t.nodes, node)
		if node != t.Anchor {
			t.standIns = append(t.standIns, node)
		}
	}
	if field := t.outOfRange(); field != "" {
		return &fault{reason: reasonOutOfRange, field: field, detail: rangesHeld}
	}
	return nil
}

// The range of DateTime64(3) and of Date32.
const (
	minMillis schemas.Millis = -2_208_988_800_000
	maxMillis schemas.Millis = 10_413_791_999_999
	minDate   schemas.Date   = -25_567
	maxDate   schemas.Date   = 120_529
)

// rangesHeld tells the bounds with each refusal.
const rangesHeld = "the value does not fit the column: times and dates lie in 1900 to 2299, hours in 0 to 23, weekdays in 1 to 7, quintiles in 1 to 5, deciles in 1 to 10, " +
	"ages in 0 to 150, shares and scores in 0 to 100, probabilities in 0 to 1, distances in 0 to 20100 km; the enrichment that wrote it is at fault: mend it and replay the event"

func badTime(v schemas.Millis) bool { return v < minMillis || v > maxMillis }

func badDate(v schemas.Optional[schemas.Date]) bool {
	return v.Valid && (v.Value < minDate || v.Value > maxDate)
}

// outOfRange names the first field whose value its column cannot hold: ClickHouse would store another one.
func (t *touchpoint) outOfRange() string {
	calendar := &t.Calendar.Value
	switch {
	case badTime(t.OccurredAt):
		return "occurred_at"
	case badTime(t.ReceivedAt):
		return "received_at"
	case t.OriginalTimestamp.Valid && badTime(t.OriginalTimestamp.Value):
		return "original_timestamp"
	case t.SentAt.Valid && badTime(t.SentAt.Value):
		return "sent_at"
	case badDate(t.Commerce.Value.BusinessDate):
		return "commerce.business_date"
	case badDate(t.Person.Value.BirthDate):
		return "person.birth_date"
	case badDate(t.Customer.Value.FirstOrderDate):
		return "customer.first_order_date"
	case badDate(t.Money.Value.RateDate):
		return "money.rate_date"
	}
	if field := t.knownOutOfRange(); field != "" {
		return field
	}
	switch {
	case !t.Calendar.Valid:
		return ""
	case badDate(schemas.Some(calendar.LocalDate)):
		return "calendar.local_date"
	case calendar.Hour < 0 || calendar.Hour > 23:
		return "calendar.hour"
	case calendar.Weekday < 1 || calendar.Weekday > 7:
		return "calendar.weekday"
	}
	return ""
}

// complete derives what the columns hold beside the record.
func (t *touchpoint) complete(currency string) {
	t.network = network(t.Context.IP)
	t.currency = t.Commerce.Value.Currency
	// A refund that names no currency is in its order's, which orders knows.
	if t.Commerce.Valid && t.currency == "" && t.Name != "Order Refunded" && t.Name != "Refunded Order" {
		t.currency = currency
	}
	t.properties = document(withUnknown(t.Properties, t.kept.general))
	t.traits = document(t.Traits)
	t.customerTraits = document(t.Customer.Value.Traits)
	t.attributes = document(t.Attributes)
	t.withTraits, t.attributed = t.traits != "{}", t.attributes != "{}"
	t.unknown = document(string(t.kept.personal))
	t.version = version(t.OccurredAt, t.EventID)
	if t.stated() {
		t.content = contentOf(&t.Person.Value, t.kept.personal)
	}
}

// stated reports whether the event has values that stand in contacts alone.
func (t *touchpoint) stated() bool { return t.Person.Valid || len(t.kept.personal) > 0 }

// network cuts an address to its /24 or /48; what is no address is left out.
func network(text string) string {
	if text == "" {
		return ""
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	address = address.Unmap().WithZone("")
	bits := 48
	if address.Is4() {
		bits = 24
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.Addr().String()
}

// version orders what is said of one anchor: by the time of the event, then by its identity, so that two events of one
// millisecond have the same order in every replay.
func version(at schemas.Millis, event uuid.UUID) uint64 {
	const idBits = 22 // leaves 42 bits of milliseconds, enough until 2109
	low := binary.BigEndian.Uint64(event[8:]) & (1<<idBits - 1)
	return uint64(max(at, 0))<<idBits | low
}
