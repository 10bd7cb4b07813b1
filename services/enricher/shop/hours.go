package shop

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	minutesOfDay = 24 * 60
	// holidays is where the hours of bank holidays stand, behind the seven days from Monday.
	holidays = 7
	// longestHours bounds what is parsed.
	longestHours = 1_000
)

// Hours are the usual opening hours of a shop. They do not change.
type Hours struct {
	days  [holidays + 1][]span
	known [holidays + 1]bool
	// late says that the shop is open past midnight on some day.
	late bool
}

// span is open from a minute of the day to before another, which may be one of the next day.
type span struct{ from, to int }

// days by the first two letters of their names, English and French.
var days = map[string]int{
	"mo": 0, "tu": 1, "we": 2, "th": 3, "fr": 4, "sa": 5, "su": 6,
	"lu": 0, "ma": 1, "me": 2, "je": 3, "ve": 4, "di": 6,
}

// closedWords say that a shop does not open.
var closedWords = map[string]bool{"off": true, "closed": true, "ferme": true, "fermé": true, "fermee": true, "fermée": true, "-": true}

// ParseHours reads opening hours: rules separated by semicolons, each for days, ranges of days or PH (bank holidays), with times or off, in the manner of
// OpenStreetMap: "Mo-Sa 09:30-19:30; Su 10:00-13:00; PH off". A later rule replaces an earlier one for its days. Seasons, weeks and dates are refused.
func ParseHours(text string) (*Hours, error) {
	if len(text) > longestHours {
		return nil, fmt.Errorf("it has %d characters, the most is %d", len(text), longestHours)
	}
	h := &Hours{}
	empty := true
	for rule := range strings.SplitSeq(strings.ToLower(text), ";") {
		rule = strings.Join(strings.Fields(rule), " ")
		if rule == "" {
			continue
		}
		empty = false
		if err := h.add(rule); err != nil {
			return nil, fmt.Errorf("rule %q: %w", rule, err)
		}
	}
	if empty {
		return nil, errors.New("it is empty")
	}
	h.close()
	return h, nil
}

// close makes the days that no rule names known as closed. What bank holidays are like stays open.
func (h *Hours) close() {
	for day := range holidays {
		h.known[day] = true
	}
}

func (h *Hours) add(rule string) error {
	if rule == "24/7" {
		for day := range h.days {
			h.set(day, []span{{0, minutesOfDay}})
		}
		return nil
	}
	which, times, err := selector(rule)
	if err != nil {
		return err
	}
	spans, err := parseTimes(times)
	if err != nil {
		return err
	}
	for day := range which {
		if which[day] {
			h.set(day, spans)
		}
	}
	return nil
}

func (h *Hours) set(day int, spans []span) {
	h.days[day], h.known[day] = spans, true
	for _, s := range spans {
		h.late = h.late || s.to > minutesOfDay
	}
}

// selector cuts the days off a rule. A rule without days is for all seven.
func selector(rule string) (which [holidays + 1]bool, times string, err error) {
	if rule[0] >= '0' && rule[0] <= '9' || closedWords[rule] {
		for day := range holidays {
			which[day] = true
		}
		return which, rule, nil
	}
	rule = strings.NewReplacer(" - ", "-", ", ", ",", " ,", ",").Replace(rule)
	list, times, _ := strings.Cut(rule, " ")
	list = strings.TrimSuffix(list, ":")
	for part := range strings.SplitSeq(list, ",") {
		if part == "ph" || part == "jf" {
			which[holidays] = true
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, ok := dayOf(first)
		to, okToo := dayOf(last)
		if !ok || !okToo {
			return which, "", fmt.Errorf("%q is no day: give Mo, Tu, We, Th, Fr, Sa, Su, PH or a range such as Mo-Fr", part)
		}
		for day := from; ; day = (day + 1) % holidays {
			which[day] = true
			if day == to {
				break
			}
		}
	}
	return which, times, nil
}

// dayOf reads Mo, Mon, Monday, lu, lundi.
func dayOf(word string) (int, bool) {
	if len(word) < 2 {
		return 0, false
	}
	day, ok := days[word[:2]]
	if !ok || len(word) == 2 {
		return day, ok
	}
	for _, name := range dayNames[day] {
		if strings.HasPrefix(name, strings.TrimSuffix(word, ".")) {
			return day, true
		}
	}
	return 0, false
}

// dayNames are the names of the days from Monday; they are columns of a file of shops, too.
var dayNames = [holidays][]string{
	{"monday", "lundi"},
	{"tuesday", "mardi"},
	{"wednesday", "mercredi"},
	{"thursday", "jeudi"},
	{"friday", "vendredi"},
	{"saturday", "samedi"},
	{"sunday", "dimanche"},
}

// parseTimes reads "09:30-12:30,14:00-19:00", "9h30-12h30 14h-19h", "off".
func parseTimes(text string) ([]span, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, errors.New("there are no times: give some, such as 09:30-19:30, or off")
	case closedWords[text]:
		return nil, nil
	}
	text = strings.NewReplacer(" - ", "-", " à ", "-", "–", "-", " / ", ",", "/", ",", " et ", ",", ", ", ",", " ,", ",", " ", ",").Replace(text)
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(part, "-")
		start, err := minuteOf(from)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%q is no span of time: give from and to, such as 09:30-19:30", part)
		}
		end, err := minuteOf(to)
		if err != nil {
			return nil, err
		}
		if start == minutesOfDay {
			return nil, fmt.Errorf("%q begins at 24:00: give 00:00 of the next day", part)
		}
		if end <= start {
			end += minutesOfDay // It closes after midnight.
		}
		spans = append(spans, span{start, end})
	}
	return spans, nil
}

// minuteOf reads 9:30, 09:30, 9h30, 9h, 24:00.
func minuteOf(text string) (int, error) {
	hour, minute, found := strings.Cut(strings.Replace(text, "h", ":", 1), ":")
	if minute == "" {
		minute = "00"
	}
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if err != nil || err2 != nil || !found || len(hour) > 2 || len(minute) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is no time of day: give 00:00 to 24:00", text)
	}
	return int(h*60 + m), nil
}

// Open says whether the shop is open at a moment in its own time, and whether that is known. The holiday function tells bank holidays: on these the hours
// are not known unless the rules name them.
func (h *Hours) Open(local time.Time, holiday func(year int, month time.Month, day int) bool) (open, known bool) {
	if h == nil {
		return false, false
	}
	day, minute := dayAndMinute(local)
	return h.open(day, minute, func(day int64) int { return kindOf(day, holiday) })
}

func (h *Hours) open(day int64, minute int, kind func(day int64) int) (open, known bool) {
	if h.late {
		for _, s := range h.days[kind(day-1)] {
			if minute+minutesOfDay < s.to {
				return true, true
			}
		}
	}
	today := kind(day)
	for _, s := range h.days[today] {
		if minute >= s.from && minute < s.to {
			return true, true
		}
	}
	return false, h.known[today]
}

const secondsOfDay = 24 * 60 * 60

// dayAndMinute are the local day, counted from 1970-01-01, and the minute of it.
func dayAndMinute(local time.Time) (day int64, minute int) {
	_, offset := local.Zone()
	seconds := local.Unix() + int64(offset)
	day = seconds / secondsOfDay
	if seconds%secondsOfDay < 0 {
		day--
	}
	return day, int((seconds - day*secondsOfDay) / 60)
}

// kindOf is the day of the week, or that of bank holidays.
func kindOf(day int64, holiday func(year int, month time.Month, day int) bool) int {
	if holiday(time.Unix(day*secondsOfDay, 0).UTC().Date()) {
		return holidays
	}
	return int(((day+3)%7 + 7) % 7) // 1970 began on a Thursday.
}
