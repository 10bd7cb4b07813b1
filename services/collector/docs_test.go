package collector

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parcours-cdp/parcours/internal/config"
	"github.com/parcours-cdp/parcours/internal/identifier"
)

// The reference names every reason, every key of the configuration and every metric.
func TestReferenceIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/collector.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for reason := range details {
		if !strings.Contains(page, "`"+string(reason)+"`") {
			t.Errorf("reason %s is not in the reference", reason)
		}
	}
	for _, key := range configKeys(reflect.TypeFor[Config](), "") {
		last := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(page, "`"+key+"`") && !strings.Contains(page, "."+last+"`") {
			t.Errorf("configuration key %s is not in the reference", key)
		}
	}
	reg := prometheus.NewRegistry()
	newMetrics(reg, func() float64 { return 0 })
	described := make(chan *prometheus.Desc, 100)
	reg.Describe(described)
	close(described)
	for desc := range described {
		_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		if !strings.Contains(page, name) {
			t.Errorf("metric %s is not in the reference", name)
		}
	}
}

func configKeys(of reflect.Type, path string) []string {
	var keys []string
	for i := range of.NumField() {
		name := of.Field(i).Tag.Get("koanf")
		inner := of.Field(i).Type
		list := inner.Kind() == reflect.Slice
		if list {
			inner = inner.Elem()
		}
		switch {
		case name == "-" || name == "":
		case inner.Kind() == reflect.Struct && name != "identifiers":
			if list {
				name += "[]"
			}
			keys = append(keys, configKeys(inner, path+name+".")...)
		default:
			keys = append(keys, path+name)
		}
	}
	return keys
}

var fenced = regexp.MustCompile("(?s)```(yaml|json)\n(.*?)```")

// The page on identifiers shows a configuration and a call; they give what it says.
func TestIdentifiersPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/identifiers.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]string)
	for _, block := range fenced.FindAllStringSubmatch(string(page), -1) {
		shown[block[1]] = block[2]
	}
	path := filepath.Join(t.TempDir(), "parcours.yaml")
	if err := os.WriteFile(path, []byte(shown["yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, types := DefaultConfig(), identifier.DefaultConfig()
	if err := config.Load(config.Source{File: path}, config.Section{Name: "identifiers", Into: &types}, config.Section{Name: "collector", Into: &cfg}); err != nil {
		t.Fatal(err)
	}
	ids, err := identifier.New(types, testWorkspace())
	if err != nil {
		t.Fatal(err)
	}

	want := identifier.DefaultConfig().Types
	want["erp_number"] = identifier.TypeConfig{Rank: 2, Class: "verified", Normaliser: "card", Length: 8, Limit: 1, Hubs: map[string]int{"email": 4}}
	want["household"] = identifier.TypeConfig{Rank: 9, Class: "typed", Normaliser: "address_fr"}
	want["full_name"] = identifier.TypeConfig{Rank: 9, Class: "typed", Normaliser: "name_fr"}
	want["device_id"] = identifier.TypeConfig{Rank: 6, Class: "authenticated", Normaliser: "device", Limit: 20, Hubs: map[string]int{"user_id": 3, "erp_number": 3}}
	if diff := cmp.Diff(want, ids.Types()); diff != "" {
		t.Error(diff)
	}
	for _, value := range types.Blocked {
		if _, reason := ids.Node("email", value); reason != identifier.Blocked && reason != identifier.Invalid || len(ids.BlockedNodes()) == 0 {
			t.Errorf("%s is %s", value, reason)
		}
	}

	d := newDirect(t, func(c *Config) { c.StoreRegions = maps.Clone(cfg.StoreRegions) })
	d.identifiers = ids
	d.do(http.MethodPost, "/v1/track", shown["json"], "Key", "wk_dev_pos")
	touchpoints, _, keys := d.take(t)
	if len(touchpoints) != 1 {
		t.Fatalf("%d touchpoints", len(touchpoints))
	}
	if got := asPairs(touchpoints[0].Identifiers); got != "phone=+262692123456 erp_number=1234" {
		t.Errorf("identifiers %s", got)
	}
	if keys[0] != anchor(t, types, "erp_number", "00001234") {
		t.Error("the event is not anchored by its customer number")
	}
	unknown := identifier.Config{Types: map[string]identifier.TypeConfig{"x": {Normaliser: "soundex"}}}.Validate()
	_, names, _ := strings.Cut(unknown.Error(), "use one of ")
	for _, normaliser := range strings.Split(names, ", ") {
		if !strings.Contains(string(page), "| `"+normaliser+"` |") {
			t.Errorf("normaliser %s is not on the page", normaliser)
		}
	}
}
