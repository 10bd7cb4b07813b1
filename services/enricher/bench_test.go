package enricher

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
)

func agents(b *testing.B) []string {
	b.Helper()
	file, err := os.Open("useragent/testdata/agents.txt")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	var all []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if agent, ok := strings.CutPrefix(lines.Text(), "ua: "); ok {
			all = append(all, agent)
		}
	}
	return all
}

// bodies are page views of many visitors; with cold, no two have the same user agent.
func bodies(b *testing.B, count int, cold bool) [][]byte {
	b.Helper()
	all := agents(b)
	from := []string{"", "https://www.google.fr/", "https://www.boutique.fr/a", "https://l.instagram.com/", "https://www.marmiton.org/recettes/1"}
	var made [][]byte
	for i := range count {
		var e schemas.IdentifiedTouchpoint
		e.MessageID, e.Workspace, e.Source, e.Channel, e.Type, e.Name = fmt.Sprintf("ajs-next-1741964966535-%08d", i), "default", "web", "web", "page", "Produit"
		e.OccurredAt = schemas.MillisOf(time.Date(2026, 3, 1+i%28, i%24, 0, 0, 0, time.UTC))
		e.Context.UserAgent = all[i%len(all)]
		if cold {
			e.Context.UserAgent += fmt.Sprintf(" Run/%d", i)
		}
		e.Context.Page.URL = fmt.Sprintf("https://www.boutique.fr/produit/%d?utm_source=newsletter&utm_medium=email", i)
		e.Context.Page.Referrer, e.Context.Page.Title = from[i%len(from)], "Pull col rond en laine"
		e.Context.Timezone, e.Context.Locale = "Europe/Paris", "fr-FR"
		e.Properties, e.AnchorType = `{"section":"homme","position":3}`, "anonymous_id"
		made = append(made, e.AppendAvro(nil))
	}
	return made
}

func benchmark(b *testing.B, count int, cold bool) {
	chain := defaultChain(b)
	tr, w := newTestTransform(b, chain, schemas.IdentifiedTouchpointSchema()), worker{chain: chain}
	all := bodies(b, count, cold)
	var buffer []byte
	run := func(body []byte) {
		var err error
		if buffer, err = w.append(buffer[:0], tr, body); err != nil {
			b.Fatal(err)
		}
	}
	if !cold {
		for _, body := range all {
			run(body)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		run(all[i%len(all)])
	}
	b.ReportMetric(float64(len(all[0])), "B_in")
	b.ReportMetric(float64(len(buffer)), "B_out")
}

func BenchmarkWarm(b *testing.B) { benchmark(b, 1000, false) }

// BenchmarkCold never finds a user agent in the cache: 100,000 of them go round, and half as many fit.
func BenchmarkCold(b *testing.B) { benchmark(b, 100_000, true) }
