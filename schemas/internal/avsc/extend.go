package avsc

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// record keeps every field as the text it came in, so that properties this package knows nothing of pass through.
type record struct {
	Type      string            `json:"type"`
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Fields    []json.RawMessage `json:"fields"`
}

// Extend returns the schema of a stage's output: the fields of input, in their order and with all their properties,
// then the fields of suffix, under the name of suffix. The input must be the record that is called after (full
// name). The answer is compact JSON and depends on the two texts alone.
func Extend(input, suffix, after string) (string, error) {
	in, err := Parse(input)
	if err != nil {
		return "", err
	}
	if in.Kind != Record || in.Name != after {
		return "", fmt.Errorf("extend schema: the input is %s and not record %s; connect the stage to the topic it reads in the pipeline", in, after)
	}
	added, err := ParseWith(suffix, in)
	if err != nil {
		return "", fmt.Errorf("extend schema %s: %w", in.Name, err)
	}
	taken := make(map[string]bool, len(in.Fields))
	for _, f := range in.Fields {
		taken[f.Name] = true
	}
	for _, f := range added.Fields {
		if taken[f.Name] {
			return "", fmt.Errorf("extend schema %s with %s: field %q is in the input already; rename it upstream", in.Name, added.Name, f.Name)
		}
	}
	var head, tail record
	if err := json.Unmarshal([]byte(input), &head); err != nil {
		return "", fmt.Errorf("extend schema: %w", err)
	}
	if err := json.Unmarshal([]byte(suffix), &tail); err != nil {
		return "", fmt.Errorf("extend schema: %w", err)
	}
	tail.Fields = append(head.Fields, tail.Fields...)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tail); err != nil {
		return "", fmt.Errorf("extend schema: %w", err)
	}
	return Compact(out.String())
}

// Compact returns schema text without insignificant space.
func Compact(text string) (string, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		return "", fmt.Errorf("compact schema: %w", err)
	}
	return out.String(), nil
}
