package enricher

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/shop"
)

func shopsOf(t testing.TB, text string) reference.Edition {
	t.Helper()
	directory, err := shop.Parse("shops.csv", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return reference.Edition{Dataset: shop.Data, Sum: "000000000000", Loaded: reference.Loaded{Table: directory}}
}

func centresOf(t testing.TB, text string) reference.Edition {
	t.Helper()
	path := filepath.Join(t.TempDir(), "laposte_hexasmal.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := place.Datasets()
	dataset := all[slices.IndexFunc(all, func(d reference.Dataset) bool { return d.Name == place.CentresData })]
	edition, err := dataset.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return edition
}

const twoBranches = `id;nom;enseigne;cp;ville;latitude;longitude;horaires
LYO01;Lyon Part-Dieu;Maison;69003;Lyon;45.7606;4.8593;Mo-Sa 10:00-20:00; PH off
LEH01;Le Havre;Maison;76600;Le Havre;;;
ANY01;Quelque part;;01300;;;;
BAD01;Faute;;69003;Lion;;;
`

const someCentres = "code_commune_insee;coordonnees_geographiques\n75112;48.8352,2.4214\n76351;49.4985,0.1402\n69383;45.7535,4.8692\n"

func TestShop(t *testing.T) {
	shops := strings.ReplaceAll(twoBranches, "Mo-Sa 10:00-20:00; PH off", `"Mo-Sa 10:00-20:00; PH off"`)
	link := linkWith(t, newShop, communesOf(t), shopsOf(t, shops), centresOf(t, someCentres))
	at := schemas.MillisOf(time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC))
	f := func(id string, when schemas.Millis, home string, want Outcome, wantShop schemas.Shop) {
		t.Helper()
		event := &schemas.IdentifiedTouchpoint{}
		event.OccurredAt, event.Context.Store.StoreID = when, id
		added := &Suffix{}
		if home != "" {
			added.Home = schemas.Some(schemas.Home{CommuneCode: home})
		}
		if got := link.Apply(event, added); got != want {
			t.Errorf("%s: got %+v, want %+v", id, got, want)
		}
		if diff := cmp.Diff(wantShop, added.Shop.Value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	lyon := schemas.Shop{
		Name: "Lyon Part-Dieu", Banner: "Maison", PostalCode: "69003", CommuneCode: "69383", DepartmentCode: "69", RegionCode: "84",
		Open: schemas.Some(true), DistanceKm: schemas.Some(388.1),
	}
	f("LYO01", at, "75112", Applied(), lyon)
	lyon.DistanceKm = schemas.Optional[float64]{}
	f("LYO01", at, "", Applied(), lyon)
	f("LYO01", at, "59350", Applied(), lyon) // Its centre is not in the file.
	lyon.Open = schemas.Some(false)
	f("LYO01", schemas.MillisOf(time.Date(2026, 7, 14, 12, 0, 0, 0, time.UTC)), "", Applied(), lyon)
	lyon.Open = schemas.Optional[bool]{}
	f("LYO01", 0, "", Applied(), lyon)
	f("LEH01", at, "76351", Applied(), schemas.Shop{
		Name: "Le Havre", Banner: "Maison", PostalCode: "76600", CommuneCode: "76351", DepartmentCode: "76", RegionCode: "28", DistanceKm: schemas.Some(0.0),
	})
	f("ANY01", at, "", Applied(), schemas.Shop{Name: "Quelque part", PostalCode: "01300", CommuneCode: "01034", DepartmentCode: "01", RegionCode: "84"})
	f("BAD01", at, "76351", Applied(), schemas.Shop{Name: "Faute", PostalCode: "69003", DepartmentCode: "69", RegionCode: "84"})
	f("nobody", at, "", Skipped(reasonUnknownShop), schemas.Shop{})
	f("", at, "", Skipped(reasonNoShop), schemas.Shop{})
	if got := linkWith(t, newShop, communesOf(t)).Apply(&schemas.IdentifiedTouchpoint{}, &Suffix{}); got != Skipped(reasonNoData) {
		t.Errorf("without shops: %+v", got)
	}
	alone := linkWith(t, newShop, shopsOf(t, shops))
	event, added := &schemas.IdentifiedTouchpoint{}, &Suffix{}
	event.Context.Store.StoreID = "LYO01"
	if got := alone.Apply(event, added); got != Applied() || added.Shop.Value.CommuneCode != "" || added.Shop.Value.DepartmentCode != "69" {
		t.Errorf("without communes: %+v %+v", got, added.Shop.Value)
	}
}

func BenchmarkShopLink(b *testing.B) {
	shops := strings.ReplaceAll(twoBranches, "Mo-Sa 10:00-20:00; PH off", `"Mo-Sa 10:00-20:00; PH off"`)
	link := linkWith(b, newShop, communesOf(b), shopsOf(b, shops), centresOf(b, someCentres))
	event, added := &schemas.IdentifiedTouchpoint{}, &Suffix{Home: schemas.Some(schemas.Home{CommuneCode: "75112"})}
	event.OccurredAt, event.Context.Store.StoreID = schemas.MillisOf(time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC)), "LYO01"
	b.ReportAllocs()
	for b.Loop() {
		link.Apply(event, added)
	}
}
