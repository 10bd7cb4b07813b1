package schemas

import (
	"errors"
	"strconv"
	"strings"
)

// Decimal is an exact amount or quantity: the value times 10,000, of at most 18 digits, four of them after the point.
type Decimal int64

const (
	decimalPlaces         = 4
	decimalDigits         = 18
	decimalOne    Decimal = 10_000
	maxDecimal    Decimal = 999_999_999_999_999_999
)

var (
	errDecimalSyntax = errors.New("read decimal: the text is not a number such as 12.90, -5 or 1e3")
	errDecimalComma  = errors.New("read decimal: the comma may separate thousands or decimals; write a decimal point")
	errDecimalRange  = errors.New("read decimal: the number has more than 14 digits before the decimal point")
)

// ParseDecimal reads a number as people and programs write it: "12.90", "-5", "+.5", "1e3", "19.990000000000002", also
// with white space around. A decimal comma is understood where it can be nothing else: one comma, digits before it, one
// or two digits after it, no exponent ("12,90"); "1,234" is refused, for it may mean a thousand. Places after the
// fourth are rounded, half away from zero. The error never repeats the text, which may be personal.
func ParseDecimal(text string) (Decimal, error) {
	text = strings.TrimSpace(text)
	negative := false
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		text = text[1:]
	}
	mantissa, exponent, err := cutExponent(text)
	if err != nil {
		return 0, err
	}
	whole, fraction, err := cutFraction(mantissa, len(mantissa) < len(text))
	if err != nil {
		return 0, err
	}
	value, err := scaleDecimal(whole, fraction, exponent)
	if negative {
		value = -value
	}
	return value, err
}

// cutExponent splits at the e. An exponent too large to mean anything is cut to a bound that has the same effect.
func cutExponent(text string) (mantissa string, exponent int, err error) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0, nil
	}
	mantissa, digits := text[:i], text[i+1:]
	sign := 1
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		if digits[0] == '-' {
			sign = -1
		}
		digits = digits[1:]
	}
	if digits == "" || !allDigits(digits) {
		return "", 0, errDecimalSyntax
	}
	const bound = 1 << 40 // beyond the number of digits of any text
	for _, c := range []byte(digits) {
		exponent = min(exponent*10+int(c-'0'), bound)
	}
	return mantissa, sign * exponent, nil
}

func cutFraction(mantissa string, hasExponent bool) (whole, fraction string, err error) {
	whole, fraction, found := strings.Cut(mantissa, ".")
	if !found {
		var comma bool
		if whole, fraction, comma = strings.Cut(mantissa, ","); comma {
			if len(whole)+len(fraction) == 0 || !allDigits(whole) || !allDigits(fraction) {
				return "", "", errDecimalSyntax
			}
			if whole == "" || hasExponent || len(fraction) < 1 || len(fraction) > 2 {
				return "", "", errDecimalComma
			}
		}
	}
	if len(whole)+len(fraction) == 0 || !allDigits(whole) || !allDigits(fraction) {
		return "", "", errDecimalSyntax
	}
	return whole, fraction, nil
}

func allDigits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// scaleDecimal reads whole and fraction as one row of digits, whose first keep digits are the value times 10,000.
func scaleDecimal(whole, fraction string, exponent int) (Decimal, error) {
	digit := func(i int) byte {
		switch {
		case i < len(whole):
			return whole[i] - '0'
		case i-len(whole) < len(fraction):
			return fraction[i-len(whole)] - '0'
		}
		return 0
	}
	written := len(whole) + len(fraction)
	keep := len(whole) + exponent + decimalPlaces
	first := 0
	for first < written && digit(first) == 0 {
		first++
	}
	if first == written || keep < first {
		return 0, nil
	}
	if keep-first > decimalDigits {
		return 0, errDecimalRange
	}
	var value Decimal
	for i := first; i < keep; i++ {
		value = value*10 + Decimal(digit(i))
	}
	if digit(keep) >= 5 {
		value++
	}
	if value > maxDecimal {
		return 0, errDecimalRange
	}
	return value, nil
}

// String writes the shortest exact text: "12.9", "-0.0001", "5".
func (d Decimal) String() string {
	var space [24]byte
	return string(d.append(space[:0]))
}

func (d Decimal) append(dst []byte) []byte {
	if d < 0 {
		dst = append(dst, '-')
	}
	// Negate after the division: the smallest int64 has no opposite.
	whole, fraction := int64(d/decimalOne), int64(d%decimalOne)
	dst = strconv.AppendUint(dst, uint64(max(whole, -whole)), 10)
	if fraction = max(fraction, -fraction); fraction != 0 {
		places := strconv.AppendInt(nil, fraction+int64(decimalOne), 10)[1:]
		dst = append(dst, '.')
		dst = append(dst, strings.TrimRight(string(places), "0")...)
	}
	return dst
}
