package warehouse

import "strings"

// token is a word, a quoted piece or a single sign of a statement.
type token struct {
	text       string
	start, end int
	depth      int // of the brackets around it; a bracket is as deep as what is around it
}

func (t token) is(words ...string) bool {
	for _, word := range words {
		if strings.EqualFold(t.text, word) {
			return true
		}
	}
	return false
}

// isWord says that the token is a name without quotes, a keyword or a number.
func (t token) isWord() bool { return t.text != "" && isWordByte(t.text[0]) }

// tokens cuts a statement, without its comments. It knows how SQL is quoted, and no more of it.
func tokens(sql string) []token {
	var all []token
	depth := 0
	for at := 0; at < len(sql); {
		start := at
		rest := sql[at:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			at++
			continue
		case strings.HasPrefix(rest, "--"):
			at += length(rest, "\n")
			continue
		case strings.HasPrefix(rest, "/*"):
			at += length(rest, "*/")
			continue
		case c == '\'' || c == '"' || c == '`':
			at += quoted(rest)
		case isWordByte(c):
			for at < len(sql) && isWordByte(sql[at]) {
				at++
			}
		default:
			at++
		}
		text := sql[start:at]
		if text == ")" || text == "]" || text == "}" {
			depth--
		}
		all = append(all, token{text, start, at, depth})
		if text == "(" || text == "[" || text == "{" {
			depth++
		}
	}
	return all
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// length is up to and with the end, or all.
func length(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

// quoted is the length of a literal or a quoted name: a backslash escapes, and so does the quote doubled.
func quoted(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			if i+1 >= len(text) || text[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return len(text)
}
