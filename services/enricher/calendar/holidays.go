package calendar

import "time"

// Names of the bank holidays, as they stand in the calendar section of an event.
const (
	NewYear       = "new_year"
	GoodFriday    = "good_friday"
	EasterMonday  = "easter_monday"
	LabourDay     = "labour_day"
	VictoryDay    = "victory_1945"
	Ascension     = "ascension"
	WhitMonday    = "whit_monday"
	BastilleDay   = "bastille_day"
	Assumption    = "assumption"
	AllSaints     = "all_saints"
	ArmisticeDay  = "armistice_1918"
	Christmas     = "christmas"
	SaintStephen  = "saint_stephen"
	AbolitionDay  = "abolition_of_slavery"
	countryFrance = "FR"
)

// dayOfYear is a day that comes back at the same date.
type dayOfYear struct {
	month time.Month
	day   int
}

// fixed are the days of article L3133-1 of the labour code that do not move.
var fixed = map[dayOfYear]string{
	{time.January, 1}:   NewYear,
	{time.May, 1}:       LabourDay,
	{time.May, 8}:       VictoryDay,
	{time.July, 14}:     BastilleDay,
	{time.August, 15}:   Assumption,
	{time.November, 1}:  AllSaints,
	{time.November, 11}: ArmisticeDay,
	{time.December, 25}: Christmas,
}

// moving are the days counted from Easter Sunday.
var moving = map[int]string{1: EasterMonday, 39: Ascension, 50: WhitMonday}

// abolition is the day on which each overseas department or collectivity keeps the abolition of slavery (article L3422-2).
var abolition = map[string]dayOfYear{
	"971": {time.May, 27},
	"972": {time.May, 22},
	"973": {time.June, 10},
	"974": {time.December, 20},
	"976": {time.April, 27},
	"977": {time.October, 9},
	"978": {time.May, 28},
}

// alsaceMoselle are the departments of the local law of 1892, with Good Friday and the day after Christmas.
var alsaceMoselle = map[string]bool{"57": true, "67": true, "68": true}

// Holiday names the bank holiday of a date in a French department; "" asks for the national days only.
// When two fall on one day (Ascension on 1 or 8 May) the day that does not move is named.
func Holiday(year int, month time.Month, day int, department string) string {
	date := dayOfYear{month, day}
	if name, ok := fixed[date]; ok {
		return name
	}
	if own, ok := abolition[department]; ok && own == date {
		return AbolitionDay
	}
	if alsaceMoselle[department] && date == (dayOfYear{time.December, 26}) {
		return SaintStephen
	}
	if month < time.March || month > time.June {
		return ""
	}
	since := days(year, month, day) - days(year, easterMonth(year), easterDay(year))
	if name, ok := moving[since]; ok {
		return name
	}
	if since == -2 && alsaceMoselle[department] {
		return GoodFriday
	}
	return ""
}

// days counts days from 1970-01-01.
func days(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Easter returns the date of Easter Sunday in the Gregorian calendar (the anonymous algorithm published in Nature in 1876).
func Easter(year int) (time.Month, int) {
	return easterMonth(year), easterDay(year)
}

func easterMonth(year int) time.Month { return time.Month(easterSum(year) / 31) }

func easterDay(year int) int { return easterSum(year)%31 + 1 }

func easterSum(year int) int {
	golden := year % 19
	century, inCentury := year/100, year%100
	leapCenturies, centuryRest := century/4, century%4
	moonShift := (century + 8) / 25
	moonCorrection := (century - moonShift + 1) / 3
	epact := (19*golden + century - leapCenturies - moonCorrection + 15) % 30
	leaps, rest := inCentury/4, inCentury%4
	toSunday := (32 + 2*centuryRest + 2*leaps - epact - rest) % 7
	late := (golden + 11*epact + 22*toSunday) / 451
	return epact + toSunday - 7*late + 114
}
