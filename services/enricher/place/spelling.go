package place

import (
	"strings"
	"unicode/utf8"
)

// letters are what the accented letters of French names and of its neighbours become.
var letters = map[rune]string{
	'à': "a", 'á': "a", 'â': "a", 'ã': "a", 'ä': "a", 'å': "a", 'æ': "ae", 'ç': "c", 'è': "e", 'é': "e", 'ê': "e", 'ë': "e",
	'ì': "i", 'í': "i", 'î': "i", 'ï': "i", 'ñ': "n", 'ò': "o", 'ó': "o", 'ô': "o", 'õ': "o", 'ö': "o", 'œ': "oe", 'ø': "o",
	'ù': "u", 'ú': "u", 'û': "u", 'ü': "u", 'ý': "y", 'ÿ': "y", 'ß': "ss",
	'À': "a", 'Á': "a", 'Â': "a", 'Ã': "a", 'Ä': "a", 'Å': "a", 'Æ': "ae", 'Ç': "c", 'È': "e", 'É': "e", 'Ê': "e", 'Ë': "e",
	'Ì': "i", 'Í': "i", 'Î': "i", 'Ï': "i", 'Ñ': "n", 'Ò': "o", 'Ó': "o", 'Ô': "o", 'Õ': "o", 'Ö': "o", 'Œ': "oe", 'Ø': "o",
	'Ù': "u", 'Ú': "u", 'Û': "u", 'Ü': "u", 'Ý': "y", 'Ÿ': "y",
}

// sur is what "sur", "sous", "s/" and a slash become: one word for all, because people write one for the other.
const sur = "s"

// short are the abbreviations of the post and of people.
var short = map[string]string{
	"st": "saint", "ste": "sainte", "sts": "saints", "stes": "saintes", "mt": "mont", "gd": "grand", "gde": "grande", "vx": "vieux",
	"sur": sur, "sous": sur, "ss": sur, "lez": "les",
}

// words splits a text into words of lower-case ASCII letters and digits, without accents and with abbreviations written out.
func words(text string) []string {
	var list []string
	var word []byte
	end := func() {
		if len(word) == 0 {
			return
		}
		w := string(word)
		word = word[:0]
		if long, ok := short[w]; ok {
			w = long
		}
		if w == sur && len(list) > 0 && list[len(list)-1] == sur {
			return // "s/s" and "sur/" are one word.
		}
		list = append(list, w)
	}
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z':
			word = append(word, byte(r))
		case r >= 'A' && r <= 'Z':
			word = append(word, byte(r)+'a'-'A')
		case r >= '0' && r <= '9':
			if len(word) > 0 && (word[len(word)-1] < '0' || word[len(word)-1] > '9') {
				end() // Paris12 is Paris 12.
			}
			word = append(word, byte(r))
		case r >= 0x300 && r <= 0x36f: // An accent that stands behind its letter.
		case r == '/':
			end()
			if len(list) > 0 && list[len(list)-1] != sur {
				list = append(list, sur)
			}
		case r == utf8.RuneError:
			end()
		default:
			if plain, ok := letters[r]; ok {
				word = append(word, plain...)
			} else {
				end()
			}
		}
	}
	end()
	return list
}

// articles may be left out in front of a name, or stand behind it in brackets.
func isArticle(word string) bool {
	return word == "le" || word == "la" || word == "les" || word == "l"
}

// nameOf makes the keys of a name: its words without anything between them, with and without the article.
func nameOf(list []string, old bool) name {
	n := name{words: list, key: strings.Join(list, ""), old: old}
	n.bare = n.key
	if len(list) > 1 && isArticle(list[0]) {
		n.bare = strings.Join(list[1:], "")
	}
	return n
}

// begins says whether the words begin with those of a prefix, at least one and not only an article.
func begins(list, prefix []string) bool {
	if len(prefix) == 0 || len(prefix) >= len(list) {
		return false
	}
	for i, word := range prefix {
		if list[i] != word {
			return false
		}
	}
	return len(prefix) > 1 || !isArticle(prefix[0]) && len(prefix[0]) > 3 && prefix[0] != "saint" && prefix[0] != "sainte"
}

// errorsAllowed is how many typing errors a name of that length may have: about one in five letters, none in the shortest.
func errorsAllowed(length int) int {
	switch {
	case length < 4:
		return 0
	case length < 8:
		return 1
	case length < 13:
		return 2
	}
	return 3
}

// longestKey bounds the work on typed names; the longest official one has fewer letters.
const longestKey = 64

// distance counts the letters inserted, lost, replaced or swapped with their neighbour between two keys; most+1 when there are more than most.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > longestKey || len(b) > longestKey {
		return most + 1
	}
	var rows [3][longestKey + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
			least = min(least, d)
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most+1)
}
