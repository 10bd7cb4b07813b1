package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// inList is the prefix of keys inside of a list, which no environment variable reaches.
const inList = "[]."

const redacted = "[set, not shown]"

// Print renders the sections as YAML in the order of their structs, secrets redacted, each leaf with the
// environment variable that sets it.
func Print(sections ...Section) (string, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, section := range sections {
		value := reflect.ValueOf(section.Into).Elem()
		root.Content = append(root.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: section.Name}, node(value, section.Name+"."))
	}
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	return out.String(), nil
}

func node(value reflect.Value, prefix string) *yaml.Node {
	switch value.Kind() {
	case reflect.Struct:
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		addFields(mapping, value, prefix)
		return mapping
	case reflect.Slice:
		sequence := &yaml.Node{Kind: yaml.SequenceNode}
		if value.Len() == 0 || value.Type().Elem().Kind() != reflect.Struct {
			sequence.Style = yaml.FlowStyle
		}
		for i := range value.Len() {
			sequence.Content = append(sequence.Content, node(value.Index(i), inList))
		}
		return sequence
	}
	var leaf yaml.Node
	plain := value.Interface()
	if duration, ok := plain.(time.Duration); ok {
		plain = duration.String()
	} else if text, ok := plain.(fmt.Stringer); ok {
		plain = text.String()
	}
	if err := leaf.Encode(plain); err != nil {
		leaf.SetString(fmt.Sprint(plain))
	}
	return &leaf
}

func addFields(mapping *yaml.Node, value reflect.Value, prefix string) {
	eachField(value, func(name string, field reflect.StructField, value reflect.Value) {
		path := prefix + name
		child := node(value, path+".")
		if field.Tag.Get("secret") == "true" {
			child = &yaml.Node{Kind: yaml.ScalarNode, Value: redacted}
			if value.IsZero() {
				child.SetString("")
			}
		}
		kind := value.Kind()
		if !strings.HasPrefix(prefix, inList) && kind != reflect.Struct && kind != reflect.Map && child.Kind == yaml.ScalarNode {
			child.LineComment = key{path: path}.env()
		}
		mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, child)
	})
}
