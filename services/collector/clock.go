package collector

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// A sender's clock is corrected only when it is off by this much or more: below, the difference between
// sending and receiving is mostly the network's.
const minSkew = 5 * time.Minute / time.Millisecond

// clocks are the times that a sender states; each may be missing.
type clocks struct {
	timestamp, original, sent schemas.Optional[schemas.Millis]
	// queues is true for libraries that keep events offline and note sentAt when they first tried: a
	// late arrival is then time spent offline, and no error of the clock.
	queues bool
}

// stated is when the event happened by the sender's own clock.
func (c clocks) stated() schemas.Optional[schemas.Millis] {
	if c.original.Valid {
		return c.original
	}
	return c.timestamp
}

// occurred is when the event happened, by our clock, never in the future, and never before what can be stored,
// however far off a clock is.
func (c clocks) occurred(received schemas.Millis) schemas.Millis {
	if c.original.Valid && c.timestamp.Valid {
		return min(c.timestamp.Value, received) // corrected by who forwarded it
	}
	stated := c.stated()
	if !stated.Valid {
		return received
	}
	return max(earliest, min(stated.Value+c.skew(received), received))
}

// skew is what the sender's clock lacks.
func (c clocks) skew(received schemas.Millis) schemas.Millis {
	if !c.sent.Valid {
		return 0
	}
	skew := received - c.sent.Value
	switch {
	case skew > -schemas.Millis(minSkew) && skew < schemas.Millis(minSkew):
		return 0
	case skew > 0 && c.queues:
		return 0
	}
	return skew
}

// queueing are the names of the mobile libraries that date sentAt by the first attempt.
var queueing = []string{"analytics-swift", "analytics-kotlin", "analytics-csharp", "analytics-ios", "analytics-android", "analytics-react-native", "analytics-flutter"}

func queuesOffline(library string) bool {
	for _, name := range queueing {
		if len(library) >= len(name) && strings.EqualFold(library[:len(name)], name) {
			return true
		}
	}
	return false
}

// The years that ClickHouse can hold in a DateTime64.
var (
	earliest = schemas.MillisOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	latest   = schemas.MillisOf(time.Date(2299, 12, 31, 23, 59, 59, 0, time.UTC))
)

// Numbers below this are seconds since 1970, from it on milliseconds: as seconds it is the year 5138,
// as milliseconds March 1973.
const secondsBelow = 100_000_000_000

// parseTime reads a time as SDKs send it: ISO 8601 text or a number of milliseconds (or seconds) since
// 1970. Null and empty text are no time; ok is false for what cannot be read.
func parseTime(v jsonindex.Value) (at schemas.Optional[schemas.Millis], ok bool) {
	var millis schemas.Millis
	switch v.Kind() {
	case jsonindex.Missing, jsonindex.Null:
		return at, true
	case jsonindex.Number:
		millis, ok = parseEpoch(v.Text())
	case jsonindex.String:
		sent := strings.TrimSpace(v.Text())
		if sent == "" {
			return at, true
		}
		if millis, ok = parseISO(sent); !ok {
			millis, ok = parseEpoch(sent)
		}
	}
	if !ok || millis < earliest || millis > latest {
		return at, false
	}
	return schemas.Some(millis), true
}

// parseEpoch takes digits with an optional fraction, which is cut, and 1.7954E12, as Java and PHP write a float.
func parseEpoch(sent string) (schemas.Millis, bool) {
	if strings.ContainsAny(sent, "eE") {
		number, err := strconv.ParseFloat(sent, 64)
		if err != nil || math.Abs(number) > float64(latest) {
			return 0, false
		}
		sent = strconv.FormatFloat(number, 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(sent, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || digits(fraction) < len(fraction) {
		return 0, false
	}
	if n > -secondsBelow && n < secondsBelow {
		millis := 0
		for i := range 3 {
			millis *= 10
			if i < len(fraction) {
				millis += int(fraction[i] - '0')
			}
		}
		return schemas.Millis(n*1000 + int64(millis)), true
	}
	return schemas.Millis(n), true
}

// digits counts those that a text starts with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// parseISO reads 2026-05-31, and 2026-05-31T20:15[:30[.123456789]] with T, t or a space, and Z, z, +02,
// +0200, +02:00 or nothing, which is UTC, behind it.
func parseISO(sent string) (schemas.Millis, bool) {
	year, month, day, ok := civil(sent)
	if !ok {
		return 0, false
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).UnixMilli()
	if len(sent) == 10 {
		return schemas.Millis(date), true
	}
	if c := sent[10]; c != 'T' && c != 't' && c != ' ' {
		return 0, false
	}
	clock, rest, ok := timeOfDay(sent[11:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	return schemas.Millis(date + int64(clock-offset)), true
}

// civil reads the ten characters of a date.
func civil(sent string) (year, month, day int, ok bool) {
	if len(sent) < 10 || sent[4] != '-' || sent[7] != '-' {
		return 0, 0, 0, false
	}
	century, ok1 := two(sent)
	years, ok2 := two(sent[2:])
	month, ok3 := two(sent[5:])
	day, ok4 := two(sent[8:])
	year = century*100 + years
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, 0, 0, false
	}
	return year, month, day, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// timeOfDay reads hours, minutes and optional seconds, in milliseconds; 24:00 and the leap second :60
// are taken.
func timeOfDay(sent string) (millis int, rest string, ok bool) {
	if len(sent) < 5 || sent[2] != ':' {
		return 0, "", false
	}
	hour, ok1 := two(sent)
	minute, ok2 := two(sent[3:])
	if !ok1 || !ok2 || hour > 24 || minute > 59 {
		return 0, "", false
	}
	rest = sent[5:]
	millis = (hour*60 + minute) * 60_000
	if len(rest) >= 3 && rest[0] == ':' {
		second, ok := two(rest[1:])
		if !ok || second > 60 {
			return 0, "", false
		}
		millis += second * 1000
		rest = rest[3:]
		if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
			i, scale := 1, 100
			for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
				millis += int(rest[i]-'0') * scale
				scale /= 10
			}
			if i == 1 {
				return 0, "", false
			}
			rest = rest[i:]
		}
	}
	if hour == 24 && millis != 24*60*60_000 {
		return 0, "", false
	}
	return millis, rest, true
}

// zone reads an offset from UTC, in milliseconds.
func zone(sent string) (millis int, ok bool) {
	if sent == "" || sent == "Z" || sent == "z" {
		return 0, true
	}
	if len(sent) < 3 || sent[0] != '+' && sent[0] != '-' {
		return 0, false
	}
	hours, ok := two(sent[1:])
	if !ok || hours > 23 {
		return 0, false
	}
	minutes := 0
	if rest := strings.TrimPrefix(sent[3:], ":"); rest != "" {
		if minutes, ok = two(rest); !ok || len(rest) != 2 || minutes > 59 {
			return 0, false
		}
	}
	millis = (hours*60 + minutes) * 60_000
	if sent[0] == '-' {
		millis = -millis
	}
	return millis, true
}

// two reads two digits.
func two(s string) (int, bool) {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	return int(s[0]-'0')*10 + int(s[1]-'0'), true
}

// parseDate takes the day of a date or of a whole time as it is written, whatever its zone: a business
// day and a birthday have none.
func parseDate(sent string) (schemas.Date, bool) {
	if len(sent) == len("31/05/2026") && sent[2] == '/' {
		day, err := time.Parse("02/01/2006", sent) // as forms and tills in France have it
		return schemas.DateOf(day.Year(), day.Month(), day.Day()), err == nil && day.Year() >= 1900 && day.Year() <= 2299
	}
	if _, ok := parseISO(sent); !ok {
		return 0, false
	}
	year, month, day, _ := civil(sent)
	if year < 1900 || year > 2299 {
		return 0, false
	}
	return schemas.DateOf(year, time.Month(month), day), true
}
