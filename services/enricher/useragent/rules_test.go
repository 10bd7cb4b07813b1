package useragent

import (
	"bufio"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ua-parser/uap-go/uaparser"
	"pgregory.net/rapid"
)

var oracle = sync.OnceValue(func() *uaparser.Parser {
	parser, err := uaparser.New(uaparser.WithCacheSize(1))
	if err != nil {
		panic(err)
	}
	return parser
})

var ownRules = sync.OnceValue(func() *rules {
	r, err := embedded()
	if err != nil {
		panic(err)
	}
	return r
})

// samples are the user agents of the golden file.
func samples(t testing.TB) []string {
	t.Helper()
	file, err := os.Open("testdata/agents.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var agents []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if agent, ok := strings.CutPrefix(lines.Text(), "ua: "); ok {
			agents = append(agents, agent)
		}
	}
	return agents
}

func requireSame(t interface{ Fatalf(string, ...any) }, agent string) {
	want, l := oracle().Parse(agent), lineOf(agent)
	ua, system, device := ownRules().agent(l), ownRules().system(l), ownRules().device(l)
	got := uaparser.Client{UserAgent: &ua, Os: &system, Device: &device}
	if diff := cmp.Diff(*want, got); diff != "" {
		t.Fatalf("%q (-library +ours):\n%s", agent, diff)
	}
}

// Skipping expressions must never change an answer: the library, which tries them all, is the oracle.
func TestSkippedRulesChangeNothing(t *testing.T) {
	for _, agent := range samples(t) {
		requireSame(t, agent)
	}
	requireSame(t, "SAMSUNG-\u212Aindle ſamsung GT-I9300 android build/1")
}

// Pieces of real user agents put together anew reach rules that no real one reaches.
func TestSkippedRulesChangeNothingOnMixtures(t *testing.T) {
	var words []string
	for _, agent := range samples(t) {
		words = append(words, strings.Fields(agent)...)
	}
	for _, rule := range ownRules().definitions.Device {
		for _, clause := range clausesOf(rule.Flags, rule.Expr) {
			for _, piece := range clause {
				words = append(words, piece.text)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		agent := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 12).Draw(t, "words"), " ")
		requireSame(t, agent)
	})
}
