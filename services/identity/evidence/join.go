package evidence

import "bytes"

// NewEdge is evidence of the best kind that the two were seen together; it puts the ends in order.
func NewEdge(workspace string, a, b End) Edge {
	if bytes.Compare(a.Node[:], b.Node[:]) > 0 {
		a, b = b, a
	}
	return Edge{Workspace: workspace, A: a, B: b, Score: fullScore}
}

// Join is what two records about one pair say together: the best of each part, whichever came first. What
// decides nothing (source, event, normaliser) is x's.
func Join(x, y *Edge) Edge {
	joined := *x
	joined.A, joined.B = joinEnd(x.A, y.A), joinEnd(x.B, y.B)
	joined.Class = min(x.Class, y.Class)
	joined.Score = max(x.Score, y.Score)
	joined.FirstSeen = min(x.FirstSeen, y.FirstSeen)
	return joined
}

// joinEnd takes the weakness of the stronger sight. One node has one type; should two writers differ, the
// smaller name is taken, so that the order still does not count.
func joinEnd(x, y End) End {
	return End{Node: x.Node, Type: min(x.Type, y.Type), Weak: x.Weak && y.Weak}
}

// Adds says whether e says more about the pair than known does.
func (e *Edge) Adds(known *Edge) bool {
	joined := Join(known, e)
	return !joined.Same(known)
}

// Same says whether both say the same about the pair, whoever showed it.
func (e *Edge) Same(other *Edge) bool {
	return e.A == other.A && e.B == other.B && e.Class == other.Class &&
		e.Score == other.Score && e.FirstSeen == other.FirstSeen
}
