package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	clock = "2006-01-02 15:04"
	// shortID is how much of an id people need to tell two apart.
	shortID = 8
)

// Namer finds the words for a node; an empty answer leaves it to its type and the first digits of its id.
type Namer func(node uuid.UUID) string

// Tell puts an explanation into plain sentences. name may be nil.
func (e *Explanation) Tell(name Namer) []string {
	t := teller{name: name}
	a, b := t.node(e.A.Node, e.A.Type), t.node(e.B.Node, e.B.Type)
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	switch {
	case e.Verdict == Same:
		say("%s and %s are the same identifier.", a, b)
	case e.OneCustomer:
		say("%s and %s are one customer, %s.", a, b, e.A.CustomerID)
	default:
		say("%s and %s are two customers, %s and %s.", a, b, e.A.CustomerID, e.B.CustomerID)
	}
	said = append(said, t.way(e.A.Node, e.Path)...)
	if !e.OneCustomer {
		said = append(said, t.obstacle(e)...)
	}
	for _, n := range []struct {
		of   *Node
		name string
	}{{&e.A, a}, {&e.B, b}} {
		said = append(said, t.standing(n.of, n.name)...)
	}
	for i := range e.Rulings {
		said = append(said, t.ruling(&e.Rulings[i]))
	}
	say("This is true at evidence position %d.", e.Position)
	return said
}

type teller struct{ name Namer }

func (t teller) node(node uuid.UUID, typ string) string {
	if t.name != nil {
		if name := t.name(node); name != "" {
			return name
		}
	}
	if typ == "" {
		typ = "identifier"
	}
	return typ + " " + node.String()[:shortID]
}

// way says where pairs come from that lead from a node to another, each from the one that is reached.
func (t teller) way(from uuid.UUID, pairs []Pair) []string {
	var said []string
	for i := range pairs {
		p := &pairs[i]
		if p.B == from {
			said = append(said, t.pair(p, t.node(p.B, p.TypeB), t.node(p.A, p.TypeA)))
			from = p.A
			continue
		}
		said = append(said, t.pair(p, t.node(p.A, p.TypeA), t.node(p.B, p.TypeB)))
		from = p.B
	}
	return said
}

// pair says where a pair comes from.
func (t teller) pair(p *Pair, first, second string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s and %s were seen together first on %s", first, second, day(p.FirstSeen))
	if p.Source != "" {
		fmt.Fprintf(&b, " by source %s", p.Source)
	}
	if p.EventID != nil {
		fmt.Fprintf(&b, " in event %s", p.EventID)
	}
	fmt.Fprintf(&b, " (%s)", p.Class)
	if p.State != Linked && p.Why != "" {
		fmt.Fprintf(&b, ", but %s", p.Why)
	}
	return b.String() + "."
}

// obstacle says what stands between two customers.
func (t teller) obstacle(e *Explanation) []string {
	var said []string
	detail := func(otherwise string) string {
		if e.Detail != "" {
			return e.Detail
		}
		return otherwise
	}
	switch e.Verdict {
	case NoEvidence:
		said = append(said, "Nothing that was seen links them, not even over other identifiers.")
	case Refused:
		said = append(said, "They were seen together, directly or over others, and still cannot be one customer: "+detail("a limit of the rules would be exceeded")+".")
	case Cut:
		said = append(said, "An operator said that they are never one customer.")
	case Shared:
		said = append(said, "What was seen of them leads over an identifier that too many share: "+detail("it carries no links")+".")
	case Weak:
		said = append(said, "What was seen of them is too weak to make one customer: "+detail("its class is over link_class")+".")
	case TooLarge:
		said = append(said, "They are in a mass of connected identifiers that is too large to be customers: "+detail("see max_component of the rules")+".")
	}
	return append(said, t.way(e.A.Node, e.Between)...)
}

// standing says what is special about a node.
func (t teller) standing(n *Node, name string) []string {
	var said []string
	switch {
	case n.ErasedAt != nil && !n.Known:
		said = append(said, fmt.Sprintf("%s was erased on %s.", name, day(*n.ErasedAt)))
	case !n.Known:
		said = append(said, fmt.Sprintf("The graph has no evidence about %s: it was only ever seen alone, or never.", name))
	case n.Status == Hub:
		said = append(said, fmt.Sprintf("%s is a hub: it was seen with more identifiers than one customer has, so it carries no links.", name))
	case n.Status == Blocked:
		said = append(said, fmt.Sprintf("%s is blocked, by an operator or by the rules, so it carries no links.", name))
	}
	return said
}

func (t teller) ruling(r *Ruling) string {
	what := map[string]string{
		Cut: "cut %s from %s", CutLifted: "lifted the cut between %s and %s", Blocked: "blocked %s", Allowed: "allowed %s", Neutral: "left %s to the rules",
	}
	kind := r.Kind
	if r.Lifted {
		kind = CutLifted
	}
	names := []any{t.node(r.A, r.TypeA)}
	if r.B != nil {
		names = append(names, t.node(*r.B, r.TypeB))
	}
	return fmt.Sprintf("On %s %s "+what[kind]+": %s.", append([]any{day(r.At), r.Author}, append(names, strings.TrimSuffix(r.Reason, "."))...)...)
}

func day(at time.Time) string { return at.UTC().Format(clock) + " UTC" }
