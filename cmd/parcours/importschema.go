package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
	"go.yaml.in/yaml/v3"
)

// importSchema declares a provider's file.
type importSchema struct {
	Provider string `yaml:"provider"`
	Party    string `yaml:"party"`
	Licence  string `yaml:"licence"`
	Purpose  string `yaml:"purpose"`
	// KeyColumn holds the e-mail, the telephone number, the code.
	KeyColumn string `yaml:"key_column"`
	// ValidFrom and ValidUntil hold for all lines, unless a column says it for each. Both days count.
	ValidFrom        string         `yaml:"valid_from"`
	ValidUntil       string         `yaml:"valid_until"`
	ValidFromColumn  string         `yaml:"valid_from_column"`
	ValidUntilColumn string         `yaml:"valid_until_column"`
	Columns          []importColumn `yaml:"columns"`

	key string
}

// importColumn becomes an attribute.
type importColumn struct {
	Column    string `yaml:"column"`
	Attribute string `yaml:"attribute"`
	Type      string `yaml:"type"`
	Required  bool   `yaml:"required"`
}

func (s *importSchema) person() bool {
	return s.key != "postcode" && s.key != "commune" && s.key != "iris"
}

// declared is the schema of the file, or that of the provider of this name in the configuration.
func (c importAttributesCommand) declared(cfg up.Config) (*importSchema, error) {
	s := &importSchema{}
	if c.Schema != "" {
		text, err := os.ReadFile(c.Schema)
		if err != nil {
			return nil, err
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(s); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", c.Schema, err)
		}
	} else if !s.configured(cfg, c.Provider) {
		return nil, fmt.Errorf("nothing declares provider %s: give --schema FILE, or name it in enricher.providers", c.Provider)
	}
	if s.Provider == "" {
		s.Provider = c.Provider
	}
	s.key = c.Key
	if c.KeyColumn != "" {
		s.KeyColumn = c.KeyColumn
	}
	if s.KeyColumn == "" {
		s.KeyColumn = c.Key
	}
	if s.Party == "" {
		s.Party = attributes.ThirdParty
	}
	if err := s.validate(c); err != nil {
		return nil, fmt.Errorf("schema of provider %s: %w", c.Provider, err)
	}
	return s, nil
}

func (s *importSchema) configured(cfg up.Config, name string) bool {
	for _, p := range cfg.Enricher.Providers {
		if p.Name != name {
			continue
		}
		s.Provider, s.Party, s.Licence, s.Purpose = p.Name, p.Party, p.Licence, p.Purpose
		for _, a := range p.Attributes {
			s.Columns = append(s.Columns, importColumn{Column: a.Name, Attribute: a.Name, Type: a.Type, Required: a.Required})
		}
		return true
	}
	return false
}

func (s *importSchema) validate(c importAttributesCommand) error {
	switch {
	case s.Provider != c.Provider:
		return fmt.Errorf("provider is %q, --provider says %q: it must be the one", s.Provider, c.Provider)
	case s.Provider == attributes.Self:
		return fmt.Errorf("provider is %q, which stands for the retailer's own events: give another name", s.Provider)
	case s.Licence == "":
		return errors.New("licence is empty: say by what right the data is used")
	case len(s.Columns) == 0 && !c.Remove:
		return errors.New("columns is empty: say which columns become attributes")
	}
	probe := attributes.For("x", attributes.Subject{Kind: attributes.Postcode, Code: "0"}, s.Provider)
	probe.Party, probe.Purpose = s.Party, s.Purpose
	if err := attributes.Validate(probe); err != nil {
		return err
	}
	for name, text := range map[string]string{"valid_from": s.ValidFrom, "valid_until": s.ValidUntil} {
		if _, err := parseBegin(text); err != nil {
			return fmt.Errorf("%s is %q: give a day such as 2026-01-31", name, text)
		}
	}
	var seen []string
	for i := range s.Columns {
		column := &s.Columns[i]
		if column.Attribute == "" {
			column.Attribute = column.Column
		}
		if err := attributes.ValidName(column.Attribute); err != nil {
			return fmt.Errorf("columns[%d].attribute: %w", i, err)
		}
		if err := attributes.ValidType(column.Type); err != nil {
			return fmt.Errorf("columns[%d].%w", i, err)
		}
		if slices.Contains(seen, column.Attribute) {
			return fmt.Errorf("columns[%d].attribute is %q, which is in the list already: name it once", i, column.Attribute)
		}
		if column.Column == s.KeyColumn && s.person() {
			return fmt.Errorf("columns[%d].column is %q, the key: it would be stored in clear", i, column.Column)
		}
		seen = append(seen, column.Attribute)
	}
	// As they are stored: ordered by name.
	slices.SortFunc(s.Columns, func(a, b importColumn) int { return strings.Compare(a.Attribute, b.Attribute) })
	return nil
}

// parseBegin reads the day or the time from which something holds; an empty text is none. Days are UTC's.
func parseBegin(text string) (schemas.Optional[schemas.Millis], error) { return parseMoment(text, 0) }

// parseEnd reads the day to whose end, or the time until which, something holds.
func parseEnd(text string) (schemas.Optional[schemas.Millis], error) {
	return parseMoment(text, 24*time.Hour)
}

// parseMoment reads a time as it stands, and of a day what lies so far after it begins.
func parseMoment(text string, intoDay time.Duration) (schemas.Optional[schemas.Millis], error) {
	var none schemas.Optional[schemas.Millis]
	text = strings.TrimSpace(text)
	if text == "" {
		return none, nil
	}
	for _, layout := range []string{time.DateOnly, "02/01/2006"} {
		if day, err := time.Parse(layout, text); err == nil {
			return schemas.Some(schemas.MillisOf(day.Add(intoDay))), nil
		}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return schemas.Some(schemas.MillisOf(at)), nil
	}
	return none, errors.New("no day")
}

// boundSchema is a schema whose columns were found in the file.
type boundSchema struct {
	keyName     string
	key         int
	columns     []importColumn
	at          []int
	from, until bound
	err         error
}

// bound is an end of validity: a column, or the same for all lines.
type bound struct {
	name   string
	column int
	fixed  schemas.Optional[schemas.Millis]
	parse  func(text string) (schemas.Optional[schemas.Millis], error)
}

func (m bound) at(row *importRow) (schemas.Optional[schemas.Millis], *refusal) {
	if m.column < 0 || strings.TrimSpace(row.fields[m.column]) == "" {
		return m.fixed, nil
	}
	at, err := m.parse(row.fields[m.column])
	if err != nil {
		return at, &refusal{Line: row.line, Column: m.name, Reason: "bad_date", Advice: "give a day such as 2026-01-31 or 31/01/2026"}
	}
	return at, nil
}

// bind finds the columns, ignoring case and spaces around their names.
func (s *importSchema) bind(source importSource) boundSchema {
	names := source.columns()
	find := func(name string) int {
		return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), strings.TrimSpace(name)) })
	}
	b := boundSchema{keyName: s.KeyColumn, key: find(s.KeyColumn), columns: s.Columns}
	missing := func(name string) error {
		return fmt.Errorf("the file has no column %q; it has %s", name, strings.Join(names, ", "))
	}
	if b.key < 0 {
		b.err = missing(s.KeyColumn)
		return b
	}
	for _, column := range s.Columns {
		at := find(column.Column)
		if at < 0 {
			b.err = missing(column.Column)
			return b
		}
		b.at = append(b.at, at)
	}
	for _, m := range []struct {
		into        *bound
		parse       func(text string) (schemas.Optional[schemas.Millis], error)
		text, field string
	}{{&b.from, parseBegin, s.ValidFrom, s.ValidFromColumn}, {&b.until, parseEnd, s.ValidUntil, s.ValidUntilColumn}} {
		fixed, err := m.parse(m.text)
		if err != nil {
			b.err = err
			return b
		}
		*m.into = bound{name: m.field, column: -1, fixed: fixed, parse: m.parse}
		if m.field == "" {
			continue
		}
		if m.into.column = find(m.field); m.into.column < 0 {
			b.err = missing(m.field)
		}
	}
	return b
}

var adviceOf = map[string]string{
	attributes.Number:  "it is not a number: give digits, with a point or a comma before the decimals",
	attributes.Boolean: "it is not a boolean: give true or false, oui or non, 1 or 0",
	attributes.Date:    "it is not a date: give it as 2026-01-31 or 31/01/2026",
	attributes.String:  "the text is too long, or not in the encoding of the file",
}

// values are the attributes of a row; fields that are empty have none.
func (b *boundSchema) values(row *importRow, at schemas.Millis) ([]attributes.Value, *refusal) {
	values := make([]attributes.Value, 0, len(b.columns))
	for i := range b.columns {
		column := &b.columns[i]
		text := strings.TrimSpace(row.fields[b.at[i]])
		if text == "" {
			if column.Required {
				return nil, &refusal{Line: row.line, Column: column.Column, Reason: "missing", Advice: "it is required and empty: fill it in"}
			}
			continue
		}
		if column.Type == attributes.Number { // French spreadsheets group digits with spaces of several kinds.
			text = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "").Replace(text)
		}
		written, err := attributes.Parse(column.Type, text)
		if err != nil {
			return nil, &refusal{Line: row.line, Column: column.Column, Reason: "bad_" + column.Type, Advice: adviceOf[column.Type]}
		}
		values = append(values, attributes.Value{Name: column.Attribute, Type: column.Type, Text: written, At: at})
	}
	return values, nil
}

var codeForms = map[string]*regexp.Regexp{
	"postcode": regexp.MustCompile(`^[0-9A-Z][0-9A-Z -]{1,9}$`),
	"commune":  regexp.MustCompile(`^[0-9][0-9AB][0-9]{3}$`),
	"iris":     regexp.MustCompile(`^[0-9][0-9AB][0-9]{7}$`),
}

// subject is what a row is about, and a mark of it for finding repetitions. The clear key goes no further than this.
func (l *importLoad) subject(reader boundSchema, row *importRow) (s attributes.Subject, mark uint64, refused *refusal) {
	raw := strings.TrimSpace(row.fields[reader.key])
	refuse := func(reason, advice string) (attributes.Subject, uint64, *refusal) {
		return s, 0, &refusal{Line: row.line, Column: reader.keyName, Reason: reason, Advice: advice}
	}
	if raw == "" {
		return refuse("no_key", "the key is empty: fill it in")
	}
	if !l.declared.person() {
		code := l.code(strings.ToUpper(raw))
		if !codeForms[l.declared.key].MatchString(code) {
			return refuse("bad_key", "it is no code of a "+l.declared.key+": give it with all its digits, as text")
		}
		return attributes.Subject{Kind: attributes.SubjectKind(l.declared.key), Code: code}, fnv64(code), nil
	}
	typ := l.declared.key
	if typ == "loyalty" {
		typ = identifier.LoyaltyCard
	}
	node, reason := l.ids.Node(typ, raw)
	if reason != "" {
		return refuse("bad_key", "the "+typ+" cannot be used ("+reason+"): correct it")
	}
	if _, gone := l.erased.Suppressed(l.ids.SuppressionKey(node)); gone {
		return refuse("erased", "this person was erased: ask the provider to forget them, and remove the line")
	}
	return attributes.OfNode(node), binary.BigEndian.Uint64(node[:8]), nil
}

// code restores what spreadsheets take away: a zero in front.
func (l *importLoad) code(text string) string {
	length := map[string]int{"postcode": 5, "commune": 5, "iris": 9}[l.declared.key]
	if (l.region == "FR" || l.declared.key != "postcode") && len(text) == length-1 && strings.Trim(text, "0123456789") == "" {
		return "0" + text
	}
	return text
}

func fnv64(text string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for i := range len(text) {
		sum = (sum ^ uint64(text[i])) * prime
	}
	return sum ^ sum>>29
}
