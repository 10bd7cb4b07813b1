package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// TestRepair repairs what was rejected and proves what is stored, as an operator would, on a running `parcours up`.
func TestRepair(t *testing.T) {
	enginetest.Start(t) // Skips where there is no engine.
	up := launch(t, t.TempDir())
	addresses := filepath.Join(t.TempDir(), "addresses.json")
	if err := up.Write(addresses); err != nil {
		t.Fatal(err)
	}
	tool := func(code int, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program(t), append(args, "--at", addresses)...)
		command.Stdin = strings.NewReader("") // a pipe: nobody can be asked
		output, err := command.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		got := 0
		if exit != nil {
			got = exit.ExitCode()
		}
		if got != code {
			t.Fatalf("parcours %s ended with %d, want %d\n%s", strings.Join(args, " "), got, code, output)
		}
		return string(output)
	}
	says := func(output string, words ...string) {
		t.Helper()
		for _, word := range words {
			if !strings.Contains(output, word) {
				t.Errorf("%s\nlacks %q", output, word)
			}
		}
	}
	p := &pipeline{Addresses: up.Addresses, db: database(t, warehouse.DefaultConfig(), up.ClickHouse)}
	const count = `SELECT count() FROM parcours.events`
	state := `SELECT arrayStringConcat(arraySort(groupArray(reason || ' ' || replay_state)), ', ') FROM parcours.rejected_events`
	agrees := func() {
		t.Helper()
		until(t, func() (string, bool) { // commits follow inserts
			output := tool(0, "sink", "reconcile")
			return output, !strings.Contains(output, "on their way")
		})
	}

	p.accept(t, "wk_dev_pos", "/v1/batch", `{"batch":[
		{"type":"track","event":"Order Completed","messageId":"ticket-1","timestamp":"2026-10-01T10:00:00Z","userId":"lea@example.fr-7","properties":{"order_id":"o-1","total":"douze","products":[{"sku":"s","price":"x"}]}},
		{"type":"track","event":"Product Viewed","messageId":"fine","userId":"u-2"}],"context":{"locale":"fr-FR"},"sentAt":"2026-10-01T10:00:01Z"}`)
	p.accept(t, "wk_dev_web", "/v1/track", `{"event":"Nameless"}`)
	p.eventually(t, "invalid_amount pending, missing_identifier pending", state)
	p.eventually(t, "1", count)

	listed := tool(0, "rejected", "list")
	says(listed, "invalid_amount", "properties.total", "ticket-1", "missing_identifier", "pending")
	if strings.Contains(listed, "lea@example.fr") {
		t.Errorf("the list shows payloads that nobody asked for:\n%s", listed)
	}
	says(tool(0, "rejected", "list", "--reason", "invalid_amount", "--payload"), "lea@example.fr-7", "fr-FR")
	var found []struct {
		ID     string `json:"rejection_id"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(tool(0, "rejected", "list", "--reason", "invalid_amount", "--output", "json")), &found); err != nil || len(found) != 1 {
		t.Fatalf("list as JSON: %v, %v", found, err)
	}
	says(tool(0, "rejected", "list", "--show", found[0].ID), "the amount is not a decimal", "--payload prints them")

	// A dry run changes nothing.
	fix := []string{"rejected", "replay", "--reason", "invalid_amount", "--put", "properties.total=12.90", "--put", "properties.products[0].price=12.90"}
	dry := tool(0, append(fix, "--dry-run")...)
	says(dry, "would be sent", `properties.total: "hidden" -> 12.90`, `properties.products[0].price: "hidden" -> 12.90`)
	says(tool(0, append(fix, "--dry-run", "--payload")...), `properties.total: "douze" -> 12.90`)
	p.eventually(t, "invalid_amount pending, missing_identifier pending", state)
	p.eventually(t, "1", count)
	// Wrong words are named before anything is sent.
	says(tool(1, "rejected", "replay", "--yes", "--put", "a..b=1"), "a..b=1", "a name is missing")
	says(tool(1, "rejected", "replay", "--put", "a=1"), "--yes")
	says(tool(1, "rejected", "list", "--since", "soon"), "--since")

	// Repaired, it is one event, with what its batch said, at the time when it happened.
	says(tool(0, append(fix, "--yes")...), "1 replayed")
	p.eventually(t, "1\tfr-FR\t12.9\t1", `SELECT count(), any(locale), any(total), any(abs(date_diff('second', occurred_at, toDateTime64('2026-10-01 10:00:00', 3, 'UTC'))) > 86400)
		FROM parcours.events WHERE message_id = 'ticket-1'`)
	p.eventually(t, "invalid_amount replayed, missing_identifier pending", state)
	says(tool(0, append(fix, "--yes")...), "nothing to replay")
	says(tool(0, append(fix, "--yes", "--state", "replayed")...), "stored already")

	// Not repaired, it is rejected again, as a new rejection, because it has a message id now.
	says(tool(1, "rejected", "replay", "--yes"), "rejected again", "missing_identifier")
	p.eventually(t, "invalid_amount replayed, missing_identifier pending, missing_identifier replayed", state)
	patch := filepath.Join(t.TempDir(), "patch.json")
	if err := os.WriteFile(patch, []byte(`{"anonymousId":"a-1","context":{"page":{"title":"Repaired"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	says(tool(0, "rejected", "replay", "--yes", "--patch", patch), "1 replayed")
	p.eventually(t, "Repaired\t", `SELECT page_title, ip FROM parcours.events WHERE name = 'Nameless'`)
	p.eventually(t, "3", count)
	p.accept(t, "wk_dev_web", "/v1/track", `{"event":"Hopeless"}`)
	p.eventually(t, "1", `SELECT count() FROM parcours.rejected_events WHERE name = 'Hopeless'`)
	says(tool(0, "rejected", "replay", "--yes", "--dismiss"), "1 dismissed")
	says(tool(0, "rejected", "list"), "REJECTED AT")

	// The table is held against the log.
	agrees()
	says(tool(0, "sink", "reconcile", "--topic", "touchpoints.enriched", "--output", "json"), `"agree": true`)
	if err := p.db.Exec(t.Context(), "ALTER TABLE parcours.events DELETE WHERE message_id = 'ticket-1' SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	says(tool(3, "sink", "reconcile"), "missing", " 1 are missing;")
	says(tool(3, "sink", "reconcile", "--output", "json"), `"agree": false`, `"kind": "missing"`)
	says(tool(1, "sink", "reconcile", "--partition", "99"), "no such partition")
	says(tool(2, "sink", "reconcile", "--topic", "identity.map"), "must be one of")
	output, err := exec.CommandContext(t.Context(), program(t), "sink", "reconcile", "--set", "sink.clickhouse.addresses=127.0.0.1:1").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("without a server it ended with %v\n%s", err, output)
	}
}
