// Package identifier turns the identifiers of a touchpoint into nodes: normalised, keyed hashes.
//
// It owns the spelling of identifiers. It promises that two spellings of one identifier are one node,
// that the functions are pure and their results change only with [Version], and that nothing it returns
// but [Identifiers.Normalise] shows a clear value. There is nothing to close.
package identifier

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

// Version of the normalisers. It goes with each piece of evidence, and changes with any change of a
// result in testdata.
const Version = 3

// Reasons why an identifier is not used.
const (
	Blocked     = "blocked"
	Invalid     = "invalid"
	UnknownType = "unknown_type"
	// CardNumber is the number of a payment card where a token belongs.
	CardNumber = "card_number"
	// SeveralPeople is a name that is two people's.
	SeveralPeople = "several_people"
	// Erased is a value that was seen before it was erased.
	Erased = "erased"
	// Hub is a value that too many share; Ruled is one that an operator blocked. Both have a node: it is the
	// graph that knows.
	Hub   = "hub"
	Ruled = "blocked_by_operator"
)

// Erasures knows the nodes that were erased, by [Identifiers.SuppressionKey].
type Erasures interface {
	// Suppressions is how many there are.
	Suppressions() int
	// Suppressed is the time of the erasure in milliseconds since 1970; ok is false when there was none.
	Suppressed(key [16]byte) (at int64, ok bool)
}

// Resolved is what an identifier of a touchpoint came to.
type Resolved struct {
	// Type of the identifier.
	Type string
	// Node is zero when there is a Reason.
	Node uuid.UUID
	// Rank as configured for the type, worse for a weak value.
	Rank uint8
	// Weak is true for a value that is shared by nature: a land line, a role mailbox.
	Weak bool
	// Derived is true for an identifier we made of the one before it (email_canon of email).
	Derived bool
	// Reason it is not used; empty when it is.
	Reason string
}

// kind is a type of identifier, ready for use.
type kind struct {
	TypeConfig
	name string
	// blocked are the configured blocked values in this type's spelling.
	blocked map[string]struct{}
	// blockedNodes are the nodes of the configured blocked values.
	blockedNodes []uuid.UUID
}

// Identifiers knows a workspace's types, rules and key. It is safe for concurrent use.
type Identifiers struct {
	kinds  map[string]*kind
	region string
	mail   mailRules
	hash   *hasher
	// suppress hashes nodes once more, with a key of its own.
	suppress *hasher
	phones   *otter.Cache[writtenPhone, parsedPhone]
}

// writtenPhone is a question to the phone parser.
type writtenPhone struct{ region, raw string }

// parsedPhone is an answer of the phone parser, which costs more than all the rest.
type parsedPhone struct {
	value, reason string
	weak          bool
}

func normaliserNames() []string {
	return []string{"exact", "device", "card", "email", "email_canon", "phone", "payment", "name_fr", "address_fr"}
}

// New prepares the identifiers of a workspace; types of cfg go over those of [DefaultConfig].
func New(cfg Config, ws workspace.Config) (*Identifiers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	key, err := ws.Key()
	if err != nil {
		return nil, err
	}
	s := &Identifiers{kinds: make(map[string]*kind), region: strings.ToUpper(ws.Region), mail: newMailRules(cfg), hash: newHasher(key), suppress: newHasher(suppressionKey(key))}
	if cfg.PhoneCache > 0 {
		s.phones, err = otter.New(&otter.Options[writtenPhone, parsedPhone]{MaximumSize: cfg.PhoneCache})
		if err != nil {
			return nil, fmt.Errorf("open cache of phone numbers: %w", err)
		}
	}
	for name, t := range cfg.types() {
		s.kinds[name] = &kind{TypeConfig: t, name: name}
	}
	for _, k := range s.kinds {
		blocked := make(map[string]struct{}, 2*len(cfg.Blocked))
		for _, raw := range cfg.Blocked {
			if text, ok := clean(raw); ok {
				blocked[strings.ToLower(text)] = struct{}{}
			}
			// A value that was seen before it was configured can have been written in capitals or not.
			for _, spelling := range []string{raw, strings.ToLower(raw), strings.ToUpper(raw)} {
				if value, _, reason := s.normalise(k, spelling); reason == "" {
					blocked[value] = struct{}{}
					k.blockedNodes = append(k.blockedNodes, s.hash.node(k.name, value, 0))
				}
			}
		}
		k.blocked = blocked
	}
	return s, nil
}

// Rank of a type: 1 is the strongest, [NoRank] is not known.
func (s *Identifiers) Rank(typ string) int {
	k, known := s.kinds[typ]
	if !known {
		return NoRank
	}
	return k.Rank
}

// Normalise returns the one spelling of a value, or the reason why it is not used. The value is clear
// personal data.
func (s *Identifiers) Normalise(typ, raw string) (value, reason string) {
	k, known := s.kinds[typ]
	if !known {
		return "", UnknownType
	}
	value, _, reason = s.normalise(k, raw)
	return value, reason
}

// Types are all types, the built-in ones too, each with all its settings. Hubs that are switched off are
// not in it.
func (s *Identifiers) Types() map[string]TypeConfig {
	all := make(map[string]TypeConfig, len(s.kinds))
	for name, k := range s.kinds {
		t := k.TypeConfig
		t.Hubs = maps.Clone(t.Hubs)
		all[name] = t
	}
	return all
}

// BlockedNodes are the nodes of the configured blocked values, under each type that takes them, ascending:
// they are blocked also where they were seen before they were configured.
func (s *Identifiers) BlockedNodes() []uuid.UUID {
	var nodes []uuid.UUID
	for _, k := range s.kinds {
		nodes = append(nodes, k.blockedNodes...)
	}
	slices.SortFunc(nodes, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(nodes)
}

// Node of one identifier that was never erased, or the reason why it is not used.
func (s *Identifiers) Node(typ, raw string) (node uuid.UUID, reason string) {
	return s.Current(typ, raw, nil)
}

// Current is the node of an identifier seen now: that of the generation after its last erasure.
func (s *Identifiers) Current(typ, raw string, erased Erasures) (node uuid.UUID, reason string) {
	value, reason := s.Normalise(typ, raw)
	if reason != "" {
		return uuid.Nil, reason
	}
	node, _ = s.node(typ, value, math.MaxInt64, erased)
	return node, ""
}

// SuppressionKey is what stays of a node that is erased: a hash of it with a second key.
func (s *Identifiers) SuppressionKey(node uuid.UUID) [16]byte {
	return s.suppress.again(node)
}

// node is that of a value seen at a time. A value seen after it was erased has a node of the next
// generation, so that nothing ties it to what was forgotten; ok is false for a value seen before.
func (s *Identifiers) node(typ, value string, at int64, erased Erasures) (node uuid.UUID, ok bool) {
	node = s.hash.node(typ, value, 0)
	if erased == nil || erased.Suppressions() == 0 {
		return node, true
	}
	for generation := 1; ; generation++ {
		until, suppressed := erased.Suppressed(s.suppress.again(node))
		if !suppressed {
			return node, true
		}
		if at <= until {
			return uuid.Nil, false
		}
		node = s.hash.node(typ, value, generation)
	}
}

// Resolve appends what each of the identifiers, seen at a time in milliseconds, came to, in their order,
// each email_canon right after its e-mail. erased may be nil: nothing was.
func (s *Identifiers) Resolve(ids []schemas.Identifier, at int64, erased Erasures, into []Resolved) []Resolved {
	for _, id := range ids {
		k, known := s.kinds[id.Type]
		if !known {
			into = append(into, Resolved{Type: id.Type, Rank: NoRank, Reason: UnknownType})
			continue
		}
		value, weak, reason := s.normalise(k, id.Value)
		if reason != "" {
			into = append(into, Resolved{Type: k.name, Rank: uint8(k.Rank), Reason: reason})
			continue
		}
		r := k.resolved(weak)
		into = append(into, s.seen(r, value, at, erased))
		if k.Normaliser != "email" || into[len(into)-1].Reason != "" {
			continue // what was erased derives nothing
		}
		if canon := s.mail.canon(value); canon != "" {
			r := s.kinds[EmailCanon].resolved(weak)
			r.Derived = true
			if r = s.seen(r, canon, at, erased); r.Reason == "" {
				into = append(into, r)
			}
		}
	}
	return into
}

func (k *kind) resolved(weak bool) Resolved {
	r := Resolved{Type: k.name, Rank: uint8(k.Rank), Weak: weak}
	if weak {
		r.Rank += WeakRank
	}
	return r
}

// seen fills in the node, or the reason why there is none.
func (s *Identifiers) seen(r Resolved, value string, at int64, erased Erasures) Resolved {
	node, ok := s.node(r.Type, value, at, erased)
	if !ok {
		return Resolved{Type: r.Type, Rank: r.Rank, Reason: Erased}
	}
	r.Node = node
	return r
}

// Anchor is the node of the strongest usable identifier: best rank, then smallest hash, so that the
// order in which a sender lists them does not count. ok is false when none is usable. It knows no erasures:
// it keys partitions, where any identifier that stays the same will do.
//
// It is [Strongest] of [Identifiers.Resolve] without the work on identifiers that cannot win.
func (s *Identifiers) Anchor(ids []schemas.Identifier) (node uuid.UUID, typ string, ok bool) {
	best := Resolved{Rank: NoRank}
	for i := range ids {
		k, known := s.kinds[ids[i].Type]
		if !known || uint8(s.bestRank(k)) > best.Rank {
			continue
		}
		var room [2]Resolved
		resolved := s.Resolve(ids[i:i+1], 0, nil, room[:0])
		if at := Strongest(resolved); at >= 0 && (!ok || Stronger(&resolved[at], &best)) {
			best, ok = resolved[at], true
		}
	}
	return best.Node, best.Type, ok
}

// bestRank is the best rank that an identifier of the kind, or what is derived of it, can have.
func (s *Identifiers) bestRank(k *kind) int {
	if k.Normaliser == "email" {
		return min(k.Rank, s.kinds[EmailCanon].Rank)
	}
	return k.Rank
}

// Strongest is the index of the anchor; -1 when none is usable.
func Strongest(resolved []Resolved) int {
	best := -1
	for i := range resolved {
		if resolved[i].Reason == "" && (best < 0 || Stronger(&resolved[i], &resolved[best])) {
			best = i
		}
	}
	return best
}

// Stronger orders usable identifiers: rank, then hash.
func Stronger(a, b *Resolved) bool {
	if a.Rank != b.Rank {
		return a.Rank < b.Rank
	}
	return bytes.Compare(a.Node[:], b.Node[:]) < 0
}

// normalise returns the value in its one spelling, and whether it is weak.
func (s *Identifiers) normalise(k *kind, raw string) (value string, weak bool, reason string) {
	switch k.Normaliser {
	case "device":
		value, reason = device(raw)
	case "card":
		value, reason = card(raw, k.Length, k.Check)
	case "email", "email_canon":
		value, weak, reason = s.email(k, raw)
	case "phone":
		value, weak, reason = s.phone(raw, s.region)
	case "payment":
		value, reason = payment(raw)
	case "name_fr":
		value, reason = nameFR(raw)
		weak = true // many have one name
	case "address_fr":
		value, reason = addressFR(raw)
		weak = true // a household has one
	default:
		value, reason = exact(raw)
	}
	if reason == Invalid {
		if text, ok := clean(raw); ok && isNobody(text) {
			reason = Blocked // the more telling of the two: "null" is no malformed e-mail
		}
	}
	if reason != "" {
		return "", false, reason
	}
	if isNobody(value) || k.isBlocked(raw, value) {
		return "", false, Blocked
	}
	return value, weak, ""
}

func (s *Identifiers) email(k *kind, raw string) (value string, weak bool, reason string) {
	value, reason = email(raw)
	if reason != "" {
		return "", false, reason
	}
	weak = s.mail.weak(value)
	if k.Normaliser == "email_canon" {
		if canon := s.mail.canon(value); canon != "" {
			value = canon
		}
	}
	return value, weak, ""
}

func (s *Identifiers) phone(raw, region string) (value string, weak bool, reason string) {
	if s.phones == nil || len(raw) > 64 {
		return phone(raw, region)
	}
	key := writtenPhone{region: region, raw: raw}
	if hit, ok := s.phones.GetIfPresent(key); ok {
		return hit.value, hit.weak, hit.reason
	}
	value, weak, reason = phone(raw, region)
	// The key is copied: raw may be a window on a fetch buffer.
	key.raw = strings.Clone(raw)
	s.phones.Set(key, parsedPhone{value: value, weak: weak, reason: reason})
	return value, weak, reason
}

func (k *kind) isBlocked(raw, value string) bool {
	if len(k.blocked) == 0 {
		return false
	}
	if _, blocked := k.blocked[value]; blocked {
		return true
	}
	text, _ := clean(raw)
	_, blocked := k.blocked[strings.ToLower(text)]
	return blocked
}
