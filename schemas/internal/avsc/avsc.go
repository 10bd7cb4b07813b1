// Package avsc reads Avro schema text (.avsc) into a tree and derives one record schema from another, without losing
// what it does not know.
package avsc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kind is the Avro type of a node.
type Kind string

// The kinds, by the names that Avro gives them.
const (
	Null    Kind = "null"
	Boolean Kind = "boolean"
	Int     Kind = "int"
	Long    Kind = "long"
	Float   Kind = "float"
	Double  Kind = "double"
	Bytes   Kind = "bytes"
	String  Kind = "string"
	Record  Kind = "record"
	Enum    Kind = "enum"
	Array   Kind = "array"
	Map     Kind = "map"
	Union   Kind = "union"
	Fixed   Kind = "fixed"
)

// Type is one node of a schema. A named type that is used twice is one node with two parents, so a schema that
// refers to itself is a cycle.
type Type struct {
	Kind      Kind
	Name      string // full name of a record, enum or fixed
	Doc       string
	Fields    []Field // of a record
	Items     *Type   // of an array, or the values of a map
	Branches  []*Type // of a union
	Symbols   []string
	Size      int // of a fixed, in bytes
	Logical   string
	Precision int // of a decimal
	Scale     int // of a decimal
}

// Field is one field of a record.
type Field struct {
	Name       string
	Type       *Type
	HasDefault bool
	Aliases    []string
	Doc        string
	PII        string
	Purpose    string
	Retention  string
}

// ShortName is the name without its namespace.
func (t *Type) ShortName() string {
	return t.Name[strings.LastIndexByte(t.Name, '.')+1:]
}

// Nullable splits a union of null and one other type into that type and the position of null. For any other type ok is
// false.
func (t *Type) Nullable() (value *Type, nullAt int, ok bool) {
	if t.Kind != Union || len(t.Branches) != 2 {
		return nil, 0, false
	}
	for i, branch := range t.Branches {
		if other := t.Branches[1-i]; branch.Kind == Null && other.Kind != Null {
			return other, i, true
		}
	}
	return nil, 0, false
}

// String names the type as an operator would.
func (t *Type) String() string {
	switch {
	case t.Kind == Union:
		names := make([]string, len(t.Branches))
		for i, branch := range t.Branches {
			names[i] = branch.String()
		}
		return "[" + strings.Join(names, ", ") + "]"
	case t.Kind == Array || t.Kind == Map:
		return string(t.Kind) + " of " + t.Items.String()
	case t.Logical == "decimal":
		return fmt.Sprintf("decimal(%d,%d) in %s", t.Precision, t.Scale, t.Kind)
	case t.Kind == Fixed:
		return fmt.Sprintf("fixed(%d)", t.Size)
	case t.Logical != "":
		return t.Logical + " in " + string(t.Kind)
	case t.Name != "":
		return string(t.Kind) + " " + t.Name
	}
	return string(t.Kind)
}

// Parse reads a schema. It resolves names but leaves the finer rules of Avro (names, defaults, unions) to the library
// that the caller checks schemas with.
func Parse(text string) (*Type, error) {
	p := parser{named: map[string]*Type{}}
	return p.schema(text)
}

// ParseWith reads a schema that refers to named types of known, as a suffix does.
func ParseWith(text string, known *Type) (*Type, error) {
	p := parser{named: map[string]*Type{}}
	p.learn(known)
	return p.schema(text)
}

func (p *parser) schema(text string) (*Type, error) {
	t, err := p.parse(json.RawMessage(text), "")
	if err != nil {
		return nil, err
	}
	for _, named := range p.named {
		if err := finite(named, map[*Type]bool{}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// finite refuses a record that holds itself with no union, array or map between: it would have no end, and neither would
// a walk of its fields.
func finite(t *Type, above map[*Type]bool) error {
	if above[t] {
		return fmt.Errorf("read schema: record %s holds itself without end", t.Name)
	}
	above[t] = true
	defer delete(above, t)
	for i := range t.Fields {
		if err := finite(t.Fields[i].Type, above); err != nil {
			return err
		}
	}
	return nil
}

type parser struct {
	named map[string]*Type
}

// learn enters the named types under t.
func (p *parser) learn(t *Type) {
	if t.Name != "" {
		if p.named[t.Name] != nil {
			return
		}
		p.named[t.Name] = t
	}
	if t.Items != nil {
		p.learn(t.Items)
	}
	for _, branch := range t.Branches {
		p.learn(branch)
	}
	for i := range t.Fields {
		p.learn(t.Fields[i].Type)
	}
}

// node is the JSON object of a type; an unknown property is somebody else's and is ignored.
type node struct {
	Type        json.RawMessage `json:"type"`
	Name        string          `json:"name"`
	Namespace   *string         `json:"namespace"`
	Doc         string          `json:"doc"`
	Fields      []fieldNode     `json:"fields"`
	Items       json.RawMessage `json:"items"`
	Values      json.RawMessage `json:"values"`
	Symbols     []string        `json:"symbols"`
	Size        int             `json:"size"`
	LogicalType string          `json:"logicalType"`
	Precision   int             `json:"precision"`
	Scale       int             `json:"scale"`
}

type fieldNode struct {
	Name      string          `json:"name"`
	Type      json.RawMessage `json:"type"`
	Default   json.RawMessage `json:"default"`
	Aliases   []string        `json:"aliases"`
	Doc       string          `json:"doc"`
	PII       string          `json:"pii"`
	Purpose   string          `json:"purpose"`
	Retention string          `json:"retention"`
}

func (p *parser) parse(text json.RawMessage, namespace string) (*Type, error) {
	text = json.RawMessage(strings.TrimSpace(string(text)))
	if len(text) == 0 {
		return nil, errors.New("read schema: a type is missing")
	}
	switch text[0] {
	case '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		return p.byName(name, namespace)
	case '[':
		return p.union(text, namespace)
	}
	var n node
	if err := json.Unmarshal(text, &n); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return p.object(n, namespace)
}

func (p *parser) byName(name, namespace string) (*Type, error) {
	switch kind := Kind(name); kind {
	case Null, Boolean, Int, Long, Float, Double, Bytes, String:
		return &Type{Kind: kind}, nil
	}
	if t := p.named[fullName(name, namespace)]; t != nil {
		return t, nil
	}
	if t := p.named[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("read schema: type %q is not defined before it is used", name)
}

func (p *parser) union(text json.RawMessage, namespace string) (*Type, error) {
	var branches []json.RawMessage
	if err := json.Unmarshal(text, &branches); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	t := &Type{Kind: Union}
	for _, branch := range branches {
		b, err := p.parse(branch, namespace)
		if err != nil {
			return nil, err
		}
		t.Branches = append(t.Branches, b)
	}
	return t, nil
}

func (p *parser) object(n node, namespace string) (*Type, error) {
	var name string
	if err := json.Unmarshal(n.Type, &name); err != nil {
		// {"type": {...}}: the type is one level down.
		return p.parse(n.Type, namespace)
	}
	t := &Type{
		Kind: Kind(name), Doc: n.Doc, Symbols: n.Symbols, Size: n.Size,
		Logical: n.LogicalType, Precision: n.Precision, Scale: n.Scale,
	}
	var err error
	switch t.Kind {
	case Null, Boolean, Int, Long, Float, Double, Bytes, String:
	case Array:
		t.Items, err = p.parse(n.Items, namespace)
	case Map:
		t.Items, err = p.parse(n.Values, namespace)
	case Record, Enum, Fixed:
		if n.Namespace != nil {
			namespace = *n.Namespace
		}
		t.Name = fullName(n.Name, namespace)
		if p.named[t.Name] != nil {
			return nil, fmt.Errorf("read schema: type %q is defined twice", t.Name)
		}
		p.named[t.Name] = t
		if dot := strings.LastIndexByte(t.Name, '.'); dot >= 0 {
			namespace = t.Name[:dot]
		}
		err = p.fields(t, n.Fields, namespace)
	default:
		return p.byName(name, namespace)
	}
	return t, err
}

func (p *parser) fields(t *Type, fields []fieldNode, namespace string) error {
	if t.Kind != Record {
		return nil
	}
	for _, f := range fields {
		ft, err := p.parse(f.Type, namespace)
		if err != nil {
			return fmt.Errorf("field %q of %s: %w", f.Name, t.Name, err)
		}
		t.Fields = append(t.Fields, Field{
			Name: f.Name, Type: ft, HasDefault: f.Default != nil, Aliases: f.Aliases,
			Doc: f.Doc, PII: f.PII, Purpose: f.Purpose, Retention: f.Retention,
		})
	}
	return nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.ContainsRune(name, '.') {
		return name
	}
	return namespace + "." + name
}
