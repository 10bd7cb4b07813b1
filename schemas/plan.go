package schemas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// plan is how a record of one writer's schema is read into our Go type: the writer's fields in their order.
type plan struct {
	steps   []step
	absent  []int // our fields that the writer does not have
	minSize int   // least bytes of such a record
}

// step reads one field, or passes over some.
type step struct {
	field int    // position in our schema; skipField when the writer's field is not ours or not asked for
	null  nullAt // how the writer marks a missing value
	plan  *plan  // of a record, or of the records of an array
	skip  []skipStep
	marks []int // spans that begin and end with this field
}

const skipField = -1

// wanted is a tree of the fields that a Selection reads. A nil tree wants everything.
type wanted struct {
	whole  bool // the field itself was asked for
	marks  []int
	fields map[string]*wanted
}

// planner compiles plans for the records of one writer.
type planner struct {
	open      map[*avsc.Type]bool // records above the current one
	tolerated map[string]error    // a tolerant planner's fields by path that do not read alike; nil refuses them
	path      []string            // to the current field, while fields are tolerated
}

// record plans a record. The last record of a body may end with its last wanted field: nobody reads what follows.
func (c *planner) record(writer, known *avsc.Type, want *wanted, last bool) (*plan, error) {
	if c.open[writer] {
		return nil, fmt.Errorf("record %s contains itself", writer.Name)
	}
	c.open[writer] = true
	defer delete(c.open, writer)

	p := &plan{minSize: minSize(writer)}
	found := make([]bool, len(known.Fields))
	var pending []*avsc.Type // fields to pass over before the next step
	end := lastWanted(writer, want, last)
	for i := range writer.Fields[:end] {
		f := &writer.Fields[i]
		index := slices.IndexFunc(known.Fields, func(k avsc.Field) bool { return k.Name == f.Name })
		sub, asked := want.field(f.Name)
		if index < 0 || !asked {
			pending = append(pending, f.Type)
			continue
		}
		s := step{field: index}
		if sub != nil {
			s.marks = sub.marks
		}
		c.path = append(c.path, f.Name)
		err := c.value(&s, f.Type, known.Fields[index].Type, sub, last && i == end-1)
		tolerated := err != nil && c.tolerate(err)
		c.path = c.path[:len(c.path)-1]
		if tolerated {
			pending = append(pending, f.Type)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		found[index] = true
		if pending != nil {
			p.steps = append(p.steps, step{field: skipField, skip: compileSkip(pending...)})
			pending = nil
		}
		p.steps = append(p.steps, s)
	}
	if pending != nil {
		p.steps = append(p.steps, step{field: skipField, skip: compileSkip(pending...)})
	}
	for i, k := range known.Fields {
		if _, asked := want.field(k.Name); asked && !found[i] {
			p.absent = append(p.absent, i)
		}
	}
	return p, nil
}

// tolerate notes that the field of the current path does not read as ours, if the planner may.
func (c *planner) tolerate(err error) bool {
	if c.tolerated == nil || slices.Contains(essential, c.path[0]) {
		return false
	}
	c.tolerated[strings.Join(c.path, ".")] = err
	return true
}

// lastWanted is the number of the writer's fields that have to be passed to get at everything wanted.
func lastWanted(writer *avsc.Type, want *wanted, last bool) int {
	if want == nil || want.whole || !last {
		return len(writer.Fields)
	}
	end := 0
	for i := range writer.Fields {
		if _, asked := want.field(writer.Fields[i].Name); asked {
			end = i + 1
		}
	}
	return end
}

// field returns what is wanted of a field, nil for everything, and whether it is wanted at all.
func (w *wanted) field(name string) (*wanted, bool) {
	if w == nil {
		return nil, true
	}
	sub, ok := w.fields[name]
	if !ok {
		return nil, w.whole
	}
	return sub, true
}

// value fills in how a step reads the writer's type into ours.
func (c *planner) value(s *step, writer, known *avsc.Type, want *wanted, last bool) error {
	mismatch := fmt.Errorf("the writer's type is %s and ours is %s; register the change under a new field name", writer, known)
	target := known
	if value, _, ok := known.Nullable(); ok {
		target = value
		if value, at, ok := writer.Nullable(); ok {
			writer = value
			s.null = nullFirst
			if at == 1 {
				s.null = nullLast
			}
		}
	}
	switch target.Kind {
	case avsc.Record:
		if writer.Kind != avsc.Record {
			return mismatch
		}
		var err error
		s.plan, err = c.record(writer, target, want, last && len(s.marks) == 0)
		return err
	case avsc.Array:
		if writer.Kind != avsc.Array {
			return mismatch
		}
		if target.Items.Kind != avsc.Record {
			if !sameWire(writer.Items, target.Items) {
				return mismatch
			}
			return nil
		}
		if writer.Items.Kind != avsc.Record {
			return mismatch
		}
		var err error
		s.plan, err = c.record(writer.Items, target.Items, nil, false)
		return err
	}
	if !sameWire(writer, target) {
		return mismatch
	}
	return nil
}

// sameWire reports whether a value of the writer reads as a value of ours with the same meaning. Besides equal types
// these are the promotions of Avro that look the same on the wire.
func sameWire(writer, known *avsc.Type) bool {
	if writer.Logical != known.Logical && meansSomething(writer, known) {
		return false
	}
	switch known.Kind {
	case avsc.Long:
		return writer.Kind == avsc.Long || writer.Kind == avsc.Int
	case avsc.String, avsc.Bytes:
		if known.Logical == "decimal" && (writer.Scale != known.Scale) {
			return false
		}
		return writer.Kind == avsc.String || writer.Kind == avsc.Bytes
	case avsc.Fixed:
		return writer.Kind == avsc.Fixed && writer.Size == known.Size
	}
	return writer.Kind == known.Kind
}

// meansSomething reports whether the logical types change what the value is. A UUID is 16 bytes whether it says so or not.
func meansSomething(writer, known *avsc.Type) bool {
	return writer.Kind != avsc.Fixed || known.Kind != avsc.Fixed
}
