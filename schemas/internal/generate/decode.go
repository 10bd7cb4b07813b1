package main

import (
	"fmt"
	"strings"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

func (g *generator) decodeFile(stages []*stage) string {
	var p printer
	p.WriteString(header)
	p.WriteString("import \"slices\"\n\n")
	for _, s := range stages {
		if s.isPrefix(stages) {
			continue
		}
		p.decoder(s.name, s.record.Fields)
	}
	for _, t := range g.records {
		p.decoder(t.ShortName(), t.Fields)
		if g.nested[t.Name] {
			p.reset(t)
		}
	}
	for _, t := range g.arrays {
		name := t.ShortName()
		p.line("func decode%sArray(r *reader, items []%s, p *plan) []%s {", name, name, name)
		p.line("items = items[:0]")
		p.line("for n := r.block(p.minSize); n > 0; n = r.block(p.minSize) {")
		p.line("items = slices.Grow(items, n)")
		p.line("for range n {")
		p.line("items = items[:len(items)+1]")
		p.line("items[len(items)-1].decode(r, p)")
		p.line("if r.failed() {")
		p.line("return items")
		p.line("}")
		p.line("}")
		p.line("}")
		p.line("return items")
		p.line("}\n")
	}
	return p.String()
}

// isPrefix reports whether a later stage has all fields of s: one decoder reads them all.
func (s *stage) isPrefix(stages []*stage) bool {
	for _, other := range stages {
		if other.before == s {
			return true
		}
	}
	return false
}

// decoder writes decode, which follows a plan made from the writer's schema, and clear, which zeroes the fields that
// the writer does not have. A field's number is its position in our own schema.
func (p *printer) decoder(name string, fields []avsc.Field) {
	p.line("func (x *%s) decode(r *reader, p *plan) {", name)
	p.line("if p.absent != nil {")
	p.line("x.clear(p.absent)")
	p.line("}")
	p.line("for i := range p.steps {")
	p.line("s := &p.steps[i]")
	p.line("start := r.pos")
	p.line("switch s.field {")
	for i, f := range fields {
		p.line("case %d:", i)
		p.decode(f.Type, "x."+goName(f.Name))
	}
	p.line("default:")
	p.line("r.skip(s.skip)")
	p.line("}")
	p.line("if s.marks != nil {")
	p.line("r.mark(s.marks, start)")
	p.line("}")
	p.line("}")
	p.line("}\n")

	p.line("func (x *%s) clear(fields []int) {", name)
	p.line("for _, field := range fields {")
	p.line("switch field {")
	for i, f := range fields {
		p.line("case %d:", i)
		p.zero(f.Type, "x."+goName(f.Name))
	}
	p.line("}")
	p.line("}")
	p.line("}\n")
}

// decode writes the statements that read a value into an expression.
func (p *printer) decode(t *avsc.Type, expr string) {
	if value, _, ok := t.Nullable(); ok {
		p.line("if r.present(s.null) {")
		p.line("%s.Valid = true", expr)
		p.decode(value, expr+".Value")
		p.line("} else if %s.Valid {", expr)
		p.zero(t, expr)
		p.line("}")
		return
	}
	switch t.Kind {
	case avsc.Record:
		p.line("%s.decode(r, s.plan)", expr)
	case avsc.Array:
		if t.Items.Kind == avsc.Record {
			p.line("%s = decode%sArray(r, %s, s.plan)", expr, arrayName(t), expr)
		} else {
			p.line("%s = decode%sArray(r, %s)", expr, arrayName(t), expr)
		}
	default:
		p.line("%s = %s", expr, primitiveOf(t).read)
	}
}

// zero writes the statements that empty an expression; slices keep their memory.
func (p *printer) zero(t *avsc.Type, expr string) {
	if value, _, ok := t.Nullable(); ok {
		p.line("%s.Valid = false", expr)
		p.zero(value, expr+".Value")
		return
	}
	switch t.Kind {
	case avsc.Record:
		p.line("%s.reset()", expr)
	case avsc.Array:
		p.line("%s = %s[:0]", expr, expr)
	default:
		p.line("%s = %s", expr, primitiveOf(t).zero)
	}
}

// reset writes the method that empties a record, and keeps the memory of its slices.
func (p *printer) reset(t *avsc.Type) {
	p.line("func (x *%s) reset() {", t.ShortName())
	var kept []string
	for _, f := range t.Fields {
		if f.Type.Kind == avsc.Array {
			kept = append(kept, fmt.Sprintf("%[1]s: x.%[1]s[:0]", goName(f.Name)))
		}
	}
	p.line("*x = %s{%s}", t.ShortName(), strings.Join(kept, ", "))
	p.line("}\n")
}
