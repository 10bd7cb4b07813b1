package identity

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// operator answers operators from this instance's graph and writes what they rule into the log.
type operator struct {
	workspace string
	ids       *identifier.Identifiers
	door      door
	now       func() time.Time
	// configured are the rules that this instance's configuration makes.
	configured evidence.Ruleset

	// ruling lets one ruling at a time see what is and write what shall be, so that asking twice writes once. Two
	// instances may both write; the second record says what the first said.
	ruling sync.Mutex
}

// door is what the operator may do to the replica: [logDoor] is one, and a test has another.
type door interface {
	// view lends the graph for reading, with how much of the log is kept; nothing of it may be held.
	view(look func(g *graph.Graph, position int64))
	// append writes records and answers the position after them once they are applied here; with a position and an
	// error they are written and not applied.
	append(ctx context.Context, records ...evidence.Record) (position int64, err error)
	// edge has a pair with the source and the event that showed it.
	edge(a, b uuid.UUID) (evidence.Edge, bool, error)
	// end is the end of the evidence log.
	end(ctx context.Context) (int64, error)
}

// operate lets operators in until stop is called, which waits for what they asked.
func (s *stitcher) operate(configured evidence.Ruleset) (stop func()) {
	o := &operator{workspace: s.workspace, ids: s.ids, door: s.door(), now: time.Now, configured: configured}
	return s.admin.Mount(api.New(o, s.log.Named("operator"), s.operators))
}

// sight is the graph under the read lock, with the position at which it is true: records of other workspaces move
// only that of the log, and what is applied and not yet kept only that of the graph.
type sight struct {
	*graph.Graph
	position int64
}

func (o *operator) view(look func(g sight)) {
	o.door.view(func(g *graph.Graph, position int64) { look(sight{g, max(position, g.Position())}) })
}

// Suppressed implements identifier.Erasures.
func (s sight) Suppressed(key [16]byte) (at int64, ok bool) {
	return s.Graph.Suppressed(evidence.SuppressionKey(key))
}

// found is a subject that has a node.
type found struct {
	subject api.Subject
	node    uuid.UUID
	typ     string
	known   bool
	// erased is the time of an erasure of it, or of an earlier generation of it; zero for none.
	erased int64
}

// find names the node of a subject.
func (o *operator) find(g sight, subject api.Subject) (found, error) {
	f := found{subject: subject, node: subject.Node, typ: subject.Type}
	if subject.Value == "" {
		f.erased, _ = g.Suppressed(o.ids.SuppressionKey(f.node))
	} else {
		node, reason := o.ids.Current(subject.Type, subject.Value, g)
		if reason != "" {
			return f, o.unusable(g, subject, reason)
		}
		f.node = node
		if first, _ := o.ids.Node(subject.Type, subject.Value); first != node {
			f.erased, _ = g.Suppressed(o.ids.SuppressionKey(first))
		}
	}
	var m graph.Member
	if m, f.known = g.Node(f.node); f.known && m.Type != "" {
		f.typ = m.Type
	}
	return f, nil
}

// unusable says why an identifier has no node.
func (o *operator) unusable(g sight, subject api.Subject, reason string) *service.Problem {
	var p *service.Problem
	switch reason {
	case identifier.UnknownType:
		var names []string
		for name := range o.ids.Types() {
			names = append(names, name)
		}
		slices.Sort(names)
		p = subject.Problem(http.StatusUnprocessableEntity, "type", "No such type of identifier",
			"The configuration knows "+strings.Join(names, ", ")+".")
	case identifier.Blocked:
		p = subject.Problem(http.StatusUnprocessableEntity, "value", "The value is nobody's",
			"It is one of the blocked values, which are never used: there is nothing to see or to rule. identifiers.blocked of the configuration adds to them.")
	default:
		p = subject.Problem(http.StatusUnprocessableEntity, "value", "The value is no "+subject.Type,
			"It is "+reason+" as one, so events with it are not linked by it. Check its spelling.")
	}
	p.Position = g.position
	return p
}

// Show implements [api.Reader].
func (o *operator) Show(ctx context.Context, subject api.Subject) (*api.Customer, error) {
	var c *api.Customer
	var pairs []graph.EdgeState
	var err error
	o.view(func(g sight) {
		var f found
		if f, err = o.find(g, subject); err != nil {
			return
		}
		c = &api.Customer{Position: g.position, Asked: o.node(g, f), Members: []api.Node{}, Evidence: []api.Pair{}, Rulings: []api.Ruling{}, History: []api.Moment{}}
		c.CustomerID = c.Asked.CustomerID
		members := g.Members(f.node)
		for i := range members {
			c.Members = append(c.Members, member(&members[i], true))
			c.Rulings = append(c.Rulings, rulings(g, members[i].Node, c.Rulings)...)
		}
		if !f.known {
			c.Members = append(c.Members, c.Asked)
		}
		pairs, c.EvidenceTotal = g.Evidence(f.node, api.MaxEvidence)
		c.Evidence = append(c.Evidence, o.pairs(g, pairs)...)
	})
	if err != nil {
		return nil, err
	}
	if err := o.origins(ctx, c.Evidence); err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.Rulings, func(x, y api.Ruling) int { return x.At.Compare(y.At) })
	c.History = history(c)
	return c, nil
}

// node is a found subject for an answer.
func (o *operator) node(g sight, f found) api.Node {
	m, known := g.Node(f.node)
	n := member(&m, known)
	n.Type = f.typ
	if f.erased > 0 {
		at := millis(f.erased)
		n.ErasedAt = &at
	}
	return n
}

func member(m *graph.Member, known bool) api.Node {
	n := api.Node{Node: m.Node, Type: m.Type, Weak: m.Weak, Known: known, Status: m.Status.String(), CustomerID: m.Customer}
	if known && m.Type != "" { // a node that only a ruling names has no rank in the graph
		n.Rank = int(m.Rank)
	}
	if known && m.FirstSeen > 0 {
		at := millis(m.FirstSeen)
		n.FirstSeen = &at
	}
	switch m.Ruling {
	case evidence.Blocked:
		n.Ruling = api.Blocked
	case evidence.Allowed:
		n.Ruling = api.Allowed
	}
	return n
}

// Explain implements [api.Reader].
func (o *operator) Explain(ctx context.Context, a, b api.Subject) (*api.Explanation, error) {
	var e *api.Explanation
	var err error
	o.view(func(g sight) {
		var fa, fb found
		if fa, err = o.find(g, a); err != nil {
			return
		}
		if fb, err = o.find(g, b); err != nil {
			return
		}
		why := g.Why(fa.node, fb.node)
		e = &api.Explanation{Position: g.position, A: o.node(g, fa), B: o.node(g, fb)}
		e.OneCustomer = e.A.CustomerID == e.B.CustomerID
		e.Verdict = verdict(why.Why)
		path := o.pairs(g, why.Path)
		switch {
		case fa.node == fb.node:
			e.Verdict = api.Same
		case e.OneCustomer:
			e.Path = path
		default:
			e.Detail = detail(path, e.Verdict)
			e.Between = path
		}
		for _, f := range []found{fa, fb} {
			e.Rulings = append(e.Rulings, rulings(g, f.node, e.Rulings)...)
		}
		for i := range path {
			for _, node := range []uuid.UUID{path[i].A, path[i].B} {
				e.Rulings = append(e.Rulings, rulings(g, node, e.Rulings)...)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if err := o.origins(ctx, e.Path); err != nil {
		return nil, err
	}
	return e, o.origins(ctx, e.Between)
}

// origins adds to pairs where they come from, which is on disk.
func (o *operator) origins(ctx context.Context, pairs []api.Pair) error {
	for i := range pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		edge, kept, err := o.door.edge(pairs[i].A, pairs[i].B)
		if err != nil {
			return fmt.Errorf("read where a pair comes from: %w", err)
		}
		if !kept {
			continue // it went since the graph was read
		}
		pairs[i].Source = edge.Source
		if edge.Event != uuid.Nil {
			pairs[i].EventID = &edge.Event
		}
	}
	return nil
}

// State implements [api.Reader].
func (o *operator) State(ctx context.Context) (*api.Status, *api.Rules, error) {
	end, err := o.door.end(ctx)
	if err != nil {
		return nil, nil, err
	}
	status := &api.Status{Workspace: o.workspace, End: end}
	var rules *api.Rules
	o.view(func(g sight) {
		sums, stats := g.Sums(), g.Stats()
		status.Position, status.Engine = g.position, int(g.Engine())
		status.MapSum, status.EvidenceSum = fmt.Sprintf("%016x", sums.Map), fmt.Sprintf("%016x", sums.Evidence)
		status.Counts = map[string]int64{
			"nodes": int64(stats.Nodes), "pairs": int64(stats.Pairs), "customers": int64(stats.Customers),
			"hubs": int64(stats.Hubs), "blocked": int64(stats.Blocked), "refused_pairs": int64(stats.Refused),
			"conflicted_components": int64(stats.Conflicted), "oversize_components": int64(stats.Oversize), "suppressed": int64(stats.Suppressed),
		}
		if record, logged := g.Rules(); logged {
			rules = o.rulesAnswer(&record, g.position)
			status.RulesFingerprint, status.ThisInstanceConfigured = rules.Fingerprint, rules.ThisInstanceConfigured
			if rules.Fingerprint != o.configured.Fingerprint() {
				rules.ConfiguredRules = &o.configured
			}
		}
	})
	// Records may have come since the end was asked for.
	status.End = max(status.End, status.Position)
	status.Lag = status.End - status.Position
	return status, rules, nil
}

func (o *operator) rulesAnswer(r *evidence.Rules, position int64) *api.Rules {
	return &api.Rules{
		Position: position, Fingerprint: r.Rules.Fingerprint(), Rules: r.Rules, Configured: r.Configuration == r.Rules.Fingerprint(),
		ThisInstanceConfigured: r.Configuration == o.configured.Fingerprint(),
		At:                     millis(r.Note.At), Author: r.Note.Author, Reason: r.Note.Reason,
	}
}

func millis(at int64) time.Time { return time.UnixMilli(at).UTC() }
