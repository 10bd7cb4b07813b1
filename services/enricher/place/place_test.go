package place

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/services/enricher/internal/golden"
	"pgregory.net/rapid"
)

func typedAs(text string) Address {
	parts := append(strings.SplitN(text, "|", 4), "", "", "", "")
	return Address{PostalCode: parts[0], City: parts[1], Region: parts[2], Country: parts[3]}
}

func told(x *Index, a Address) string {
	c, m, ok := x.Find(a)
	where := strings.Join([]string{m.Country, m.PostalCode, c.Code, c.Name, c.DepartmentCode, c.RegionCode}, "|")
	if !ok {
		return "nowhere " + where
	}
	return fmt.Sprintf("%s %.2f %s", m.How, m.Confidence, where)
}

func TestAddressesOfRealLife(t *testing.T) {
	x := installed(t)
	n := golden.Run(t, "testdata/addresses.txt", func(_ *testing.T, fields map[string]string) string {
		return told(x, typedAs(fields["typed"]))
	})
	if n < 300 {
		t.Errorf("%d addresses, there were more than 300", n)
	}
}

func TestFind(t *testing.T) {
	x := small(t)
	f := func(typed, want string) {
		t.Helper()
		if got := told(x, typedAs(typed)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", typed, got, want)
		}
	}
	f("75012|Paris", "exact 1.00 FR|75012|75112|Paris 12e Arrondissement|75|11")
	f("|75012 Paris", "exact 1.00 FR|75012|75112|Paris 12e Arrondissement|75|11")
	f("|paris xii", "exact 1.00 FR|75012|75112|Paris 12e Arrondissement|75|11")
	f("75012|", "only 1.00 FR|75012|75112|Paris 12e Arrondissement|75|11")
	f("75011|Paris 12e", "department 0.00 FR|75011|||75|11")
	f("75592|PARIS CEDEX 12", "cedex 0.95 FR|75012|75112|Paris 12e Arrondissement|75|11")
	f("75000|Paris", "spelled 0.95 FR||75056|Paris|75|11")
	f("|Paris", "exact 1.00 FR||75056|Paris|75|11")
	f("1000|Bourg-en-Bresse", "exact 1.00 FR|01000|01053|Bourg-en-Bresse|01|84")
	f("1000|Bruxelles", "nowhere |||||")
	f("1000|Bruxelles||Belgique", "nowhere BE|||||")
	f("01300|Arbignieu", "exact 1.00 FR|01300|01015|Arboys en Bugey|01|84")
	f("01300|", "largest 0.93 FR|01300|01034|Belley|01|84")
	f("01300|Bellay", "spelled 0.83 FR|01300|01034|Belley|01|84")
	f("76600|Havre (Le)", "exact 1.00 FR|76600|76351|Le Havre|76|28")
	f("76600|Lyon", "department 0.00 FR|76600|||76|28")
	f("|Valence", "largest 0.92 FR|26000|26362|Valence|26|84")
	f("|Valence|Tarn-et-Garonne", "exact 1.00 FR|82400|82186|Valence|82|76")
	f("|Saint-Denis", "nowhere |||||")
	f("|Saint-Denis|Île-de-France", "exact 1.00 FR||93066|Saint-Denis|93|11")
	f("97400|ST DENIS||RE", "exact 1.00 FR|97400|97411|Saint-Denis|974|04")
	f("20000|", "only 1.00 FR|20000|2A004|Ajaccio|2A|94")
	f("20200|Batsia", "spelled 0.83 FR|20200|2B033|Bastia|2B|94")
	f("97500|St Pierre", "exact 1.00 FR|97500|97502|Saint-Pierre|975|975")
	f("98000|Monaco", "nowhere MC|||||")
	f("|Lyon|Normandie", "nowhere |||||")
	f("||Normandie", " 0.00 FR|||||28")
}

// A commune that is named is more likely right than wrong, and an exact one is sure.
func TestWhatIsNamedIsLikely(t *testing.T) {
	x := small(t)
	words := []string{
		"", "Paris", "Lyon", "St", "Saint-Denis", "12e", "CEDEX", "3", "Le", "Havre", "(69)", ",", "France", "s/", "Saône", "Belley", "Valence", "75012", "é", "\u0301", "/",
	}
	rapid.Check(t, func(t *rapid.T) {
		a := Address{
			PostalCode: rapid.OneOf(rapid.SampledFrom([]string{"75012", "01300", "1300", "2A000", "98000", "F-69003"}), rapid.StringN(0, 8, 16)).Draw(t, "postcode"),
			City:       strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 5).Draw(t, "city"), " "),
			Region:     rapid.SampledFrom([]string{"", "Ain", "69", "Normandie", "?"}).Draw(t, "region"),
			Country:    rapid.SampledFrom([]string{"", "FR", "france", "BE", "?"}).Draw(t, "country"),
		}
		checkAnswer(t, x, a)
	})
}

func checkAnswer(t interface{ Fatalf(string, ...any) }, x *Index, a Address) {
	c, m, ok := x.Find(a)
	c2, m2, ok2 := x.Find(a)
	switch {
	case c != c2 || m != m2 || ok != ok2:
		t.Fatalf("%+v has two answers", a)
	case !ok && (c != Commune{} || m.How != "" || m.Confidence != 0):
		t.Fatalf("%+v is nowhere, and yet %+v %+v", a, c, m)
	case c.Code != "" && (m.Confidence < likely || m.Confidence > 1):
		t.Fatalf("%+v: %s with confidence %g", a, c.Code, m.Confidence)
	case c.Code == "" && m.Confidence != 0:
		t.Fatalf("%+v: confidence %g in no commune", a, m.Confidence)
	case m.How == Exact && m.Confidence != 1 || ok && c.RegionCode == "":
		t.Fatalf("%+v: %+v %+v", a, c, m)
	case m.PostalCode != "" && (len(m.PostalCode) != 5 || !isDigits(m.PostalCode)):
		t.Fatalf("%+v: postcode %q", a, m.PostalCode)
	}
	if c.Code != "" {
		if known, found := x.ByCode(c.Code); !found || known.Name != c.Name {
			t.Fatalf("%+v: commune %s is not in the list", a, c.Code)
		}
	}
}

func FuzzFind(f *testing.F) {
	x := small(f)
	for _, seed := range [][4]string{
		{"75012", "Paris 12e", "", ""},
		{"69003", "LYON CEDEX 03", "Rhône", "FR"},
		{"", "12 rue de Lyon, 75012 Paris", "", "France"},
		{"1000", "Havre (Le)", "69", "?"},
		{"F-01300", "s/s\xff/", "2A", "BE"},
		{"75 012", "(,)", "()", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, postcode, city, region, country string) {
		checkAnswer(t, x, Address{PostalCode: postcode, City: city, Region: region, Country: country})
		x.ByCity(region, city)
	})
}

// Whoever writes a commune as the list does, with its postcode, is understood: each commune of France.
func TestEveryCommuneIsFoundByItsName(t *testing.T) {
	x := installed(t)
	wrong := 0
	f := func(at int, city string) {
		town := &x.towns[at]
		for _, code := range town.postcodes {
			c, m, _ := x.Find(Address{PostalCode: code, City: city})
			if c.Code == town.Code && m.How == Exact {
				continue
			}
			if wrong++; wrong < 10 {
				t.Errorf("%s %s: %s by %q, want %s", code, city, c.Code, m.How, town.Code)
			}
		}
	}
	for i := range x.towns {
		if len(x.towns[i].parts) > 0 {
			continue
		}
		f(i, x.towns[i].Name)
		f(i, strings.ToUpper(strings.NewReplacer("-", " ", "'", " ", "Saint-", "St ", "Sainte-", "Ste ").Replace(x.towns[i].Name)))
	}
	if wrong > 0 {
		t.Errorf("%d of %d were not found", wrong, len(x.towns))
	}
}

// The simulator's towns are those of the demo: 97 % of its customers have to get a commune and a region.
func TestTheTownsOfTheSimulator(t *testing.T) {
	x := installed(t)
	data, err := os.ReadFile("../../../cmd/parcours/simulate/data/towns.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows, found := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		cells := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || len(cells) < 2 {
			continue
		}
		rows++
		c, m, _ := x.Find(Address{City: cells[0], PostalCode: cells[1]})
		if c.Code != "" && c.RegionCode != "" && m.Confidence >= sureByDepartment {
			found++
			continue
		}
		t.Logf("%s %s: %+v", cells[1], cells[0], m)
	}
	if rows < 50 || found*100 < rows*97 {
		t.Errorf("%d of %d rows have a commune and a region", found, rows)
	}
}

func TestByCity(t *testing.T) {
	x := small(t)
	f := func(region, city, want string) {
		t.Helper()
		c, ok := x.ByCity(region, city)
		if !ok {
			c = &Commune{}
		}
		if c.Code != want {
			t.Errorf("%s in %q: got %q, want %q", city, region, c.Code, want)
		}
	}
	f("11", "Saint-Denis", "93066")
	f("", "Saint-Denis", "")
	f("84", "Saint-Denis", "")
	f("11", "Paris", "75056")
	f("11", "Paris (12e Arrondissement)", "75112")
	f("11", "Paris 12 Reuilly", "75112")
	f("11", "Paris (11th arrondissement of Paris)", "75111")
	f("11", "Paris (Odeon)", "75056")
	f("11", "Paris 12 rue de Reuilly", "")
	f("28", "Havre", "76351")
	f("84", "", "")
}

func TestRegion(t *testing.T) {
	x := small(t)
	f := func(text, want string) {
		t.Helper()
		if code, _ := x.Region(text); code != want {
			t.Errorf("%q: got %q, want %q", text, code, want)
		}
	}
	f("Île-de-France", "11")
	f("Ile-de-France", "11")
	f("Ile de France", "11")
	f("FR-IDF", "11")
	f("Normandy", "28")
	f("Upper Normandy", "28")
	f("Rhone-Alpes", "84")
	f("Corsica", "94")
	f("FR-20R", "94")
	f("FR-", "")
	f("", "")
	f("Bavaria", "")
	if code := x.RegionOfCountry("RE"); code != "04" {
		t.Errorf("RE is in region %q", code)
	}
	if code := x.RegionOfCountry("FR"); code != "" {
		t.Errorf("FR is in region %q", code)
	}
}

func TestCountryCode(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if code, _ := CountryCode(text); code != want {
			t.Errorf("%q: got %q, want %q", text, code, want)
		}
	}
	for _, text := range []string{"FR", "fr", "FRA", "France", "FRANCE", " france ", "250", "République française", "France métropolitaine"} {
		f(text, "FR")
	}
	f("Belgique", "BE")
	f("Belgium", "BE")
	f("BEL", "BE")
	f("UK", "GB")
	f("Royaume-Uni", "GB")
	f("Côte d’Ivoire", "CI")
	f("La Réunion", "RE")
	f("Atlantis", "")
	f("", "")
	f("QQ", "")
}

func TestAFormerCodeIsTodaysCommune(t *testing.T) {
	x := small(t)
	c, ok := x.ByCode("01340") // Saint-Bois merged into Arboys en Bugey in 2016.
	if !ok || c.Code != "01015" {
		t.Errorf("got %+v", c)
	}
	if c, _ := x.ByCode("01015"); c.Name != "Arboys en Bugey" {
		t.Errorf("01015 is %s: the former commune of the same code hides today's", c.Name)
	}
}

func TestABrokenListIsRefused(t *testing.T) {
	f := func(communes, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "communes.json")
		if err := os.WriteFile(path, []byte(communes), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Dataset().Read(path, "testdata/small/departements.json", "testdata/small/regions.json")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(`[{"code":"01001","nom":"A","departement":"00","type":"commune-actuelle"}]`, `department "00"`)
	f(`[{"code":"01001","departement":"01","type":"commune-actuelle"}]`, "entry 1 has no code or no nom")
	f(`[{"code":"01001","nom":"A","departement":"01","type":"commune-actuelle"},{"code":"01001","nom":"A","departement":"01","type":"commune-actuelle"}]`, "twice")
	f(`[{"code":"01001","nom":"A","chefLieu":"01002","type":"commune-deleguee"}]`, `belongs to "01002"`)
	f(`[{"code":"75112","nom":"Paris","commune":"75056","departement":"75","type":"arrondissement-municipal"}]`, "has no number")
	f(`[{"code":`, "communes.json")
	if _, err := Dataset().Read("testdata/small/communes.json"); err == nil || !strings.Contains(err.Error(), "departements.json is missing") {
		t.Errorf("without the departments: %v", err)
	}
}

func TestDensity(t *testing.T) {
	f := func(table, code, want string) {
		t.Helper()
		d, err := parseDensities([]byte(table))
		if err != nil {
			t.Errorf("%q: %v", table, err)
			return
		}
		if got := d.Of(code); got != want {
			t.Errorf("%q: %s is %q, want %q", table, code, got, want)
		}
	}
	f("CODGEO;LIBGEO;DENS\n01001;A;3\n75056;Paris;1\n", "01001", Rural)
	f("CODGEO,LIBGEO,DENS,DENS7\n1001,A,2,3\n75056,Paris,1,1\n", "01001", Intermediate)
	f("CODGEO;DENS\n01001;3\n01002;4\n", "01001", Rural)
	f("\xef\xbb\xbfCode commune;Degr\xe9 densit\xe9\n01001;3\n01002;7\n", "01001", Intermediate)
	f("CODGEO;DENS7\n01001;5\n", "01001", Rural)
	for _, table := range []string{"", "a;b\n", "CODGEO;DENS\n01001;8\n", "CODGEO;DENS\n01001;\n"} {
		if _, err := parseDensities([]byte(table)); err == nil {
			t.Errorf("%q was taken", table)
		}
	}
	x := small(t)
	d, err := parseDensities([]byte("CODGEO;DENS\n75056;1\n69383;1\n01053;2\n"))
	if err != nil {
		t.Fatal(err)
	}
	filled := x.With(d, nil)
	if c, _ := filled.ByCode("75112"); c.Density != Dense {
		t.Errorf("an arrondissement has density %q", c.Density)
	}
	if c, _ := x.ByCode("75112"); c.Density != "" {
		t.Error("the index that was filled has changed")
	}
}

func TestCentres(t *testing.T) {
	f := func(table, code string, want Point) {
		t.Helper()
		c, err := parseCentres([]byte(table))
		if err != nil {
			t.Errorf("%q: %v", table, err)
			return
		}
		if got, _ := c.Of(code); got != want {
			t.Errorf("%q: %s is at %+v, want %+v", table, code, got, want)
		}
	}
	f("#Code_commune_INSEE;Nom_de_la_commune;Code_postal;Libell\xe9_d_acheminement;Ligne_5;coordonnees_geographiques\n01053;BOURG;01000;BOURG;;46.2, 5.2\n", "01053", Point{46.2, 5.2})
	f("Code_commune_INSEE;Nom_commune;Code_postal;coordonnees_gps\n01053;BOURG;01000;46.2/5.2\n", "01053", Point{46.2, 5.2})
	f("code_commune_INSEE,nom_commune_postal,code_postal,latitude,longitude\n1053,BOURG,1000,46.2,5.2\n1053,BOURG,1000,1,1\n", "01053", Point{46.2, 5.2})
	f("code_insee;nom;latitude_centre;longitude_centre\n01053;B;46,2;5,2\n", "01053", Point{46.2, 5.2})
	f("code;lat;lon\n01053;;\n", "01053", Point{})
	for _, table := range []string{"", "code;lat\n", "code;lat;lon\n01053;91;0\n", "code;lat;lon\n01053;a;0\n", "code;_geopoint\n01053;46.2;5\n,NaN\n"} {
		if c, err := parseCentres([]byte(table)); err == nil && len(c.points) > 0 {
			t.Errorf("%q was taken", table)
		}
	}
	// Notre-Dame to the basilica of Fourvière, by a geodesic calculator: 391.6 km.
	if km := Distance(Point{48.8530, 2.3499}, Point{45.7623, 4.8227}); math.Abs(km-391.6) > 2 {
		t.Errorf("Paris and Lyon are %.1f km apart", km)
	}
	if km := Distance(Point{0, 0}, Point{0, 180}); math.Abs(km-math.Pi*earthRadius) > 0.01 {
		t.Errorf("half the equator is %.1f km", km)
	}
}

func FuzzTables(f *testing.F) {
	f.Add("CODGEO;DENS\n01001;3\n")
	f.Add("code_insee,latitude,longitude\n01001,1,2\n")
	f.Add("code;_geopoint\n01001;\"1, 2\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDensities([]byte(text)); err == nil {
			for code, class := range d.classes {
				if class == "" {
					t.Fatalf("%s has no class", code)
				}
			}
		}
		if c, err := parseCentres([]byte(text)); err == nil {
			for code, p := range c.points {
				if math.Abs(p.Latitude) > 90 || math.Abs(p.Longitude) > 180 {
					t.Fatalf("%s is at %+v", code, p)
				}
			}
		}
	})
}

func TestDistanceOfNames(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := distance(a, b, 3); got != want {
			t.Errorf("%s, %s: got %d, want %d", a, b, got, want)
		}
	}
	f("nantes", "nantes", 0)
	f("natnes", "nantes", 1)
	f("nante", "nantes", 1)
	f("nantess", "nantes", 1)
	f("mantes", "nantes", 1)
	f("paris", "nantes", 4)
	f("", "abc", 3)
	f(strings.Repeat("a", 65), strings.Repeat("a", 65), 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[a-d]{0,8}`).Draw(t, "a"), rapid.StringMatching(`[a-d]{0,8}`).Draw(t, "b")
		if distance(a, b, 3) != distance(b, a, 3) || (distance(a, b, 3) == 0) != (a == b) {
			t.Fatalf("%s, %s: %d and %d", a, b, distance(a, b, 3), distance(b, a, 3))
		}
	})
}

func BenchmarkFind(b *testing.B) {
	x := installed(b)
	for _, typed := range []string{"75012|Paris", "69427|LYON CEDEX 03", "11000|Carcasonne", "|Nice, Provence-Alpes-Côte d'Azur"} {
		b.Run(typed, func(b *testing.B) {
			a := typedAs(typed)
			b.ReportAllocs()
			for b.Loop() {
				x.Find(a)
			}
		})
	}
}
