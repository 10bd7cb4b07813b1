// Package money converts amounts by the euro's reference rates, in decimals from the file to the answer.
//
// It promises that an answer is the amount times the rate that it names, rounded once, half to even, to the four places that amounts have, and that
// the rate is one that was published on the day or up to a week before. The table does not change once it is loaded; nobody has to close it.
package money

import (
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Version of the rules.
const Version = "money-1"

// Rates are what one euro was worth, by day.
type Rates struct {
	// days of publication since 1970-01-01, rising.
	days []int32
	// perEuro has for each currency one rate a day, times 10^places; 0 where none was published.
	perEuro map[string][]uint64
}

const (
	euro   = "EUR"
	places = 8
	// unit is a rate of one.
	unit = 100_000_000
	// oldest is how many days a rate may be older than the event: the longest pause of the publisher is Easter, or the end of the year.
	oldest = 7
)

// Why there is no rate.
var (
	ErrUnknown = errors.New("the currency is in no file of rates")
	ErrStale   = errors.New("no rate was published on that day or in the week before")
)

// Rate says how many units of one currency are one unit of another.
type Rate struct {
	// Day that it was published for, since 1970-01-01; 0 when nothing had to be converted.
	Day int32
	// The rate is mantissa / 10^scale.
	mantissa uint64
	scale    int
}

// Same is the rate between a currency and itself.
var Same = Rate{mantissa: 1}

// At is the rate from one currency to another on a day: the last one published on it or before. Rates between others than the euro go through the euro,
// by the rates of one day.
func (r *Rates) At(from, to string, day int32) (Rate, error) {
	if from == to {
		return Same, nil
	}
	fromRates, known := r.perEuro[from]
	toRates, alsoKnown := r.perEuro[to]
	if (from != euro && !known) || (to != euro && !alsoKnown) {
		return Rate{}, ErrUnknown
	}
	i, exact := slices.BinarySearch(r.days, day)
	if !exact {
		i--
	}
	for ; i >= 0 && day-r.days[i] <= oldest; i-- {
		a, b := uint64(unit), uint64(unit)
		if from != euro {
			a = fromRates[i]
		}
		if to != euro {
			b = toRates[i]
		}
		if a != 0 && b != 0 {
			rate := quotient(b, a)
			rate.Day = r.days[i]
			return rate, nil
		}
	}
	return Rate{}, ErrStale
}

const (
	// digits that a rate has at most, but for rounding up: twice those that are published.
	digits    = 12
	mostScale = 18
)

var powers = func() (p [mostScale + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// quotient divides two rates to at most twelve digits, and to eighteen places.
func quotient(b, a uint64) Rate {
	for scale := mostScale; scale >= 0; scale-- {
		high, low := bits.Mul64(b, powers[scale])
		if high >= a {
			continue // More than 64 bits.
		}
		q, rest := bits.Div64(high, low, a)
		if q >= powers[digits] && scale > 0 {
			continue
		}
		return trim(Rate{mantissa: toEven(q, rest, a), scale: scale})
	}
	return Rate{mantissa: b / a}
}

// toEven rounds q by the rest of a division.
func toEven(q, rest, divisor uint64) uint64 {
	switch half := divisor - rest; {
	case rest > half, rest == half && q%2 == 1:
		return q + 1
	}
	return q
}

// trim takes off the zeros at the end.
func trim(r Rate) Rate {
	for r.scale > 0 && r.mantissa%10 == 0 {
		r.mantissa, r.scale = r.mantissa/10, r.scale-1
	}
	return r
}

// most is the largest amount: eighteen digits, four of them behind the point.
const most = 999_999_999_999_999_999

// Convert multiplies an amount, which counts ten-thousandths. False when the result has too many digits.
func (r Rate) Convert(amount int64) (int64, bool) {
	negative := amount < 0
	size := uint64(amount)
	if negative {
		size = -size // Right for the smallest one as well.
	}
	high, low := bits.Mul64(size, r.mantissa)
	divisor := powers[r.scale]
	if high >= divisor {
		return 0, false
	}
	q, rest := bits.Div64(high, low, divisor)
	q = toEven(q, rest, divisor)
	if q > most {
		return 0, false
	}
	if negative {
		return -int64(q), true
	}
	return int64(q), true
}

// Zero says that it is no rate: the publisher's numbers are too far apart to divide them.
func (r Rate) Zero() bool { return r.mantissa == 0 }

// String writes the rate as a decimal number.
func (r Rate) String() string {
	text := strconv.FormatUint(r.mantissa, 10)
	if r.scale == 0 {
		return text
	}
	if len(text) <= r.scale {
		text = strings.Repeat("0", r.scale-len(text)+1) + text
	}
	return text[:len(text)-r.scale] + "." + text[len(text)-r.scale:]
}

// Code reads an ISO 4217 code, in capital or small letters.
func Code(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if len(text) != 3 {
		return "", false
	}
	capital := true
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z':
		case 'a' <= c && c <= 'z':
			capital = false
		default:
			return "", false
		}
	}
	if capital {
		return text, true
	}
	return strings.ToUpper(text), true
}
