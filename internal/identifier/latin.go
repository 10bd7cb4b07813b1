package identifier

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// undivided are letters that carry their mark inside.
var undivided = strings.NewReplacer(
	"Œ", "OE", "Æ", "AE", "Ø", "O", "Ł", "L", "Đ", "D", "Ð", "D", "Þ", "TH", "ẞ", "SS", "ß", "SS", "Ħ", "H", "Ŧ", "T", "ı", "I",
)

// capitals writes text in capitals without marks, as French post and tills do.
func capitals(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
	return norm.NFC.String(undivided.Replace(strings.ToUpper(s)))
}

// maxPasses bounds the passes of settle; texts that people write settle in two.
const maxPasses = 6

// settle repeats a pass over words until it changes nothing, so that the result is its own normal form.
func settle(words []string, pass func([]string) ([]string, string)) (string, string) {
	for range maxPasses {
		next, reason := pass(slices.Clone(words))
		switch {
		case reason != "":
			return "", reason
		case slices.Equal(next, words):
			return strings.Join(words, " "), ""
		}
		words = next
	}
	return "", Invalid
}

// saints are written in full.
func saints(words []string) {
	for i, word := range words {
		switch word {
		case "ST":
			words[i] = "SAINT"
		case "STE":
			words[i] = "SAINTE"
		}
	}
}
