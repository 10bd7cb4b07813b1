package enricher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/config"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
)

func TestDefaultsAreRight(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigurationIsReadFromYAML(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parcours.yaml")
	text := `
enricher:
  enrichments:
    - {name: calendar, enabled: true, required: true}
    - {name: traffic, enabled: false}
  traffic:
    internal_domains: [pay.example.com]
    groups: [{name: brand, when: [{field: campaign, contains: marque}]}]
  calendar:
    stores:
      "042": {department: "974"}
      geneva: {timezone: Europe/Zurich}
  batch_wait: 50ms
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := DefaultConfig()
	if err := config.Load(config.Source{File: path}, config.Section{Name: "enricher", Into: &got}); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Enrichments = []Entry{{Name: Calendar, Enabled: true, Required: true}, {Name: Traffic}}
	want.Traffic = traffic.Config{InternalDomains: []string{"pay.example.com"}, Groups: []traffic.Group{
		{Name: "brand", When: []traffic.Condition{{Field: "campaign", Contains: "marque"}}},
	}}
	want.Calendar.Stores = map[string]calendar.Store{"042": {Department: "974"}, "geneva": {Timezone: "Europe/Zurich"}}
	want.BatchWait = 50 * time.Millisecond
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigurationFaultsNameTheField(t *testing.T) {
	f := func(want string, change func(*Config)) {
		t.Helper()
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f("enricher.enrichments[0].name", func(c *Config) { c.Enrichments[0].Name = "weather" })
	f("enricher.enrichments[1].name", func(c *Config) { c.Enrichments[1].Name = c.Enrichments[0].Name })
	f("enricher.user_agent: cache_entries", func(c *Config) { c.UserAgent.CacheEntries = 0 })
	f("enricher.traffic: groups[0].when", func(c *Config) { c.Traffic.Groups = []traffic.Group{{Name: "brand"}} })
	f("enricher.calendar: stores.1", func(c *Config) { c.Calendar.Stores = map[string]calendar.Store{"1": {Department: "0"}} })
	f("enricher.customer: traits[1] is \"Loyalty-Tier\", which loyalty_tier[0] has already", func(c *Config) { c.Customer.Traits = []string{"age", "Loyalty-Tier"} })
	f("enricher.customer: store.filter_bytes", func(c *Config) { c.Customer.Store.FilterBytes = 0 })
	f("enricher.batch_records", func(c *Config) { c.BatchRecords = 0 })
	f("enricher.batch_bytes", func(c *Config) { c.BatchBytes = 0 })
	f("enricher.batch_wait", func(c *Config) { c.BatchWait = time.Hour })
}
