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

// goType is the Go type of a schema type; goTypes lists what the generator can write.
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

func primitiveOf(t *avsc.Type) primitive {
	switch key := string(t.Kind) + " " + t.Logical; key {
	case "string ":
		return primitive{"string", "dst = appendString(dst, %s)", "r.string()", `""`}
	case "bytes ":
		return primitive{"[]byte", "dst = appendBytes(dst, %s)", "r.bytes()", "nil"}
	case "bytes decimal":
		return primitive{"Decimal", "dst = appendDecimal(dst, %s)", "r.decimal()", "0"}
	case "boolean ":
		return primitive{"bool", "dst = appendBool(dst, %s)", "r.bool()", "false"}
	case "double ":
		return primitive{"float64", "dst = appendDouble(dst, %s)", "r.double()", "0"}
	case "int ":
		return primitive{"int32", "dst = appendLong(dst, int64(%s))", "r.int()", "0"}
	case "int date":
		return primitive{"Date", "dst = appendLong(dst, int64(%s))", "Date(r.int())", "0"}
	case "long ":
		return primitive{"int64", "dst = appendLong(dst, %s)", "r.long()", "0"}
	case "long timestamp-millis":
		return primitive{"Millis", "dst = appendLong(dst, int64(%s))", "Millis(r.long())", "0"}
	case "fixed uuid":
		return primitive{"UUID", "dst = append(dst, %s[:]...)", "r.uuid()", "UUID{}"}
	default:
		panic(fmt.Sprintf("no Go type for %s: add it to primitiveOf", t))
	}
}

func (g *generator) typesFile() string {
	var p printer
	p.WriteString(header)
	for _, s := range g.stages {
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
		if f.Type.Kind == avsc.Array {
			omit = "omitempty" // an empty array that is not nil is not the zero value
		}
		p.line("%s %s `json:\"%s,%s\"`", goName(f.Name), goType(f.Type), f.Name, omit)
	}
}
