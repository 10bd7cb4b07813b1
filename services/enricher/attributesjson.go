package enricher

import (
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/provider"
)

// withProvider puts what a provider says into the object of all providers, in the order of names. What it said there before is replaced. The object
// is one that the links here wrote: names are plain, and nothing stands between the parts.
func withProvider(object, name, says string) string {
	member := len(name) + len(says) + 3
	if object == "" || object == noAttributes {
		out := make([]byte, 0, member+2)
		out = append(out, '{')
		return string(append(appendMember(out, name, says), '}'))
	}
	out := make([]byte, 0, len(object)+member+1)
	out = append(out, '{')
	rest := object[1 : len(object)-1]
	placed := false
	for rest != "" {
		key, value, next := cutMember(rest)
		if !placed && key >= name {
			out = append(appendMember(out, name, says), ',')
			placed = true
		}
		if key != name {
			out = append(appendMember(out, key, value), ',')
		}
		rest = next
	}
	if !placed {
		out = append(appendMember(out, name, says), ',')
	}
	out[len(out)-1] = '}'
	return string(out)
}

func appendMember(dst []byte, name, says string) []byte {
	return append(append(provider.AppendText(dst, name), ':'), says...)
}

// cutMember reads "name":{...} and what follows the comma behind it.
func cutMember(text string) (name, value, rest string) {
	end := strings.IndexByte(text[1:], '"') + 1
	name = text[1:end]
	text = text[end+2:]
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return name, text[:i+1], strings.TrimPrefix(text[i+1:], ",")
			}
		}
	}
	return name, text, ""
}

// hasProvider tells whether the object has a member of that name.
func hasProvider(object, name string) bool {
	for rest := object[1 : len(object)-1]; rest != ""; {
		var key string
		if key, _, rest = cutMember(rest); key == name {
			return true
		}
	}
	return false
}
