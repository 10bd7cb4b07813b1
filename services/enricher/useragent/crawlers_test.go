package useragent

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// installed is where `make setup-test` puts the packages of tools/agents.
var installed = filepath.Join("..", "..", "..", ".cache", "agents", "node_modules")

// readInstalled returns a file of the packages, unpacked; CI installs them, elsewhere a test without them is skipped.
func readInstalled(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(installed, path))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the lists of user agents are missing, run make setup-test: %v", err)
		}
		t.Skipf("the lists of user agents are missing, run make setup-test: %v", err)
	}
	if strings.HasSuffix(path, ".gz") {
		unpacked, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(unpacked); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func publicCrawlers(t testing.TB) (*Crawlers, []listed) {
	t.Helper()
	text := readInstalled(t, "crawler-user-agents/crawler-user-agents.json")
	crawlers, err := ReadCrawlers(text)
	if err != nil {
		t.Fatal(err)
	}
	var entries []listed
	if err := json.Unmarshal(text, &entries); err != nil {
		t.Fatal(err)
	}
	return crawlers, entries
}

// noBrowsers stand in the samples of browsers, and say themselves that they are none.
var noBrowsers = []string{"BuiltWith/", "Hexometer", "Foregenix", "Miniature.io/", "splash Version/"}

// browsers are the user agents of visitors of many sites, of several years.
func browsers(t testing.TB) []string {
	t.Helper()
	seen := map[string]bool{}
	var all []string
	for _, path := range []string{
		"user-agents/dist/user-agents.json", "user-agents-1.1.400/src/user-agents.json.gz", "user-agents-1.1.100/src/user-agents.json.gz",
		"user-agents-1.0.1200/src/user-agents.json.gz", "user-agents-1.0.559/src/user-agents.json.gz",
	} {
		var visits []struct {
			UserAgent string `json:"userAgent"`
		}
		if err := json.Unmarshal(readInstalled(t, path), &visits); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, visit := range visits {
			if agent := visit.UserAgent; !seen[agent] && !containsAny(agent, noBrowsers...) {
				seen[agent] = true
				all = append(all, agent)
			}
		}
	}
	if len(all) < 2000 {
		t.Fatalf("%d browsers, want at least 2000", len(all))
	}
	return all
}

// The promise of the enrichment: at least 99 of 100 samples of the list are bots, at most one browser in 1,000 is.
func TestBotsAreToldFromBrowsers(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of agents against all expressions; nothing here runs at once with anything")
	}
	crawlers, entries := publicCrawlers(t)
	people := browsers(t)
	for _, c := range []struct {
		name  string
		lists Lists
	}{{"with the list", Lists{Crawlers: crawlers}}, {"with the rules of the program alone", Lists{}}} {
		p, err := New(Config{CacheEntries: 1}, c.lists)
		if err != nil {
			t.Fatal(err)
		}
		var missed, wrong []string
		samples := 0
		for _, entry := range entries {
			for _, agent := range entry.Instances {
				samples++
				if d := p.parse(Agent{UserAgent: agent}); !d.Bot {
					missed = append(missed, agent)
				} else if d.BotKind == "" || d.Class != Bot {
					t.Errorf("%q: %+v: kind or class is missing", agent, d)
				}
			}
		}
		for _, agent := range people {
			if d := p.parse(Agent{UserAgent: agent}); d.Bot {
				wrong = append(wrong, agent)
			} else if d.BotName != "" || d.BotKind != "" {
				t.Errorf("%q: %+v: a name or kind and no bot", agent, d)
			}
		}
		t.Logf("%s: %d of %d samples missed, %d of %d browsers taken for bots", c.name, len(missed), samples, len(wrong), len(people))
		if 100*len(missed) > samples {
			t.Errorf("%s: %d of %d samples missed:\n%s", c.name, len(missed), samples, strings.Join(missed, "\n"))
		}
		if 1000*len(wrong) > len(people) {
			t.Errorf("%s: %d of %d browsers taken for bots:\n%s", c.name, len(wrong), len(people), strings.Join(wrong, "\n"))
		}
	}
}

// Keeping expressions under runs of three bytes must never change an answer: trying them all in their order is the oracle.
func TestSkippedCrawlersChangeNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of agents against all expressions; nothing here runs at once with anything")
	}
	crawlers, entries := publicCrawlers(t)
	all := append(samples(t), browsers(t)...)
	for _, entry := range entries {
		all = append(all, entry.Instances...)
	}
	for _, agent := range all {
		want := ""
		for i := range crawlers.all {
			if crawlers.all[i].pattern.MatchString(agent) {
				want = crawlers.all[i].pattern.String()
				break
			}
		}
		got := ""
		if at := crawlers.first(lineOf(agent)); at >= 0 {
			got = crawlers.all[at].pattern.String()
		}
		if got != want {
			t.Errorf("%q: expression %q, want %q", agent, got, want)
		}
	}
}

// An entry on the list of people's programs that the public list no longer has would be forgotten there.
func TestExceptionsStandOnTheList(t *testing.T) {
	_, entries := publicCrawlers(t)
	left := len(people)
	for _, entry := range entries {
		if people[entry.Pattern] {
			left--
		}
	}
	if left != 0 {
		t.Errorf("%d of the exceptions are not on the list", left)
	}
}

func TestCrawlersOfAFile(t *testing.T) {
	crawlers, err := ReadCrawlers([]byte(`[
		{"pattern": "PrixRouge\\/", "instances": ["PrixRouge/2"], "tags": ["seo", "advertising"]},
		{"pattern": "[vV]eille", "instances": []},
		{"pattern": "^xy", "tags": ["academic"]}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{CacheEntries: 1}, Lists{Crawlers: crawlers})
	if err != nil {
		t.Fatal(err)
	}
	f := func(agent, want string) {
		t.Helper()
		d := p.Parse(Agent{UserAgent: agent})
		if got := d.BotKind + " " + d.BotName; got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
	const chrome = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	f(chrome, " ")
	f(chrome+" PrixRouge/2", "advertising PrixRouge")
	f(chrome+" veille", "other veille")
	f(chrome+" prixrouge/2", " ") // The expressions tell capitals apart.
	f("xy "+chrome, "other xy")
}

func TestFaultsOfTheListsAreNamed(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadCrawlers([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
	f("", "parse JSON")
	f("{}", "parse JSON")
	f("[]", "0 crawlers")
	f(`[{"pattern": ""}]`, "entry 0: pattern is empty")
	f(`[{"pattern": "a"}, {"pattern": "("}]`, `entry 1: pattern "("`)
	f(`[{"pattern": "a|"}]`, "matches everybody")
	g := func(text, want string) {
		t.Helper()
		if _, err := ReadRules([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
	g("a: [", "parse YAML")
	g("", "it needs all three")
	g("user_agent_parsers:\n- \n", "an entry is empty")
	g("user_agent_parsers: [{regex: '('}]\n", "regex")
	g("user_agent_parsers: [{regex: 'a'}]\nos_parsers: [{regex_flag: x, regex: 'b'}]\ndevice_parsers: [{regex: 'c'}]", "regex")
}

// A newer edition of uap-core replaces the rules of the program.
func TestRulesOfAFile(t *testing.T) {
	rules, err := ReadRules([]byte(`
user_agent_parsers: [{regex: '(Boussole)/(\d+)\.(\d+)'}]
os_parsers: [{regex: 'Windows NT', os_replacement: Windows}]
device_parsers: [{regex: 'never seen'}]
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{CacheEntries: 1}, Lists{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	d := p.Parse(Agent{UserAgent: "Mozilla/5.0 (Windows NT 10.0) Boussole/7.1"})
	if d.Browser != "Boussole" || d.BrowserVersion != "7.1" || d.OS != "Windows" {
		t.Errorf("%+v", d)
	}
	if own := newParser(t, 1); own.Version() == p.Version() {
		t.Errorf("version %s does not tell the rules apart", p.Version())
	}
}

func TestDatasetsReadThePublishersFiles(t *testing.T) {
	for _, c := range []struct{ dataset, path string }{
		{CrawlersDataset, "crawler-user-agents/crawler-user-agents.json"}, {RulesDataset, "uap-core/regexes.yaml"},
	} {
		readInstalled(t, c.path)
		for _, dataset := range Datasets() {
			if dataset.Name != c.dataset {
				continue
			}
			edition, err := dataset.Read(filepath.Join(installed, c.path))
			if err != nil {
				t.Fatal(err)
			}
			if edition.Loaded.Rows < dataset.Least {
				t.Errorf("%s: %d rows, want at least %d", c.dataset, edition.Loaded.Rows, dataset.Least)
			}
		}
	}
	if _, err := Datasets()[0].Load([]reference.File{{Name: "none", Path: filepath.Join(t.TempDir(), "none")}}); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzReadCrawlers(f *testing.F) {
	f.Add([]byte(`[{"pattern": "Googlebot\\/", "tags": ["search-engine"]}]`), "Googlebot/2.1")
	f.Add([]byte(`[{"pattern": "(?i)a{2}|b", "tags": null}]`), "AA")
	f.Add([]byte(`[{"pattern": "[wW]get"}, {"pattern": "^x"}]`), "Wget/1")
	f.Fuzz(func(t *testing.T, text []byte, agent string) {
		c, err := ReadCrawlers(text)
		if err != nil {
			return
		}
		want := -1
		for i := range c.all {
			if c.all[i].pattern.MatchString(agent) {
				want = i
				break
			}
		}
		if got := c.first(lineOf(agent)); got != want {
			t.Errorf("%s on %q: %d, want %d", text, agent, got, want)
		}
	})
}

func FuzzReadRules(f *testing.F) {
	f.Add([]byte("user_agent_parsers: [{regex: '(A)/(\\d+)'}]\nos_parsers: [{regex: 'b'}]\ndevice_parsers: [{regex: 'c', regex_flag: i}]"), "A/1 b C")
	f.Fuzz(func(t *testing.T, text []byte, agent string) {
		rules, err := ReadRules(text)
		if err != nil {
			return
		}
		l := lineOf(agent)
		rules.agent(l)
		rules.system(l)
		rules.device(l)
	})
}

func BenchmarkColdWithCrawlers(b *testing.B) {
	crawlers, _ := publicCrawlers(b)
	p, err := New(Config{CacheEntries: 1}, Lists{Crawlers: crawlers})
	if err != nil {
		b.Fatal(err)
	}
	all := browsers(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.parse(Agent{UserAgent: all[i%len(all)]})
	}
}

// Customers inside of Facebook and Instagram, and at programs for desks, stay customers whatever the public list says.
func TestPeopleStayPeopleWithTheList(t *testing.T) {
	crawlers, _ := publicCrawlers(t)
	p, err := New(Config{CacheEntries: 1}, Lists{Crawlers: crawlers})
	if err != nil {
		t.Fatal(err)
	}
	bare := newParser(t, 1)
	for _, agent := range samples(t) {
		if with := p.parse(Agent{UserAgent: agent}); with.Bot && !bare.parse(Agent{UserAgent: agent}).Bot {
			t.Errorf("%q is a bot (%s) by the list alone", agent, with.BotName)
		}
	}
}
