package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// pairs are the graph's for an answer, without their origin.
func (o *operator) pairs(g sight, states []graph.EdgeState) []api.Pair {
	record, _ := g.Rules()
	pairs := make([]api.Pair, 0, len(states))
	for i := range states {
		s := &states[i]
		p := api.Pair{
			A: s.Edge.A.Node, TypeA: s.Edge.A.Type, B: s.Edge.B.Node, TypeB: s.Edge.B.Type,
			Class: class(s.Class), Score: int(s.Edge.Score), FirstSeen: millis(s.Edge.FirstSeen), State: s.State.String(),
		}
		switch s.State {
		case graph.RefusedPair:
			p.Why = limit(s, &record.Rules)
		case graph.CutPair:
			p.Why = "an operator cut them"
		case graph.SharedPair:
			p.Why = sharing(g, s)
		case graph.WeakPair:
			if s.Class > record.Rules.LinkClass {
				p.Why = fmt.Sprintf("its class, %s, is worse than %s, the last that links", class(s.Class), class(record.Rules.LinkClass))
			} else {
				p.Why = fmt.Sprintf("so many identifiers are connected, over %d, that only better classes than %s count", record.Rules.MaxComponent, class(s.Class))
			}
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// class is its name in the configuration.
func class(c uint8) string {
	names := [...]string{"authenticated", "verified", "typed", "inferred"}
	return names[min(int(c), len(names)-1)]
}

// limit says what a refused pair met.
func limit(s *graph.EdgeState, rules *evidence.Ruleset) string {
	switch s.Limit {
	case graph.LimitCut:
		return "it would join two identifiers that an operator cut"
	case graph.LimitCluster:
		return fmt.Sprintf("it would make a customer of %d identifiers, and one has at most %d", s.Count, rules.MaxCluster)
	case "":
		return "a limit of the rules refuses it"
	default:
		return fmt.Sprintf("it would make a customer with %d of type %s, and one has at most %d", s.Count, s.Limit, rules.Types[s.Limit].Limit)
	}
}

// sharing says which end of a pair carries no links, and why.
func sharing(g sight, s *graph.EdgeState) string {
	var said []string
	for _, end := range []evidence.End{s.Edge.A, s.Edge.B} {
		m, _ := g.Node(end.Node)
		switch {
		case m.Status == graph.Hub:
			hub := "the " + end.Type + " is a hub"
			for _, n := range m.Neighbours {
				if n.Count > n.Limit {
					hub += fmt.Sprintf(", seen with %d of type %s where %d are the most", n.Count, n.Type, n.Limit)
				}
			}
			said = append(said, hub)
		case m.Status == graph.Blocked && m.Ruling == evidence.Blocked:
			said = append(said, "an operator blocked the "+end.Type)
		case m.Status == graph.Blocked:
			said = append(said, "the rules block the "+end.Type)
		}
	}
	return strings.Join(said, ", and ")
}

// verdict is the graph's answer in the words of the interface.
func verdict(why graph.Why) string {
	switch why {
	case graph.OneCustomer:
		return api.Linked
	case graph.WasCut:
		return api.Cut
	case graph.WasRefused:
		return api.Refused
	case graph.WasShared:
		return api.Shared
	case graph.TooWeak:
		return api.Weak
	case graph.TooLarge:
		return api.TooLarge
	}
	return api.NoEvidence
}

// detail is the first thing on the way from one to the other that stands in it.
func detail(path []api.Pair, verdict string) string {
	for i := range path {
		if path[i].Why != "" && (path[i].State == verdict || verdict == api.Shared || verdict == api.TooLarge) {
			return path[i].Why
		}
	}
	return ""
}

// rulings are those on a node that stand and are not yet told.
func rulings(g sight, node uuid.UUID, told []api.Ruling) []api.Ruling {
	var all []api.Ruling
	add := func(r api.Ruling, note evidence.Note) {
		r.At, r.Author, r.Reason = millis(note.At), note.Author, note.Reason
		if !slices.ContainsFunc(told, func(t api.Ruling) bool {
			return t.Kind == r.Kind && t.A == r.A && (t.B == nil) == (r.B == nil) && (t.B == nil || *t.B == *r.B)
		}) {
			all = append(all, r)
		}
	}
	typeOf := func(node uuid.UUID) string {
		m, _ := g.Node(node)
		return m.Type
	}
	for _, cut := range g.Cuts(node) {
		other := cut.B
		add(api.Ruling{Kind: api.Cut, A: cut.A, TypeA: typeOf(cut.A), B: &other, TypeB: typeOf(other), Lifted: cut.Lifted}, cut.Note)
	}
	if v, stands := g.Verdict(node); stands {
		kind := map[evidence.Ruling]string{evidence.Blocked: api.Blocked, evidence.Allowed: api.Allowed, evidence.Neutral: api.Neutral}[v.Ruling]
		add(api.Ruling{Kind: kind, A: node, TypeA: typeOf(node)}, v.Note)
	}
	return all
}

// history puts evidence and rulings in the order of time.
func history(c *api.Customer) []api.Moment {
	moments := make([]api.Moment, 0, len(c.Evidence)+len(c.Rulings))
	for i := range c.Evidence {
		p := &c.Evidence[i]
		moments = append(moments, api.Moment{
			At: p.FirstSeen, What: api.SeenTogether, A: p.A, TypeA: p.TypeA, B: &p.B, TypeB: p.TypeB, By: p.Source, Why: p.Why, EventID: p.EventID,
		})
	}
	for i := range c.Rulings {
		r := &c.Rulings[i]
		moments = append(moments, api.Moment{At: r.At, What: r.Kind, A: r.A, TypeA: r.TypeA, B: r.B, TypeB: r.TypeB, By: r.Author, Why: r.Reason})
	}
	slices.SortStableFunc(moments, func(x, y api.Moment) int { return x.At.Compare(y.At) })
	return moments
}
