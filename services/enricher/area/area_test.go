package area

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"pgregory.net/rapid"
)

const sharedData = "../../../../shared/data/"

// published reads a publisher's file, which the project does not carry.
func published(t testing.TB, dataset int, name string) *Income {
	t.Helper()
	if _, err := os.Stat(sharedData + name); errors.Is(err, os.ErrNotExist) {
		t.Skipf("the file %s of the publisher is not here", name)
	}
	edition, err := Datasets()[dataset].Read(sharedData + name)
	if err != nil {
		t.Fatal(err)
	}
	return edition.Loaded.Table.(*Income)
}

func realStatistics(t testing.TB) *Statistics {
	return New(published(t, 0, "filosofi-2021-communes.csv"), published(t, 1, "filosofi-2021-iris.csv"), nil)
}

const communesCSV = `CODGEO;NBMENFISC19;NBPERSMENFISC19;MED19;TP6019;TP60AGE119;D119;D919
01001;346;100;10000;50,0;s;s;s
01002;115;100;20000;s;s;s;s
01003;s;s;s;s;s;s;s
01004;1;100;30000;5,5;s;s;s
01005;nd;nd;nd;nd;nd;nd;nd
01006;1;100;40000;s;s;s;s
2A004;1;100;50000;s;s;s;s
75056;1;1000000;49999;16,0;s;s;s
75101;1;0;21000;16,0;s;s;s
`

const irisCSV = `IRIS;DISP_TP6020;DISP_INCERT20;DISP_Q120;DISP_MED20;DISP_NOTE20
010010101;43,0;2;1;20500;0
010010102;ns;so;ns;ns;so
`

func readAll(t testing.TB, communes, iris string, ages ...string) *Statistics {
	t.Helper()
	c, err := ReadCommunes(strings.NewReader(communes))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ReadIRIS(strings.NewReader(iris))
	if err != nil {
		t.Fatal(err)
	}
	r := newAgesReader()
	for _, file := range ages {
		if err := r.read(strings.NewReader(file)); err != nil {
			t.Fatal(err)
		}
	}
	return New(c, i, r.table())
}

func TestAreas(t *testing.T) {
	s := readAll(t, communesCSV, irisCSV)
	commune := func(code string, want Area, found bool) {
		t.Helper()
		got, ok := s.Commune(code)
		if diff := cmp.Diff(want, got); diff != "" || ok != found {
			t.Errorf("%s: %t %s", code, ok, diff)
		}
	}
	commune("01001", Area{Level: "commune", Code: "01001", Year: 2019, Status: Known, Median: 10000, Quintile: 1, Decile: 1, Poverty: 50, HasPoverty: true}, true)
	commune("01002", Area{Level: "commune", Code: "01002", Year: 2019, Status: PartlyWithheld, Median: 20000, Quintile: 2, Decile: 3}, true)
	commune("01003", Area{Level: "commune", Code: "01003", Year: 2019, Status: Withheld}, true)
	commune("01005", Area{Level: "commune", Code: "01005", Year: 2019, Status: Unknown}, true)
	commune("2A004", Area{Level: "commune", Code: "2A004", Year: 2019, Status: PartlyWithheld, Median: 50000, Quintile: 5, Decile: 9}, true)
	commune("97105", Area{Level: "commune", Code: "97105", Status: Unknown}, false)
	commune("", Area{Level: "commune", Status: Unknown}, false)
	commune("é", Area{Level: "commune", Code: "é", Status: Unknown}, false)
	// An arrondissement that is not in the file is answered by its city.
	commune("75102", Area{Level: "commune", Code: "75056", Year: 2019, Status: Known, Median: 49999, Quintile: 5, Decile: 9, Poverty: 16, HasPoverty: true}, true)
	iris := func(code string, want Area, found bool) {
		t.Helper()
		got, ok := s.IRIS(code)
		if ok != found || (ok && cmp.Diff(want, got) != "") {
			t.Errorf("%s: %t %s", code, ok, cmp.Diff(want, got))
		}
	}
	// The year is that of the IRIS, the ranks are those of the communes.
	iris("010010101", Area{Level: "iris", Code: "010010101", Year: 2020, Status: Known, Median: 20500, Quintile: 3, Decile: 5, Poverty: 43, HasPoverty: true}, true)
	iris("010010102", Area{}, false)
	iris("010010103", Area{}, false)
	iris("01001", Area{}, false)
}

// A city that stands in the file beside its arrondissements must not count twice.
func TestTheWholeCityIsNotCountedBesideItsParts(t *testing.T) {
	s := readAll(t, communesCSV, irisCSV)
	if got, want := s.communes.Boundaries(), [9]int{10000, 10000, 20000, 20000, 30000, 30000, 40000, 40000, 50000}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	alone := strings.Replace(communesCSV, "75101;1;0;21000;16,0;s;s;s\n", "", 1)
	if got := readAll(t, alone, irisCSV).communes.Boundaries(); got[4] != 49999 {
		t.Errorf("Paris has no arrondissement in the file and does not count: %v", got)
	}
}

// Declared incomes are another concept: they are marked, and ranked among themselves.
func TestDeclaredIncomeIsMarked(t *testing.T) {
	s := readAll(t, communesCSV, strings.ReplaceAll(irisCSV, "DISP_", "DEC_"))
	got, ok := s.IRIS("010010101")
	if !ok || got.Level != LevelIRISDeclared || got.Decile != 1 {
		t.Errorf("got %+v %t", got, ok)
	}
}

const (
	communeAges = `CODGEO;P22_POP;P22_POP0014;P22_POP1529;P22_POP3044;P22_POP4559;P22_POP6074;P22_POP7589;P22_POP90P;P16_POP;P16_POP0014
01001;1000;200;150;200;200;150;80;20;900;1
01009;s;s;s;s;s;s;s;s;s;s
97105;10;5;5;0;0;0;0;0;9;9
`
	irisAges = `"IRIS";"COM";"LAB_IRIS";"P21_POP";"P21_POP0014";"P21_POP1529";"P21_POP6074";"P21_POP75P"
"010010101";"01001";"1";"400.5";"100.1";"100.2";"0";"40.05"
"020020101";"02002";"1";"100";"10";"10";"20";"20"
"020020102";"02002";"1";"300";"30";"30";"90,5";"29,5"
`
)

func TestAges(t *testing.T) {
	s := readAll(t, communesCSV, irisCSV, irisAges, communeAges)
	f := func(name string, a Area, under, over float64) {
		t.Helper()
		if !a.HasAges || a.Under30 != under || a.Over60 != over {
			t.Errorf("%s: got %+v", name, a)
		}
	}
	commune := func(code string) Area { a, _ := s.Commune(code); return a }
	f("the row of the commune wins over the sum of its IRIS", commune("01001"), 35, 25)
	f("IRIS add up to the commune", commune("02002"), 20, 40)
	f("overseas has ages and no income", commune("97105"), 100, 0)
	if a := commune("97105"); a.Status != Unknown || a.Year != 2022 {
		t.Errorf("%+v", a)
	}
	i, _ := s.IRIS("010010101")
	f("an IRIS", i, 50, 10)
	if a := commune("01009"); a.HasAges {
		t.Errorf("what is withheld is there: %+v", a)
	}
}

func TestBrokenFiles(t *testing.T) {
	income := func(file, want string) {
		t.Helper()
		if _, err := ReadCommunes(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", file, err)
		}
	}
	income("", "empty")
	income("<html>", "another file")
	income("CODGEO;MED21;TP6021\n", "NBPERSMENFISC21")
	income("CODGEO;MED21\n", "TP6021")
	income("CODGEO;MED21;TP6020;NBPERSMENFISC21\n", "TP6021")
	const head = "CODGEO;MED21;TP6021;NBPERSMENFISC21\n"
	income(head+"01001;1;1\n", "wrong number of fields")
	income(head+"1001;1;1;1\n", "no code")
	income(head+"01001;1;1;1\n01001;1;1;1\n", "twice")
	income(head+"01001;abc;1;1\n", "line 2: median")
	income(head+"01001;1;101;1\n", "poverty")
	income(head+"01001;-5;1;1\n", "median")
	income(head+"01001;5;1;x\n", "persons")
	income("CODGEO;CODGEO\n", "twice")
	ages := func(file, want string) {
		t.Helper()
		if err := newAgesReader().read(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", file, err)
		}
	}
	ages("a;b\n", "CODGEO")
	ages("CODGEO;x\n", "P21_POP")
	ages("CODGEO;P21_POP\n", "P21_POP0014")
	const some = "CODGEO;P21_POP;P21_POP0014;P21_POP1529;P21_POP6074;P21_POP75P\n"
	ages(some+"01001;1;1;1;1;1\n", "more young")
	ages(some+"01001;5;1;1;1;1\n01001;5;1;1;1;1\n", "twice")
	ages(some+"x;5;1;1;1;1\n", "no code")
	if edition, err := Datasets()[0].Read("testdata/areas.txt"); err == nil {
		t.Errorf("took %+v", edition)
	}
}

// The golden file was written by another program from the same files.
func TestGoldenAreas(t *testing.T) {
	s := realStatistics(t)
	file, err := os.Open("testdata/areas.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		code, want, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		cases++
		a, found := s.IRIS(code)
		if !found {
			a, _ = s.Commune(code[:5])
		}
		if got := text(a); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", code, got, want)
		}
		if a.Median != 0 && a.Year != 2021 {
			t.Errorf("%s: year %d", code, a.Year)
		}
	}
	if cases < 30 {
		t.Errorf("only %d cases", cases)
	}
}

func text(a Area) string {
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprint(n)
	}
	poverty := "-"
	if a.HasPoverty {
		poverty = fmt.Sprintf("%.1f", a.Poverty)
	}
	return strings.Join([]string{a.Level, a.Code, a.Status, number(a.Median), number(a.Decile), number(a.Quintile), poverty}, " ")
}

// Fifths of people are fifths, up to the one area that stands on the boundary.
func TestQuintilesSplitPeopleInFifths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		areas := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) weighted {
			return weighted{median: rapid.Int32Range(5_000, 60_000).Draw(t, "median"), people: rapid.Int64Range(0, 10_000).Draw(t, "people")}
		}), 1, 300).Draw(t, "areas")
		areas[0].people++
		b := cut(areas)
		var all int64
		at := map[int32]int64{}
		for _, a := range areas {
			all += a.people
			at[a.median] += a.people
		}
		for k, boundary := range b {
			var below int64
			for median, people := range at {
				if b.decile(median) <= k+1 {
					below += people
				}
			}
			// At least k tenths are in the first k, and without those who share the boundary's median fewer than k.
			if below*10 < all*int64(k+1) || (below-at[boundary])*10 >= all*int64(k+1) {
				t.Fatalf("boundary %d at %d: %d of %d people", k+1, boundary, below, all)
			}
		}
	})
}

func TestRealQuintilesSplitPeopleInFifths(t *testing.T) {
	table := published(t, 0, "filosofi-2021-communes.csv")
	b := table.Boundaries()
	for i := 1; i < len(b); i++ {
		if b[i] <= b[i-1] {
			t.Errorf("the boundaries do not rise: %v", b)
		}
	}
	t.Logf("boundaries of the tenths: %v", b)
}

func TestRealFilesAreLargeEnough(t *testing.T) {
	for i, name := range []string{"filosofi-2021-communes.csv", "filosofi-2021-iris.csv"} {
		if rows := len(published(t, i, name).figures); rows < Datasets()[i].Least {
			t.Errorf("%s: %d rows, and %d are wanted", name, rows, Datasets()[i].Least)
		}
	}
}

func FuzzIncome(f *testing.F) {
	f.Add(communesCSV)
	f.Add(irisCSV)
	f.Add("CODGEO;MED21;TP6021;NBPERSMENFISC21\n01001;1e3;0,1;5\n")
	f.Add("\xef\xbb\xbfCODGEO;MED68;TP6068;NBPERSMENFISC68\n\"01001\";s;nd;ns\n")
	f.Fuzz(func(t *testing.T, file string) {
		for _, read := range []func() (*Income, error){
			func() (*Income, error) { return ReadCommunes(strings.NewReader(file)) },
			func() (*Income, error) { return ReadIRIS(strings.NewReader(file)) },
		} {
			table, err := read()
			if err != nil {
				continue
			}
			for i := 1; i < len(table.boundaries); i++ {
				if table.boundaries[i] < table.boundaries[i-1] {
					t.Fatalf("the boundaries fall: %v", table.boundaries)
				}
			}
			for _, figures := range table.figures {
				if figures.median > 0 && (table.boundaries.decile(figures.median) < 1 || table.boundaries.decile(figures.median) > 10) {
					t.Fatalf("decile of %+v", figures)
				}
			}
		}
	})
}

func FuzzAges(f *testing.F) {
	f.Add(communeAges)
	f.Add(irisAges)
	f.Fuzz(func(t *testing.T, file string) {
		r := newAgesReader()
		if r.read(strings.NewReader(file)) != nil {
			return
		}
		for _, share := range r.table().shares {
			if share.under30 < 0 || share.over60 < 0 || share.under30 > 1002 || share.over60 > 1002 {
				t.Fatalf("share %+v", share)
			}
		}
	})
}

func BenchmarkCommune(b *testing.B) {
	s := realStatistics(b)
	codes := []string{"75101", "59512", "01001", "13203", "97105", "2A004"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Commune(codes[i%len(codes)])
	}
}

func BenchmarkLoad(b *testing.B) {
	published(b, 0, "filosofi-2021-communes.csv")
	for _, name := range []string{"filosofi-2021-communes.csv", "filosofi-2021-iris.csv"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dataset := Datasets()[0]
				if strings.Contains(name, "iris") {
					dataset = Datasets()[1]
				}
				if _, err := dataset.Load([]reference.File{{Name: name, Path: sharedData + name}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
