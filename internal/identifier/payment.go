package identifier

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// payment keeps a provider's token or a PAR as it is and refuses card numbers, whole or masked: numbers
// are so few that a hash of one can be tried out, and a masked one is shared by hundreds of cards.
func payment(raw string) (string, string) {
	value, reason := exact(raw)
	switch {
	case reason != "":
		return "", reason
	case IsCardNumber(value) || isMaskedCard(value):
		return "", CardNumber
	}
	return value, ""
}

// IsCardNumber tells the number of a payment card: 13 to 19 digits, possibly in groups or as a magnetic
// stripe has them, with a right check digit.
func IsCardNumber(s string) bool {
	if len(s) > maxLength {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			s = norm.NFKC.String(s) // digits of another script
			break
		}
	}
	s = strings.TrimLeft(s, ";%Bb")
	if end := strings.IndexAny(s, "=^"); end > 0 {
		s = s[:end]
	}
	var digits [19]byte
	n := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			if n == len(digits) {
				return false
			}
			digits[n] = byte(r)
			n++
		case r == '-', r == '.', r == '/', noWidth(r), unicode.IsSpace(r):
		default:
			return false
		}
	}
	return n >= 13 && checkDigit(string(digits[:n]), "luhn") && !sameByte(string(digits[:n]))
}

// isMaskedCard tells 497010******1234 and its like.
func isMaskedCard(s string) bool {
	digits, masked := 0, 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '*', r == 'x', r == 'X', r == '#', r == '•':
			masked++
		case r == '-', unicode.IsSpace(r):
		default:
			return false
		}
	}
	return masked >= 4 && digits+masked >= 8 && digits+masked <= 19
}
