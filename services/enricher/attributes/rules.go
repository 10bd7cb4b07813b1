package attributes

import (
	"cmp"
	"math"
	"time"

	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

// Rules say whom to believe when sources state one field. They are those of the warehouse.
type Rules struct {
	byPlace map[place]workspace.SourcePriority
}

type place struct{ source, field string }

// everyField is the field of a rule for those that the source has no rule of their own for.
const everyField = "*"

// NewRules indexes the configured priorities.
func NewRules(priorities []workspace.SourcePriority) Rules {
	r := Rules{byPlace: make(map[place]workspace.SourcePriority, len(priorities))}
	for _, p := range priorities {
		r.byPlace[place{p.Source, p.Field}] = p
	}
	return r
}

// priority of a value at a moment, and until when it stays that.
func (r Rules) priority(field string, v facts.Value, at schemas.Millis) (priority int, until schemas.Millis) {
	rule, ok := r.byPlace[place{v.Source, field}]
	if !ok {
		rule, ok = r.byPlace[place{v.Source, everyField}]
	}
	switch {
	case !ok:
		return 0, forever
	case rule.FreshDays == 0:
		return rule.Priority, forever
	}
	stale := v.At + schemas.Millis((time.Duration(rule.FreshDays) * 24 * time.Hour).Milliseconds())
	if at <= stale {
		return rule.Priority, stale + 1
	}
	return min(rule.Priority, 0), forever
}

const (
	forever = schemas.Millis(math.MaxInt64)
	ever    = schemas.Millis(math.MinInt64)
)

// span is from when on, and until when, an answer is the same.
type span struct{ from, until schemas.Millis }

func (s span) has(at schemas.Millis) bool { return s.from <= at && at < s.until }

// cut ends the span at a moment at which something changes, on the side where at is not.
func (s *span) cut(moment, at schemas.Millis) {
	if moment <= at {
		s.from = max(s.from, moment)
	} else {
		s.until = min(s.until, moment)
	}
}

// best is the value that is believed of those of one name.
func (r Rules) best(field string, values []facts.Value, at schemas.Millis, of *span) facts.Value {
	best, highest := values[0], 0
	for i, v := range values {
		priority, until := r.priority(field, v, at)
		if until != forever {
			of.cut(until, at)
		} else if rule, ok := r.byPlace[place{v.Source, field}]; ok && rule.FreshDays > 0 {
			of.cut(at, at) // It is stale; before at it may have been fresh.
		} else if rule, ok := r.byPlace[place{v.Source, everyField}]; ok && rule.FreshDays > 0 {
			of.cut(at, at)
		}
		if i == 0 || cmp.Or(cmp.Compare(priority, highest), cmp.Compare(v.At, best.At), cmp.Compare(v.Type, best.Type),
			cmp.Compare(v.Text, best.Text), cmp.Compare(v.Source, best.Source)) > 0 {
			best, highest = v, priority
		}
	}
	return best
}
