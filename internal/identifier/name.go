package identifier

import (
	"slices"
	"strings"
	"unicode"
)

// Words before and in French names, as they are after [capitals] and without dots.
var (
	women = wordSet("MME MLLE MLE MADAME MADEMOISELLE")
	men   = wordSet("MR MONSIEUR")
	// titles are dropped in front of a name only: further behind they are an initial or a name.
	titles = wordSet("M DR PR DOCTEUR PROFESSEUR MAITRE VVE VEUVE")
	// several stand before, or between, the names of more than one person.
	several = wordSet("ET & + / MM MMES MRS MESSIEURS MESDAMES MESDEMOISELLES FAMILLE CONSORTS EPOUX INDIVISION SUCCESSION ENFANTS")
	// usedName parts the used name from the birth name that follows it.
	usedName = wordSet("NEE NE")
	// marriedName parts a birth name from the used name that follows it.
	marriedName = wordSet("EPOUSE EPSE VEUVE VVE DIVORCEE")
	// nobodysNames are typed at a till that wants one.
	nobodysNames = nameSet("TEST", "TEST TEST", "CLIENT", "CLIENT COMPTOIR", "CLIENT DIVERS", "CLIENT PASSAGE", "CLIENT DE PASSAGE",
		"PASSAGE", "DIVERS", "NOM", "PRENOM", "NOM PRENOM", "PRENOM NOM", "AZERTY", "QWERTY", "TOTO", "ANONYME", "INCONNU")
)

func wordSet(words string) map[string]struct{} { return nameSet(strings.Fields(words)...) }

func nameSet(names ...string) map[string]struct{} {
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}

func in(set map[string]struct{}, word string) bool {
	_, found := set[word]
	return found
}

// nameFR writes a French name in capitals without marks and civility. Text that names two people is
// nobody's name: M OU MME is how two customers become one.
func nameFR(raw string) (string, string) {
	text, ok := clean(raw)
	if !ok {
		return "", Invalid
	}
	words, ok := nameWords(capitals(text))
	if !ok {
		return "", Invalid
	}
	value, reason := settle(words, namePass)
	if reason == "" && (in(nobodysNames, value) || len(value) > 1 && sameByte(value)) {
		return "", Blocked
	}
	return value, reason
}

// nameWords parts a name at hyphens, apostrophes and dots; ok is false for what no name has in it.
func nameWords(text string) (words []string, ok bool) {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsLetter(r) && r != 'ʼ', unicode.Is(unicode.Mc, r):
			b.WriteRune(r)
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), isApostrophe(r), r == '.', r == ',', r == '_', r == '·', noWidth(r):
			b.WriteByte(' ')
		case r == '&', r == '+', r == '/':
			b.WriteString(" " + string(r) + " ")
		default:
			return nil, false
		}
	}
	return strings.Fields(b.String()), true
}

func isApostrophe(r rune) bool { return strings.ContainsRune("'’‘ʼ`´ʹ′", r) }

func namePass(words []string) ([]string, string) {
	if severalPeople(words) {
		return nil, SeveralPeople
	}
	if birth := slices.IndexFunc(words, func(word string) bool { return in(usedName, word) }); birth >= 0 {
		words = words[:birth] // the birth name is another attribute
	}
	words = slices.DeleteFunc(words, func(word string) bool { return in(women, word) || in(men, word) })
	for len(words) > 0 && in(titles, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 || slices.ContainsFunc(words, func(word string) bool { return in(marriedName, word) }) {
		return nil, Invalid // of two names, which one is used is not for us to say
	}
	saints(words)
	return words, ""
}

// severalPeople tells M OU MME DUPONT, MR MME DUPONT, JEAN ET MARIE DUPONT and FAMILLE DUPONT.
func severalPeople(words []string) bool {
	man, woman := false, false
	for i, word := range words {
		civil := func(at int) bool {
			return at >= 0 && at < len(words) && (in(women, words[at]) || in(men, words[at]) || in(titles, words[at]))
		}
		switch {
		case in(several, word), word == "OU" && (civil(i-1) || civil(i+1)):
			return true
		case in(women, word):
			woman = true
		case in(men, word), word == "M" && (i == 0 || civil(i-1) || civil(i+1)):
			man = true
		}
	}
	return man && woman
}
