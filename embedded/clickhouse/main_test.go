package clickhouse_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// open connects clickhouse-go over HTTP to a new database.
func open(t *testing.T, change ...func(*ch.Options)) (driver.Conn, string) {
	t.Helper()
	addr := enginetest.Start(t)
	database := enginetest.Database(t, addr)
	options := &ch.Options{Protocol: ch.HTTP, Addr: []string{addr}, Auth: ch.Auth{Database: database, Username: "default"}}
	for _, f := range change {
		f(options)
	}
	conn, err := ch.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, addr
}

// embedded is for what a test asks of the embedded engine alone.
func embedded(t *testing.T) string {
	t.Helper()
	if os.Getenv(enginetest.AddressEnv) != "" {
		t.Skip("this is about the embedded engine, not about the external one the tests were pointed at")
	}
	return enginetest.Start(t)
}

func run(t *testing.T, conn driver.Conn, queries ...string) {
	t.Helper()
	for _, query := range queries {
		if err := conn.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// eventually polls a condition that another process brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with the query in the URL and returns the answer.
func ask(t *testing.T, method, addr string, values url.Values, body string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/?"+values.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer: %v (got %q)", err, text)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func post(t *testing.T, addr, query string, headers ...string) answer {
	t.Helper()
	return ask(t, http.MethodPost, addr, nil, query, headers...)
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}
