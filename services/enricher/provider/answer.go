package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

var errMistyped = errors.New("the value is not of the declared type")

// step of a path: a member of an object, or an element of a list.
type step struct {
	member  string
	element int
}

const noElement = -1

// parsePath reads household.members[0].age.
func parsePath(path string) ([]step, error) {
	var steps []step
	for part := range strings.SplitSeq(path, ".") {
		name, rest, indexed := strings.Cut(part, "[")
		if name == "" && (!indexed || len(steps) > 0) {
			return nil, errors.New("write it as household.members[0].age")
		}
		if name != "" {
			steps = append(steps, step{member: name, element: noElement})
		}
		for indexed {
			var number string
			var closed bool
			number, rest, closed = strings.Cut(rest, "]")
			index, err := strconv.ParseUint(number, 10, 16)
			if err != nil || !closed {
				return nil, errors.New("write it as household.members[0].age")
			}
			steps = append(steps, step{element: int(index)})
			if rest == "" {
				break
			}
			if !strings.HasPrefix(rest, "[") {
				return nil, errors.New("write it as household.members[0].age")
			}
			rest = rest[1:]
		}
	}
	return steps, nil
}

func follow(value any, steps []step) (any, bool) {
	for _, s := range steps {
		if s.element == noElement {
			object, is := value.(map[string]any)
			if !is {
				return nil, false
			}
			if value, is = object[s.member]; !is {
				return nil, false
			}
			continue
		}
		list, is := value.([]any)
		if !is || s.element >= len(list) {
			return nil, false
		}
		value = list[s.element]
	}
	return value, value != nil
}

// reader takes the declared attributes out of answers.
type reader struct {
	attributes []Attribute
	paths      [][]step
	maxBytes   int
}

func newReader(c Config) (*reader, error) {
	r := &reader{attributes: c.Attributes, maxBytes: c.MaxAnswer}
	for _, a := range c.Attributes {
		steps, err := parsePath(a.Path)
		if err != nil {
			return nil, err
		}
		r.paths = append(r.paths, steps)
	}
	return r, nil
}

var errTooLarge = errors.New("the answer is larger than max_answer")

// read returns the values in the order of their names; none when the provider knows nothing. It is all or nothing: one value of another type, or
// a required one that is missing, spoils the answer. Errors hold nothing of the answer.
func (r *reader) read(body io.Reader) ([]schemas.AttributeValue, error) {
	text, err := io.ReadAll(io.LimitReader(body, int64(r.maxBytes)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > r.maxBytes {
		return nil, errTooLarge
	}
	if !utf8.Valid(text) {
		return nil, errMistyped
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var whole any
	if err := decoder.Decode(&whole); err != nil {
		return nil, errMistyped
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errMistyped
	}
	var values []schemas.AttributeValue
	for i, a := range r.attributes {
		found, there := follow(whole, r.paths[i])
		if !there {
			if a.Required {
				return nil, errMistyped
			}
			continue
		}
		text, err := typed(a.Type, found)
		switch {
		case err != nil:
			return nil, err
		case text == "" && a.Required:
			return nil, errMistyped
		case text == "": // A text of nothing says nothing.
			continue
		}
		values = append(values, schemas.AttributeValue{Name: a.Name, Type: a.Type, Text: text})
	}
	return inOrder(values), nil
}

// typed takes the JSON type that belongs to the declared one, and no other. The error holds nothing of the value.
func typed(typ string, value any) (string, error) {
	text := ""
	switch v := value.(type) {
	case string:
		if typ != attributes.String && typ != attributes.Date || strings.ContainsRune(v, 0) {
			return "", errMistyped
		}
		if text = strings.TrimSpace(v); text == "" {
			return "", nil
		}
	case json.Number:
		if typ != attributes.Number {
			return "", errMistyped
		}
		text = v.String()
	case bool:
		if typ != attributes.Boolean {
			return "", errMistyped
		}
		text = strconv.FormatBool(v)
	default:
		return "", errMistyped
	}
	text, err := attributes.Parse(typ, text)
	if err != nil {
		return "", errMistyped
	}
	return text, nil
}
