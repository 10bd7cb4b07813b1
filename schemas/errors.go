package schemas

import (
	"fmt"
	"strconv"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// DecodeError is what a malformed body answers.
type DecodeError struct {
	Record  string // short name of the writer's record
	Field   string // dotted path, with positions in arrays: commerce.items[2].price; empty after the last field
	Offset  int    // in the body, where the value at fault begins
	Problem string
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("decode %s: byte %d: %s", e.Record, e.Offset, e.Problem)
	}
	return fmt.Sprintf("decode %s: field %q at byte %d: %s", e.Record, e.Field, e.Offset, e.Problem)
}

const problemTrailing = "the body goes on after the last field; it was written with another schema"

// diagnose names the field of a fault. Decoders run without names; a fault is rare enough to walk the body again.
func diagnose(writer *avsc.Type, r *reader) error {
	w := walker{reader: reader{buf: r.buf}, at: r.at, leaves: map[*avsc.Type][]skipStep{}}
	w.walk(writer, "")
	return &DecodeError{Record: writer.ShortName(), Field: w.path, Offset: r.at, Problem: r.problem}
}

// walker passes over a body value by value until it has passed the byte at. It goes no deeper than the reader that
// found the fault did.
type walker struct {
	reader
	at     int
	path   string
	found  bool
	leaves map[*avsc.Type][]skipStep
}

func (w *walker) walk(t *avsc.Type, path string) {
	switch t.Kind {
	case avsc.Record:
		for i := 0; i < len(t.Fields) && !w.found; i++ {
			name := t.Fields[i].Name
			if path != "" {
				name = path + "." + name
			}
			w.walk(t.Fields[i].Type, name)
		}
	case avsc.Union:
		branch := w.long()
		if w.stop(path) {
			return
		}
		if uint64(branch) < uint64(len(t.Branches)) {
			w.walk(t.Branches[branch], path)
		} else {
			w.fail(w.pos, problemUnion)
			w.stop(path)
		}
	case avsc.Array, avsc.Map:
		w.blocks(t, path)
	default:
		steps, ok := w.leaves[t]
		if !ok {
			steps = compileSkip(t)
			w.leaves[t] = steps
		}
		w.skip(steps)
		w.stop(path)
	}
}

// stop reports whether the walk is over: the value of path holds the byte, or cannot be read.
func (w *walker) stop(path string) bool {
	if !w.found && (w.failed() || w.pos > w.at) {
		w.path, w.found = path, true
	}
	return w.found
}

func (w *walker) blocks(t *avsc.Type, path string) {
	item, least := t.Items, minSize(t.Items)
	if t.Kind == avsc.Map {
		least++
	}
	index := 0
	for {
		n := w.block(least)
		if w.stop(path) || n == 0 {
			return
		}
		for range n {
			at := path + "[" + strconv.Itoa(index) + "]"
			if t.Kind == avsc.Map {
				w.bytes()
			}
			if !w.stop(at) {
				w.walk(item, at)
			}
			if w.found {
				return
			}
			index++
		}
	}
}
