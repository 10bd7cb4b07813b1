package attributes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// Facts are what one event says of its person.
type Facts struct {
	// Values have names and texts; source and time are those of the event.
	Source string
	At     schemas.Millis
	Values []facts.Value
	// Order is the hash of the key of the order that the event placed, by [Store.OrderHash].
	Order schemas.Optional[int64]
}

// Add adds a fact. The text may be in the memory of the event; an empty one is left out.
func (f *Facts) Add(name, typ, text string) {
	if text != "" {
		f.Values = append(f.Values, facts.Value{Name: name, Type: typ, Text: text})
	}
}

// TakeBack says that the source states a value no more.
func (f *Facts) TakeBack(name string) {
	f.Values = append(f.Values, facts.Value{Name: name, Type: facts.None})
}

// AddAddress adds country, postcode and commune as one fact.
func (f *Facts) AddAddress(country, postalCode, communeCode string) {
	if country+postalCode+communeCode == "" {
		return
	}
	clean := func(text string) string { return strings.ReplaceAll(text, addressSeparator, "") }
	f.Add(FactAddress, facts.String, clean(country)+addressSeparator+clean(postalCode)+addressSeparator+clean(communeCode))
}

// AddConsent adds a statement, unless it is too long to be kept: then whoever asks has to shorten it.
func (f *Facts) AddConsent(consent *schemas.Consent) (added bool, err error) {
	said := statement{Granted: slices.Sorted(slices.Values(consent.Granted)), Denied: slices.Sorted(slices.Values(consent.Denied))}
	text, err := json.Marshal(said)
	if err != nil {
		return false, fmt.Errorf("write the consent: %w", err)
	}
	if len(text) > facts.MaxText {
		return false, nil
	}
	f.Add(FactConsent, facts.String, string(text))
	return true, nil
}

// Empty tells whether the event says nothing.
func (f *Facts) Empty() bool { return len(f.Values) == 0 && !f.Order.Valid }

// Reset makes it ready for the next event.
func (f *Facts) Reset(source string, at schemas.Millis) {
	f.Source, f.At, f.Values, f.Order = source, at, f.Values[:0], schemas.Optional[int64]{}
}

// OrderHash is the hash of the key of an order, which cannot be read from it without the key of the workspace. It is for one goroutine.
func (s *Store) OrderHash(parts ...string) int64 { return s.order.of(parts) }

type orderHash struct {
	mac hash.Hash
	sum []byte
}

func newOrderHash(key []byte) *orderHash {
	// The key is told apart from that of nodes.
	own := hmac.New(sha256.New, key)
	own.Write([]byte("parcours order 1"))
	return &orderHash{mac: hmac.New(sha256.New, own.Sum(nil))}
}

func (o *orderHash) of(parts []string) int64 {
	o.mac.Reset()
	for _, part := range parts {
		o.mac.Write([]byte(part))
		o.mac.Write([]byte{0x1f})
	}
	o.sum = o.mac.Sum(o.sum[:0])
	return int64(binary.BigEndian.Uint64(o.sum))
}

// Contribute adds what an event says to what is known of the first of its nodes that is no shared one, and tells whether that changed anything. What
// changed is known at once here, and to the others once the records of [Store.Take] are written. Nothing is kept of the memory of the facts.
func (s *Store) Contribute(who Who, f *Facts) (changed bool, err error) {
	if f.Empty() {
		return false, nil
	}
	node, customer, _, err := s.customerOf(who)
	if err != nil || node == uuid.Nil {
		return false, err
	}
	key := setKey(facts.OfNode(node), facts.Self)
	s.mu.Lock()
	defer s.mu.Unlock()
	home, err := s.rowOf(s.db, node)
	if err != nil || home.erased || home.shared { // It may have changed since.
		return false, err
	}
	c := s.pending[string(key)]
	var known *facts.Set
	if c != nil {
		known = c.set
	} else if known, err = s.set(s.db, key); err != nil {
		return false, err
	}
	said := s.news(node, known, f)
	if said == nil {
		return false, nil
	}
	joined := facts.Join(known, said)
	if joined == known {
		return false, nil
	}
	text := string(key)
	if c == nil {
		c = &contribution{}
		s.pending[text] = c
		w := &writer{s: s, batch: s.db.NewIndexedBatch()}
		w.member(node, home)
		err := w.commit()
		if closed := w.batch.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return false, err
		}
	}
	c.set, c.written = joined, false
	if !slices.Contains(s.unsaid, text) {
		s.unsaid = append(s.unsaid, text)
	}
	s.known.Invalidate(home.canonical)
	s.known.Invalidate(customer)
	s.metrics.contributions.Inc()
	return true, nil
}

// news is the set of what an event says and the known one has not; nil when there is nothing. A value that is said again is no news for a while.
func (s *Store) news(node uuid.UUID, known *facts.Set, f *Facts) *facts.Set {
	said := facts.For(s.name, facts.OfNode(node), facts.Self)
	said.Party, said.Purpose, said.UpdatedAt = facts.FirstParty, "analytics", f.At
	for _, v := range f.Values {
		if len(v.Text) > facts.MaxText || len(v.Text) == 0 && v.Type != facts.None || facts.ValidName(v.Name) != nil {
			continue
		}
		if known != nil && s.saidAgain(known.Values, v, f) {
			continue
		}
		said.Values = append(said.Values, facts.Value{
			Name: strings.Clone(v.Name), Type: v.Type, Text: strings.Clone(v.Text), Source: strings.Clone(f.Source), At: f.At,
		})
	}
	if f.Order.Valid {
		order := facts.Order{Hash: f.Order.Value}
		if known == nil || !slices.Contains(known.Orders, order) || !known.FirstOrderAt.Valid || f.At < known.FirstOrderAt.Value {
			said.Orders, said.FirstOrderAt = []facts.Order{order}, schemas.Some(f.At)
		}
	}
	if len(said.Values) == 0 && len(said.Orders) == 0 {
		return nil
	}
	if len(said.Values) == 0 && known != nil {
		said.UpdatedAt = known.UpdatedAt // So that an order that is one too many changes nothing.
	}
	return facts.Canonical(said)
}

// saidAgain tells whether the source said the same a little while ago, and no other source anything newer since.
func (s *Store) saidAgain(known []facts.Value, v facts.Value, f *Facts) bool {
	var before *facts.Value
	newest := schemas.Millis(0)
	for i := range known {
		if known[i].Name != v.Name {
			continue
		}
		if known[i].Source == f.Source {
			before = &known[i]
		} else {
			newest = max(newest, known[i].At)
		}
	}
	if before == nil {
		return false
	}
	if f.At <= before.At {
		return f.At < before.At || before.Type == v.Type && before.Text == v.Text
	}
	return before.Type == v.Type && before.Text == v.Text && f.At-before.At < schemas.Millis(s.o.restate.Milliseconds()) && newest <= before.At
}

// Take makes the records of what was contributed since the last call, one a subject. They are to be written before the offsets of the events that
// contributed are committed; [Store.Written] is told when they are. When they cannot be written the store must be closed.
func (s *Store) Take() []*stream.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsaid) == 0 {
		return nil
	}
	records := make([]*stream.Record, 0, len(s.unsaid))
	for _, key := range s.unsaid {
		if c := s.pending[key]; c != nil { // Without it, it was erased meanwhile.
			records = append(records, s.codec.Record(c.set))
		}
	}
	s.unsaid = s.unsaid[:0]
	return records
}

// Written says that Kafka has the records of the last Take.
func (s *Store) Written(records []*stream.Record) {
	if len(records) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range records {
		key := append([]byte{keySet}, record.Key[1+len(s.name):]...)
		if c := s.pending[string(key)]; c != nil {
			c.written, c.partition, c.offset = true, record.Partition, record.Offset
		}
	}
}
