package calendar

import "time"

// Names of the legal sales, as they stand in the calendar section of an event.
const (
	WinterSales = "winter_sales"
	SummerSales = "summer_sales"
)

// The legal sales follow article L310-3 of the commercial code. Since 2020 an order of 27 May 2019 says when they begin and that they last four
// weeks; it took over the days of articles D310-15-2 and D310-15-3, which it replaced. Before 2020 they lasted six weeks and less was the same
// everywhere, so nothing is said of those years.
const (
	firstSales = 2020
	salesDays  = 28
)

// opening returns the first day of a period in a year.
type opening func(year int) time.Time

// salesRules are the openings of a department; nil keeps the national one.
type salesRules struct{ winter, summer opening }

// bySeason are the departments that differ.
var bySeason = map[string]salesRules{
	"54": {winter: firstWorkingDay}, "55": {winter: firstWorkingDay}, "57": {winter: firstWorkingDay}, "88": {winter: firstWorkingDay},
	"06": {summer: nth(time.July, time.Wednesday, 1)}, "66": {summer: nth(time.July, time.Wednesday, 1)},
	"2A": {summer: nth(time.July, time.Wednesday, 2)}, "2B": {summer: nth(time.July, time.Wednesday, 2)},
	"971": {winter: nth(time.January, time.Saturday, 1), summer: last(time.September, time.Saturday)},
	"972": {summer: nth(time.October, time.Thursday, 1)},
	"973": {summer: nth(time.October, time.Thursday, 1)},
	// The seasons are the other way round there.
	"974": {winter: nth(time.September, time.Saturday, 1), summer: nth(time.February, time.Saturday, 1)},
	"975": {winter: after(time.January, 15, time.Wednesday), summer: after(time.July, 14, time.Wednesday)},
	"977": {winter: nth(time.May, time.Saturday, 1), summer: nth(time.October, time.Saturday, 2)},
	"978": {winter: nth(time.May, time.Saturday, 1), summer: nth(time.October, time.Saturday, 2)},
}

// ownLaw are the collectivities whose own law says when there are sales; it is not known here.
var ownLaw = map[string]bool{"986": true, "987": true, "988": true}

// moved are periods that a minister's order set otherwise, in European France: first and last day.
var moved = map[string][2]string{
	"2020 " + SummerSales: {"2020-07-15", "2020-08-11"},
	"2021 " + WinterSales: {"2021-01-20", "2021-03-02"},
	"2021 " + SummerSales: {"2021-06-30", "2021-07-27"},
	"2022 " + SummerSales: {"2022-06-22", "2022-07-26"},
	"2023 " + SummerSales: {"2023-06-28", "2023-08-01"},
}

// Sales names the legal sales of a date in a French department; "" asks for the national ones.
func Sales(year int, month time.Month, day int, department string) string {
	if year < firstSales || ownLaw[department] {
		return ""
	}
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	rules := bySeason[department]
	if rules.winter == nil {
		rules.winter = nationalWinter
	}
	if rules.summer == nil {
		rules.summer = nationalSummer
	}
	for _, season := range [2]struct {
		name  string
		begin opening
	}{{WinterSales, rules.winter}, {SummerSales, rules.summer}} {
		first := season.begin(year)
		end := first.AddDate(0, 0, salesDays)
		if year <= 2023 && len(department) < 3 {
			first, end = movedTo(year, season.name, first, end)
		}
		if !date.Before(first) && date.Before(end) {
			return season.name
		}
	}
	return ""
}

// movedTo puts the days of an order in the place of a rule's. Where a department began later by its own rule, it kept its day, and the order
// that lengthened the period gave it no more.
func movedTo(year int, season string, first, end time.Time) (time.Time, time.Time) {
	days, ok := moved[itoa(year)+" "+season]
	if !ok {
		return first, end
	}
	begin, _ := time.Parse(time.DateOnly, days[0])
	final, _ := time.Parse(time.DateOnly, days[1])
	if season == SummerSales && first.Month() == time.July && year != 2020 {
		return first, end
	}
	return begin, final.AddDate(0, 0, 1)
}

func itoa(year int) string {
	return string([]byte{byte('0' + year/1000%10), byte('0' + year/100%10), byte('0' + year/10%10), byte('0' + year%10)})
}

// nationalWinter is the second Wednesday of January, or the first when the second is after the 12th.
func nationalWinter(year int) time.Time {
	second := nth(time.January, time.Wednesday, 2)(year)
	if second.Day() > 12 {
		return second.AddDate(0, 0, -7)
	}
	return second
}

// nationalSummer is the last Wednesday of June, or the one before when the last is after the 28th.
func nationalSummer(year int) time.Time {
	final := last(time.June, time.Wednesday)(year)
	if final.Day() > 28 {
		return final.AddDate(0, 0, -7)
	}
	return final
}

// firstWorkingDay of January is neither the first, a bank holiday, nor a Sunday.
func firstWorkingDay(year int) time.Time {
	day := time.Date(year, time.January, 2, 0, 0, 0, 0, time.UTC)
	if day.Weekday() == time.Sunday {
		return day.AddDate(0, 0, 1)
	}
	return day
}

// nth is the nth such weekday of a month.
func nth(month time.Month, weekday time.Weekday, n int) opening {
	return onOrAfter(month, 1+7*(n-1), weekday)
}

// onOrAfter is the first such weekday on a day of a month or later.
func onOrAfter(month time.Month, day int, weekday time.Weekday) opening {
	return func(year int) time.Time {
		from := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		return from.AddDate(0, 0, (int(weekday)-int(from.Weekday())+7)%7)
	}
}

// after is the first such weekday later than a day of a month.
func after(month time.Month, day int, weekday time.Weekday) opening {
	return onOrAfter(month, day+1, weekday)
}

// last is the last such weekday of a month.
func last(month time.Month, weekday time.Weekday) opening {
	return func(year int) time.Time {
		final := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC)
		return final.AddDate(0, 0, -((int(final.Weekday()) - int(weekday) + 7) % 7))
	}
}
