package useragent

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/services/enricher/internal/golden"
)

func newParser(t testing.TB, entries int) *Parser {
	t.Helper()
	p, err := New(Config{CacheEntries: entries}, Lists{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func describe(d Device) string {
	text := fmt.Sprintf("%s | %s | %s | %s | %s %s", d.Class, d.Brand, d.Model, strings.TrimSpace(d.OS+" "+d.OSVersion), d.Browser, d.BrowserVersion)
	if d.Bot {
		text += " | bot " + d.BotKind + ": " + d.BotName
	}
	return strings.TrimSpace(text)
}

func TestAgents(t *testing.T) {
	p := newParser(t, 1000)
	cases := golden.Run(t, "testdata/agents.txt", func(t *testing.T, f map[string]string) string {
		number := func(name string) int32 {
			if f[name] == "" {
				return 0
			}
			n, err := strconv.ParseInt(f[name], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int32(n)
		}
		app := App{
			Type: f["app.type"], Manufacturer: f["app.manufacturer"], Model: f["app.model"], OS: f["app.os"], OSVersion: f["app.os_version"],
			Name: f["app.name"], Version: f["app.version"], Width: number("app.width"), Height: number("app.height"),
		}
		if app.Given() {
			return describe(FromApp(app))
		}
		return describe(p.Parse(Agent{UserAgent: f["ua"], Hints: Hints{
			Brands: f["brands"], Mobile: f["mobile"], Platform: f["platform"], PlatformVersion: f["platform_version"], Model: f["model"],
		}}))
	})
	if cases < 150 {
		t.Errorf("%d agents in the golden file, want at least 150", cases)
	}
}

func TestCacheAnswersAsTheRulesDoAndIsBounded(t *testing.T) {
	const bound = 64
	p := newParser(t, bound)
	all := samples(t)[:80] // More than the cache holds.
	want := map[string]Device{}
	for _, agent := range all {
		want[agent] = p.parse(Agent{UserAgent: agent})
	}
	for range 3 {
		for _, agent := range all {
			if got := p.Parse(Agent{UserAgent: agent}); got != want[agent] {
				t.Fatalf("%q: %+v from the cache, %+v from the rules", agent, got, want[agent])
			}
		}
	}
	p.cache.CleanUp()
	use := p.CacheUse()
	if use.Entries > bound {
		t.Errorf("%d entries, want at most %d", use.Entries, bound)
	}
	if use.Hits+use.Misses != uint64(3*len(all)) || use.Hits == 0 {
		t.Errorf("%d hits and %d misses for %d look-ups", use.Hits, use.Misses, 3*len(all))
	}
}

// The strings of an event alias the batch it came with; a cache that kept them would keep the batch, and change when the memory is used again.
func TestCacheOwnsItsMemory(t *testing.T) {
	p := newParser(t, 16)
	buffer := []byte(samples(t)[0])
	want := p.Parse(Agent{UserAgent: aliased(buffer)})
	copy(buffer, strings.Repeat("x", len(buffer)))
	for agent := range p.cache.Keys() {
		if agent.UserAgent != samples(t)[0] {
			t.Errorf("the key changed with the buffer: %q", agent.UserAgent)
		}
	}
	if got := p.Parse(Agent{UserAgent: samples(t)[0]}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestVersionNamesTheRules(t *testing.T) {
	if v := newParser(t, 1).Version(); !strings.HasPrefix(v, "agents-2+uap-") || len(v) != len("agents-2+uap-")+12 {
		t.Errorf("version %q", v)
	}
}

func FuzzParse(f *testing.F) {
	p := newParser(f, 100)
	for _, agent := range samples(f) {
		f.Add(agent, `"Chromium";v="126", "Google Chrome";v="126"`, "Android", "SM-S928B")
	}
	classes := map[string]bool{Desktop: true, Mobile: true, Tablet: true, TV: true, Console: true, Bot: true, Unknown: true}
	f.Fuzz(func(t *testing.T, agent, brands, platform, model string) {
		d := p.Parse(Agent{UserAgent: agent, Hints: Hints{Brands: brands, Platform: platform, Model: model}})
		if agent+brands+platform+model == "" {
			return
		}
		if !classes[d.Class] || d.Bot != (d.Class == Bot) {
			t.Errorf("%q: %+v", agent, d)
		}
		if utf8.ValidString(agent+brands+platform+model) && len(agent) <= longest {
			for _, text := range []string{d.Brand, d.Model, d.OS, d.OSVersion, d.Browser, d.BrowserVersion} {
				if !utf8.ValidString(text) {
					t.Errorf("%q: %q is not UTF-8", agent, text)
				}
			}
		}
	})
}

func BenchmarkCold(b *testing.B) {
	p, all := newParser(b, 1), samples(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.parse(Agent{UserAgent: all[i%len(all)]})
	}
}

func BenchmarkWarm(b *testing.B) {
	p, all := newParser(b, 1000), samples(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Parse(Agent{UserAgent: all[i%len(all)]})
	}
}
