package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/backend"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// hashKey makes the ids of customers the same in every run, so that golden files can hold them.
const hashKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// patience bounds every wait; a machine under load is slow, not wrong.
const patience = 90 * time.Second

// pipeline is a running Parcours.
type pipeline struct {
	up.Addresses
	db      *warehouse.Warehouse
	logs    *observer.ObservedLogs
	brokers []string
	dataDir string
	stop    func() error
}

// start runs the four services in this process on the test's backends, until the test ends.
func start(t *testing.T) *pipeline {
	t.Helper()
	kafka, clickHouse := backend.Kafka(t), backend.ClickHouse(t)
	cfg := up.DefaultConfig()
	cfg.AutoPorts()
	cfg.Embedded.Kafka, cfg.Embedded.Registry, cfg.Embedded.ClickHouse = false, false, false
	cfg.Embedded.DataDir = t.TempDir()
	cfg.Workspace.HashKey = hashKey
	cfg.Kafka.Brokers = kafka.Brokers
	cfg.Kafka.ReplicationFactor = 1
	cfg.Registry.URL = backend.Registry(t)
	cfg.Sink.ClickHouse.Addresses = []string{clickHouse.Addr}
	cfg.Sink.ClickHouse.Username, cfg.Sink.ClickHouse.Password = clickHouse.User, clickHouse.Password
	return run(t, cfg)
}

// run runs the configuration until the test ends.
func run(t *testing.T, cfg up.Config) *pipeline {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan up.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- up.Run(ctx, cfg, up.Options{Log: zap.New(core), Ready: func(a up.Addresses) { ready <- a }})
	}()
	p := &pipeline{logs: logs, brokers: cfg.Kafka.Brokers, dataDir: cfg.Embedded.DataDir}
	p.stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case p.Addresses = <-ready:
	case err := <-ended:
		t.Fatalf("the pipeline ended before it was ready: %v\n%s", err, p.tail())
	case <-time.After(patience):
		cancel()
		t.Fatalf("the pipeline was not ready in %s\n%s", patience, p.tail())
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stop the pipeline: %v", err)
		}
		ended <- nil // A second stop has nothing to wait for.
		if t.Failed() {
			t.Log(p.tail())
		}
	})
	p.db = database(t, cfg.Sink.ClickHouse, p.ClickHouse)
	return p
}

// database opens the pipeline's ClickHouse.
func database(t *testing.T, cfg warehouse.Config, address string) *warehouse.Warehouse {
	t.Helper()
	cfg.Addresses = []string{address}
	db, err := warehouse.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// tail is the end of the pipeline's log.
func (p *pipeline) tail() string {
	var b strings.Builder
	entries := p.logs.All()
	for _, entry := range entries[max(0, len(entries)-60):] {
		fmt.Fprintf(&b, "%s %s %s %v\n", entry.Level, entry.LoggerName, entry.Message, entry.ContextMap())
	}
	return b.String()
}

// send makes one request to the collector with a write key, and returns status and body.
func (p *pipeline) send(t *testing.T, key, method, path, body string, header http.Header) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.Collector+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if key != "" {
		request.SetBasicAuth(key, "")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(answer)
}

// accept sends a body that must be answered 200.
func (p *pipeline) accept(t *testing.T, key, path, body string) {
	t.Helper()
	if status, answer := p.send(t, key, http.MethodPost, path, body, nil); status != http.StatusOK {
		t.Fatalf("POST %s was answered %d: %s", path, status, answer)
	}
}

// query reads rows as tab-separated text.
func (p *pipeline) query(t *testing.T, sql string, args ...any) string {
	t.Helper()
	return query(t, p.db, sql, args...)
}

func query(t *testing.T, db *warehouse.Warehouse, sql string, args ...any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	result, err := db.Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	lines := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		lines[i] = strings.Join(row, "\t")
	}
	return strings.Join(lines, "\n")
}

// eventually waits until the query answers what is wanted, and fails with the last answer if it never does.
func (p *pipeline) eventually(t *testing.T, want, sql string, args ...any) {
	t.Helper()
	until(t, func() (string, bool) {
		got := p.query(t, sql, args...)
		return fmt.Sprintf("%s\nanswers\n%s\nwant\n%s", sql, got, want), got == want
	})
}

// until polls the condition until it holds; the text says what was seen last.
func until(t *testing.T, condition func() (string, bool)) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		seen, holds := condition()
		if holds {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %s: %s", patience, seen)
		case <-ticker.C:
		}
	}
}

// root is the repository's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work above the test's folder")
		}
		dir = parent
	}
}

// get asks a URL of the admin listener.
func (p *pipeline) get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// allLogs is everything that was logged, at any level.
func (p *pipeline) allLogs() string {
	var b strings.Builder
	for _, entry := range p.logs.All() {
		fmt.Fprintf(&b, "%s %v\n", entry.Message, entry.ContextMap())
	}
	return b.String()
}
