package sink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// ledgerWorkspace is that of all events of the ledger.
const ledgerWorkspace = "ledger"

// Kinds of poison: what becomes no row.
const (
	poisonBytes  = "undecodable bytes"
	poisonTorn   = "torn record"
	poisonJSON   = "refused JSON"
	poisonClear  = "clear identifier"
	poisonRange  = "out of range"
	poisonHeader = "unknown schema"
)

var poisons = []string{poisonBytes, poisonTorn, poisonJSON, poisonClear, poisonRange, poisonHeader}

// ledgerHeader carries a record's number in the book, through the log.
const ledgerHeader = "ledger"

// entry is a record in the book: noted before it is produced, and again when it is acknowledged.
type entry struct {
	touchpoint   schemas.EnrichedTouchpoint
	value        []byte
	poison       string
	repeats      bool // another record with the same event came before
	acknowledged bool
}

// book is the ledger: all that was ever made, and what Kafka has acknowledged.
type book struct {
	schemaID int32
	kafka    *stream.Client
	rng      *rand.Rand // of the producer alone
	births   time.Time

	mu           sync.Mutex
	entries      []*entry
	acknowledged int
	repeats      int
	mapped       int // rows of the identity map that were acknowledged
	failures     int // batches without an acknowledgement
}

const ledgerAnchors = 60

func ledgerNode(n int) uuid.UUID {
	id := uuid.UUID{0: 0xed}
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

// make makes a new event.
func (b *book) make() *entry {
	e := &entry{}
	t := &e.touchpoint
	for i := range t.EventID {
		t.EventID[i] = byte(b.rng.Uint32())
	}
	anchor := b.rng.IntN(ledgerAnchors)
	t.MessageID, t.Workspace, t.Source, t.Channel, t.Type = t.EventID.String(), ledgerWorkspace, "web", "web", "track"
	t.Name = []string{"Product Viewed", "Product Added", "Page Viewed", "Order Completed"}[b.rng.IntN(4)]
	// Two months, so that most blocks are two parts.
	t.OccurredAt = schemas.MillisOf(b.births.AddDate(0, -b.rng.IntN(2), 0).Add(time.Duration(b.rng.IntN(1_000_000)) * time.Millisecond))
	t.ReceivedAt = schemas.MillisOf(time.Now())
	t.Anchor, t.AnchorType = ledgerNode(anchor), "anonymous_id"
	t.CustomerID = t.Anchor
	t.Identifiers = []schemas.Identifier{{Type: "anonymous_id", Value: t.Anchor.String()}}
	if other := b.rng.IntN(3); other > 0 {
		t.Identifiers = append(t.Identifiers, schemas.Identifier{Type: "email", Value: ledgerNode(1000*other + anchor).String()})
	}
	t.Properties = fmt.Sprintf(`{"size": %d}`, b.rng.IntN(50))
	if t.Name == "Order Completed" {
		t.Commerce.Valid = true
		t.Commerce.Value.OrderID = "o-" + t.EventID.String()
		t.Commerce.Value.Total = schemas.Some(schemas.Decimal(10_000 * (1 + b.rng.Int64N(500))))
	}
	if b.rng.IntN(14) == 0 {
		e.spoil(poisons[b.rng.IntN(len(poisons))])
	} else {
		if b.rng.IntN(2) == 0 {
			t.Person.Valid, t.Person.Value.Email = true, fmt.Sprintf("c%d-%d@example.com", anchor, b.rng.IntN(3))
		}
		if b.rng.IntN(2) == 0 {
			t.Traits = fmt.Sprintf(`{"tier": "t%d", "visits": %d}`, b.rng.IntN(4), b.rng.IntN(9))
		}
	}
	e.encode(b.schemaID)
	return e
}

// spoil makes an event one that can be no row.
func (e *entry) spoil(kind string) {
	e.poison = kind
	switch kind {
	case poisonJSON:
		e.touchpoint.Properties = `{"size": 12`
	case poisonClear:
		e.touchpoint.Identifiers[0].Value = "someone@example.com"
	case poisonRange:
		e.touchpoint.Calendar = schemas.Some(schemas.Calendar{Hour: 25, Weekday: 1})
	}
}

func (e *entry) encode(schemaID int32) {
	e.value = e.touchpoint.AppendAvro(schemas.AppendHeader(nil, schemaID))
	switch e.poison {
	case poisonBytes:
		e.value = append([]byte{0xff}, e.touchpoint.EventID[:]...)
	case poisonTorn:
		e.value = e.value[:len(e.value)-9]
	case poisonHeader:
		e.value = append(schemas.AppendHeader(nil, 4711), e.touchpoint.EventID[:]...)
	}
}

// mayRepeat is whether a second copy would be known by its id.
func (e *entry) mayRepeat() bool {
	return e.poison != poisonBytes && e.poison != poisonTorn && e.poison != poisonHeader
}

// batch notes new events and repetitions of old ones: of this very batch, of one just sent, or of any before.
func (b *book) batch() (from int, records []*stream.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from = len(b.entries)
	for range 10 + b.rng.IntN(50) {
		e := b.make()
		if len(b.entries) > 0 && b.rng.IntN(8) == 0 {
			back := []int{20, 300, len(b.entries)}[b.rng.IntN(3)]
			old := b.entries[len(b.entries)-1-b.rng.IntN(min(back, len(b.entries)))]
			if old.mayRepeat() {
				e = &entry{touchpoint: old.touchpoint, value: old.value, poison: old.poison, repeats: true}
				b.repeats++
			}
		}
		number := binary.BigEndian.AppendUint32(nil, uint32(len(b.entries)))
		b.entries = append(b.entries, e)
		records = append(records, &stream.Record{
			Topic: stream.Enriched, Key: e.touchpoint.Anchor[:], Value: e.value,
			Headers: []stream.Header{{Key: ledgerHeader, Value: number}},
		})
	}
	return from, records
}

// produce writes a batch and notes which of it was acknowledged.
func (b *book) produce(ctx context.Context) error {
	from, records := b.batch()
	var rows []*stream.Record
	row := identitymap.Row{Workspace: ledgerWorkspace, Node: ledgerNode(100_000 + from), Type: "email", Canonical: ledgerNode(200_000 + from), Version: uint64(from + 1), At: b.births.UnixMilli()}
	rows = append(rows, &stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, &row), Value: identitymap.Append(nil, &row)})
	err := b.kafka.Produce(ctx, records...)
	mapErr := b.kafka.Produce(ctx, rows...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		for _, e := range b.entries[from:] {
			e.acknowledged = true
		}
		b.acknowledged += len(records)
	}
	if mapErr == nil {
		b.mapped++
	}
	if err := errors.Join(err, mapErr); err != nil {
		b.failures++
		return err
	}
	return nil
}

func (b *book) counts() (created, acknowledged, repeats int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries), b.acknowledged, b.repeats
}
