package person

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// word is a word of a value, in capitals without marks.
type word struct {
	text string
	// first is true at the beginning and after a comma, a line's end or a dash between spaces.
	first bool
	// cased tells how the word was written: capitals or not.
	cased bool
}

// undivided are letters that carry their mark inside.
var undivided = strings.NewReplacer("Œ", "OE", "Æ", "AE", "Ø", "O", "Ł", "L", "Đ", "D", "ẞ", "SS", "ß", "SS", "ı", "I", "ˢᵗ", "ST")

// fold writes text in capitals without marks.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		return strings.ToUpper(s)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(undivided.Replace(s)))
	return undivided.Replace(strings.ToUpper(s))
}

// split parts a value into words at everything that is neither letter nor digit.
func split(s string) []word {
	var words []word
	first := true
	runes := []rune(strings.ToValidUTF8(s, " "))
	for i := 0; i < len(runes); {
		r := runes[i]
		if !wordRune(r) {
			dash := unicode.Is(unicode.Pd, r) && i > 0 && runes[i-1] == ' ' && i+1 < len(runes) && runes[i+1] == ' '
			if r == ',' || r == ';' || r == '\n' || r == '\r' || r == '(' || r == '|' || dash {
				first = true
			}
			i++
			continue
		}
		end := i
		for end < len(runes) && wordRune(runes[end]) {
			end++
		}
		raw := string(runes[i:end])
		text := fold(raw)
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			words = append(words, word{text: part, first: first, cased: raw == strings.ToUpper(raw)})
			first = false
		}
		i = end
	}
	return words
}

// wordRune is part of a word; marks that stand behind their letter are.
func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r)
}

// texts are the words without what was around them.
func texts(words []word) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.text
	}
	return all
}

// phrase is a run of words that means one.
type phrase struct {
	from []string
	to   string
}

func phrases(rows ...string) []phrase {
	var all []phrase
	for _, row := range rows {
		from, to, _ := strings.Cut(row, " = ")
		all = append(all, phrase{from: strings.Fields(from), to: to})
	}
	return all
}

// join puts phrases of several words into one.
func join(words []word, known []phrase) []word {
	var out []word
next:
	for i := 0; i < len(words); {
		for _, p := range known {
			if matches(words[i:], p.from) {
				out = append(out, word{text: p.to, first: words[i].first, cased: words[i].cased})
				i += len(p.from)
				continue next
			}
		}
		out = append(out, words[i])
		i++
	}
	return out
}

func matches(words []word, texts []string) bool {
	if len(words) < len(texts) {
		return false
	}
	for i, text := range texts {
		if words[i].text != text || i > 0 && words[i].first {
			return false
		}
	}
	return true
}

type set map[string]struct{}

// setOf makes a set of the words of a text.
func setOf(words string) set {
	all := set{}
	for _, w := range strings.Fields(words) {
		all[w] = struct{}{}
	}
	return all
}

func (s set) has(word string) bool {
	_, found := s[word]
	return found
}

func number(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
