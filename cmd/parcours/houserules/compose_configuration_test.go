package houserules

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/config"
)

// The configuration that the containers mount is right with the environment that docker-compose.yml gives each service.
func TestComposeConfiguration(t *testing.T) {
	ours := repository(t)
	var file struct {
		Services map[string]composed `yaml:"services"`
	}
	if err := yaml.Unmarshal(ours.texts["docker-compose.yml"], &file); err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	for _, secret := range []string{"hash_key", "admin_token", "clickhouse_password"} {
		if err := os.WriteFile(filepath.Join(secrets, secret), []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name := range ourServices {
		t.Run(name, func(t *testing.T) {
			var environ []string
			for variable, value := range file.Services[name].Environment {
				if secret, is := strings.CutPrefix(value, "/run/secrets/"); is {
					if !slices.Contains(file.Services[name].Secrets, any(secret)) {
						t.Errorf("%s reads the secret %s, which is not mounted", name, secret)
					}
					value = filepath.Join(secrets, secret)
				}
				environ = append(environ, variable+"="+value)
			}
			cfg, err := up.Load(config.Source{
				File: filepath.Join(ours.root, "deploy", "compose", "parcours.yaml"), Environ: environ,
			})
			if err := errors.Join(err, cfg.Validate()); err != nil {
				t.Fatal(err)
			}
			if cfg.Workspace.HashKey == "" {
				t.Error("no hash key reached the configuration")
			}
			if (cfg.Admin.Token != "") != (name == "identity") {
				t.Error("the admin token belongs to identity, which operators operate, and to nobody else")
			}
			if name == "sink" && cfg.Sink.ClickHouse.Password == "" {
				t.Error("no password of ClickHouse reached the configuration")
			}
		})
	}
}
