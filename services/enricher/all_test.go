package enricher

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

// everywhere is where tests find real reference data: what `make data` installs, and files beside the project that not everybody has.
var everywhere = []string{"../../.cache/reference", "../../../shared/data"}

const someShops = `id,name,address,postal_code,city,latitude,longitude,opening_hours
042,Lyon Part-Dieu,17 rue du Docteur Bouchut,69003,Lyon,45.7606,4.8556,Mo-Sa 09:30-20:00
`

// realData is a snapshot of all that there is on this machine, loaded once for all tests. It skips where a data set of the list is absent.
func realData(t testing.TB, needed ...string) *reference.Snapshot {
	t.Helper()
	data, err := loadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range needed {
		if data.Version(name) != "" {
			continue
		}
		if dataset := slices.IndexFunc(Datasets(), func(d reference.Dataset) bool { return d.Name == name }); dataset >= 0 &&
			Datasets()[dataset].Package != nil && os.Getenv("PARCOURS_REQUIRE_TOOLS") == "1" {
			t.Fatalf("the data set %s is not installed, and PARCOURS_REQUIRE_TOOLS=1 requires it: make data", name)
		}
		t.Skipf("no file of the data set %s is there: `make data` installs some, docs/how-to/reference-data.md says where the rest is", name)
	}
	return data
}

var loadAll = sync.OnceValues(func() (_ *reference.Snapshot, err error) {
	own, err := os.MkdirTemp("", "parcours-test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	rates, err := os.ReadFile("money/testdata/eurofxref-hist-invented.csv")
	if err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{"shops.csv": []byte(someShops), "eurofxref-hist.csv": rates} {
		if err := os.WriteFile(filepath.Join(own, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	cfg := reference.Config{Dirs: append([]string{own}, everywhere...), Least: map[string]int{"currency": 1}}
	var editions []reference.Edition
	for _, f := range cfg.Survey("", Datasets()) {
		switch f.State {
		case reference.Good:
			edition, err := f.Dataset.Read(f.Files...)
			if err != nil {
				return nil, err
			}
			editions = append(editions, edition)
		case reference.Missing:
		default:
			return nil, fmt.Errorf("%s is %s: %s", f.Dataset.Name, f.State, f.Why)
		}
	}
	return reference.NewSnapshot(editions...), nil
})

// fullConfig runs every link and allows every purpose.
func fullConfig() Config {
	cfg := DefaultConfig()
	cfg.Purposes.Profiling.Enabled = true
	return cfg
}

// purchase is an event about which every link has something to say.
func purchase() schemas.IdentifiedTouchpoint {
	var e schemas.IdentifiedTouchpoint
	e.MessageID, e.Workspace, e.Source, e.Channel, e.Type, e.Name = "m-1", "default", "web", "web", "track", "Order Completed"
	e.OccurredAt = schemas.MillisOf(time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC))
	e.ReceivedAt = e.OccurredAt
	e.Consent = schemas.Some(schemas.Consent{Granted: []string{"Analytics", "Personalization"}})
	e.Context.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
	e.Context.Page.URL, e.Context.Page.Referrer = "https://www.boutique.fr/merci", "https://www.google.fr/"
	e.Context.Timezone, e.Context.Locale, e.Context.IP = "Europe/Paris", "fr-FR", "90.0.0.1"
	e.Context.Store.StoreID = "042"
	e.Person = schemas.Some(schemas.Person{
		Email: "monique.durand@gmial.com", Phone: "06 12 34 56 78", Civility: "MME", FirstName: "Monique", LastName: "Durand",
		BirthDate: schemas.Some(schemas.DateOf(1951, 3, 9)), Street: "12 rue de la République", PostalCode: "69002", City: "LYON 02", Country: "FR",
	})
	revenue, _ := schemas.ParseDecimal("129.90")
	e.Commerce = schemas.Some(schemas.Commerce{OrderID: "o-1", Currency: "USD", Revenue: schemas.Some(revenue)})
	e.AnchorType = "email"
	return e
}

func TestEveryLinkHasSomethingToSay(t *testing.T) {
	data := realData(t, "communes", "crawlers", "filosofi_communes", "filosofi_iris", "first_names", "school_holidays", "disposable_domains")
	chain := newFullChain(t, fullConfig(), data)
	event := schemas.EnrichedTouchpoint{IdentifiedTouchpoint: purchase()}
	if err := chain.Run(&event, new(Suffix)); err != nil {
		t.Fatal(err)
	}
	for _, entry := range event.Enrichments {
		mayLack := entry.Name == Network && data.Version("ip") == "" || entry.Name == Customer || entry.Name == Attributes
		if entry.Status != StatusApplied && !mayLack {
			t.Errorf("%+v", entry)
		}
	}
	if got := event.Home.Value; got.CommuneCode != "69382" || got.RegionCode != "84" {
		t.Errorf("home %+v", got)
	}
	if got := event.Area.Value; !got.IncomeQuintile.Valid || !got.MedianIncome.Valid {
		t.Errorf("area %+v", got)
	}
	if !event.FirstName.Valid || !event.Profile.Valid || !event.Money.Value.Revenue.Valid || event.Calendar.Value.SchoolZone != "A" || event.Shop.Value.Name != "Lyon Part-Dieu" {
		t.Errorf("first name %+v, profile %+v, money %+v, calendar %+v, shop %+v",
			event.FirstName, event.Profile, event.Money, event.Calendar, event.Shop)
	}
	// By default nobody is profiled, whatever they granted.
	chain = newFullChain(t, DefaultConfig(), data)
	if err := chain.Run(&event, new(Suffix)); err != nil {
		t.Fatal(err)
	}
	if event.Area.Valid || event.FirstName.Valid {
		t.Errorf("area %+v, first name %+v", event.Area, event.FirstName)
	}
	// Who refused is not described at all; what day it was, in which shop, and the amounts are no matter of the person.
	event.Consent = schemas.Some(schemas.Consent{Denied: []string{"*"}})
	if err := newFullChain(t, fullConfig(), data).Run(&event, new(Suffix)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"calendar", "shop", "money"}, valid(&event)); diff != "" {
		t.Error(diff)
	}
	if event.Shop.Value.DistanceKm.Valid {
		t.Error("the distance says where somebody lives who refused that")
	}
}

func newFullChain(t testing.TB, cfg Config, data *reference.Snapshot) *Chain {
	t.Helper()
	c, err := NewChain(linksOf(t, cfg, data), cfg.Purposes, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each link writes the fields that it declares and no other, whatever the event, and none of them when it is not applied; it does not change the event,
// nor does any of them fail on one that says when it happened.
func TestLinksWriteWhatTheyDeclare(t *testing.T) {
	chain := newFullChain(t, fullConfig(), realData(t))
	rapid.Check(t, func(t *rapid.T) {
		one := drawEvent(t)
		if rapid.Bool().Draw(t, "full") {
			full := purchase()
			full.Channel = one.Channel
			one = full
		}
		before := one.AppendAvro(nil)
		event := schemas.EnrichedTouchpoint{IdentifiedTouchpoint: one}
		if err := chain.Run(&event, new(Suffix)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, event.IdentifiedTouchpoint.AppendAvro(nil)) {
			t.Fatal("a link changed the event")
		}
		applied := map[string]bool{}
		var added Suffix
		added.Permissions = chain.policy.ask(&event.IdentifiedTouchpoint, nil)
		for i, link := range chain.links {
			d, had := link.Describe(), fieldsOf(&added)
			outcome := link.Apply(&event.IdentifiedTouchpoint, &added)
			for _, name := range fieldsOf(&added) {
				if !slices.Contains(had, name) && !slices.Contains(d.Writes, name) {
					t.Fatalf("%s writes %s, which it does not declare", d.Name, name)
				}
			}
			for _, name := range d.Writes {
				applied[name] = applied[name] || event.Enrichments[i].Status == StatusApplied
			}
			if outcome.Status == StatusFailed && one.OccurredAt != 0 {
				t.Fatalf("%s failed: %s", d.Name, outcome.Reason)
			}
		}
		for _, name := range valid(&event) {
			if !applied[name] {
				t.Fatalf("%s is filled by nobody", name)
			}
		}
	})
}

func fieldsOf(s *Suffix) []string {
	var e schemas.EnrichedTouchpoint
	clearFields(&e)
	for _, f := range fields {
		f.copy(&e, s)
	}
	if e.Attributes == "" {
		e.Attributes = noAttributes
	}
	return valid(&e)
}

// All files go through a library as in the service: every link that has data names its version.
func TestTheLibraryTakesAllFiles(t *testing.T) {
	realData(t, "communes")
	library, err := reference.Open(t.Context(), reference.Options{
		Config: reference.Config{Dirs: everywhere, Poll: time.Second}, Dir: t.TempDir(), Datasets: Datasets(), Log: zap.NewNop(),
		Metrics: prometheus.NewRegistry(), Note: func(amiss string) {
			if amiss != "" {
				t.Error(amiss)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := library.Acquire()
	for _, d := range Datasets() {
		if want := realData(t).Version(d.Name); want != data.Version(d.Name) && d.Name != "shops" && d.Name != "currency" {
			t.Errorf("%s is %q in the library and %q outside of it", d.Name, data.Version(d.Name), want)
		}
	}
	linksOf(t, fullConfig(), data)
	data.Release()
	if err := library.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkEverything runs all links on data of real size, with warm caches.
func BenchmarkEverything(b *testing.B) {
	chain := newFullChain(b, fullConfig(), realData(b, "communes", "filosofi_communes", "first_names"))
	tr, w := newTestTransform(b, chain, schemas.IdentifiedTouchpointSchema()), worker{chain: chain}
	all := bodies(b, 1000, false)
	towns := []schemas.Person{{PostalCode: "69002", City: "Lyon"}, {PostalCode: "75011", City: "PARIS 11"}, {PostalCode: "35000", City: "Rennes"}, {PostalCode: "97400", City: "St Denis"}}
	names := []string{"Monique", "Kévin", "Camille", "Jean-Pierre"}
	for i := range all {
		if i%3 != 0 {
			continue // Two thirds are page views of people who say nothing of themselves.
		}
		e := purchase()
		town := towns[i%len(towns)]
		e.Person.Value.PostalCode, e.Person.Value.City, e.Person.Value.FirstName = town.PostalCode, town.City, names[i/3%len(names)]
		e.Person.Value.Email = fmt.Sprintf("client%d@example.fr", i)
		all[i] = e.AppendAvro(nil)
	}
	var buffer []byte
	run := func(body []byte) {
		var err error
		if buffer, err = w.append(buffer[:0], tr, body); err != nil {
			b.Fatal(err)
		}
	}
	for _, body := range all {
		run(body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		run(all[i%len(all)])
	}
}
