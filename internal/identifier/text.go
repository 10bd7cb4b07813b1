package identifier

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxLength bounds a normalised value, in bytes. Longer ones are bodies that got lost.
const maxLength = 512

// clean removes what nobody meant to type: white space around, characters of no width, two spellings
// of one accent. It answers false for text that cannot be an identifier.
func clean(raw string) (string, bool) {
	if len(raw) > 4*maxLength {
		return "", false
	}
	if isCleanASCII(raw) {
		return raw, true
	}
	if !utf8.ValidString(raw) {
		return "", false
	}
	value := strings.Map(func(r rune) rune {
		if noWidth(r) {
			return -1
		}
		return r
	}, raw)
	value = strings.TrimSpace(norm.NFC.String(value))
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", false
	}
	return value, len(value) <= maxLength
}

// isCleanASCII is the way of nearly all values: nothing to do, nothing to allocate.
func isCleanASCII(s string) bool {
	if len(s) > maxLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// noWidth tells characters that leave no mark: soft hyphen, joiners, direction marks, byte order mark.
func noWidth(r rune) bool {
	switch {
	case r == 0x00ad, r == 0x034f, r == 0x061c, r == 0x180e, r == 0xfeff:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	}
	return false
}

// exact keeps a value as the source wrote it: ids of other systems are case-sensitive.
func exact(raw string) (string, string) {
	value, ok := clean(raw)
	if !ok {
		return "", Invalid
	}
	return value, ""
}

// device is exact, but UUIDs are one value in either case: iOS writes them in capitals, Android does not.
func device(raw string) (string, string) {
	value, reason := exact(raw)
	if reason == "" && isUUID(value) {
		value = strings.ToLower(value)
	}
	return value, reason
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// card drops the separators people and label printers put into card numbers, restores leading zeros
// that a spreadsheet took, and holds the check digit as a gate. Letters, in schemes that have them,
// are capitals.
func card(raw string, length int, check string) (string, string) {
	value, ok := clean(raw)
	if !ok {
		return "", Invalid
	}
	digits, plain := true, true
	for i := range len(value) {
		switch c := value[i]; {
		case c >= '0' && c <= '9':
		case c >= 'A' && c <= 'Z':
			digits = false
		default:
			plain = false
		}
	}
	if !plain {
		var b strings.Builder
		digits = true
		for _, r := range value {
			switch {
			case r >= '0' && r <= '9':
				b.WriteByte(byte(r))
			case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z':
				b.WriteByte(byte(r) &^ 0x20)
				digits = false
			case unicode.IsSpace(r), r == '-', r == '.', r == '_', r == '/', r == '*', r == '\'':
			default:
				return "", Invalid
			}
		}
		value = b.String()
	}
	if length > 0 {
		if !digits || len(value) > length {
			return "", Invalid
		}
		if value != "" && len(value) < length {
			value = strings.Repeat("0", length-len(value)) + value
		}
	}
	if check != "" && value != "" && (!digits || !checkDigit(value, check)) {
		return "", Invalid
	}
	return value, ""
}

// checkDigit holds Luhn's rule (payment and many loyalty cards) or EAN-13's.
func checkDigit(digits, check string) bool {
	if check == "ean13" && len(digits) != 13 {
		return false
	}
	sum, second := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		n := int(digits[i] - '0')
		if second {
			if check == "ean13" {
				n *= 3
			} else if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
		second = !second
	}
	return sum%10 == 0
}
