package identifier

import (
	"slices"
	"strings"
	"unicode"
)

// streets are the types of street, and of what stands on one, and their code, as the French land registry
// abbreviates them.
var streets = streetCodes(
	"ALL ALLEE ALLEES", "AV AVENUE AVE", "BD BOULEVARD BVD BLD BOUL BLVD", "CHE CHEMIN CH CHEM", "CHS CHAUSSEE",
	"CITE", "COUR", "CRS COURS", "DOM DOMAINE", "ESP ESPLANADE", "FG FAUBOURG FBG", "GR", "HAM HAMEAU", "IMP IMPASSE",
	"LD LIEUDIT", "LOT LOTISSEMENT", "MTE MONTEE", "PAS PASSAGE PASS", "PL PLACE PLC", "PROM PROMENADE",
	"QUA QUARTIER QU", "QUAI", "RES RESIDENCE", "RLE RUELLE", "RPT", "RTE ROUTE RT", "RUE R", "SEN SENTIER SENT SENTE", "SQ SQUARE",
	"TRA TRAVERSE", "VLA VILLA", "VOIE", "ZA", "ZAC", "ZI",
	"BAT BATIMENT", "ESC ESCALIER", "APT APPARTEMENT APPT",
)

func streetCodes(rows ...string) map[string]string {
	codes := make(map[string]string)
	for _, row := range rows {
		names := strings.Fields(row)
		for _, name := range names {
			codes[name] = names[0]
		}
	}
	return codes
}

// shortestWord is the length from which a type of street is known wherever it stands; shorter ones are
// abbreviations, which are known only where the type must be.
const shortestWord = 5

// phrases are types of street, and others, of more than one word.
var phrases = [][2][]string{
	{{"LIEU", "DIT"}, {"LD"}},
	{{"ROND", "POINT"}, {"RPT"}},
	{{"GRANDE", "RUE"}, {"GR"}},
	{{"GRAND", "RUE"}, {"GR"}},
	{{"ZONE", "INDUSTRIELLE"}, {"ZI"}},
	{{"ZONE", "ARTISANALE"}, {"ZA"}},
	{{"ZONE", "D", "ACTIVITE"}, {"ZA"}},
	{{"ZONE", "D", "ACTIVITES"}, {"ZA"}},
	{{"BOITE", "POSTALE"}, {"BP"}},
	{{"Z", "A", "C"}, {"ZAC"}},
	{{"Z", "A"}, {"ZA"}},
	{{"Z", "I"}, {"ZI"}},
	{{"B", "P"}, {"BP"}},
	{{"C", "S"}, {"CS"}},
}

// suffixes of house numbers, and their letter.
var suffixes = map[string]string{"BIS": "B", "TER": "T", "QUATER": "Q", "QUINQUIES": "C"}

// postBoxes are followed by a number that is the post's, not the street's.
var postBoxes = wordSet("BP CS TSA")

// months stand before a year that looks like a postcode without its zero.
var months = wordSet("JANVIER FEVRIER MARS AVRIL MAI JUIN JUILLET AOUT SEPTEMBRE OCTOBRE NOVEMBRE DECEMBRE")

// addressFR writes a French postal address on one line, in capitals without marks, its street with one
// code a type, without what only the post needs. An address without postcode or street is none.
func addressFR(raw string) (string, string) {
	text, ok := clean(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, raw))
	if !ok {
		return "", Invalid
	}
	words := strings.FieldsFunc(capitals(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mc, r) || r == 'ʼ'
	})
	return settle(words, addressPass)
}

func addressPass(words []string) ([]string, string) {
	words = replacePhrases(words)
	words = dropPost(words)
	saints(words)
	at := postcode(words)
	if at < 0 {
		return nil, Invalid
	}
	street, code, town := foldStreet(slices.Clone(words[:at])), words[at], dropDistrict(words[at+1:])
	if !slices.ContainsFunc(street, func(word string) bool { return !isNumber(word) }) {
		return nil, Invalid
	}
	if len(code) == 4 {
		code = "0" + code // a spreadsheet took it
	}
	return slices.Concat(street, []string{code}, town), ""
}

func replacePhrases(words []string) []string {
	for i := 0; i < len(words); i++ {
		for _, phrase := range phrases {
			if from := phrase[0]; len(words)-i >= len(from) && slices.Equal(words[i:i+len(from)], from) {
				words = slices.Replace(words, i, i+len(from), phrase[1]...)
				break
			}
		}
	}
	return words
}

// dropPost drops CEDEX and boxes with their numbers.
func dropPost(words []string) []string {
	var kept []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		letters := strings.TrimRight(word, "0123456789")
		switch {
		case word == "CEDEX":
			if i+1 < len(words) && isNumber(words[i+1]) && len(words[i+1]) <= 2 {
				i++
			}
		case in(postBoxes, word) && i+1 < len(words) && isNumber(words[i+1]):
			i++
			for i+1 < len(words) && isNumber(words[i+1]) && len(words[i+1]) < 4 {
				i++ // BP 60 123
			}
		case in(postBoxes, letters) && len(letters) < len(word):
		default:
			kept = append(kept, word)
		}
	}
	return kept
}

// postcode finds the last word that can be one; -1 when none can.
func postcode(words []string) int {
	for i := len(words) - 1; i > 0; i-- {
		switch word := words[i]; {
		case !isNumber(word):
		case len(word) == 5:
			return i
		case len(word) == 4 && i+1 < len(words) && !isNumber(words[i+1]) && !in(months, words[i-1]):
			return i
		}
	}
	return -1
}

// foldStreet gives the types of street their code and the suffix of a house number its letter.
func foldStreet(words []string) []string {
	var kept []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		code, isType := streets[word]
		placed := len(kept) == 0 || startsWithDigit(kept[len(kept)-1])
		switch {
		case isType && (placed || len(word) >= shortestWord):
			kept = append(kept, code)
		case (word == "N" || word == "NO") && i+1 < len(words) && isNumber(words[i+1]):
		case (word == "F" || word == "FR") && i > 0 && i == len(words)-1: // of F-75008
		case isNumber(word) && i+1 < len(words) && suffixes[words[i+1]] != "":
			kept = append(kept, word+suffixes[words[i+1]])
			i++
		case isNumber(word) && i+2 < len(words) && isSuffixLetter(words[i+1]) && streets[words[i+2]] != "":
			kept = append(kept, word+words[i+1])
			i++
		default:
			kept = append(kept, gluedSuffix(word))
		}
	}
	return kept
}

// gluedSuffix reads 12BIS as 12 BIS.
func gluedSuffix(word string) string {
	number := strings.TrimRightFunc(word, unicode.IsLetter)
	if letter := suffixes[word[len(number):]]; letter != "" && isNumber(number) {
		return number + letter
	}
	return word
}

// isSuffixLetter tells the B of 12 B RUE; R is the street itself.
func isSuffixLetter(word string) bool {
	return len(word) == 1 && word[0] >= 'A' && word[0] <= 'Z' && word != "R"
}

// dropDistrict drops from the town what its postcode says already: PARIS 8E, and the country.
func dropDistrict(town []string) []string {
	var kept []string
	for _, word := range town {
		if !startsWithDigit(word) {
			kept = append(kept, word)
		}
	}
	if n := len(kept); n > 1 && kept[n-1] == "FRANCE" {
		kept = kept[:n-1]
	}
	return kept
}

func startsWithDigit(word string) bool { return word[0] >= '0' && word[0] <= '9' }

func isNumber(word string) bool {
	for i := range len(word) {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return word != ""
}
