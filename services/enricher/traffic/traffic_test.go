package traffic

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/services/enricher/internal/golden"
	"pgregory.net/rapid"
)

func newClassifier(t testing.TB, cfg Config, lists ...*Sites) *Classifier {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := New(cfg, lists...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func describe(o Origin, ok bool) string {
	if !ok {
		return "no visit"
	}
	var b strings.Builder
	for _, field := range []struct{ name, value string }{
		{"group", o.Group},
		{"source", o.Source},
		{"medium", o.Medium},
		{"campaign", o.Campaign},
		{"term", o.Term},
		{"content", o.Content},
		{"click_id", o.ClickID},
		{"referrer", o.ReferrerHost},
		{"class", o.ReferrerClass},
	} {
		if field.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", field.name, field.value)
		}
	}
	return b.String()
}

func TestVisits(t *testing.T) {
	c := newClassifier(t, Config{InternalDomains: []string{"banque-du-nord.fr"}})
	cases := golden.Run(t, "testdata/visits.txt", func(_ *testing.T, fields map[string]string) string {
		v := Visit{URL: fields["url"], Search: fields["search"], Referrer: fields["referrer"]}
		for _, pair := range strings.Split(fields["campaign"], ";") {
			key, value, _ := strings.Cut(pair, "=")
			if key == "name" {
				key = "campaign"
			}
			if field := v.Campaign.field(key); field != nil {
				*field = value
			}
		}
		return describe(c.Classify(v))
	})
	if cases < 150 {
		t.Errorf("%d visits in the golden file, want at least 150", cases)
	}
}

func TestAnEventWithoutPageIsNoVisit(t *testing.T) {
	if o, ok := newClassifier(t, Config{}).Classify(Visit{}); ok {
		t.Errorf("got %+v, want no visit", o)
	}
}

func sites(t testing.TB, class, text string) *Sites {
	t.Helper()
	list, err := ReadSites(class, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestListsOverrideTheTables(t *testing.T) {
	before := newClassifier(t, Config{})
	after := newClassifier(t, Config{}, sites(t, ClassSocial, "Forum du Bricolage:\n  - forum-bricolage.fr\nGoogle Plus:\n  - plus.google.com\n"))
	if before.Version() == after.Version() {
		t.Errorf("the version %s does not tell the tables apart", before.Version())
	}
	f := func(c *Classifier, referrer, want string) {
		t.Helper()
		o, _ := c.Classify(Visit{URL: "https://boutique.fr/", Referrer: referrer})
		if got := o.Group + " " + o.Source; got != want {
			t.Errorf("%s: %s, want %s", referrer, got, want)
		}
	}
	f(before, "https://www.forum-bricolage.fr/sujet/1", "referral forum-bricolage.fr")
	f(after, "https://www.forum-bricolage.fr/sujet/1", "organic_social forum du bricolage")
	f(after, "https://plus.google.com/", "organic_social google plus")
	f(after, "https://www.google.com/", "organic_search google")
}

func TestFaultsOfTheListsAreNamed(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadSites(ClassSearch, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
	f("", "names no site")
	f("a: [", "parse YAML")
	f("Moteur:\n  - urls: [a.example]\n    params: ['/(/']", "pattern of the words")
	f("Moteur:\n  - urls: {a: b}", `entry "Moteur"`)
	err := Config{InternalDomains: []string{"https://a.fr"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), `internal_domains[0]: "https://a.fr"`) {
		t.Errorf("%v: internal_domains[0] is missing", err)
	}
}

// The public lists hold more sites than the embedded tables; both have to agree on the kind of those that the tables know.
func TestPublicListsAreRead(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "..", "shared", "data")
	files := map[string]string{SearchDataset: "SearchEngines.yml", SocialDataset: "Socials.yml", AIDataset: "AIAssistants.yml"}
	var lists []*Sites
	for _, name := range DatasetNames {
		path := filepath.Join(folder, files[name])
		if _, err := os.Stat(path); err != nil {
			t.Skipf("the public lists are not there: %v", err)
		}
		for _, dataset := range Datasets() {
			if dataset.Name != name {
				continue
			}
			edition, err := dataset.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if edition.Loaded.Rows < dataset.Least {
				t.Errorf("%s: %d rows, want at least %d", name, edition.Loaded.Rows, dataset.Least)
			}
			lists = append(lists, edition.Loaded.Table.(*Sites))
		}
	}
	c := newClassifier(t, Config{}, lists...)
	f := func(referrer, class, source, term string) {
		t.Helper()
		o, _ := c.Classify(Visit{URL: "https://boutique.fr/", Referrer: referrer})
		if o.ReferrerClass != class || o.Source != source || o.Term != term {
			t.Errorf("%s: %s %s %q, want %s %s %q", referrer, o.ReferrerClass, o.Source, o.Term, class, source, term)
		}
	}
	f("https://1.cz/s/pohovka/", ClassSearch, "1.cz", "pohovka")
	f("https://www.google.fr/search?q=lampe", ClassSearch, "google", "lampe")
	f("https://www.123people.com/s/jean?search_term=jean", ClassSearch, "123people", "jean")
	f("https://www.badoo.com/", ClassSocial, "badoo", "")
	f("https://iask.ai/", ClassAI, "iask", "")
	f("https://x.com/i/grok", ClassAI, "grok", "")
	f("https://www.marmiton.org/", ClassOther, "marmiton.org", "")
}

func TestAddressesAreCutAsTheLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`https?://([a-zA-Z]{1,8}(:[a-z]{0,3})?@)?([a-zA-Z0-9-]{1,10}\.){0,3}[a-z]{2,5}(:[0-9]{1,4})?(/[a-z0-9%=.~]{0,9}){0,3}(\?[a-z=&%0-9]{0,12})?(#[a-z?/]{0,5})?`).Draw(t, "url")
		want, err := url.Parse(raw)
		if err != nil {
			t.Skip("the library refuses it")
		}
		got := cut(raw)
		if got.host != strings.ToLower(want.Hostname()) || got.path != want.EscapedPath() || got.query != want.RawQuery {
			t.Fatalf("cut(%q) = %+v, the library says %q %q %q", raw, got, want.Hostname(), want.EscapedPath(), want.RawQuery)
		}
	})
}

func TestParametersAreReadAsTheLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`(([a-c]|utm_source)=[a-z0-9+]{0,3}(%[2-7][0-9a-e])?&?){0,6}`).Draw(t, "query")
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Skip("the library refuses it")
		}
		want := ""
		for _, value := range values["utm_source"] {
			if value = strings.TrimSpace(value); value != "" {
				want = value
				break
			}
		}
		if got := parameter(raw, "utm_source"); got != want {
			t.Fatalf("parameter(%q) = %q, the library says %q", raw, got, want)
		}
	})
}

func FuzzClassify(f *testing.F) {
	c := newClassifier(f, Config{})
	f.Add("https://www.boutique.fr/?utm_source=google&gclid=1", "https://www.google.fr/search?q=a", "")
	f.Add("//", "https://[::1", "(direct)")
	f.Add("https://a.co.uk", "https://.co.uk.", "www..")
	f.Fuzz(func(t *testing.T, page, referrer, source string) {
		o, ok := c.Classify(Visit{URL: page, Referrer: referrer, Campaign: Campaign{Source: source}})
		if ok != (page != "" || referrer != "" || source != "") {
			t.Fatalf("a visit: %v", ok)
		}
		if !ok {
			return
		}
		if o.Group == "" || o.ReferrerClass == "" {
			t.Errorf("%q %q %q: group or class is missing: %+v", page, referrer, source, o)
		}
		if (o.ReferrerHost == "") != (o.ReferrerClass == ClassNone) {
			t.Errorf("%q: host %q and class %q", referrer, o.ReferrerHost, o.ReferrerClass)
		}
		if utf8.ValidString(page) && utf8.ValidString(referrer) && utf8.ValidString(source) {
			for _, text := range []string{o.Source, o.Medium, o.Campaign, o.Term, o.Content, o.ReferrerHost} {
				if !utf8.ValidString(text) {
					t.Errorf("%q %q: %q is not UTF-8", page, referrer, text)
				}
			}
		}
	})
}

func FuzzReadSites(f *testing.F) {
	f.Add([]byte("1.cz:\n  -\n    urls:\n      - 1.cz\n    params:\n      - '/s\\/([^\\/]+)/'\n      - q\n"), "https://1.cz/s/pohovka/")
	f.Add([]byte("Grok:\n  - grok.com\n  - x.com/i/grok\nMail: ['{}.mail.{}']"), "https://fr.mail.co.uk/")
	f.Fuzz(func(t *testing.T, text []byte, referrer string) {
		list, err := ReadSites(ClassSearch, text)
		if err != nil {
			return
		}
		c, err := New(Config{}, list)
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := c.Classify(Visit{Referrer: referrer}); ok && o.Group == "" {
			t.Errorf("%s, %q: no group", text, referrer)
		}
	})
}

func FuzzCut(f *testing.F) {
	f.Add("https://user@www.example.fr:443/a?b#c")
	f.Fuzz(func(t *testing.T, raw string) {
		got := cut(raw)
		if strings.ContainsAny(got.host, "/?#") {
			t.Errorf("cut(%q): host %q", raw, got.host)
		}
		if _, err := netip.ParseAddr(got.host); err != nil && strings.Contains(got.host, "@") {
			t.Errorf("cut(%q): host %q holds a user", raw, got.host)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	c := newClassifier(b, Config{})
	visits := []Visit{
		{URL: "https://www.mode-et-maison.fr/p/1?color=red", Referrer: "https://www.mode-et-maison.fr/"},
		{URL: "https://www.mode-et-maison.fr/?utm_source=newsletter&utm_medium=email&utm_campaign=nl-12"},
		{URL: "https://www.mode-et-maison.fr/?gclid=Cj0KCQ", Referrer: "https://www.google.fr/"},
		{URL: "https://www.mode-et-maison.fr/", Referrer: "https://www.marmiton.org/recettes/1"},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Classify(visits[i%len(visits)])
	}
}
