package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// initialisms are the words that Go writes in capitals.
var initialisms = map[string]string{
	"id": "ID", "url": "URL", "ip": "IP", "sku": "SKU", "os": "OS", "iv": "IV", "uuid": "UUID",
}

// goName turns event_id into EventID.
func goName(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if upper, ok := initialisms[word]; ok {
			out.WriteString(upper)
		} else {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String()
}

// goType is the Go type of a schema type.
func goType(t *avsc.Type) string {
	if value, _, ok := t.Nullable(); ok {
		return "Optional[" + goType(value) + "]"
	}
	switch t.Kind {
	case avsc.Record:
		return t.ShortName()
	case avsc.Array:
		return "[]" + goType(t.Items)
	}
	return primitiveOf(t).goType
}

// primitive tells how one schema type is written in Go.
type primitive struct {
	goType string
	append string // statement that appends %s to dst
	read   string // expression that reads from r
	zero   string
}

// primitives are the types the generator can write, by kind and logical type.
var primitives = map[string]primitive{
	"string ":               {"string", "dst = appendString(dst, %s)", "r.string()", `""`},
	"bytes ":                {"[]byte", "dst = appendBytes(dst, %s)", "r.bytes()", "nil"},
	"bytes decimal":         {"Decimal", "dst = appendDecimal(dst, %s)", "r.decimal()", "0"},
	"boolean ":              {"bool", "dst = appendBool(dst, %s)", "r.bool()", "false"},
	"double ":               {"float64", "dst = appendDouble(dst, %s)", "r.double()", "0"},
	"int ":                  {"int32", "dst = appendLong(dst, int64(%s))", "r.int()", "0"},
	"int date":              {"Date", "dst = appendLong(dst, int64(%s))", "Date(r.int())", "0"},
	"long ":                 {"int64", "dst = appendLong(dst, %s)", "r.long()", "0"},
	"long timestamp-millis": {"Millis", "dst = appendLong(dst, int64(%s))", "Millis(r.long())", "0"},
	"fixed uuid":            {"UUID", "dst = append(dst, %s[:]...)", "r.uuid()", "UUID{}"},
}

func primitiveOf(t *avsc.Type) primitive { return primitives[string(t.Kind)+" "+t.Logical] }

// supported reports the first type under t that the generator cannot write; all that follows relies on there being none.
func supported(t *avsc.Type) error {
	if value, null, ok := t.Nullable(); ok && null == 0 {
		return supported(value)
	}
	switch {
	case t.Kind == avsc.Record:
		for _, f := range t.Fields {
			if err := supported(f.Type); err != nil {
				return fmt.Errorf("field %q: %w", f.Name, err)
			}
		}
		return nil
	case t.Kind == avsc.Array && t.Items.Kind == avsc.Record:
		return supported(t.Items)
	case t.Kind == avsc.Array && t.Items.Kind == avsc.String:
		return nil
	case t.Logical == "decimal" && (t.Scale != 4 || t.Precision != 18):
		return fmt.Errorf("%s: Decimal has 18 digits, 4 of them after the point", t)
	case primitiveOf(t).goType == "":
		return fmt.Errorf("no Go type for %s: add it to primitives, or choose another", t)
	}
	return nil
}

func (g *generator) typesFile(stages []*stage) string {
	var p printer
	p.WriteString(header)
	for _, s := range stages {
		p.line("// %s", sentence(s.name, s.record))
		p.line("type %s struct {", s.name)
		if s.before != nil {
			p.line("%s", s.before.name)
			p.line("")
		}
		fields(&p, s.added)
		p.line("}\n")
	}
	for _, t := range g.records {
		p.line("// %s", sentence(t.ShortName(), t))
		p.line("type %s struct {", t.ShortName())
		fields(&p, t.Fields)
		p.line("}\n")
	}
	return p.String()
}

// sentence turns the doc of a record into a comment that starts with its name.
func sentence(name string, t *avsc.Type) string {
	doc := []rune(t.Doc)
	if len(doc) > 1 && !unicode.IsUpper(doc[1]) && doc[1] != '-' {
		doc[0] = unicode.ToLower(doc[0])
	}
	return name + " is the record " + t.Name + ": " + string(doc)
}

func fields(p *printer, list []avsc.Field) {
	for _, f := range list {
		note := ""
		switch f.PII {
		case "direct":
			note = " Direct personal data."
		case "indirect":
			note = " Indirect personal data."
		case "pseudonym":
			note = " Pseudonym."
		}
		p.line("// %s%s", f.Doc, note)
		omit := "omitzero"
		if strings.HasPrefix(goType(f.Type), "[]") {
			omit = "omitempty" // an empty slice that is not nil is not the zero value
		}
		p.line("%s %s `json:\"%s,%s\"`", goName(f.Name), goType(f.Type), f.Name, omit)
	}
}
