package main

import "github.com/parcours-cdp/parcours/schemas/internal/avsc"

func (g *generator) encodeFile(stages []*stage) string {
	var p printer
	p.WriteString(header)
	for _, s := range stages {
		method := "AppendAvro"
		if s.before != nil {
			p.line("// AppendAvro appends the whole record: what the stages before wrote, then the suffix.")
			p.line("func (x *%s) AppendAvro(dst []byte) []byte {", s.name)
			p.line("return x.AppendSuffix(x.%s.AppendAvro(dst))", s.before.name)
			p.line("}\n")
			p.line("// AppendSuffix appends only the fields that %s adds to %s.", s.name, s.before.name)
			method = "AppendSuffix"
		} else {
			p.line("// AppendAvro appends the whole record.")
		}
		p.encoder(s.name, method, s.added)
	}
	for _, t := range g.records {
		p.encoder(t.ShortName(), "appendAvro", t.Fields)
	}
	for _, t := range g.arrays {
		name := t.ShortName()
		p.line("func append%sArray(dst []byte, items []%s) []byte {", name, name)
		p.line("if len(items) == 0 {")
		p.line("return append(dst, 0)")
		p.line("}")
		p.line("dst = appendLong(dst, int64(len(items)))")
		p.line("for i := range items {")
		p.line("dst = items[i].appendAvro(dst)")
		p.line("}")
		p.line("return append(dst, 0)")
		p.line("}\n")
	}
	return p.String()
}

func (p *printer) encoder(name, method string, fields []avsc.Field) {
	p.line("func (x *%s) %s(dst []byte) []byte {", name, method)
	for _, f := range fields {
		p.encode(f.Type, "x."+goName(f.Name))
	}
	p.line("return dst")
	p.line("}\n")
}

// encode writes the statements that append the value of an expression.
func (p *printer) encode(t *avsc.Type, expr string) {
	if value, _, ok := t.Nullable(); ok {
		p.line("if %s.Valid {", expr)
		p.line("dst = append(dst, 2)")
		p.encode(value, expr+".Value")
		p.line("} else {")
		p.line("dst = append(dst, 0)")
		p.line("}")
		return
	}
	switch t.Kind {
	case avsc.Record:
		p.line("dst = %s.appendAvro(dst)", expr)
	case avsc.Array:
		p.line("dst = append%sArray(dst, %s)", arrayName(t), expr)
	default:
		p.line(primitiveOf(t).append, expr)
	}
}

// arrayName is the middle of the names of the functions for an array.
func arrayName(t *avsc.Type) string {
	if t.Items.Kind == avsc.Record {
		return t.Items.ShortName()
	}
	return "String"
}
