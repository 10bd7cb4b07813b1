package sink_test

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// The sink and its readers reach ClickHouse over TLS with an authority of the house, and with compression.
func TestTLSAndCompression(t *testing.T) {
	r := newRig(t)
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.cfg.ClickHouse.Addresses[0]})
	server := httptest.NewTLSServer(forward)
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	r.cfg.ClickHouse.Addresses = []string{strings.TrimPrefix(server.URL, "https://")}
	r.cfg.ClickHouse.TLS, r.cfg.ClickHouse.CAFile = true, authority
	r.cfg.ClickHouse.Compression = "gzip"
	r.db = open(t, r.cfg.ClickHouse)
	r.run()
	r.produce(event(1, "Product Viewed"), event(2, "Product Viewed"))
	r.eventually("SELECT count() FROM customer_events WHERE workspace = %s", "2")

	stranger := r.cfg.ClickHouse
	stranger.CAFile = ""
	if err := open(t, stranger).Ping(t.Context()); err == nil {
		t.Error("a server of an unknown authority was trusted")
	}
}

// What Query answers is text as ClickHouse writes it, whatever the values hold.
func TestQueryAnswersText(t *testing.T) {
	r := newRig(t)
	table, err := r.db.Query(t.Context(), `SELECT 'a\tb\n\\' AS text, NULL AS nothing, [1, 2] AS list, toDecimal64('1.50', 4) AS amount, ? AS given`, "it's")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(table.Rows[0], "|"); got != "a\tb\n\\||[1,2]|1.5|it's" {
		t.Errorf("got %q", got)
	}
	if _, err := r.db.Query(t.Context(), "SELECT missing FROM nowhere"); err == nil || warehouse.Classify(err) == warehouse.ClassData {
		t.Errorf("got %v, want an error that blames no row", err)
	}
}
