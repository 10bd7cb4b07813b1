package shop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/place"
	"pgregory.net/rapid"
)

func never(int, time.Month, int) bool { return false }

// at is a moment of the first week of June 2026, whose Monday is the first.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	days := map[string]int{"Mo": 1, "Tu": 2, "We": 3, "Th": 4, "Fr": 5, "Sa": 6, "Su": 7}
	day, clock, _ := strings.Cut(text, " ")
	c, err := time.Parse("15:04", clock)
	if err != nil || days[day] == 0 {
		t.Fatalf("%q is no moment", text)
	}
	return time.Date(2026, 6, days[day], c.Hour(), c.Minute(), 0, 0, time.UTC)
}

func TestOpen(t *testing.T) {
	f := func(hours string, open, closed []string) {
		t.Helper()
		h, err := ParseHours(hours)
		if err != nil {
			t.Errorf("%s: %v", hours, err)
			return
		}
		for _, moment := range open {
			if is, known := h.Open(at(t, moment), never); !is || !known {
				t.Errorf("%s: %s is closed (known: %v)", hours, moment, known)
			}
		}
		for _, moment := range closed {
			if is, known := h.Open(at(t, moment), never); is || !known {
				t.Errorf("%s: %s is open (known: %v)", hours, moment, known)
			}
		}
	}
	l := func(moments ...string) []string { return moments }
	f("Mo-Sa 09:30-19:30; Su 10:00-13:00; PH off", l("Mo 09:30", "Sa 19:29", "Su 10:00"), l("Mo 09:29", "Sa 19:30", "Su 13:00"))
	f("Mo-Fr 09:00-12:00,14:00-19:00; Sa 10:00-18:00", l("Mo 09:00", "Fr 18:59", "Sa 17:59"), l("Mo 12:00", "Mo 13:59", "Su 11:00"))
	f("Mo,We 9:00-12:00", l("We 11:59"), l("Tu 10:00"))
	f("Sa-Mo 10:00-12:00", l("Su 10:00", "Mo 10:00"), l("Tu 10:00", "Fr 10:00"))
	f("Lu-Sa 9h30-19h", l("We 09:30"), l("Su 10:00", "We 19:00"))
	f("lundi-vendredi: 9h à 12h et 14h à 18h", l("Tu 11:00", "Tu 14:00"), l("Tu 12:30", "Sa 11:00"))
	f("Mo-Su 18:00-02:00", l("Mo 18:00", "Mo 01:59", "Su 23:59"), l("Mo 02:00", "Mo 17:59"))
	f("Su 22:00-24:00", l("Su 23:59"), l("Mo 00:00"))
	f("Sa 22:00-04:00", l("Su 03:59"), l("Su 04:00", "Sa 03:00"))
	f("24/7", l("Mo 00:00", "Su 23:59"), nil)
	f("08:00-20:00", l("Su 08:00"), l("Su 20:00"))
	f("Mo-Sa 09:00-19:00; We off", l("Tu 10:00"), l("We 10:00"))
	f("Mo-Fr 09:00-19:00;", l("Mo 09:00"), l("Sa 10:00"))
	f("Mo - Fr 09:00 - 12:00 / 14:00 - 19:00", l("Mo 09:00", "Mo 14:00"), l("Mo 12:00"))
	f("Mon-Fri 10:00-19:00", l("Th 10:00"), l("Su 10:00"))
	f("closed", nil, l("Mo 10:00"))
}

func TestHoursThatAreRefused(t *testing.T) {
	f := func(hours, want string) {
		t.Helper()
		if h, err := ParseHours(hours); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v %v, want %q", hours, h, err, want)
		}
	}
	f("", "empty")
	f(" ; ", "empty")
	f("Mo-Sa", "no times")
	f("Mo-Xx 09:00-12:00", `"mo-xx" is no day`)
	f("Jan-Mar 09:00-12:00", "is no day")
	f("Mo 09:00", "no span")
	f("Mo 25:00-26:00", "no time of day")
	f("Mo 09:60-12:00", "no time of day")
	f("Mo 9-12", "no time of day")
	f("Mo 24:00-25:00", "24:00")
	f("Mo 09:00-12:00 \"by appointment\"", "no time of day")
	f("Mo 09:00+", "no time of day")
	f("week 1-10 Mo 09:00-12:00", "is no day")
	f(strings.Repeat("Mo 09:00-12:00;", 100), "characters")
}

func TestBankHolidays(t *testing.T) {
	bastille := func(_ int, month time.Month, day int) bool { return month == time.June && day == 3 } // A Wednesday.
	f := func(hours, moment string, wantOpen, wantKnown bool) {
		t.Helper()
		h, err := ParseHours(hours)
		if err != nil {
			t.Fatal(err)
		}
		if open, known := h.Open(at(t, moment), bastille); open != wantOpen || known != wantKnown {
			t.Errorf("%s: %s is open %v known %v", hours, moment, open, known)
		}
	}
	f("Mo-Sa 09:00-19:00; PH off", "We 10:00", false, true)
	f("Mo-Sa 09:00-19:00; PH off", "Th 10:00", true, true)
	f("Mo-Sa 09:00-19:00; PH 10:00-13:00", "We 09:30", false, true)
	f("Mo-Sa,PH 09:00-19:00", "We 09:30", true, true)
	f("Mo-Sa 09:00-19:00", "We 10:00", false, false)
	f("Mo-Sa 20:00-02:00", "We 01:00", true, true) // Tuesday's night.
	f("Mo-Sa 20:00-02:00; PH off", "Th 01:00", false, true)
	f("24/7", "We 10:00", true, true)
}

const table = `code_magasin;enseigne;nom;adresse;cp;ville;latitude;longitude;horaires
PAR01;Maison;Paris Rivoli;1 rue de Rivoli;75001;Paris;48,8566;2,3522;"Mo-Sa 10:00-20:00; PH off"
REU01;Maison;Saint-Denis;;97400;Saint-Denis;;;
STR01;Maison;Strasbourg;;67000;Strasbourg;;;Mo-Sa 10:00-19:00
`

func TestATable(t *testing.T) {
	d, err := Parse("magasins.csv", []byte(table))
	if err != nil {
		t.Fatal(err)
	}
	paris, ok := d.Of("PAR01")
	if !ok || paris.Name != "Paris Rivoli" || paris.Banner != "Maison" || paris.PostalCode != "75001" || paris.Point != (place.Point{Latitude: 48.8566, Longitude: 2.3522}) || !paris.Located {
		t.Errorf("got %+v", paris)
	}
	zone := func(id, wantZone, wantDepartment string) {
		t.Helper()
		if zone, department, ok := d.Zone(id); !ok || zone != wantZone || department != wantDepartment {
			t.Errorf("%s: got %q %q", id, zone, department)
		}
	}
	zone("PAR01", "Europe/Paris", "75")
	zone("REU01", "Indian/Reunion", "974")
	zone("STR01", "Europe/Paris", "67")
	if _, _, ok := d.Zone("nobody"); ok {
		t.Error("nobody has a zone")
	}
	// Noon in Paris on 14 July, and half past nine in the evening in UTC of a day in winter.
	f := func(moment string, wantOpen, wantKnown bool) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, moment)
		if err != nil {
			t.Fatal(err)
		}
		if open, known := paris.Open(when, time.UTC); open != wantOpen || known != wantKnown {
			t.Errorf("%s: open %v, known %v", moment, open, known)
		}
	}
	f("2026-07-14T10:00:00Z", false, true)
	f("2026-07-15T08:00:00Z", true, true)
	f("2026-07-15T07:59:00Z", false, true)
	f("2026-01-15T08:59:00Z", false, true)
	f("2026-01-15T18:59:00Z", true, true)
	reunion, _ := d.Of("REU01")
	if _, known := reunion.Open(time.Now(), time.UTC); known {
		t.Error("a shop without hours has some")
	}
	strasbourg, _ := d.Of("STR01")
	if _, known := strasbourg.Open(time.Date(2026, 4, 3, 10, 0, 0, 0, time.UTC), time.UTC); known {
		t.Error("Good Friday is no bank holiday in Strasbourg")
	}
}

func TestColumnsOfDaysAndJSON(t *testing.T) {
	f := func(name, text string) {
		t.Helper()
		d, err := Parse(name, []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		s, ok := d.Of("42")
		if !ok {
			t.Errorf("%s: the shop is not there", name)
			return
		}
		for moment, want := range map[string]bool{"Mo 10:00": true, "Mo 13:00": false, "Tu 13:00": true, "We 10:00": false} {
			if open, known := s.Hours.Open(at(t, moment), never); open != want || !known {
				t.Errorf("%s: %s is open %v", name, moment, open)
			}
		}
		if _, known := s.Hours.Open(at(t, "We 10:00"), func(int, time.Month, int) bool { return true }); !known {
			t.Errorf("%s: bank holidays are not known", name)
		}
	}
	f("shops.csv", "id,lundi,mardi,mercredi,jours_feries\n42,\"9h-12h 14h-19h\",09:00-19:00,fermé,fermé\n")
	f("shops.csv", "\xef\xbb\xbfId;Lundi;Mardi;Jours f\xe9ri\xe9s\n42;09:00-12:00,14:00-19:00;09:00-19:00;ferm\xe9\n")
	f("shops.json", `[{"id": 42, "opening_hours": {"monday": "09:00-12:00, 14:00-19:00", "tuesday": "09:00-19:00", "ph": "off"}}]`)
	f("shops.json", `{"shops": [{"store_id": "42", "latitude": 48.85, "longitude": 2.35, "hours": "Mo 09:00-12:00,14:00-19:00; Tu 09:00-19:00; PH off"}]}`)
}

func TestFaultsNameTheirPlace(t *testing.T) {
	f := func(name, text string, want ...string) {
		t.Helper()
		_, err := Parse(name, []byte(text))
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: got %v, want %q", text, err, part)
			}
		}
	}
	f("shops.csv", "", "empty")
	f("shops.csv", "name;cp\nA;75001\n", "id")
	f("shops.csv", "id;horaires\nA;Mo-Sa 9:00-12:00\nB;Mo-Zz 9:00-12:00\n", "line 3", "column horaires", "Mo-Zz 9:00-12:00", "is no day")
	f("shops.csv", "id;lundi\nA;\nB;9-12\n", "line 3", "column lundi", "9-12")
	f("shops.csv", "id;lat;lon\nA;95;2\n", "line 2", "column lat", `"95"`)
	f("shops.csv", "id;lat;lon\nA;45;\n", "line 2", "column lon")
	f("shops.csv", "id\nA\nA\n", "line 3", "column id", `"A"`)
	f("shops.csv", "id;name\n;B\n", "line 2", "column id", "is empty")
	f("shops.csv", "id;fuseau\nA;Europe/Lutetia\n", "line 2", "column fuseau", "Europe/Lutetia")
	f("shops.csv", "id;pays\nA;Atlantis\n", "column pays", "Atlantis")
	f("shops.csv", "id;dept\nA;99\n", "column dept", `"99"`)
	f("shops.csv", "id;lat;lon\nA;95;2\nB;1;200\n", "line 2", "line 3")
	f("shops.json", "[{]", "JSON")
	f("shops.json", `[{"id":"A"},{"id":"A"}]`, "shop 2")
	f("shops.json", `[{"id":"A","opening_hours":["Mo"]}]`, "shop 1", "opening_hours")
}

func TestAShopAbroadHasNoFrenchHolidays(t *testing.T) {
	d, err := Parse("shops.csv", []byte("id,cp,ville,pays,timezone,horaires\nGE,1201,Genève,Suisse,Europe/Zurich,Mo-Su 09:00-19:00\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := d.Of("GE")
	if open, known := s.Open(time.Date(2026, 7, 14, 10, 0, 0, 0, time.UTC), time.UTC); !open || !known || s.Department != "" {
		t.Errorf("open %v, known %v, department %q", open, known, s.Department)
	}
}

func TestDataset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shops.csv")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	edition, err := Dataset().Read(path)
	if err != nil || edition.Loaded.Rows != 3 {
		t.Fatalf("got %+v, %v", edition, err)
	}
	if ids := edition.Loaded.Table.(*Directory).IDs(); strings.Join(ids, " ") != "PAR01 REU01 STR01" {
		t.Errorf("got %v", ids)
	}
}

// A shop that is open at a moment was told so by the rule that came last for that day, or by the day before.
func TestTheLastRuleCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := []string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}
		day := rapid.IntRange(0, 6).Draw(t, "day")
		from, length := rapid.IntRange(0, 22).Draw(t, "from"), rapid.IntRange(1, 23).Draw(t, "length")
		clock := func(hour int) string { return time.Date(2026, 1, 1, hour%24, 0, 0, 0, time.UTC).Format("15:04") }
		h, err := ParseHours("24/7; Mo-Su off; " + days[day] + " " + clock(from) + "-" + clock(from+length))
		if err != nil {
			t.Fatal(err)
		}
		for hour := range 7 * 24 {
			open, known := h.Open(time.Date(2026, 6, 1, hour, 30, 0, 0, time.UTC), never)
			since := (hour - day*24 - from + 7*24) % (7 * 24)
			if open != (since < length) || !known {
				t.Fatalf("%v hours after opening: open %v", since, open)
			}
		}
	})
}

func FuzzParseHours(f *testing.F) {
	for _, seed := range []string{"Mo-Sa 09:30-19:30; Su 10:00-13:00; PH off", "24/7", "lu-ve 9h à 12h et 14h-18h", "Mo,We-Fr,PH 18:00-02:00; off", ";;-,", "é\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHours(text)
		if err != nil {
			return
		}
		for day, spans := range h.days {
			for _, s := range spans {
				if s.from < 0 || s.from >= minutesOfDay || s.to <= s.from || s.to > 2*minutesOfDay {
					t.Fatalf("%q: day %d has %+v", text, day, s)
				}
			}
		}
		h.Open(time.Unix(1_780_000_000, 0).UTC(), never)
	})
}

func FuzzParse(f *testing.F) {
	f.Add("a.csv", table)
	f.Add("a.csv", "id,lundi,mardi,ph\n42,\"9h-12h 14h-19h\",09:00-19:00,off\n")
	f.Add("a.json", `[{"id": 42, "opening_hours": {"monday": "09:00-12:00"}, "pays": "CH", "lat": "1e400"}]`)
	f.Add("a.json", `{"shops": [{"id": null}]}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		d, err := Parse(name, []byte(text))
		if err != nil {
			return
		}
		for _, id := range d.IDs() {
			s, ok := d.Of(id)
			if !ok || s.ID != id || id == "" {
				t.Fatalf("%q is not found", id)
			}
			s.Open(time.Unix(1_780_000_000, 0), time.UTC)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	d, err := Parse("shops.csv", []byte(table))
	if err != nil {
		b.Fatal(err)
	}
	s, _ := d.Of("PAR01")
	when := time.Date(2026, 6, 3, 10, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		s.Open(when, time.UTC)
	}
}
