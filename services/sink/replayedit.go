package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Edit is what is changed in the JSON of an event before it is sent again: first the merge patch, then the values that
// are set. The zero Edit changes nothing.
type Edit struct {
	patch any
	sets  []setting
	given bool
}

type setting struct {
	text  string
	path  []step
	value any
}

// step is a name in an object, or a place in a list.
type step struct {
	name  string
	place int
	list  bool
}

// longestList bounds the place that a path may name.
const longestList = 10_000

// ParseEdit reads settings of the form path=value and a merge patch (RFC 7396), which may be empty. A path is written as
// the field of a rejection is, properties.products[0].price; a dot, a bracket or an equals sign that belongs to a name
// has a backslash before it. A value that is no JSON is text.
func ParseEdit(sets []string, patch []byte) (Edit, error) {
	var edit Edit
	if len(patch) > 0 {
		value, err := decodeJSON(patch)
		if err != nil {
			return edit, fmt.Errorf("read the patch: %w", err)
		}
		if _, is := value.(map[string]any); !is {
			return edit, errors.New("read the patch: it is no JSON object: give the members to change, and null for those to take out")
		}
		edit.patch, edit.given = value, true
	}
	for _, text := range sets {
		path, rest, err := parsePath(text)
		if err != nil {
			return edit, fmt.Errorf("put %q: %w", text, err)
		}
		value, err := decodeJSON([]byte(rest))
		if err != nil {
			value = rest
		}
		name := strings.TrimSuffix(text, "="+rest)
		edit.sets, edit.given = append(edit.sets, setting{text: name, path: path, value: value}), true
	}
	return edit, nil
}

// parsePath reads a path up to the equals sign, and returns what is behind it.
func parsePath(text string) (path []step, rest string, err error) {
	var name strings.Builder
	named, closed := false, false // a name is under way; a place in a list was just closed
	end := func() {
		path, named = append(path, step{name: name.String()}), false
		name.Reset()
	}
	for at := 0; at < len(text); at++ {
		switch c := text[at]; {
		case c == '=' || c == '.' || c == '[':
			switch {
			case named:
				end()
			case !closed:
				return nil, "", fmt.Errorf("a name is missing before %q at place %d", c, at+1)
			}
			closed = false
			if c == '=' {
				return path, text[at+1:], nil
			}
			if c == '[' {
				length := strings.IndexByte(text[at:], ']')
				if length < 0 {
					return nil, "", fmt.Errorf("the bracket at place %d is not closed", at+1)
				}
				inside := text[at+1 : at+length]
				place, err := strconv.Atoi(inside)
				if err != nil || place < 0 || place > longestList || strconv.Itoa(place) != inside {
					return nil, "", fmt.Errorf("%q at place %d is no place in a list: give a number from 0 on", inside, at+2)
				}
				path, closed = append(path, step{place: place, list: true}), true
				at += length
			}
		case closed:
			return nil, "", fmt.Errorf("a dot is missing at place %d", at+1)
		case c == '\\':
			if at++; at == len(text) {
				return nil, "", errors.New("it ends in a backslash")
			}
			name.WriteByte(text[at])
			named = true
		default:
			name.WriteByte(c)
			named = true
		}
	}
	return nil, "", errors.New("it has no =: write path=value")
}

// apply returns the event with the changes.
func (e Edit) apply(event any) (any, error) {
	if e.patch != nil {
		event = merge(event, e.patch)
	}
	for _, s := range e.sets {
		changed, err := set(event, s.path, s.value)
		if err != nil {
			return nil, fmt.Errorf("put %s: %w", s.text, err)
		}
		event = changed
	}
	return event, nil
}

// merge is MergePatch of RFC 7396.
func merge(target, patch any) any {
	members, is := patch.(map[string]any)
	if !is {
		return patch
	}
	into, is := target.(map[string]any)
	if !is {
		into = make(map[string]any)
	}
	for name, value := range members {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = merge(into[name], value)
		}
	}
	return into
}

// set puts a value at a path; objects that are missing on the way are made, and a list grows by one at its end.
func set(target any, path []step, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	first := path[0]
	if !first.list {
		into, is := target.(map[string]any)
		if !is && target != nil {
			return nil, fmt.Errorf("%s stands in what is no object", first.name)
		}
		if into == nil {
			into = make(map[string]any)
		}
		inner, err := set(into[first.name], path[1:], value)
		if err != nil {
			return nil, err
		}
		into[first.name] = inner
		return into, nil
	}
	list, is := target.([]any)
	if !is && target != nil {
		return nil, fmt.Errorf("[%d] is asked of what is no list", first.place)
	}
	if first.place > len(list) {
		return nil, fmt.Errorf("[%d] is past the end of a list of %d", first.place, len(list))
	}
	if first.place == len(list) {
		list = append(list, nil)
	}
	inner, err := set(list[first.place], path[1:], value)
	if err != nil {
		return nil, err
	}
	list[first.place] = inner
	return list, nil
}

// decodeJSON reads one value and keeps numbers as they are written.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON value")
	}
	return value, nil
}

// encodeJSON writes a value without the escapes that are for web pages.
func encodeJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// Change is a value of an event that is sent otherwise than it came; null is a value that is not there.
type Change struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// changes lists what differs, by path.
func changes(path string, before, after any) []Change {
	old, isOld := before.(map[string]any)
	now, isNow := after.(map[string]any)
	if isOld && isNow {
		names := make(map[string]bool, len(old)+len(now))
		for name := range old {
			names[name] = true
		}
		for name := range now {
			names[name] = true
		}
		var all []Change
		for _, name := range slices.Sorted(maps.Keys(names)) {
			all = append(all, changes(join(path, name), old[name], now[name])...)
		}
		return all
	}
	oldList, isOld := before.([]any)
	nowList, isNow := after.([]any)
	if isOld && isNow {
		var all []Change
		for i := range max(len(oldList), len(nowList)) {
			var a, b any
			if i < len(oldList) {
				a = oldList[i]
			}
			if i < len(nowList) {
				b = nowList[i]
			}
			all = append(all, changes(fmt.Sprintf("%s[%d]", path, i), a, b)...)
		}
		return all
	}
	was, err := encodeJSON(before)
	is, err2 := encodeJSON(after)
	if err != nil || err2 != nil || bytes.Equal(was, is) {
		return nil // what was read as JSON is written as JSON
	}
	return []Change{{Path: path, Before: was, After: is}}
}

var escapeName = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`, `=`, `\=`)

func join(path, name string) string {
	name = escapeName.Replace(name)
	if path == "" {
		return name
	}
	return path + "." + name
}
