package firstname

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

const sharedFile = "../../../../shared/data/prenoms-insee-1900-2024.parquet"

var loaded *Names

// published reads the publisher's file, which the project does not carry.
func published(t testing.TB) *Names {
	t.Helper()
	if loaded != nil {
		return loaded
	}
	if _, err := os.Stat(sharedFile); errors.Is(err, os.ErrNotExist) {
		t.Skip("the publisher's file of first names is not here")
	}
	edition, err := Dataset().Read(sharedFile)
	if err != nil {
		t.Fatal(err)
	}
	if edition.Loaded.Rows < Dataset().Least {
		t.Errorf("%d rows, and %d are wanted", edition.Loaded.Rows, Dataset().Least)
	}
	loaded = edition.Loaded.Table.(*Names)
	return loaded
}

func read(t testing.TB, file []byte) *Names {
	t.Helper()
	names, err := Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

const smallCSV = `sexe;preusuel;annais;nombre
1;_PRENOMS_RARES;1990;900
2;CAMILLE;1950;10
1;CAMILLE;1950;30
2;CAMILLE;1990;100
2;CAMILLE;XXXX;999
1;KÉVIN;1991;50
1;KEVIN;1991;150
1;JEAN-PIERRE;1950;100
1;JEAN;1940;400
2;ŒNONE;1981;5
2;J;1981;5
2;MISS;1990;5
`

type row struct {
	Sexe   string `parquet:"sexe,optional"`
	Prenom string `parquet:"prenom,optional"`
	Annee  int32  `parquet:"annais"`
	Nombre int64  `parquet:"nombre"`
}

func smallParquet(t testing.TB) []byte {
	t.Helper()
	var file bytes.Buffer
	rows := []row{{"2", "CAMILLE", 1950, 10}, {"1", "CAMILLE", 1950, 30}, {"2", "CAMILLE", 1990, 100}, {"1", "KÉVIN", 1991, 50}, {"1", "KEVIN", 1991, 150}}
	if err := parquet.Write(&file, rows); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func line(names *Names, typed string, year int) string {
	e, ok := names.Of(typed, year)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f %d %.3f %s %.3f %.0f", e.Female, e.Decade, e.DecadeProbability, e.Band, e.BandProbability, e.People)
}

// The golden file was written by another program from the same edition.
func TestGoldenNames(t *testing.T) {
	names := published(t)
	file, err := os.Open("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), " | ")
		if len(cells) != 3 {
			t.Fatalf("%q has not three cells", lines.Text())
		}
		var year int
		if _, err := fmt.Sscan(cells[1], &year); err != nil {
			t.Fatal(err)
		}
		cases++
		if got := line(names, cells[0], year); got != cells[2] {
			t.Errorf("%s in %d\ngot  %s\nwant %s", cells[0], year, got, cells[2])
		}
	}
	if cases < 60 {
		t.Errorf("only %d cases", cases)
	}
}

func TestSmallFiles(t *testing.T) {
	names := read(t, []byte("\xef\xbb\xbf"+smallCSV))
	f := func(typed string, year int, want string) {
		t.Helper()
		if got := line(names, typed, year); got != want {
			t.Errorf("%s in %d\ngot  %s\nwant %s", typed, year, got, want)
		}
	}
	f("Camille", 1950, "0.250 1950 1.000 under_18 1.000 40")
	f("Kévin", 1991, "0.000 1990 1.000 under_18 1.000 200") // Both spellings are one name.
	f("Kévin", 1990, "-")                                   // Nobody of that name was born.
	f("Camille", 2100, "1.000 1990 1.000 75+ 1.000 0")      // A woman of 110.
	f("Œnone", 1999, "1.000 1980 1.000 under_18 0.500 5")   // Half of them had their birthday.
	f("Jean Pierre", 1950, "0.000 1950 1.000 under_18 1.000 100")
	f("Jean Kévin", 1940, "0.000 1940 1.000 under_18 1.000 400")
	f("Kévin Jean", 1991, "0.000 1990 1.000 under_18 1.000 200")
	f("J", 2000, "-")
	f("Miss Camille", 2000, "-") // What stands behind a title may be a last name.
	f("_PRENOMS_RARES", 1990, "-")
	if p := read(t, smallParquet(t)); line(p, "camille", 1995) != line(names, "camille", 1995) || line(p, "Kevin", 1995) != line(names, "Kevin", 1995) {
		t.Error("the Parquet file says something else than the CSV file")
	}
}

func TestBrokenFiles(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		if _, err := Read(strings.NewReader(file), int64(len(file))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v", file, err)
		}
	}
	const head = "sexe;preusuel;annais;nombre\n"
	f("", "EOF")
	f("sexe;preusuel;annais\n", "nombre")
	f("a;b;c;d\n", "sexe")
	f(head, "no birth")
	f(head+"3;A;1990;5\n", "sex")
	f(head+"1;AA;199;5\n", "year")
	f(head+"1;AA;1990;x\n", "number of births")
	f(head+"1;AA;1990;-5\n", "births")
	f(head+"1;AA;1990;99999999\n", "births")
	f(head+"1;AA;1990\n", "wrong number of fields")
	f("PAR1 and nothing else", "cut off")
	f("PAR1", "cut off")
	whole := string(smallParquet(t))
	f(whole[:len(whole)/2], "cut off")
	f(whole[:len(whole)-8]+"\xff\xff\xff\xffPAR1", "cut off") // A footer of 4 GB, for which the library would take memory first.
}

func TestFullNames(t *testing.T) {
	f := func(full, last, want string) {
		t.Helper()
		got, ok := FromFullName(full, last)
		if (want == "") == ok || (ok && got != want) {
			t.Errorf("%q, %q: got %q %t, want %q", full, last, got, ok, want)
		}
	}
	f("Jean-Pierre DUPONT", "", "Jean-Pierre")
	f("DUPONT Jean-Pierre", "", "Jean-Pierre")
	f("DE LA TOUR Anne Marie", "", "Anne Marie")
	f("Dupont, Jean", "", "Jean")
	f("Mme Jeanne DUPONT", "", "Jeanne")
	f("Jean Martin", "Martin", "Jean")
	f("Martin Jean", "MARTIN", "Jean")
	f("M. Jean Martin", "martin", "Jean")
	f("Jean Martin", "", "")
	f("JEAN MARTIN", "", "")
	f("jean martin", "", "")
	f("M. DUPONT", "", "")
	f("DUPONT", "", "")
	f("", "", "")
	f("Jean & Marie DUPONT", "", "")
	f("Jean DUPONT Marie", "", "")
	f(", Jean", "", "")
	f("Martin", "Martin", "")
	f("Jean Lemartin", "Martin", "")
}

func TestProbabilitiesAddUp(t *testing.T) {
	names := read(t, []byte(smallCSV))
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.SampledFrom([]string{"Camille", "Kévin", "Jean", "Jean-Pierre", "Œnone"}).Draw(t, "name")
		checkSpread(t, names, typed, rapid.IntRange(1790, 2210).Draw(t, "year"))
	})
	if loaded != nil {
		for name := range loaded.places {
			checkSpread(t, loaded, name, 2026)
		}
	}
}

type failer interface{ Fatalf(string, ...any) }

func checkSpread(t failer, names *Names, typed string, year int) {
	var s Spread
	if !names.Spread(typed, year, &s) {
		return
	}
	all := s.People[female] + s.People[male]
	var decades, bands float64
	for i, people := range s.Decades {
		decades += people
		if people > 0 && firstYear+10*i > year {
			t.Fatalf("%s in %d: %f were born in the decade of %d", typed, year, people, firstYear+10*i)
		}
	}
	for _, people := range s.Bands {
		bands += people
	}
	if math.Abs(decades-all) > 1e-6*all || math.Abs(bands-all) > 1e-6*all {
		t.Fatalf("%s in %d: %f people, %f by decade, %f by band", typed, year, all, decades, bands)
	}
	e := s.Estimate()
	for _, p := range []float64{e.Female, e.DecadeProbability, e.BandProbability} {
		if !(p >= 0 && p <= 1) {
			t.Fatalf("%s in %d: %+v", typed, year, e)
		}
	}
}

func TestSurvivalFalls(t *testing.T) {
	for sex := range sexes {
		for age := range 130 {
			if survival(sex, age+1) > survival(sex, age) {
				t.Errorf("sex %d: more live at %d than at %d", sex, age+1, age)
			}
		}
		if survival(sex, 0) != 1 || survival(sex, 115) != 0 || survival(sex, -1) != 0 || len(survivors[sex]) != len(survivors[0]) {
			t.Errorf("sex %d: the ends are wrong", sex)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(smallCSV))
	f.Add([]byte("sexe;prenom;periode;valeur\n1;A-B;1990;3\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if bytes.HasPrefix(file, parquetMark) {
			return // FuzzParquet has these.
		}
		names, err := Read(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for name := range names.places {
			checkSpread(t, names, name, 2026)
		}
	})
}

func FuzzParquet(f *testing.F) {
	f.Add(smallParquet(f))
	f.Fuzz(func(_ *testing.T, file []byte) {
		if len(file) > 64<<10 {
			return
		}
		_, _ = Read(bytes.NewReader(file), int64(len(file)))
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"Jean-Pierre", "Marie, Anne", "J.-P.", "Mme Œuvrard", "é́́", "Mme Jeanne DUPONT", strings.Repeat("a-", 40)} {
		f.Add(seed, "Dupont")
	}
	f.Fuzz(func(t *testing.T, typed, last string) {
		var space [maxName]byte
		folded, ok := fold(space[:0], typed)
		if ok {
			again, same := fold(nil, string(folded))
			if !same || !bytes.Equal(folded, again) {
				t.Fatalf("%q folds to %q and that to %q %t", typed, folded, again, same)
			}
		}
		if first, ok := FromFullName(typed, last); ok && strings.TrimSpace(first) == "" {
			t.Fatalf("%q, %q: an empty first name", typed, last)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	names := published(b)
	typed := []string{"Monique", "Kévin", "Camille", "Jean Pierre", "Xyzzy", "Marie Claude Françoise"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		names.Of(typed[i%len(typed)], 2026)
	}
}

func BenchmarkLoad(b *testing.B) {
	names := published(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Dataset().Read(sharedFile); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(names.Len()), "names")
	b.ReportMetric(float64(names.Bytes()), "birth-bytes")
}
