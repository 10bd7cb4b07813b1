package person

import "strings"

// brand is a provider by the word that people mistype, with its domains, the likeliest first.
type brand struct {
	word    string
	domains []string
}

// brands are the providers that domains are corrected to, French ones first: of two that are as near, the first is meant. Words of fewer
// than five letters are too near to other names: of them only the ending and doubled letters are corrected.
var brands = []brand{
	{"gmail", []string{"gmail.com"}},
	{"orange", []string{"orange.fr"}},
	{"wanadoo", []string{"wanadoo.fr"}},
	{"hotmail", []string{"hotmail.fr", "hotmail.com"}},
	{"outlook", []string{"outlook.fr", "outlook.com"}},
	{"yahoo", []string{"yahoo.fr", "yahoo.com"}},
	{"laposte", []string{"laposte.net"}},
	{"free", []string{"free.fr"}},
	{"sfr", []string{"sfr.fr"}},
	{"live", []string{"live.fr", "live.com"}},
	{"icloud", []string{"icloud.com"}},
	{"bbox", []string{"bbox.fr"}},
	{"neuf", []string{"neuf.fr"}},
	{"numericable", []string{"numericable.fr"}},
	{"aliceadsl", []string{"aliceadsl.fr"}},
	{"club-internet", []string{"club-internet.fr"}},
	{"cegetel", []string{"cegetel.net"}},
	{"protonmail", []string{"protonmail.com"}},
	{"googlemail", []string{"googlemail.com"}},
	{"skynet", []string{"skynet.be"}},
	{"telenet", []string{"telenet.be"}},
	{"bluewin", []string{"bluewin.ch"}},
	{"msn", []string{"msn.com"}},
	{"aol", []string{"aol.com"}},
	{"gmx", []string{"gmx.fr", "gmx.com"}},
}

// shortWord is the length of a word from which letters of it are corrected; longWord that from which two mistakes are.
const (
	shortWord = 5
	longWord  = 7
)

// wrongTops are endings that are given out somewhere or nowhere, but at a provider of ours are a slip of the finger.
var wrongTops = setOf("co cm om con cmo ocm comm vom xom cim c coml come colm ccom cpm cok fe ft f r rf frr ffr fre gr fra nt ne ner nef nte neet comfr")

// suggest is the domain of a provider that was probably meant; empty when the domain is known, or like none. Domain is typed as it is looked up,
// whole tells whether it can be one at all.
func suggest(typed, domain string, whole bool) string {
	if whole && (knownMail.has(domain) || freeMail.has(domain)) {
		return ""
	}
	text := tidy(typed)
	if text == "" || len(text) > 40 {
		return ""
	}
	if freeMail.has(text) && !whole || text != domain && corrigible(text) {
		return text // gmail..com, gmail,com, gmaïl.com
	}
	word, top := cutTop(text)
	best, least := "", tooFar
	for _, b := range brands {
		if word+top == b.word+strings.ReplaceAll(b.domains[0][strings.IndexByte(b.domains[0], '.')+1:], ".", "") && top == "" {
			return b.domains[0] // gmailcom
		}
		off := distance(word, b.word)
		if off >= least || off > allowed(b.word) || !mayMean(word, b.word, off) {
			continue
		}
		if meant := b.withTop(top, off, whole); meant != "" {
			best, least = meant, off
		}
	}
	return best
}

// corrigible are the domains that a text is corrected to.
func corrigible(text string) bool {
	for _, b := range brands {
		for _, d := range b.domains {
			if d == text {
				return true
			}
		}
	}
	return false
}

// tidy takes out what slips in: accents, doubled dots and commas, spaces, a dot behind.
func tidy(typed string) string {
	text := strings.ToLower(fold(typed))
	text = strings.NewReplacer(",", ".", ";", ".", " ", "", "\t", "", ":", ".", "/", ".").Replace(text)
	for strings.Contains(text, "..") {
		text = strings.ReplaceAll(text, "..", ".")
	}
	text = strings.Trim(text, ".-'\"()[]<>")
	return strings.TrimPrefix(text, "www.")
}

// cutTop parts the word before the first dot from the ending behind it.
func cutTop(text string) (word, top string) {
	word, top, _ = strings.Cut(text, ".")
	return word, top
}

// withTop is the domain of the brand that goes with an ending; empty when ending and word are both too wrong, or the ending is somebody else's.
func (b brand) withTop(top string, off int, whole bool) string {
	for _, d := range b.domains {
		if _, own := cutTop(d); own == top {
			return d
		}
	}
	_, first := cutTop(b.domains[0])
	switch {
	case top == "" && off == 0: // gmail
		return b.domains[0]
	case b.word == "gmail" && (top == "fr" || top == "net" || top == "org" || top == "be" || top == "ch"):
		return b.domains[0] // There is no other Gmail.
	case len(b.domains) == 1 && off == 0 && strings.HasPrefix(top, first+"."): // gmail.com.fr
		return b.domains[0]
	case strings.Contains(top, ".") && off == 0:
		if last := top[strings.LastIndexByte(top, '.')+1:]; last != first || !whole {
			return b.slipped(last)
		}
		return "" // mail.orange.fr is a host of theirs
	case off == 0 || wrongTops.has(top):
		return b.slipped(top)
	}
	return ""
}

// slipped finds which of the brand's endings an ending that is none of theirs was meant to be.
func (b brand) slipped(top string) string {
	if !wrongTops.has(top) && realTop("a."+top) {
		return "" // hotmail.de is another country's
	}
	best, least := "", tooFar
	for _, d := range b.domains {
		_, own := cutTop(d)
		if off := distance(top, own); off < least {
			best, least = d, off
		}
	}
	if least > 3*slip || len(top) > 5 {
		return ""
	}
	return best
}

// Distances are in tenths of a mistake.
const (
	slip    = 10 // a letter too many, too few, or another
	near    = 6  // the key beside it, two letters exchanged, a letter doubled or not
	tooFar  = 1000
	twoKeys = 13
)

// allowed is how far a word may be from a brand.
func allowed(word string) int {
	switch {
	case len(word) < shortWord:
		return near
	case len(word) < longWord:
		return twoKeys
	}
	return 2 * slip
}

// mayMean keeps words that are names of their own apart: people get the first letter right, or hit the key beside it, and short words have
// to be right but for a doubled letter.
func mayMean(typed, word string, off int) bool {
	switch {
	case off == 0:
		return true
	case len(typed) < 3:
		return false
	case len(word) < shortWord:
		return undoubled(typed) == undoubled(word) && undoubled(typed) != typed || undoubled(word) == typed
	case realWords.has(typed):
		return false
	case typed[0] == word[0] || beside(typed[0], word[0]):
		return true
	case typed[0] == word[1] && typed[1] == word[0]: // exchanged
		return true
	}
	return len(word) >= longWord && typed == word[1:] // otmail
}

// realWords are words of real domains that are near a provider's.
var realWords = setOf("mail email gmx ymail fmail zmail xmail umail qmail pmail cmail imail dmail amail omail rmail gail grail small line like range orang oranges change grange " +
	"arrange orage hotel hotels postel deposte poste laporte cloud outbook outlet telemet bluewine")

// undoubled writes each run of a letter once.
func undoubled(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if i == 0 || s[i] != s[i-1] {
			out = append(out, s[i])
		}
	}
	return string(out)
}

// longestWord bounds the words that are compared.
const longestWord = 20

// distance counts the mistakes that make one word out of another, in tenths: less for the key beside, for exchanged and for doubled letters.
func distance(a, b string) int {
	if len(a) > longestWord || len(b) > longestWord || len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return tooFar
	}
	if a == b {
		return 0
	}
	var rows [3][longestWord + 1]int
	before, above, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		above[j] = j * slip
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i * slip
		for j := 1; j <= len(b); j++ {
			row[j] = min(above[j]+extra(a, i-1), row[j-1]+extra(b, j-1), above[j-1]+swap(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+near)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

// extra is the price of a letter too many: less when it repeats the one beside it.
func extra(word string, i int) int {
	if i > 0 && word[i-1] == word[i] || i+1 < len(word) && word[i+1] == word[i] {
		return near
	}
	return slip
}

func swap(a, b byte) int {
	switch {
	case a == b:
		return 0
	case beside(a, b):
		return near
	}
	return slip
}

// keyboards are the rows of the keys, French and English.
var keyboards = [][]string{{"azertyuiop", "qsdfghjklm", "wxcvbn"}, {"qwertyuiop", "asdfghjkl", "zxcvbnm"}}

// neighbours are the pairs of letters whose keys touch on either keyboard.
var neighbours = func() map[[2]byte]bool {
	all := map[[2]byte]bool{}
	add := func(a, b byte) { all[[2]byte{a, b}], all[[2]byte{b, a}] = true, true }
	for _, rows := range keyboards {
		for r, row := range rows {
			for c := range len(row) {
				if c+1 < len(row) {
					add(row[c], row[c+1])
				}
				if r+1 < len(rows) {
					for _, under := range []int{c - 1, c} {
						if under >= 0 && under < len(rows[r+1]) {
							add(row[c], rows[r+1][under])
						}
					}
				}
			}
		}
	}
	add('o', '0')
	add('i', '1')
	add('l', '1')
	add('e', '3')
	return all
}()

func beside(a, b byte) bool { return neighbours[[2]byte{a, b}] }
