package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/config"
)

type kafka struct {
	Brokers  []string      `koanf:"brokers"`
	Linger   time.Duration `koanf:"linger"`
	Password string        `koanf:"password" secret:"true"`
	Limits   limits        `koanf:"limits"`
	Sources  []source      `koanf:"sources"`
	Hook     func()        `koanf:"-"`
}

type limits struct {
	MaxBody int `koanf:"max_body"`
}

type source struct {
	Name string `koanf:"name"`
	Key  string `koanf:"write_key" secret:"true"`
}

func defaults() kafka {
	return kafka{Brokers: []string{"a:1"}, Linger: time.Second, Limits: limits{MaxBody: 7}}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parcours.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLayersOverrideInOrder(t *testing.T) {
	secret := write(t, "s3cret\n")
	got := defaults()
	err := config.Load(config.Source{
		File:    write(t, "kafka:\n  brokers: [b:1, b:2]\n  linger: 2s\n  limits: {max_body: 8}\n  sources: [{name: web, write_key: k}]\nsink: {any: 1}\n"),
		Environ: []string{"PARCOURS_KAFKA_LINGER=3s", "PARCOURS_KAFKA_LIMITS_MAX_BODY=9", "PARCOURS_KAFKA_PASSWORD_FILE=" + secret, "PARCOURS_SINK_ANY=1", "PARCOURS_TEST_X=1", "HOME=/"},
		Flags:   []string{"kafka.limits.max_body=10"},
		Others:  []string{"sink"},
	}, config.Section{Name: "kafka", Into: &got})
	if err != nil {
		t.Fatal(err)
	}
	want := kafka{
		Brokers: []string{"b:1", "b:2"}, Linger: 3 * time.Second, Password: "s3cret",
		Limits: limits{MaxBody: 10}, Sources: []source{{Name: "web", Key: "k"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	f := func(yaml string, environ, flags []string, want ...string) {
		t.Helper()
		got := defaults()
		err := config.Load(config.Source{File: write(t, yaml), Environ: environ, Flags: flags, Others: []string{"sink"}},
			config.Section{Name: "kafka", Into: &got})
		if err == nil {
			t.Errorf("%q %v %v was accepted", yaml, environ, flags)
			return
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
	}
	f("kafka: {lingr: 1s}", nil, nil, "kafka.lingr")
	f("linger: 1s", nil, nil, "linger", "did you mean kafka.linger")
	f("kafca: {linger: 1s}", nil, nil, "kafca.linger", "kafka.linger")
	f("kafka: {sources: [{nam: web}]}", nil, nil, "kafka", "nam")
	f("kafka: {linger: soon}", nil, nil, "linger", "soon")
	f("kafka: {password: 0123}", nil, nil, "password", "quotes")
	f("kafka: {sources: [{name: web, write_key: 12345678901234567890}]}", nil, nil, "write_key", "quotes")
	f("kafka: {password: 2026-11-23T10:00:00Z}", nil, nil, "password", "takes for a time", "quotes")
	f("kafka: [", nil, nil, "parcours.yaml")
	f("kafka: {}", []string{"PARCOURS_KAFKA_LINGR=1s"}, nil, "PARCOURS_KAFKA_LINGR")
	f("kafka: {}", []string{"PARCOURS_KAFKA_LINGER_FILE=x"}, nil, "PARCOURS_KAFKA_LINGER_FILE")
	f("kafka: {}", nil, []string{"kafka.lingr=1s"}, "kafka.lingr")
	f("kafka: {}", nil, []string{"kafka.linger"}, "key=value")
}

// YAML makes a time of a day without quotes.
func TestDaysAreTextAsWritten(t *testing.T) {
	got := defaults()
	if err := config.Load(config.Source{File: write(t, "kafka: {sources: [{name: 2026-11-23}]}")}, config.Section{Name: "kafka", Into: &got}); err != nil {
		t.Fatal(err)
	}
	if len(got.Sources) != 1 || got.Sources[0].Name != "2026-11-23" {
		t.Errorf("got %+v", got.Sources)
	}
}

func TestPrintRedactsSecretsAndReadsBack(t *testing.T) {
	cfg := defaults()
	cfg.Password = "s3cret"
	cfg.Sources = []source{{Name: "web", Key: "wk"}}
	text, err := config.Print(config.Section{Name: "kafka", Into: &cfg})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", "wk"} {
		if strings.Contains(text, secret) {
			t.Errorf("the printed configuration holds the secret %q:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "linger: 1s # PARCOURS_KAFKA_LINGER") {
		t.Errorf("no line tells how to set kafka.linger:\n%s", text)
	}
	back := defaults()
	if err := config.Load(config.Source{File: write(t, text)}, config.Section{Name: "kafka", Into: &back}); err != nil {
		t.Fatalf("what was printed does not load: %v\n%s", err, text)
	}
	if diff := cmp.Diff(cfg.Limits, back.Limits); diff != "" {
		t.Error(diff)
	}
}
