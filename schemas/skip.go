package schemas

import "github.com/parcours-cdp/parcours/schemas/internal/avsc"

// skipKind says how a run of values is passed over.
type skipKind uint8

const (
	skipFixed   skipKind = iota // n bytes
	skipVarints                 // n ints, longs or enums
	skipBytes                   // n strings or bytes
	skipBools                   // n booleans
	skipUnion                   // a branch number, then the steps of that branch
	skipBlocks                  // an array or map, with the steps of one item
	skipRef                     // a record that contains itself

	lastRun = skipBools // the kinds up to here are runs: n values in a row
)

// skipStep passes over values of the writer that nobody asked for. Records are flattened and neighbours of one kind
// joined, so a record of twenty strings is one step.
type skipStep struct {
	kind     skipKind
	n        int // how many, or bytes of a fixed, or least bytes of an item
	branches [][]skipStep
	ref      *[]skipStep
}

// skipper compiles skip steps. Records that contain themselves become references.
type skipper struct {
	open map[*avsc.Type]*[]skipStep // records being compiled
	used map[*avsc.Type]bool        // of these, the ones referred to from inside
}

func compileSkip(types ...*avsc.Type) []skipStep {
	c := skipper{open: map[*avsc.Type]*[]skipStep{}, used: map[*avsc.Type]bool{}}
	var steps []skipStep
	for _, t := range types {
		steps = c.add(steps, t)
	}
	return steps
}

func (c *skipper) add(steps []skipStep, t *avsc.Type) []skipStep {
	switch t.Kind {
	case avsc.Null:
		return steps
	case avsc.Fixed:
		return join(steps, skipFixed, t.Size)
	case avsc.Float:
		return join(steps, skipFixed, 4)
	case avsc.Double:
		return join(steps, skipFixed, 8)
	case avsc.Boolean:
		return join(steps, skipBools, 1)
	case avsc.Int, avsc.Long, avsc.Enum:
		return join(steps, skipVarints, 1)
	case avsc.Bytes, avsc.String:
		return join(steps, skipBytes, 1)
	case avsc.Union:
		step := skipStep{kind: skipUnion}
		for _, branch := range t.Branches {
			step.branches = append(step.branches, c.add(nil, branch))
		}
		return append(steps, step)
	case avsc.Array:
		return append(steps, skipStep{kind: skipBlocks, n: minSize(t.Items), branches: [][]skipStep{c.add(nil, t.Items)}})
	case avsc.Map:
		item := c.add(join(nil, skipBytes, 1), t.Items)
		return append(steps, skipStep{kind: skipBlocks, n: 1 + minSize(t.Items), branches: [][]skipStep{item}})
	}
	return c.record(steps, t)
}

func (c *skipper) record(steps []skipStep, t *avsc.Type) []skipStep {
	if ref := c.open[t]; ref != nil {
		c.used[t] = true
		return append(steps, skipStep{kind: skipRef, ref: ref})
	}
	body := new([]skipStep)
	c.open[t] = body
	for i := range t.Fields {
		*body = c.add(*body, t.Fields[i].Type)
	}
	delete(c.open, t)
	if c.used[t] {
		return append(steps, skipStep{kind: skipRef, ref: body})
	}
	for _, s := range *body {
		if s.kind <= lastRun {
			steps = join(steps, s.kind, s.n)
		} else {
			steps = append(steps, s)
		}
	}
	return steps
}

// join adds a run to the steps; two runs of one kind are one.
func join(steps []skipStep, kind skipKind, n int) []skipStep {
	if last := len(steps) - 1; last >= 0 && steps[last].kind == kind {
		steps[last].n += n
		return steps
	}
	return append(steps, skipStep{kind: kind, n: n})
}

// minSize is the least number of bytes that a value takes. A type that contains itself does so through a union or an
// array, which take at least one.
func minSize(t *avsc.Type) int {
	switch t.Kind {
	case avsc.Null:
		return 0
	case avsc.Fixed:
		return t.Size
	case avsc.Float:
		return 4
	case avsc.Double:
		return 8
	case avsc.Record:
		n := 0
		for i := range t.Fields {
			n += minSize(t.Fields[i].Type)
		}
		return n
	}
	return 1
}

// maxSkipDepth bounds the stack that a hostile body of a self-referring record could take.
const maxSkipDepth = 128

func (r *reader) skip(steps []skipStep) {
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case skipFixed:
			r.fixed(s.n)
		case skipVarints:
			for range s.n {
				r.long()
			}
		case skipBytes:
			for range s.n {
				r.bytes()
			}
		case skipBools:
			for range s.n {
				r.bool()
			}
		case skipUnion:
			at := r.pos
			branch := r.long()
			if uint64(branch) >= uint64(len(s.branches)) {
				r.fail(at, problemUnion)
			}
			if r.failed() {
				return // branch 0 of a record that contains itself would go on
			}
			r.skip(s.branches[branch])
		case skipBlocks:
			r.skipBlocks(s)
		case skipRef:
			if r.depth++; r.depth > maxSkipDepth {
				r.fail(r.pos, problemDepth)
				return
			}
			r.skip(*s.ref)
			r.depth--
		}
	}
}

func (r *reader) skipBlocks(s *skipStep) {
	for !r.failed() {
		at := r.pos
		n := r.long()
		switch {
		case n == 0:
			return
		case n < 0:
			// A block that tells its size in bytes is passed over whole.
			size := r.long()
			if uint64(size) > uint64(len(r.buf)-r.pos) {
				r.fail(at, problemLength)
				return
			}
			r.pos += int(size)
		case s.n == 0:
			// The items take no bytes, however many they are.
		case n > int64((len(r.buf)-r.pos)/s.n):
			r.fail(at, problemCount)
			return
		default:
			for ; n > 0 && !r.failed(); n-- {
				r.skip(s.branches[0])
			}
		}
	}
}
