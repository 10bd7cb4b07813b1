package calendar

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The first days that the ministry published for years of six and five weeks: the rules of the openings are older than the four weeks.
func TestOpeningsAreThePublishedOnes(t *testing.T) {
	f := func(season, department, want string) {
		t.Helper()
		year := int(want[2]-'0')*10 + int(want[3]-'0') + 2000
		begin := bySeason[department].winter
		if season == SummerSales {
			begin = bySeason[department].summer
		}
		switch {
		case begin == nil && season == WinterSales:
			begin = nationalWinter
		case begin == nil:
			begin = nationalSummer
		}
		if got := begin(year).Format(time.DateOnly); got != want {
			t.Errorf("%s in %q: %s, want %s", season, department, got, want)
		}
	}
	for department, dates := range map[string][2]string{
		"":    {"2014-01-08", "2014-06-25"},
		"54":  {"2014-01-02", "2014-06-25"},
		"06":  {"2014-01-08", "2014-07-02"},
		"66":  {"2014-01-08", "2014-07-02"},
		"2A":  {"2014-01-08", "2014-07-09"},
		"971": {"2014-01-04", "2014-09-27"},
		"972": {"2014-01-08", "2014-10-02"},
		"973": {"", "2014-10-02"},
		"974": {"2014-09-06", "2014-02-01"},
		"975": {"2014-01-22", "2014-07-16"},
		"977": {"2014-05-03", "2014-10-11"},
		"978": {"2014-05-03", "2014-10-11"},
	} {
		if dates[0] != "" { // Guyane had a day of its own then.
			f(WinterSales, department, dates[0])
		}
		f(SummerSales, department, dates[1])
	}
	f(WinterSales, "", "2017-01-11")
	f(WinterSales, "88", "2017-01-02")
	f(WinterSales, "971", "2017-01-07")
	f(WinterSales, "975", "2017-01-18")
	f(SummerSales, "974", "2017-02-04")
	f(WinterSales, "978", "2017-05-06")
}

// First and last days since 2020, as published.
func TestSalesFromTheFirstToTheLastDay(t *testing.T) {
	f := func(season, department, first, last string) {
		t.Helper()
		name := func(text string, shift int) string {
			day, err := time.Parse(time.DateOnly, text)
			if err != nil {
				t.Fatal(err)
			}
			year, month, date := day.AddDate(0, 0, shift).Date()
			return Sales(year, month, date, department)
		}
		if name(first, 0) != season || name(last, 0) != season || name(first, -1) != "" || name(last, 1) != "" {
			t.Errorf("%s in %q from %s to %s: before %q, first %q, last %q, after %q", season, department, first, last,
				name(first, -1), name(first, 0), name(last, 0), name(last, 1))
		}
	}
	f(WinterSales, "", "2020-01-08", "2020-02-04")
	f(SummerSales, "", "2020-07-15", "2020-08-11")
	f(WinterSales, "75", "2021-01-20", "2021-03-02")
	f(SummerSales, "75", "2021-06-30", "2021-07-27")
	f(WinterSales, "", "2022-01-12", "2022-02-08")
	f(WinterSales, "", "2023-01-11", "2023-02-07")
	f(WinterSales, "54", "2023-01-02", "2023-01-29")
	f(WinterSales, "971", "2023-01-07", "2023-02-03")
	f(WinterSales, "972", "2023-01-11", "2023-02-07")
	f(WinterSales, "973", "2023-01-11", "2023-02-07")
	f(WinterSales, "976", "2023-01-11", "2023-02-07")
	f(WinterSales, "975", "2023-01-18", "2023-02-14")
	f(WinterSales, "977", "2023-05-06", "2023-06-02")
	f(SummerSales, "", "2023-06-28", "2023-08-01")
	f(SummerSales, "06", "2023-07-05", "2023-08-01")
	f(WinterSales, "", "2024-01-10", "2024-02-06")
	f(SummerSales, "", "2024-06-26", "2024-07-23")
	f(WinterSales, "", "2025-01-08", "2025-02-04")
	f(SummerSales, "2B", "2025-07-09", "2025-08-05")
	f(WinterSales, "", "2026-01-07", "2026-02-03") // The second Wednesday is the 14th.
	f(SummerSales, "", "2026-06-24", "2026-07-21")
	f(SummerSales, "", "2027-06-23", "2027-07-20") // The last Wednesday is the 30th.
	for _, department := range []string{"986", "987", "988"} {
		if got := Sales(2026, time.January, 10, department); got != "" {
			t.Errorf("%s has a law of its own, got %s", department, got)
		}
	}
	if got := Sales(2019, time.January, 10, ""); got != "" {
		t.Errorf("2019: %s, of those years nothing is said", got)
	}
}

// What the law says of every year: two periods of 28 days each, which begin on the weekday of the department.
func TestSalesTakeFourWeeksTwiceAYear(t *testing.T) {
	departments := []string{"", "75", "2A"}
	for department := range bySeason {
		departments = append(departments, department)
	}
	rapid.Check(t, func(t *rapid.T) {
		year := rapid.IntRange(2024, 2200).Draw(t, "year")
		department := rapid.SampledFrom(departments).Draw(t, "department")
		count := map[string]int{}
		for day := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == year; day = day.AddDate(0, 0, 1) {
			count[Sales(year, day.Month(), day.Day(), department)]++
		}
		if count[WinterSales] != salesDays || count[SummerSales] != salesDays {
			t.Fatalf("%d in %q: %v", year, department, count)
		}
		if begin := nationalWinter(year); begin.Day() > 12 || begin.Day() < 1 || begin.Weekday() != time.Wednesday {
			t.Fatalf("winter sales of %d begin on %s", year, begin)
		}
		if begin := nationalSummer(year); begin.Day() > 28 || begin.Day() < 22 || begin.Weekday() != time.Wednesday {
			t.Fatalf("summer sales of %d begin on %s", year, begin)
		}
	})
}

func TestPeriodsOfTheConfiguration(t *testing.T) {
	cfg := Config{Periods: []Period{
		{Name: "black_friday_week", From: "2026-11-23", To: "2026-11-30"},
		{Name: "braderie", From: "2026-09-05", To: "2026-09-06", Departments: []string{"59"}},
		{Name: "private_sales", From: "2026-01-01", To: "2026-01-08"},
	}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := New(cfg, "Europe/Paris", "FR", Tables{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(utc, department, want string) {
		t.Helper()
		moment, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.At(moment, Seen{Department: department}).SalesPeriod; got != want {
			t.Errorf("%s in %q: %q, want %q", utc, department, got, want)
		}
	}
	f("2026-11-22T22:59:59Z", "75", "")
	f("2026-11-22T23:00:00Z", "75", "black_friday_week") // Midnight in Paris.
	f("2026-11-30T22:59:59Z", "75", "black_friday_week")
	f("2026-11-30T23:00:00Z", "75", "")
	f("2026-09-05T10:00:00Z", "59", "braderie")
	f("2026-09-05T10:00:00Z", "62", "")
	f("2026-01-07T10:00:00Z", "62", "private_sales") // Those of the configuration come before the law's.
	f("2026-01-09T10:00:00Z", "62", WinterSales)
}

func TestFaultsOfPeriodsNameFieldValueAndWhatToDo(t *testing.T) {
	f := func(period Period, wants ...string) {
		t.Helper()
		err := Config{Periods: []Period{{Name: "a", From: "2026-01-01", To: "2026-01-01"}, period}}.Validate()
		for _, want := range append(wants, "periods[1]") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want an error with %s", period, err, want)
			}
		}
	}
	f(Period{Name: "Black Friday", From: "2026-11-23", To: "2026-11-30"}, `name is "Black Friday"`, "small letters")
	f(Period{Name: "a", From: "23/11/2026", To: "2026-11-30"}, `from is "23/11/2026"`, "2026-11-23")
	f(Period{Name: "a", From: "2026-11-23"}, `to is ""`)
	f(Period{Name: "a", From: "2026-11-23", To: "2026-11-22"}, "before from", "exchange")
	f(Period{Name: "a", From: "2026-11-23", To: "2026-11-23", Departments: []string{"20"}}, `departments[0] is "20"`)
}
