package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/config"
	"github.com/parcours-cdp/parcours/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write generated documents anew")

// command runs the program as a shell would.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	f := func(want int, says string, args ...string) {
		t.Helper()
		code, out, errs := command(t, args...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("parcours %s: exit code %d and\n%s%s\nwant %d and %q", strings.Join(args, " "), code, out, errs, want, says)
		}
	}
	f(exitOK, "Commands:", "--help")
	f(exitOK, "Commands:")
	f(exitOK, "--addr-file", "up", "--help")
	f(exitUsage, "unexpected argument", "upp")
	f(exitUsage, "--colour", "version", "--colour")
	f(exitOK, "parcours", "version")
	f(exitOK, "right", "config", "check")
	f(exitError, "kafka.lingr", "config", "check", "--set", "kafka.lingr=1s")
	f(exitError, "kafka.linger", "config", "check", "--set", "kafka.linger=1h")
	f(exitError, "collector", "config", "check", "--set", "collector.listen=0.0.0.0:8080")
	f(exitError, "no such file", "config", "check", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	f(exitError, "probe", "probe", "http://127.0.0.1:1/readyz")
}

func TestVersionAsJSON(t *testing.T) {
	code, out, _ := command(t, "version", "--output", "json")
	var parts []map[string]string
	if err := json.Unmarshal([]byte(out), &parts); err != nil || code != exitOK || len(parts) == 0 || parts[0]["version"] != version {
		t.Errorf("version --output json: exit code %d, %v\n%s", code, err, out)
	}
}

func TestConfigCheckAsJSON(t *testing.T) {
	code, out, _ := command(t, "config", "check", "--output", "json")
	var checks []map[string]string
	if err := json.Unmarshal([]byte(out), &checks); err != nil || code != exitOK || len(checks) != 1 || checks[0]["result"] != well {
		t.Errorf("config check --output json: exit code %d, %v\n%s", code, err, out)
	}
}

// A taken port is told at once, by the key that names it, before anything is started on it.
func TestUpOnTakenPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, key := range []string{"admin.listen", "collector.listen"} {
		dir := t.TempDir()
		var errs bytes.Buffer
		// Where it is not told, up runs until it is stopped, and ends well.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		code := run(ctx, []string{"up", "--data-dir", dir, "--ports", "auto", "--set", key + "=" + taken.Addr().String()},
			streams{in: strings.NewReader(""), out: io.Discard, err: &errs})
		cancel()
		if code != exitError || !strings.Contains(errs.String(), key) || !strings.Contains(errs.String(), "--ports auto") {
			t.Errorf("up with a taken %s: exit code %d and %q", key, code, errs.String())
		}
		if _, err := os.Stat(filepath.Join(dir, "kafka")); err == nil {
			t.Errorf("up with a taken %s started the broker", key)
		}
	}
}

// An engine that is missing matters only where no ClickHouse answers.
func TestDoctorOnServersOfOnesOwn(t *testing.T) {
	missing := finding{check: "engine", result: unwell, advice: "install it"}
	f := func(clickHouse, want string) {
		t.Helper()
		servers := []finding{{check: "kafka", result: well}, {check: checkClickHouse, result: clickHouse}}
		if got := dispensable(missing, servers).result; got != want {
			t.Errorf("a missing engine beside a ClickHouse that is %s: %s, want %s", clickHouse, got, want)
		}
	}
	f(well, noted)
	f(unwell, unwell)
}

func TestConfigPrintAsJSON(t *testing.T) {
	code, out, errs := command(t, "config", "print", "--output", "json", "--set", "workspace.hash_key="+strings.Repeat("ab", 32))
	var sections map[string]map[string]any
	if err := json.Unmarshal([]byte(out), &sections); err != nil || code != exitOK || sections["kafka"]["partitions"] != 4.0 {
		t.Errorf("config print --output json: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if strings.Contains(out, "abab") {
		t.Errorf("the hash key is printed:\n%s", out)
	}
}

// Every configuration file that is shipped is right.
func TestShippedConfigurations(t *testing.T) {
	found, err := filepath.Glob("../../deploy/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, path := range found {
		if !strings.HasPrefix(filepath.Base(path), "parcours") {
			continue
		}
		checked++
		// The secrets come from files that the deployment makes.
		args := []string{"config", "check", "--config", path, "--set", "workspace.hash_key=" + strings.Repeat("ab", 32)}
		if code, out, errs := command(t, args...); code != exitOK {
			t.Errorf("%s: %s%s", path, out, errs)
		}
	}
	if checked == 0 {
		t.Error("no shipped configuration was found: the test looks in the wrong place")
	}
}

// The reference page holds the defaults as config print shows them.
func TestConfigurationReference(t *testing.T) {
	cfg := up.DefaultConfig()
	text, err := config.Print(cfg.Sections()...)
	if err != nil {
		t.Fatal(err)
	}
	page := `# Configuration

Defaults, over them a YAML file (` + "`--config`" + ` or ` + "`PARCOURS_CONFIG`" + `), over it the environment, over it ` + "`--set key=value`" + `. An unknown key is an error wherever it stands. Secrets may also come from a file: append ` + "`_FILE`" + ` to the variable's name and give a path. What a key means stands beside its field in the code; ` + "`parcours config print`" + ` shows what is in force. A service that runs alone reads the common sections (workspace, kafka, registry, log, admin) and its own.

These are the defaults of ` + "`parcours up`" + `. A service alone differs in ` + "`log.format`" + ` (json), ` + "`kafka.partitions`" + ` (12) and ` + "`admin.listen`" + ` (port 9601 collector, 9602 identity, 9603 enricher, 9604 sink).

` + "```yaml\n" + text + "```\n"
	path := "../../docs/reference/configuration.md"
	if *rewrite {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), page); diff != "" {
		t.Errorf("docs/reference/configuration.md is out of date: go test ./cmd/parcours -rewrite\n%s", diff)
	}
}

func TestSchemaCheckRefusesIncompatibleChanges(t *testing.T) {
	published := file(t, "published.avsc", schemas.TouchpointSchema())
	f := func(name, old, changed string, want int, says string) {
		t.Helper()
		next := strings.Replace(schemas.TouchpointSchema(), old, changed, 1)
		if next == schemas.TouchpointSchema() {
			t.Fatalf("%s: the schema has no %s", name, old)
		}
		code, out, errs := command(t, "schema", "check", file(t, "next.avsc", next), "--against", published)
		if code != want || !strings.Contains(out, says) {
			t.Errorf("%s: exit code %d\n%s%s\nwant %d and %q", name, code, out, errs, want, says)
		}
	}
	f("a text becomes a number", `"name":"message_id","type":"string"`, `"name":"message_id","type":"long"`, exitError, "message_id")
	f("a field without default", `{"name":"message_id"`, `{"name":"colour","type":"string","doc":"New."},{"name":"message_id"`, exitError, "colour")
	f("a field with default", `{"name":"message_id"`, `{"name":"colour","type":"string","default":"","doc":"New."},{"name":"message_id"`, exitOK, "compatible")
	f("another scale of amounts", `"scale":4`, `"scale":2`, exitError, "INCOMPATIBLE")
}

// Without any server, the doctor names each that is missing and what to do.
func TestDoctorWithoutServers(t *testing.T) {
	nowhere := []string{
		"--set", "kafka.brokers=127.0.0.1:1", "--set", "registry.url=http://127.0.0.1:1",
		"--set", "sink.clickhouse.addresses=127.0.0.1:1", "--set", "admin.listen=127.0.0.1:1",
	}
	code, out, errs := command(t, append([]string{"doctor", "--timeout", "1s", "--output", "json"}, nowhere...)...)
	if code != exitError {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	var findings []map[string]string
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	failed := make(map[string]string)
	for _, f := range findings {
		if f["result"] == unwell {
			failed[f["check"]] = f["what_to_do"]
		}
	}
	for _, server := range []string{"kafka", "schema registry", "clickhouse"} {
		if failed[server] == "" {
			t.Errorf("%s is away and the doctor has no advice: %v", server, findings)
		}
	}
}
