package collector

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/config"
)

// Sources of a file replace those of the defaults: nothing of a default source shines through.
func TestSourcesOfAFileReplaceTheDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parcours.yaml")
	text := `
collector:
  sources:
    - {name: a, write_key: wk_11111111, channel: web}
    - {name: b, write_key: wk_22222222, channel: app, disabled: true}
    - {name: c, write_key: wk_33333333, channel: web, allowed_origins: [https://www.example.fr], quota: {events_per_second: 5}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	if err := config.Load(config.Source{File: file}, config.Section{Name: "collector", Into: &cfg}); err != nil {
		t.Fatal(err)
	}
	want := []Source{
		{Name: "a", WriteKey: "wk_11111111", Channel: "web"},
		{Name: "b", WriteKey: "wk_22222222", Channel: "app", Disabled: true},
		{Name: "c", WriteKey: "wk_33333333", Channel: "web", AllowedOrigins: []string{"https://www.example.fr"}, Quota: Quota{EventsPerSecond: 5}},
	}
	if diff := cmp.Diff(want, cfg.Sources); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
