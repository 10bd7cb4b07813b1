package attributes

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

// Who is the person of an event.
type Who struct {
	// Anchor of the event, and the customer that identity named at position IV.
	Anchor, Customer uuid.UUID
	IV               int64
	// Identifiers are the nodes of the event as text, strongest first; the anchor may be among them.
	Identifiers []schemas.Identifier
}

// WhoOf is the person of an identified touchpoint.
func WhoOf(e *schemas.IdentifiedTouchpoint) Who {
	return Who{Anchor: e.Anchor, Customer: e.CustomerID, IV: e.IV, Identifiers: e.Identifiers}
}

func (s *Store) openCaches() (err error) {
	share := uint64(s.o.Config.CacheBytes)
	s.known, err = otter.New(&otter.Options[uuid.UUID, *joined]{
		MaximumWeight: share * 3 / 4, Weigher: func(_ uuid.UUID, j *joined) uint32 { return j.bytes + 160 },
	})
	if err != nil {
		return fmt.Errorf("make the cache of customers: %w", err)
	}
	const rowBytes = 192
	s.rows, err = otter.New(&otter.Options[uuid.UUID, row]{MaximumSize: int(share / 4 / rowBytes)})
	if err != nil {
		return fmt.Errorf("make the cache of the identity map: %w", err)
	}
	const areas = 50_000 // France has 36,000 communes and 6,000 postcodes.
	s.areas, err = otter.New(&otter.Options[facts.Subject, []*facts.Set]{MaximumSize: areas})
	if err != nil {
		return fmt.Errorf("make the cache of areas: %w", err)
	}
	return nil
}

// Of is what is known of a person at the time of an event; nil when nothing is.
func (s *Store) Of(who Who, at schemas.Millis) (*Known, error) {
	// 1. Nothing in the topics is of this node, nor of the customer that identity named: so it is for most events.
	if !s.filter.has(who.Anchor) && (who.Customer == who.Anchor || !s.filter.has(who.Customer)) {
		s.metrics.anonymous.Inc()
		return nil, nil //nolint:nilnil // Nothing is known.
	}
	// 2. The customer of now.
	node, customer, mapped, err := s.customerOf(who)
	if err != nil || node == uuid.Nil {
		return nil, err
	}
	// 3. A node whose row in the map has not come yet is with its customer all the same.
	if !mapped {
		return s.withNode(customer, node, at)
	}
	if j, ok := s.known.GetIfPresent(customer); ok && j.holds.has(at) {
		s.metrics.hits.Inc()
		return j.known, nil
	}
	s.metrics.misses.Inc()
	s.mu.RLock()
	defer s.mu.RUnlock()
	sets, err := s.setsOf(customer)
	if err != nil {
		return nil, err
	}
	j := s.o.Rules.resolve(sets, at)
	s.known.Set(customer, j) // Under the lock: who changes the sets forgets it afterwards.
	if j.known == nil {
		s.metrics.falsePositives.Inc()
	}
	return j.known, nil
}

// customerOf is the node that stands for the event, the first that is no shared one, and its customer: the newer of what the map says and what identity
// said with the event. The node is zero when all are shared or erased. mapped tells whether the map agrees.
func (s *Store) customerOf(who Who) (node, customer uuid.UUID, mapped bool, err error) {
	r, err := s.row(who.Anchor)
	if err != nil || r.erased {
		return uuid.Nil, uuid.Nil, false, err
	}
	if !r.shared {
		customer = r.canonical
		if !r.found || r.version <= uint64(max(who.IV, 0)) {
			customer = who.Customer
		}
		return who.Anchor, customer, r.canonical == customer, nil
	}
	for i := range who.Identifiers {
		next, err := uuid.Parse(who.Identifiers[i].Value)
		if err != nil || next == who.Anchor {
			continue // Identity writes nodes there; what is none stands for nobody.
		}
		if r, err = s.row(next); err != nil {
			return uuid.Nil, uuid.Nil, false, err
		}
		if !r.shared && !r.erased {
			return next, r.canonical, true, nil
		}
	}
	return uuid.Nil, uuid.Nil, false, nil
}

// row is what the map says of a node.
func (s *Store) row(node uuid.UUID) (row, error) {
	if !s.filter.has(node) {
		return row{canonical: node}, nil
	}
	if r, ok := s.rows.GetIfPresent(node); ok {
		return r, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.rowOf(s.db, node)
	if err == nil {
		s.rows.Set(node, r)
	}
	return r, err
}

// withNode joins a customer and one more node, which is not the customer's in the map.
func (s *Store) withNode(customer, node uuid.UUID, at schemas.Millis) (*Known, error) {
	s.metrics.misses.Inc()
	s.mu.RLock()
	defer s.mu.RUnlock()
	sets, err := s.setsOf(customer)
	if err != nil {
		return nil, err
	}
	if sets, err = s.appendSets(sets, facts.OfNode(node)); err != nil {
		return nil, err
	}
	return s.o.Rules.resolve(sets, at).known, nil
}

// setsOf are those of all nodes of a customer. The caller holds the lock.
func (s *Store) setsOf(customer uuid.UUID) (sets []*facts.Set, err error) {
	var nodes []uuid.UUID
	err = s.scan(nodeKey(keyMember, customer), func(key, _ []byte) error {
		nodes = append(nodes, uuid.UUID(key[17:]))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, node := range nodes {
		// A crash can leave a node here that has moved since.
		if r, err := s.rowOf(s.db, node); err != nil || r.canonical != customer || r.shared || r.erased {
			if err != nil {
				return nil, err
			}
			continue
		}
		if sets, err = s.appendSets(sets, facts.OfNode(node)); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// appendSets appends the sets of a subject, with what was contributed and not read back.
func (s *Store) appendSets(sets []*facts.Set, subject facts.Subject) ([]*facts.Set, error) {
	own := s.pending[string(setKey(subject, facts.Self))]
	if own != nil {
		sets = append(sets, own.set)
	}
	err := s.scan(subjectKey(subject), func(key, value []byte) error {
		set, err := s.decode(key, value)
		if err == nil && (own == nil || set.Provider != facts.Self) {
			sets = append(sets, set)
		}
		return err
	})
	return sets, err
}

// Area are the sets of a postcode, commune or IRIS. They must not be changed.
func (s *Store) Area(kind facts.SubjectKind, code string) ([]*facts.Set, error) {
	subject := facts.Subject{Kind: kind, Code: code}
	if subject.Validate() != nil {
		return nil, nil
	}
	if sets, ok := s.areas.GetIfPresent(subject); ok {
		return sets, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sets, err := s.appendSets(nil, subject)
	if err == nil {
		subject.Code = strings.Clone(code)
		s.areas.Set(subject, sets)
	}
	return sets, err
}
