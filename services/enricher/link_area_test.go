package enricher

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/area"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// makeLink makes one link of a French workspace with these editions.
func makeLink(t testing.TB, maker func(parts) (Enrichment, error), currency string, editions ...reference.Edition) Enrichment {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.Currency = currency
	link, err := maker(parts{cfg: DefaultConfig(), workspace: ws, data: reference.NewSnapshot(editions...), lasting: &lasting{}})
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// editionOf reads a data set from text.
func editionOf(t testing.TB, dataset reference.Dataset, text string) reference.Edition {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	edition, err := dataset.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return edition
}

// installed reads a data set from its publisher's files, which the project does not carry.
func installed(t testing.TB, dataset reference.Dataset, paths ...string) reference.Edition {
	t.Helper()
	edition, err := dataset.Read(paths...)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the files of %s are not here: %v", dataset.Name, paths)
	}
	if err != nil {
		t.Fatal(err)
	}
	return edition
}

func TestAreaOfResidence(t *testing.T) {
	data := area.Datasets()
	communes := editionOf(t, data[0], "CODGEO;NBPERSMENFISC21;MED21;TP6021\n01001;100;20000;12,5\n01002;100;30000;s\n01003;s;s;s\n75056;100;29000;16,0\n")
	iris := editionOf(t, data[1], "IRIS;DISP_MED21;DISP_TP6021\n010010101;31000;5,0\n010010102;ns;ns\n")
	ages := editionOf(t, data[2], "CODGEO;P22_POP;P22_POP0014;P22_POP1529;P22_POP6074;P22_POP7589;P22_POP90P\n01001;1000;200;150;150;80;20\n97105;10;5;0;1;1;0\n")
	link := makeLink(t, newArea, "EUR", communes, iris, ages)
	f := func(name, commune, traits string, want schemas.Optional[schemas.Area], reason string) {
		t.Helper()
		var event schemas.IdentifiedTouchpoint
		event.Traits = traits
		var added Suffix
		if commune != "-" {
			added.Home = schemas.Some(schemas.Home{CommuneCode: commune})
		}
		outcome := link.Apply(&event, &added)
		if outcome.Reason != reason {
			t.Errorf("%s: %+v, want %q", name, outcome, reason)
		}
		if diff := cmp.Diff(want, added.Area); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	young, old := schemas.Some(35.0), schemas.Some(25.0)
	first := schemas.Some(schemas.Area{
		Level: "commune", Code: "01001", Year: schemas.Some[int32](2021), Status: "known", MedianIncome: schemas.Some[int32](20000),
		IncomeQuintile: schemas.Some[int32](1), IncomeDecile: schemas.Some[int32](1), PovertyRate: schemas.Some(12.5), Under30: young, Over60: old,
	})
	part := schemas.Some(schemas.Area{
		Level: "iris", Code: "010010101", Year: schemas.Some[int32](2021), Status: "known", MedianIncome: schemas.Some[int32](31000),
		IncomeQuintile: schemas.Some[int32](5), IncomeDecile: schemas.Some[int32](10), PovertyRate: schemas.Some(5.0),
	})
	none := schemas.Optional[schemas.Area]{}
	f("a commune", "01001", "{}", first, "")
	f("an IRIS in it", "01001", `{"iris":"010010101"}`, part, "")
	f("an IRIS as a number", "01001", `{"iris_code":010010101}`, first, "") // JSON has no such number: the zero is lost, and so is the IRIS.
	f("an IRIS without a residence", "-", `{"iris_code":"010010101"}`, part, "")
	f("an IRIS of another commune is out of date", "01002", `{"iris":"010010101"}`, schemas.Some(schemas.Area{
		Level: "commune", Code: "01002", Year: schemas.Some[int32](2021), Status: "partly_withheld", MedianIncome: schemas.Some[int32](30000),
		IncomeQuintile: schemas.Some[int32](4), IncomeDecile: schemas.Some[int32](7),
	}), "")
	f("an IRIS that is withheld: its commune", "-", `{"iris":"010010102"}`, first, "")
	f("withheld", "01003", "", schemas.Some(schemas.Area{Level: "commune", Code: "01003", Year: schemas.Some[int32](2021), Status: "withheld"}), "")
	f("overseas", "97105", "", schemas.Some(schemas.Area{
		Level: "commune", Code: "97105", Year: schemas.Some[int32](2022), Status: "unknown", Under30: schemas.Some(50.0), Over60: schemas.Some(20.0),
	}), "")
	f("no residence", "-", `{"irises": true}`, none, "no_home")
	f("abroad", "", "", none, "no_commune")
	var silent schemas.IdentifiedTouchpoint
	known := Suffix{Permissions: newPolicy(DefaultPurposes()).ask(&silent, nil), Known: &attributes.Known{IRIS: "010010101"}, Home: schemas.Some(schemas.Home{CommuneCode: "01001"})}
	link.Apply(new(schemas.IdentifiedTouchpoint), &known)
	if diff := cmp.Diff(part, known.Area); diff != "" {
		t.Errorf("an IRIS that was stated before: %s", diff)
	}
	without := makeLink(t, newArea, "EUR")
	if outcome := without.Apply(new(schemas.IdentifiedTouchpoint), new(Suffix)); outcome.Reason != reasonNoData {
		t.Errorf("without data: %+v", outcome)
	}
	if v := link.Describe().Version; strings.Count(v, "@") != 3 || !strings.HasPrefix(v, area.Version+"+filosofi_communes@") {
		t.Errorf("version %s", v)
	}
}

// The people whom the simulator makes live in towns whose incomes are known.
func TestIncomesOfTheSimulatorsTownsAreKnown(t *testing.T) {
	const packed = "../../.cache/reference/"
	where := installed(t, place.Dataset(), packed+"communes.json", packed+"departements.json", packed+"regions.json")
	incomes := installed(t, area.Datasets()[0], "../../../shared/data/filosofi-2021-communes.csv")
	places, areas := makeLink(t, newPlace, "EUR", where), makeLink(t, newArea, "EUR", incomes)
	file, err := os.Open("../../cmd/parcours/simulate/data/towns.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all, known float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		cells := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(cells[0], "#") || len(cells) < 3 {
			continue
		}
		weight, err := strconv.ParseFloat(cells[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		var event schemas.IdentifiedTouchpoint
		event.Person = schemas.Some(schemas.Person{City: cells[0], PostalCode: cells[1]})
		var added Suffix
		places.Apply(&event, &added)
		areas.Apply(&event, &added)
		all += weight
		if a := added.Area.Value; added.Home.Value.RegionCode != "" && a.MedianIncome.Valid && a.IncomeQuintile.Valid {
			known += weight
		} else {
			t.Logf("%s %s (weight %s): home %q, area %q", cells[0], cells[1], cells[2], added.Home.Value.CommuneCode, a.Status)
		}
	}
	t.Logf("median income, quintile and region of %.2f %% of the people", 100*known/all)
	if all == 0 || known < 0.97*all {
		t.Errorf("known of %.2f %% only", 100*known/all)
	}
}

func BenchmarkLinkArea(b *testing.B) {
	link := makeLink(b, newArea, "EUR", installed(b, area.Datasets()[0], "../../../shared/data/filosofi-2021-communes.csv"))
	var event schemas.IdentifiedTouchpoint
	event.Traits, event.Properties = `{"loyalty_tier":"gold","preferred_store":"PAR01"}`, `{"section":"homme","position":3}`
	var added Suffix
	added.Home = schemas.Some(schemas.Home{CommuneCode: "75111"})
	b.ReportAllocs()
	for b.Loop() {
		link.Apply(&event, &added)
	}
}
