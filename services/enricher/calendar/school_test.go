package calendar

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/internal/golden"
)

const lines = `date,vacances_zone_a,vacances_zone_b,vacances_zone_c,nom_vacances
2015-08-31,True,True,True,Vacances d'été
2015-09-01,False,False,False,
2026-02-06,False,False,False,
2026-02-07,True,False,False,Vacances d'hiver
2026-02-14,True,True,False,Vacances d'hiver
2026-02-28,False,True,True,Vacances d'hiver
2026-10-17,True,True,True,Vacances nouvelles
`

func school(t testing.TB, text string) *School {
	t.Helper()
	s, err := ReadSchool([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchoolHolidaysByZone(t *testing.T) {
	s := school(t, lines)
	f := func(day, zone, want string) {
		t.Helper()
		date, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Of(date.Year(), date.Month(), date.Day(), zone); got != want {
			t.Errorf("%s in zone %s: %q, want %q", day, zone, got, want)
		}
	}
	f("2026-02-07", ZoneA, SchoolWinter)
	f("2026-02-07", ZoneB, "")
	f("2026-02-14", ZoneB, SchoolWinter)
	f("2026-02-14", ZoneC, "")
	f("2026-02-28", ZoneC, SchoolWinter)
	f("2026-02-28", ZoneA, "")
	f("2026-02-08", ZoneA, "") // The file has no such day.
	f("2026-10-17", ZoneA, SchoolOther)
	f("2026-10-18", ZoneA, "")
	f("1990-01-01", ZoneA, "")
	f("2015-08-31", ZoneA, "") // The zones were others then.
	f("2026-02-14", Corsica, "")
	f("2026-02-14", "974", "")
	if (*School)(nil).Of(2026, time.February, 14, ZoneA) != "" {
		t.Error("holidays without a file")
	}
}

// Each department is in one zone, and none is forgotten.
func TestEachDepartmentHasAZone(t *testing.T) {
	count := map[string]int{}
	for i := 1; i <= 95; i++ {
		if department := fmt.Sprintf("%02d", i); department != "20" {
			if zone := SchoolZone(department); zone != ZoneA && zone != ZoneB && zone != ZoneC {
				t.Errorf("department %s: zone %q", department, zone)
			} else {
				count[zone]++
			}
		}
	}
	if count[ZoneA] != 32 || count[ZoneB] != 41 || count[ZoneC] != 21 {
		t.Errorf("%v departments by zone, want 32 in A, 41 in B, 21 in C", count)
	}
	for department, want := range map[string]string{"2A": Corsica, "2B": Corsica, "974": "974", "978": "978", "": "", "20": "", "99": ""} {
		if got := SchoolZone(department); got != want {
			t.Errorf("department %q: zone %q, want %q", department, got, want)
		}
	}
}

func TestFaultsOfTheSchoolFileAreNamed(t *testing.T) {
	const head = "date,vacances_zone_a,vacances_zone_b,vacances_zone_c,nom_vacances\n"
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadSchool([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
	f("", "first line")
	f("date;vacances_zone_a\n", "no column date")
	f(head, "no day")
	f(head+"07/02/2026,True,False,False,x\n", `line 2: date "07/02/2026"`)
	f(head+"2026-02-07,Oui,False,False,x\n", `vacances_zone_a is "Oui"`)
	f(head+"2026-02-07,True,False\n", "line 2 has 3 columns")
	f(head+"2026-02-07,True,False,False,x\n2026-02-07,True,False,False,x\n", "line 3: date 2026-02-07 does not follow")
	f(head+"1026-02-07,True,False,False,x\n2026-02-07,True,False,False,x\n", "line 3: date 2026-02-07 does not follow")
}

// realSchool is the file of the ministry.
func realSchool(t testing.TB) *School {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "vacances-scolaires.csv")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the school holidays are not there: %v", err)
	}
	edition, err := Datasets()[0].Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if edition.Loaded.Rows < Datasets()[0].Least {
		t.Errorf("%d days, want at least %d", edition.Loaded.Rows, Datasets()[0].Least)
	}
	return edition.Loaded.Table.(*School)
}

// shopsOf is a file of shops.
type shopsOf map[string][2]string

func (s shopsOf) Zone(id string) (timezone, department string, ok bool) {
	where, ok := s[id]
	return where[0], where[1], ok
}

// Moments at places, with the calendar of the ministry.
func TestMoments(t *testing.T) {
	c, err := New(Config{
		Stores:  map[string]Store{"lyon": {Department: "69"}, "geneve": {Timezone: "Europe/Zurich"}},
		Periods: []Period{{Name: "black_friday_week", From: "2025-11-24", To: "2025-12-01"}},
	}, "Europe/Paris", "FR", Tables{School: realSchool(t), Shops: shopsOf{
		"nice": {"", "06"}, "metz": {"Europe/Paris", "57"}, "saint-denis": {"", "974"}, "bruxelles": {"Europe/Brussels", ""}, "siege": {"", ""},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cases := golden.Run(t, "testdata/moments.txt", func(t *testing.T, f map[string]string) string {
		moment, err := time.Parse(time.RFC3339, f["at"])
		if err != nil {
			t.Fatal(err)
		}
		m := c.At(moment, Seen{StoreID: f["store"], Timezone: f["zone"], Department: f["home"], Abroad: f["abroad"] == "yes"})
		text := fmt.Sprintf("%s %04d-%02d-%02d %02dh day %d", m.Timezone, m.Year, m.Month, m.Day, m.Hour, m.Weekday)
		for _, field := range []struct{ name, value string }{
			{"holiday", m.Holiday}, {"zone", m.SchoolZone}, {"school", m.SchoolHoliday}, {"sales", m.SalesPeriod},
		} {
			if field.value != "" {
				text += " | " + field.name + " " + field.value
			}
		}
		return text
	})
	if cases < 40 {
		t.Errorf("%d moments in the golden file, want at least 40", cases)
	}
}

func FuzzReadSchool(f *testing.F) {
	f.Add([]byte(lines))
	f.Add([]byte("\xef\xbb\xbfnom_vacances,date,vacances_zone_c,vacances_zone_b,vacances_zone_a\n\"a,b\",2026-01-01,True,true,false\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ReadSchool(text)
		if err != nil {
			return
		}
		if s.Len() < 1 || len(s.days) < s.Len() || len(s.days) > longestFile {
			t.Errorf("%d rows in %d days", s.Len(), len(s.days))
		}
		s.Of(2026, time.January, 1, ZoneA)
	})
}

func BenchmarkAt(b *testing.B) {
	c, err := New(Config{Periods: []Period{{Name: "a", From: "2026-11-23", To: "2026-11-30"}}}, "Europe/Paris", "FR", Tables{School: school(b, lines)})
	if err != nil {
		b.Fatal(err)
	}
	seen := []Seen{{Timezone: "Europe/Paris"}, {Timezone: "Indian/Reunion"}, {Department: "06"}, {}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.At(time.Date(2026, time.Month(1+i%12), 14, i%24, 0, 0, 0, time.UTC), seen[i%len(seen)])
	}
}
