package identity

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// farthestMove is how many nodes are looked at for those that a ruling moved.
const farthestMove = 50_000

// plan is what a request comes to.
type plan struct {
	// record is nil when there is nothing to write.
	record evidence.Record
	kind   string
	note   string
	// named are the nodes that the record is about.
	named []found
}

// carry does what a plan says.
//
//  1. look at the graph and decide what to write, if anything. A crash here leaves nothing.
//  2. append the record and wait until it is applied here. A crash after the append leaves it in the log: it
//     holds, and asking again finds that it does.
//  3. look again, and tell what moved.
func (o *operator) carry(ctx context.Context, decide func(g sight) (plan, error)) (*api.Outcome, error) {
	o.ruling.Lock()
	defer o.ruling.Unlock()
	var p plan
	var around []graph.Place
	var whole bool
	var err error
	outcome := &api.Outcome{Applied: true, Moved: []api.Move{}}
	o.view(func(g sight) {
		if p, err = decide(g); err != nil {
			return
		}
		outcome.Position, outcome.Kind, outcome.Note = g.position, p.kind, p.note
		outcome.Before = o.nodes(g, p.named)
		outcome.After = outcome.Before
		if p.record != nil {
			around, whole = g.Around(nodesOf(p.named), farthestMove)
		}
	})
	if err != nil || p.record == nil {
		return outcome, err
	}
	if outcome.Recorded, err = o.door.append(ctx, p.record); err != nil && outcome.Recorded == 0 {
		return nil, err
	}
	outcome.Changed, outcome.Applied = true, err == nil
	o.view(func(g sight) {
		outcome.Position, outcome.After = g.position, o.nodes(g, p.named)
		o.tellMoved(g, around, outcome)
		if !whole {
			outcome.Add("Too many identifiers are connected to tell all that moved.")
		}
		if v, is := p.record.(*evidence.Verdict); is && v.Ruling == evidence.Neutral && outcome.Applied && g.Shared(v.Node) {
			outcome.Add("It still carries no links, by the rules: allow it once more to exempt it from them.")
		}
	})
	return outcome, nil
}

func nodesOf(named []found) []uuid.UUID {
	ids := make([]uuid.UUID, len(named))
	for i := range named {
		ids[i] = named[i].node
	}
	return ids
}

func (o *operator) nodes(g sight, named []found) []api.Node {
	nodes := make([]api.Node, 0, len(named))
	for _, f := range named {
		if at, erased := g.Suppressed(o.ids.SuppressionKey(f.node)); erased {
			f.erased = at
		}
		nodes = append(nodes, o.node(g, f))
	}
	return nodes
}

// tellMoved compares where nodes are with where they were.
func (o *operator) tellMoved(g sight, before []graph.Place, outcome *api.Outcome) {
	for _, place := range before {
		customer, known := g.Customer(place.Node)
		move := api.Move{Node: place.Node, Type: place.Type, Before: place.Customer, After: &customer}
		if !known {
			if _, erased := g.Suppressed(o.ids.SuppressionKey(place.Node)); erased {
				move.After = nil
			}
		}
		if move.After != nil && customer == place.Customer {
			continue
		}
		if outcome.MovedTotal++; len(outcome.Moved) < api.MaxMoved {
			outcome.Moved = append(outcome.Moved, move)
		}
	}
}

// Rule implements [api.Writer].
func (o *operator) Rule(ctx context.Context, order api.Order) (*api.Outcome, error) {
	return o.carry(ctx, func(g sight) (plan, error) {
		a, err := o.mustKnow(g, order.A)
		if err != nil {
			return plan{}, err
		}
		note := evidence.Note{At: o.now().UnixMilli(), Author: order.Note.Author, Reason: order.Note.Reason}
		if order.Kind != api.Cut && order.Kind != api.CutLifted {
			return o.decideVerdict(g, order.Kind, a, note), nil
		}
		b, err := o.mustKnow(g, order.B)
		if err != nil {
			return plan{}, err
		}
		if a.node == b.node {
			p := &service.Problem{
				Status: http.StatusUnprocessableEntity, Field: order.B.Field, Title: "The same identifier twice", Position: g.position,
				Detail: "Name two identifiers: these are one, however they were written.",
			}
			return plan{}, p
		}
		return o.decideCut(g, order.Kind == api.CutLifted, a, b, note), nil
	})
}

// mustKnow finds a subject to rule on. An id that the graph does not know is taken for a mistake, because nobody can
// see what it stands for; a value is not, because an operator may know a kiosk before its first customer does.
func (o *operator) mustKnow(g sight, subject api.Subject) (found, error) {
	f, err := o.find(g, subject)
	if err != nil || f.known || subject.Value != "" {
		return f, err
	}
	p := subject.Problem(http.StatusNotFound, "node", "The graph has no evidence about this id",
		"It was only ever seen alone, or never. To rule on it before it is seen with another, give type and value.")
	if f.erased > 0 {
		p.Title, p.Detail = "The identifier was erased", "Nothing is known of it any more, so nothing can be ruled on it."
	}
	p.Position = g.position
	return f, p
}

func (o *operator) decideCut(g sight, lift bool, a, b found, note evidence.Note) plan {
	p := plan{kind: api.Cut, named: []found{a, b}}
	first, second := a.node, b.node
	if bytes.Compare(first[:], second[:]) > 0 {
		first, second = second, first
	}
	cuts := g.Cuts(first)
	stands := slices.IndexFunc(cuts, func(c evidence.Cut) bool { return c.A == first && c.B == second && !c.Lifted })
	if lift {
		p.kind = api.CutLifted
	}
	switch {
	case lift && stands < 0:
		p.note = "There is no cut between them."
		return p
	case !lift && stands >= 0:
		p.note = fmt.Sprintf("They were cut already, by %s on %s UTC: %s", cuts[stands].Note.Author, day(cuts[stands].Note.At), cuts[stands].Note.Reason)
		return p
	case !lift:
		customerA, _ := g.Customer(first)
		if customerB, _ := g.Customer(second); customerA != customerB {
			p.note = "They were two customers before; the cut keeps it so."
		}
	}
	p.record = &evidence.Cut{Workspace: o.workspace, A: first, B: second, Lifted: lift, Note: note}
	return p
}

func (o *operator) decideVerdict(g sight, kind string, f found, note evidence.Note) plan {
	p := plan{kind: kind, named: []found{f}}
	before, _ := g.Verdict(f.node)
	m, _ := g.Node(f.node)
	if kind == api.Lifted {
		switch {
		case before.Ruling == evidence.Blocked:
			p.kind = api.Neutral
		case m.Status == graph.Hub || m.Status == graph.Blocked:
			p.kind = api.Allowed
		default:
			p.kind = api.Neutral
			p.note = "Nothing keeps it from carrying links. To exempt it from the rules for hubs beforehand, ask for the ruling allowed."
			return p
		}
	}
	want := map[string]evidence.Ruling{api.Blocked: evidence.Blocked, api.Allowed: evidence.Allowed, api.Neutral: evidence.Neutral}[p.kind]
	if before.Ruling == want {
		p.note = "No operator's ruling stands on it."
		if want != evidence.Neutral {
			p.note = fmt.Sprintf("It was %s already, by %s on %s UTC: %s", p.kind, before.Note.Author, day(before.Note.At), before.Note.Reason)
		}
		return p
	}
	p.record = &evidence.Verdict{Workspace: o.workspace, Node: f.node, Ruling: want, Note: note}
	return p
}

// Erase implements [api.Writer].
func (o *operator) Erase(ctx context.Context, subject api.Subject, wholeCustomer bool, why api.Note) (*api.Outcome, error) {
	note := evidence.Note{At: o.now().UnixMilli(), Author: why.Author, Reason: why.Reason}
	return o.carry(ctx, func(g sight) (plan, error) {
		f, err := o.find(g, subject)
		if err != nil {
			return plan{}, err
		}
		p := plan{kind: api.Erased, named: o.erased(g, f, wholeCustomer)}
		switch {
		case !f.known && f.erased > 0 && subject.Value == "":
			p.note = fmt.Sprintf("It was erased already, on %s UTC.", day(f.erased))
			return p, nil
		case !f.known:
			p.note = "The graph had no evidence about it: what was seen of it alone until now is not linked to it any more."
		}
		if len(p.named) > evidence.MaxErase {
			return plan{}, &service.Problem{
				Status: http.StatusUnprocessableEntity, Field: "whole_customer", Title: "Too many identifiers", Position: g.position,
				Detail: fmt.Sprintf("The customer has %d, and one erasure takes %d: erase them one by one.", len(p.named), evidence.MaxErase),
			}
		}
		p.record = &evidence.Erase{Workspace: o.workspace, Request: uuid.New(), Nodes: nodesOf(p.named), Note: note}
		return p, nil
	})
}

// erased are the nodes that an erasure takes: the identifier with what is derived of it, or all of its customer.
func (o *operator) erased(g sight, f found, wholeCustomer bool) []found {
	named := []found{f}
	add := func(node uuid.UUID, typ string) {
		if !slices.ContainsFunc(named, func(n found) bool { return n.node == node }) {
			named = append(named, found{node: node, typ: typ})
		}
	}
	if f.subject.Value != "" {
		// An address without its tags is the person's address, too.
		for _, r := range o.ids.Resolve([]schemas.Identifier{{Type: f.subject.Type, Value: f.subject.Value}}, math.MaxInt64, g, nil) {
			if r.Reason == "" {
				add(r.Node, r.Type)
			}
		}
	}
	if wholeCustomer {
		for _, m := range g.Members(f.node) {
			add(m.Node, m.Type)
		}
	}
	// What is named by its node has no value to derive from, but stands beside what was derived of it.
	types := o.ids.Types()
	for _, n := range named {
		if types[n.typ].Normaliser != "email" {
			continue
		}
		for _, s := range g.Edges(n.node) {
			for _, end := range []evidence.End{s.Edge.A, s.Edge.B} {
				if end.Type == identifier.EmailCanon {
					add(end.Node, end.Type)
				}
			}
		}
	}
	return named
}

// Replace implements [api.Writer].
func (o *operator) Replace(ctx context.Context, rules evidence.Ruleset, replaces string, why api.Note) (*api.RulesOutcome, error) {
	o.ruling.Lock()
	defer o.ruling.Unlock()
	var before evidence.Rules
	outcome := &api.RulesOutcome{Applied: true}
	o.view(func(g sight) {
		before, _ = g.Rules()
		outcome.Rules = *o.rulesAnswer(&before, g.position)
	})
	if fingerprint := before.Rules.Fingerprint(); replaces != "" && replaces != fingerprint {
		return nil, &service.Problem{
			Status: http.StatusConflict, Field: "replaces", Title: "Other rules are in force", Position: outcome.Position,
			Detail: "They are " + fingerprint + " now: look at them, and change those.",
		}
	}
	if rules.Fingerprint() == before.Rules.Fingerprint() {
		outcome.Note = "These rules are in force."
		return outcome, nil
	}
	if lacking := o.lackingTypes(&rules); len(lacking) > 0 {
		names := strings.Join(lacking, ", ")
		return nil, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "rules.types", Title: "The rules leave out types", Position: outcome.Position,
			Detail: "The configuration also has " + names + ", whose identifiers would have neither rank nor limit: give rules for every type, starting from those that GET " + api.Prefix + "rules answers with.",
		}
	}
	record := &evidence.Rules{
		Workspace: o.workspace, Rules: rules, Configuration: before.Configuration,
		Note: evidence.Note{At: o.now().UnixMilli(), Author: why.Author, Reason: why.Reason},
	}
	recorded, err := o.door.append(ctx, record)
	if err != nil && recorded == 0 {
		return nil, err
	}
	outcome.Recorded, outcome.Changed, outcome.Applied = recorded, true, err == nil
	o.view(func(g sight) { outcome.Rules = *o.rulesAnswer(record, g.position) })
	outcome.Note = unknownTypes(o.ids, &rules)
	return outcome, nil
}

// lackingTypes are those of this instance's configuration that rules do not have.
func (o *operator) lackingTypes(rules *evidence.Ruleset) []string {
	var lacking []string
	for name := range o.configured.Types {
		if _, is := rules.Types[name]; !is {
			lacking = append(lacking, name)
		}
	}
	slices.Sort(lacking)
	return lacking
}

// unknownTypes warns of rules for types that this instance's configuration does not have.
func unknownTypes(ids *identifier.Identifiers, rules *evidence.Ruleset) string {
	known := ids.Types()
	var unknown []string
	for name := range rules.Types {
		if _, is := known[name]; !is {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	slices.Sort(unknown)
	return fmt.Sprintf("The configuration of this instance has no type %v: nothing of it will be seen.", unknown)
}

func day(at int64) string { return millis(at).Format("2006-01-02 15:04") }
