package provider

import (
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

// AppendObject writes values as a JSON object, each with its type: numbers and booleans bare, the rest as text. Values that were taken back are
// left out.
func AppendObject(dst []byte, values []schemas.AttributeValue) []byte {
	dst = append(dst, '{')
	first := true
	for i := range values {
		v := &values[i]
		if v.Type == attributes.None {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendText(dst, v.Name)
		dst = append(dst, ':')
		if v.Type == attributes.Number || v.Type == attributes.Boolean {
			dst = append(dst, v.Text...)
		} else {
			dst = AppendText(dst, v.Text)
		}
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// AppendText writes a JSON string, with no more escapes than JSON needs.
func AppendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf:
			i++
			continue
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, text[from:i]...), `\ufffd`...)
		case c == '"' || c == '\\':
			dst = append(append(dst, text[from:i]...), '\\', c)
		default:
			dst = append(append(dst, text[from:i]...), '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}
