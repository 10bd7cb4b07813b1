package firstname

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxName is the longest name that is looked at, in bytes once it is folded.
const maxName = 64

// titles are no first names, and what stands behind them is as often a last name: "M. Martin" has no first name in it.
var titles = words("M MR MM MME MMES MLLE MLLES MONSIEUR MADAME MADEMOISELLE MISS MRS MS SIR DR DOCTEUR PR PROF PROFESSEUR ME MAITRE HERR FRAU SR SRA")

// fillers are what people type when they must type something.
var fillers = words("TEST TESTS INCONNU INCONNUE ANONYME CLIENT CLIENTE PRENOM NOM NULL NONE UNDEFINED NAN NA XX XXX XXXX AUCUN SANS INVITE GUEST USER")

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

// fold writes a name as the table has it, behind dst: capital letters without accents, hyphens between its parts. Of names with commas between them
// the first counts, as in the register; initials behind the first name are left out. It refuses what is no first name of one person.
func fold(dst []byte, name string) ([]byte, bool) {
	name, _, _ = strings.Cut(strings.TrimSpace(name), ",")
	if len(name) == 0 || len(name) > 2*maxName {
		return dst, false
	}
	part := len(dst) // where the part begins that is being read
	end := func() bool {
		switch word := dst[part:]; {
		case len(word) == 0:
		case part == 0 && (len(word) == 1 || titles[string(word)] || fillers[string(word)]):
			return false
		case len(word) == 1: // An initial.
			dst = dst[:part]
		case string(word) == "ET": // Two people.
			return false
		default:
			dst = append(dst, '-')
			part = len(dst)
		}
		return true
	}
	if !isASCII(name) {
		name = norm.NFKD.String(name)
	}
	for _, r := range name {
		switch {
		case 'A' <= r && r <= 'Z':
			dst = append(dst, byte(r))
		case 'a' <= r && r <= 'z':
			dst = append(dst, byte(r)-'a'+'A')
		case r == ' ' || r == '-' || r == '.' || r == '_' || r == '\t' || unicode.Is(unicode.Pd, r) || unicode.IsSpace(r):
			if !end() {
				return dst, false
			}
		case r == '\'' || r == '’' || r == '`' || r == '´' || r == 'ʼ' || unicode.Is(unicode.Mn, r): // Accents that stand alone, too.
		default:
			letters, ok := ligatures[r]
			if !ok {
				return dst, false
			}
			dst = append(dst, letters...)
		}
		if len(dst) >= maxName {
			return dst, false
		}
	}
	if !end() || part == 0 {
		return dst, false
	}
	return dst[:part-1], true
}

// ligatures are letters that do not come apart into a letter and an accent.
var ligatures = map[rune]string{
	'Œ': "OE", 'œ': "OE", 'Æ': "AE", 'æ': "AE", 'ß': "SS", 'Ø': "O", 'ø': "O", 'Ł': "L", 'ł': "L", 'Đ': "D", 'đ': "D", 'ð': "D", 'Þ': "TH", 'þ': "TH", 'ı': "I",
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// FromFullName finds the first name in a whole name, where there is no doubt: behind a comma ("Dupont, Jean"), or beside a last name in capitals
// ("Jean-Pierre DUPONT", "DUPONT Jean") or beside the last name that is known. "Jean Martin" may be either way round, and is left.
func FromFullName(full, last string) (string, bool) {
	full = strings.TrimSpace(full)
	if len(full) > 4*maxName || strings.ContainsAny(full, "&+/@") {
		return "", false
	}
	if before, after, comma := strings.Cut(full, ","); comma {
		after = strings.TrimSpace(after)
		return after, strings.TrimSpace(before) != "" && after != "" && !strings.Contains(after, ",")
	}
	if rest, ok := cutTitle(full); ok {
		full = rest
	}
	if last = strings.TrimSpace(last); last != "" {
		if rest, ok := cutWord(full, last); ok {
			return rest, rest != ""
		}
	}
	return besideCapitals(full)
}

// cutTitle takes a title off the beginning.
func cutTitle(full string) (string, bool) {
	first, rest, ok := strings.Cut(full, " ")
	if !ok || !titles[strings.ToUpper(strings.TrimSuffix(first, "."))] {
		return full, false
	}
	return strings.TrimSpace(rest), true
}

// cutWord takes the last name off either end.
func cutWord(full, last string) (string, bool) {
	if len(full) <= len(last) {
		return "", false
	}
	if at := len(full) - len(last); strings.EqualFold(full[at:], last) && full[at-1] == ' ' {
		return strings.TrimSpace(full[:at]), true
	}
	if strings.EqualFold(full[:len(last)], last) && full[len(last)] == ' ' {
		return strings.TrimSpace(full[len(last):]), true
	}
	return "", false
}

// besideCapitals is what stands before or behind the words in capitals, if those are all at one end.
func besideCapitals(full string) (string, bool) {
	fields := strings.Fields(full)
	changes, capitals := 0, 0
	for i, word := range fields {
		if inCapitals(word) {
			capitals++
		}
		if i > 0 && inCapitals(word) != inCapitals(fields[i-1]) {
			changes++
		}
	}
	switch {
	case changes != 1:
		return "", false
	case inCapitals(fields[0]):
		return strings.Join(fields[capitals:], " "), true
	}
	return strings.Join(fields[:len(fields)-capitals], " "), true
}

func inCapitals(word string) bool {
	letters := 0
	for _, r := range word {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return letters > 1
}
