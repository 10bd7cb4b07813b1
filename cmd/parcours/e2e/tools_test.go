package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// TestTools runs the tools against a running `parcours up`, as its user would.
func TestTools(t *testing.T) {
	enginetest.Start(t) // Skips where there is no engine.
	up := launch(t, t.TempDir())
	addresses := filepath.Join(t.TempDir(), "addresses.json")
	if err := up.Write(addresses); err != nil {
		t.Fatal(err)
	}
	tool := func(args ...string) string {
		t.Helper()
		output, err := exec.CommandContext(t.Context(), program(t), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("parcours %s: %v\n%s", strings.Join(args, " "), err, output)
		}
		return string(output)
	}
	p := &pipeline{Addresses: up.Addresses, db: database(t, warehouse.DefaultConfig(), up.ClickHouse)}
	p.accept(t, "wk_dev_web", "/v1/identify", `{"userId":"tools-1","messageId":"tools-1","traits":{"email":"tools@example.fr"}}`)
	p.accept(t, "wk_dev_web", "/v1/track", `{"event":"Nameless","messageId":"tools-2"}`)

	for _, topic := range []string{"touchpoints", "touchpoints.identified", "touchpoints.enriched"} {
		line := tool("events", "tail", "--at", addresses, "--topic", topic, "--all", "-n", "1", "--output", "json")
		var event struct {
			MessageID string `json:"message_id"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.MessageID != "tools-1" {
			t.Errorf("events tail of %s printed %s (%v)", topic, line, err)
		}
		if strings.Contains(line, "tools@example.fr") {
			t.Errorf("events tail of %s shows personal data that nobody asked for: %s", topic, line)
		}
	}
	if line := tool("events", "tail", "--at", addresses, "--topic", "touchpoints", "--all", "-n", "1", "--personal", "--output", "json"); !strings.Contains(line, "tools@example.fr") {
		t.Errorf("events tail --personal hides what was asked for: %s", line)
	}
	if line := tool("events", "tail", "--at", addresses, "--topic", "touchpoints.rejected", "--all", "-n", "1"); !strings.Contains(line, "missing_identifier") {
		t.Errorf("events tail of the rejected topic printed %s", line)
	}
	p.eventually(t, "1", `SELECT count() FROM parcours.customer_events`)
	if report := tool("doctor", "--at", addresses); strings.Contains(report, "FAILED") || !strings.Contains(report, "services") {
		t.Errorf("the doctor of a healthy pipeline says\n%s", report)
	}
	if verdict := tool("schema", "check", "--at", addresses); strings.Count(verdict, "compatible") != 5 {
		t.Errorf("schema check says\n%s", verdict)
	}
	for path, want := range map[string]string{"/healthz": `"ok"`, "/readyz": `"ready"`, "/metrics": "parcours_stream_consumed_records_total"} {
		if status, body := p.get(t, "http://"+up.Admin+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answered %d without %s", path, status, want)
		}
	}
	// A second pipeline on the same folder would ruin both.
	second := exec.CommandContext(t.Context(), program(t), "up", "--ports", "auto", "--data-dir", up.command.Args[3])
	if output, err := second.CombinedOutput(); err == nil || !strings.Contains(string(output), "in use") {
		t.Errorf("a second parcours up on the same folder: %v\n%s", err, output)
	}
	if err := up.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM ended parcours up with %v", err)
	}
}
