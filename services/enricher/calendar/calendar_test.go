package calendar

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The table was made by another implementation; every day of sixteen years is compared, so that a day too many is seen as well.
func TestBankHolidaysAgreeWithAnIndependentTable(t *testing.T) {
	want := readTable(t, "testdata/bank_holidays.tsv")
	for department, dates := range want {
		got := map[string]string{}
		for day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= 2035; day = day.AddDate(0, 0, 1) {
			if name := Holiday(day.Year(), day.Month(), day.Day(), department); name != "" {
				got[day.Format(time.DateOnly)] = name
			}
		}
		if diff := cmp.Diff(dates, got); diff != "" {
			t.Errorf("department %s (-table +ours):\n%s", department, diff)
		}
	}
	if len(want) != 11 {
		t.Errorf("the table has %d departments, want 11", len(want))
	}
}

func readTable(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table := map[string]map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), "\t")
		department, date, name := cells[0], cells[1], cells[2]
		if table[department] == nil {
			table[department] = map[string]string{}
		}
		// A moving feast on a fixed one: the fixed one is named.
		if before, twice := table[department][date]; twice && (name == Ascension || name == WhitMonday) {
			name = before
		}
		table[department][date] = name
	}
	return table
}

func TestTwoFeastsOnOneDay(t *testing.T) {
	// Ascension fell on Labour Day in 2008.
	if got := Holiday(2008, time.May, 1, ""); got != LabourDay {
		t.Errorf("1 May 2008: %q, want %q", got, LabourDay)
	}
}

func TestEasterIsASundayInItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		year := rapid.IntRange(1700, 4000).Draw(t, "year")
		month, day := Easter(year)
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		earliest := time.Date(year, time.March, 22, 0, 0, 0, 0, time.UTC)
		latest := time.Date(year, time.April, 25, 0, 0, 0, 0, time.UTC)
		if date.Weekday() != time.Sunday || date.Before(earliest) || date.After(latest) {
			t.Fatalf("Easter %d: %s, a %s", year, date.Format(time.DateOnly), date.Weekday())
		}
	})
}

func TestPlaceOfAMoment(t *testing.T) {
	c, err := New(Config{Stores: map[string]Store{
		"lyon":       {Department: "69"},
		"strasbourg": {Department: "67"},
		"reunion":    {Department: "974"},
		"geneve":     {Timezone: "Europe/Zurich"},
		"papeete":    {Department: "987"},
	}}, "Europe/Paris", "FR", Tables{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(utc, store, zone, want string) {
		t.Helper()
		moment, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		m := c.At(moment, Seen{StoreID: store, Timezone: zone})
		got := fmt.Sprintf("%s %04d-%02d-%02d %dh day %d weekend=%v %s", m.Timezone, m.Year, m.Month, m.Day, m.Hour, m.Weekday, m.Weekend, m.Holiday)
		if strings.TrimSpace(got) != want {
			t.Errorf("At(%s, %q, %q)\n got %s\nwant %s", utc, store, zone, got, want)
		}
	}
	// The workspace's zone; winter and summer.
	f("2026-01-15T11:00:00Z", "", "", "Europe/Paris 2026-01-15 12h day 4 weekend=false")
	f("2026-07-15T11:00:00Z", "", "", "Europe/Paris 2026-07-15 13h day 3 weekend=false")
	// The last Sunday of March: 01:59:59 is followed by 03:00; the last of October: 02:59:59 by 02:00.
	f("2026-03-29T00:59:59Z", "", "", "Europe/Paris 2026-03-29 1h day 7 weekend=true")
	f("2026-03-29T01:00:00Z", "", "", "Europe/Paris 2026-03-29 3h day 7 weekend=true")
	f("2026-10-25T00:59:59Z", "", "", "Europe/Paris 2026-10-25 2h day 7 weekend=true")
	f("2026-10-25T01:00:00Z", "", "", "Europe/Paris 2026-10-25 2h day 7 weekend=true")
	f("2026-10-25T02:00:00Z", "", "", "Europe/Paris 2026-10-25 3h day 7 weekend=true")
	// The date is the local one: a holiday begins at midnight there.
	f("2026-07-13T21:59:59Z", "", "", "Europe/Paris 2026-07-13 23h day 1 weekend=false")
	f("2026-07-13T22:00:00Z", "", "", "Europe/Paris 2026-07-14 0h day 2 weekend=false bastille_day")
	f("2025-12-31T23:00:00Z", "", "", "Europe/Paris 2026-01-01 0h day 4 weekend=false new_year")
	f("2025-12-31T20:00:00Z", "reunion", "", "Indian/Reunion 2026-01-01 0h day 4 weekend=false new_year")
	// The shop wins over the visitor, the visitor over the workspace.
	f("2026-06-01T10:00:00Z", "lyon", "America/Martinique", "Europe/Paris 2026-06-01 12h day 1 weekend=false")
	f("2026-06-01T10:00:00Z", "", "America/Montreal", "America/Montreal 2026-06-01 6h day 1 weekend=false")
	f("2026-06-01T10:00:00Z", "unknown", "America/Martinique", "America/Martinique 2026-06-01 6h day 1 weekend=false")
	f("2026-06-01T10:00:00Z", "geneve", "", "Europe/Zurich 2026-06-01 12h day 1 weekend=false")
	f("2026-06-01T10:00:00Z", "papeete", "", "Pacific/Tahiti 2026-06-01 0h day 1 weekend=false")
	// Days of one region.
	f("2026-04-03T08:00:00Z", "strasbourg", "", "Europe/Paris 2026-04-03 10h day 5 weekend=false good_friday")
	f("2026-04-03T08:00:00Z", "lyon", "", "Europe/Paris 2026-04-03 10h day 5 weekend=false")
	f("2026-12-26T08:00:00Z", "strasbourg", "", "Europe/Paris 2026-12-26 9h day 6 weekend=true saint_stephen")
	f("2026-12-20T08:00:00Z", "reunion", "", "Indian/Reunion 2026-12-20 12h day 7 weekend=true abolition_of_slavery")
	f("2026-05-22T15:00:00Z", "", "America/Martinique", "America/Martinique 2026-05-22 11h day 5 weekend=false abolition_of_slavery")
	f("2026-05-22T15:00:00Z", "", "Europe/Paris", "Europe/Paris 2026-05-22 17h day 5 weekend=false")
	// A zone that is none falls back, and never reaches the file system as a path.
	for _, wrong := range []string{"Paris", "Local", "../../etc/passwd", "/etc/localtime", "Europe//Paris", "Europe/Pâris", strings.Repeat("A", 65)} {
		f("2026-01-15T11:00:00Z", "", wrong, "Europe/Paris 2026-01-15 12h day 4 weekend=false")
	}
}

func TestOtherCountriesHaveNoFrenchHolidays(t *testing.T) {
	c, err := New(Config{Stores: map[string]Store{"lille": {Department: "59"}}}, "Europe/Brussels", "BE", Tables{})
	if err != nil {
		t.Fatal(err)
	}
	bastille := time.Date(2026, 7, 14, 10, 0, 0, 0, time.UTC)
	if got := c.At(bastille, Seen{}).Holiday; got != "" {
		t.Errorf("14 July in Belgium: %q, want none", got)
	}
	if got := c.At(bastille, Seen{StoreID: "lille"}).Holiday; got != BastilleDay {
		t.Errorf("14 July in the shop in Lille: %q, want %q", got, BastilleDay)
	}
}

func TestDepartmentWithoutShop(t *testing.T) {
	c, err := New(Config{Department: "68"}, "Europe/Paris", "FR", Tables{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.At(time.Date(2026, 4, 3, 8, 0, 0, 0, time.UTC), Seen{}).Holiday; got != GoodFriday {
		t.Errorf("Good Friday in Colmar: %q", got)
	}
}

func TestConfigurationFaultsNameTheStore(t *testing.T) {
	f := func(store Store, want string) {
		t.Helper()
		err := Config{Stores: map[string]Store{"042": store}}.Validate()
		if err == nil || !strings.Contains(err.Error(), "stores.042") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", store, err, want)
		}
	}
	f(Store{Timezone: "Paris"}, `timezone "Paris"`)
	f(Store{Timezone: "Local"}, `timezone "Local"`)
	f(Store{Department: "20"}, `department "20"`)
	f(Store{Department: "96"}, `department "96"`)
	f(Store{Department: "0x"}, `department "0x"`)
	if err := (Config{Stores: map[string]Store{"1": {Department: "2A"}, "2": {}}}).Validate(); err != nil {
		t.Errorf("right stores: %v", err)
	}
	if _, err := New(Config{}, "Europe/Pari", "FR", Tables{}); err == nil {
		t.Error("a wrong zone of the workspace went through")
	}
	if err := (Config{Department: "999"}).Validate(); err == nil {
		t.Error("a wrong department went through")
	}
}

func TestTimeZonesOfClientsAreBounded(t *testing.T) {
	c, err := New(Config{}, "Europe/Paris", "FR", Tables{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * zones {
		c.At(time.Unix(0, 0), Seen{Timezone: fmt.Sprintf("Zone/N%d", i)})
	}
	c.zones.CleanUp()
	if size := c.zones.EstimatedSize(); size > zones {
		t.Errorf("%d zones are kept, want at most %d", size, zones)
	}
}

func FuzzAt(f *testing.F) {
	c, err := New(Config{}, "Europe/Paris", "FR", Tables{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int64(1780000000000), "Europe/Paris")
	f.Add(int64(-62135596800000), "../../etc/passwd")
	f.Fuzz(func(t *testing.T, millis int64, zone string) {
		m := c.At(time.UnixMilli(millis), Seen{Timezone: zone})
		if m.Hour < 0 || m.Hour > 23 || m.Weekday < 1 || m.Weekday > 7 || m.Timezone == "" || m.Weekend != (m.Weekday > 5) {
			t.Errorf("At(%d, %q) = %+v", millis, zone, m)
		}
	})
}
