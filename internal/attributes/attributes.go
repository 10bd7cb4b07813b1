// Package attributes knows the records of the topic attributes: what one provider says of one subject, which is a node (the keyed hash of an
// identifier) or an area. It promises that [Join] may be applied in any order and as often as one likes, so that instances which write one
// record at about the same time lose nothing, and that keys and values which it wrote it reads.
package attributes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

// Set is what one provider says of one subject: the value of a record. A record without a value deletes the set.
type Set = schemas.AttributeSet

// Value is one attribute in a set.
type Value = schemas.AttributeValue

// Order is one order in a set of [Self].
type Order = schemas.AttributeOrder

// Self is the provider that stands for the retailer's own events. The sets of all others are replaced as a whole.
const Self = "self"

// MaxOrders is how many orders a set tells apart: more than the last band that is shown begins with.
const MaxOrders = 10

// Parties that a provider can be.
const (
	FirstParty  = "first"
	SecondParty = "second"
	ThirdParty  = "third"
)

// SubjectKind says what a set is about.
type SubjectKind string

// The kinds there are.
const (
	Node     SubjectKind = "node"
	Postcode SubjectKind = "postcode"
	Commune  SubjectKind = "commune"
	IRIS     SubjectKind = "iris"
)

// Subject is whom or what a set is about.
type Subject struct {
	Kind SubjectKind
	// Node of a subject of that kind; zero for an area.
	Node uuid.UUID
	// Code of an area; empty for a node.
	Code string
}

// OfNode is the subject of a node.
func OfNode(node uuid.UUID) Subject { return Subject{Kind: Node, Node: node} }

// SubjectOf is what the set is about.
func SubjectOf(s *Set) Subject {
	return Subject{Kind: SubjectKind(s.SubjectKind), Node: s.Node, Code: s.Code}
}

// For makes an empty set.
func For(workspace string, subject Subject, provider string) *Set {
	return &Set{Workspace: workspace, SubjectKind: string(subject.Kind), Node: subject.Node, Code: subject.Code, Provider: provider}
}

// HoldsAt tells whether the set says something about that moment.
func HoldsAt(s *Set, at time.Time) bool {
	moment := schemas.MillisOf(at)
	return (!s.ValidFrom.Valid || moment >= s.ValidFrom.Value) && (!s.ValidUntil.Valid || moment < s.ValidUntil.Value)
}

// Join is the set that has all that two sets of one subject and provider say. It is commutative, associative and idempotent. Neither set is
// changed; the answer is a itself when b adds nothing to it. A nil set says nothing.
//
// Of [Self] it takes for each name and source the newest value, of orders the smallest hashes and the earliest time. Of another provider it
// takes the newer set as a whole.
func Join(a, b *Set) *Set {
	switch {
	case b == nil || a == b:
		return a
	case a == nil:
		return b
	case a.Provider != Self || b.Provider != Self:
		if compareSets(a, b) >= 0 {
			return a
		}
		return b
	}
	joined := *a
	if compareHeads(a, b) < 0 {
		joined = *b
	}
	joined.UpdatedAt = max(a.UpdatedAt, b.UpdatedAt)
	joined.Values = joinValues(a.Values, b.Values)
	joined.Orders = joinOrders(a.Orders, b.Orders)
	joined.FirstOrderAt = earliest(a.FirstOrderAt, b.FirstOrderAt)
	if Equal(&joined, a) {
		return a
	}
	return &joined
}

// Equal tells whether two sets have the same bytes.
func Equal(a, b *Set) bool {
	return compareHeads(a, b) == 0 && a.UpdatedAt == b.UpdatedAt && a.FirstOrderAt == b.FirstOrderAt &&
		slices.Equal(a.Values, b.Values) && slices.Equal(a.Orders, b.Orders)
}

// Canonical is the set as Join leaves it: values by name and source, each once, and the smallest orders.
func Canonical(s *Set) *Set {
	c := *s
	if s.Provider == Self {
		c.Values, c.Orders = joinValues(s.Values, nil), joinOrders(s.Orders, nil)
	}
	return &c
}

// compareSets orders sets by their time, then by their bytes.
func compareSets(a, b *Set) int {
	if c := cmp.Compare(a.UpdatedAt, b.UpdatedAt); c != 0 {
		return c
	}
	return bytes.Compare(a.AppendAvro(nil), b.AppendAvro(nil))
}

// compareHeads orders what stands around the values.
func compareHeads(a, b *Set) int {
	return cmp.Or(
		cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.SubjectKind, b.SubjectKind), bytes.Compare(a.Node[:], b.Node[:]), cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Party, b.Party), cmp.Compare(a.Licence, b.Licence), cmp.Compare(a.Purpose, b.Purpose),
		compareOptional(a.ValidFrom, b.ValidFrom), compareOptional(a.ValidUntil, b.ValidUntil),
	)
}

func compareOptional(a, b schemas.Optional[schemas.Millis]) int {
	switch {
	case a.Valid && b.Valid:
		return cmp.Compare(a.Value, b.Value)
	case a.Valid:
		return 1
	case b.Valid:
		return -1
	}
	return 0
}

func comparePlaces(a, b Value) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Source, b.Source))
}

// newer tells whether v is to be believed rather than w, which is in the same place. That a source took its value back counts like a value.
func newer(v, w Value) bool {
	return cmp.Or(cmp.Compare(v.At, w.At), cmp.Compare(v.Type, w.Type), cmp.Compare(v.Text, w.Text)) > 0
}

// joinValues keeps of each place the newest value.
func joinValues(a, b []Value) []Value {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(v, w Value) int {
		switch c := comparePlaces(v, w); {
		case c != 0:
			return c
		case newer(v, w):
			return -1
		case newer(w, v):
			return 1
		}
		return 0
	})
	return slices.CompactFunc(all, func(v, w Value) bool { return comparePlaces(v, w) == 0 })
}

func joinOrders(a, b []Order) []Order {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(v, w Order) int { return cmp.Compare(v.Hash, w.Hash) })
	all = slices.Compact(all)
	return all[:min(len(all), MaxOrders)]
}

func earliest(a, b schemas.Optional[schemas.Millis]) schemas.Optional[schemas.Millis] {
	if !a.Valid || b.Valid && b.Value < a.Value {
		return b
	}
	return a
}

// Validate names the field that is wrong, its value and what to do.
func Validate(s *Set) error {
	switch {
	case s.Workspace == "" || len(s.Workspace) > maxText8:
		return fmt.Errorf("workspace is %q: give 1 to %d bytes", s.Workspace, maxText8)
	case !nameForm.MatchString(s.Provider):
		return fmt.Errorf("provider is %q: use small letters, digits, - and _, 63 at most", s.Provider)
	case !slices.Contains([]string{FirstParty, SecondParty, ThirdParty}, s.Party):
		return fmt.Errorf("party is %q: give first, second or third", s.Party)
	case s.Purpose == "":
		return errors.New("purpose is empty: name what the values may be used for, for example profiling")
	case s.ValidFrom.Valid && s.ValidUntil.Valid && s.ValidUntil.Value <= s.ValidFrom.Value:
		return fmt.Errorf("valid_until is %s, not after valid_from %s: give a later one",
			s.ValidUntil.Value.Time().Format(time.RFC3339), s.ValidFrom.Value.Time().Format(time.RFC3339))
	case len(s.Values) > MaxValues:
		return fmt.Errorf("values are %d: give %d at most", len(s.Values), MaxValues)
	}
	if err := SubjectOf(s).Validate(); err != nil {
		return err
	}
	for i, v := range s.Values {
		if err := validateValue(v); err != nil {
			return fmt.Errorf("values[%d]: %w", i, err)
		}
		for _, before := range s.Values[:i] {
			if comparePlaces(before, v) == 0 {
				return fmt.Errorf("values[%d].name is %q, as in an entry before: give each once", i, v.Name)
			}
		}
	}
	return nil
}

// Validate names the field that is wrong, its value and what to do.
func (s Subject) Validate() error {
	switch s.Kind {
	case Node:
		switch {
		case s.Node == uuid.Nil:
			return errors.New("node is zero: give the hash of an identifier")
		case s.Code != "":
			return fmt.Errorf("code is %q on a node: leave it empty", s.Code)
		}
		return nil
	case Postcode, Commune, IRIS:
		switch {
		case s.Node != uuid.Nil:
			return fmt.Errorf("node is given on a %s: leave it zero", s.Kind)
		case s.Code == "" || len(s.Code) > maxText8:
			return fmt.Errorf("code of the %s is %q: give 1 to %d bytes", s.Kind, s.Code, maxText8)
		}
		return nil
	}
	return fmt.Errorf("subject_kind is %q: give %s, %s, %s or %s", s.Kind, Node, Postcode, Commune, IRIS)
}
