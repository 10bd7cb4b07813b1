package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var rewrite = flag.Bool("rewrite", false, "write what the queries answer into the golden files")

// TestPipeline starts the pipeline once; its parts keep to message ids of their own.
func TestPipeline(t *testing.T) {
	p := start(t)
	t.Run("golden", p.golden)
	t.Run("journey", p.journey)
	t.Run("bad input", p.badInput)
	t.Run("evolution", p.evolution)
	t.Run("node SDK", p.nodeSDK)
	t.Run("browser SDK", p.browserSDK)
	t.Run("personal data", p.personalData)
}

// golden runs the files of testdata/golden: requests in, rows out. A section "send KEY METHOD PATH STATUS" is a
// request with its body, a section "query" is asked until it answers the section "rows" after it.
func (p *pipeline) golden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { p.goldenFile(t, file) })
	}
}

func (p *pipeline) goldenFile(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := false
	for i, section := range archive.Files {
		words := strings.Fields(section.Name)
		body := strings.TrimSuffix(string(section.Data), "\n")
		switch {
		case words[0] == "send" && len(words) == 5:
			want, err := strconv.Atoi(words[4])
			if err != nil {
				t.Fatalf("section %q: status: %v", section.Name, err)
			}
			if status, answer := p.send(t, words[1], words[2], words[3], body, nil); status != want {
				t.Fatalf("section %q was answered %d: %s", section.Name, status, answer)
			}
		case words[0] == "query" && i+1 < len(archive.Files):
			rows := &archive.Files[i+1]
			if got, differs := p.ask(t, body, strings.TrimSuffix(string(rows.Data), "\n")); differs {
				rows.Data, changed = []byte(got+"\n"), true
			}
		case words[0] == "rows":
			// Read with the query before it.
		default:
			t.Fatalf("section %q: write send KEY METHOD PATH STATUS, query or rows", section.Name)
		}
	}
	if changed {
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// ask waits until the query answers the rows; when rewriting, until it answers as many and returns them.
func (p *pipeline) ask(t *testing.T, sql, want string) (got string, differs bool) {
	t.Helper()
	until(t, func() (string, bool) {
		got = p.query(t, sql)
		if *rewrite {
			return "", strings.Count(got, "\n") == strings.Count(want, "\n") && (got != "") == (want != "")
		}
		return fmt.Sprintf("%s (-want +got)\n%s", sql, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))), got == want
	})
	return got, got != want
}

// journey: a visitor looks on the web, buys at a till with a card and an e-mail address, and is one customer.
func (p *pipeline) journey(t *testing.T) {
	p.accept(t, "wk_dev_web", "/v1/p", `{"anonymousId":"journey-cookie","messageId":"journey-1","type":"page","name":"Manteaux","context":{"page":{"url":"https://www.example.fr/manteaux"}}}`)
	p.accept(t, "wk_dev_web", "/v1/i", `{"anonymousId":"journey-cookie","messageId":"journey-2","type":"identify","traits":{"email":"Journey.Client@Example.fr"}}`)
	// The till knows the card; the address was given for the receipt by e-mail.
	p.accept(t, "wk_dev_pos", "/v1/batch", `{"batch":[{"type":"track","event":"Order Completed","messageId":"journey-3","properties":{
		"order_id":"journey-ticket","total":"89,90","currency":"EUR","store_id":"LYON-02","register_id":"3","receipt_id":"000123",
		"loyalty_id":"2990000012345","email":"journey.client@example.fr","tender":[{"type":"card","amount":89.90}],
		"products":[{"sku":"m-1","name":"Manteau","price":"89.90","quantity":1}]}}]}`)
	p.eventually(t, "2\t1\t89.9",
		`SELECT length(channels), orders, revenue FROM parcours.customers WHERE customer_id IN
		(SELECT customer_id FROM parcours.customer_events WHERE message_id = 'journey-1')`)
	p.eventually(t, "journey-1\tweb\njourney-2\tweb\njourney-3\tstore",
		`SELECT message_id, channel FROM parcours.customer_events WHERE customer_id IN
		(SELECT customer_id FROM parcours.customer_events WHERE message_id = 'journey-3') ORDER BY message_id`)
}

// personalData looks for the clear values that the parts of this test sent, in the one place where they may not be.
func (p *pipeline) personalData(t *testing.T) {
	canaries := []string{"journey.client@example.fr", "Journey.Client@Example.fr", "2990000012345", "node-sdk@example.fr"}
	status, metrics := p.get(t, "http://"+p.Admin+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answered %d", status)
	}
	logs := p.allLogs()
	for _, canary := range canaries {
		for what, text := range map[string]string{"the log": logs, "the metrics": metrics} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds the personal data %q", what, canary)
			}
		}
		for _, table := range []string{"events", "customer_events", "identity_map", "traits", "orders", "customers"} {
			rows := p.query(t, fmt.Sprintf("SELECT count() FROM parcours.%s WHERE position(toString(tuple(*)), '%s') > 0", table, canary))
			if rows != "0" {
				t.Errorf("%s rows of %s hold the personal data %q", rows, table, canary)
			}
		}
	}
	if found := p.query(t, "SELECT count() > 0 FROM parcours.contacts WHERE lower(email) = 'journey.client@example.fr'"); found != "1" && found != "true" {
		t.Errorf("contacts, the home of clear values, lacks the address: %s", found)
	}
}
