// Package enginetest gives tests a real ClickHouse: the one at PARCOURS_TEST_CLICKHOUSE, or an embedded engine of
// the test program's own, which it starts once, shares between its tests and takes down with itself.
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
//	func TestX(t *testing.T) {
//		addr := enginetest.Start(t)              // "127.0.0.1:port" of the HTTP interface
//		database := enginetest.Database(t, addr) // a new one, dropped after the test
//	}
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
)

const (
	// AddressEnv names an external ClickHouse (host:port of its HTTP interface) to test with instead.
	AddressEnv = "PARCOURS_TEST_CLICKHOUSE"
	// RequireEnv set to 1 makes a missing engine a failure instead of a skip, as CI wants it.
	RequireEnv = "PARCOURS_REQUIRE_ENGINE"
)

// shared is the test program's engine.
type shared struct {
	once   sync.Once
	server *clickhouse.Server
	dir    string
	err    error
}

var engine shared

// Main runs the tests; in the child process that a test started for its engine, it runs the engine instead.
func Main(m *testing.M) {
	if clickhouse.IsChild() {
		if err := clickhouse.RunChild(context.Background(), childLog()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	m.Run()
	if err := engine.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the tests' engine:", err)
	}
}

// Start returns the address of the engine's HTTP interface. Without an engine the test is skipped with the reason,
// or fails when PARCOURS_REQUIRE_ENGINE=1.
func Start(t testing.TB) string {
	t.Helper()
	if address := os.Getenv(AddressEnv); address != "" {
		t.Logf("ClickHouse backend: external, %s", address)
		return address
	}
	engine.once.Do(func() { engine.start() })
	if engine.err != nil {
		if errors.Is(engine.err, clickhouse.ErrNoEngine) {
			Missing(t, engine.err)
		}
		t.Fatal(engine.err)
	}
	t.Logf("ClickHouse backend: embedded, %s", engine.server.Backend())
	before := engine.server.Restarts()
	t.Cleanup(func() {
		if after := engine.server.Restarts(); after != before {
			t.Errorf("the engine died %d times during this test", after-before)
		}
	})
	return engine.server.Addr()
}

// Missing skips the test for want of an engine, or fails it when CI asked for one.
func Missing(t testing.TB, reason error) {
	t.Helper()
	if os.Getenv(RequireEnv) == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Config is the supervisor's configuration for an engine of a test's own: in dir, on a free port, run by this very
// test program, whose TestMain must call Main.
func Config(dir string) (clickhouse.Config, error) {
	cfg := clickhouse.DefaultConfig()
	exe, err := os.Executable()
	if err != nil {
		return cfg, fmt.Errorf("find this test program: %w", err)
	}
	cfg.Command = []string{exe}
	cfg.Engine.DataDir = dir
	cfg.Engine.Listen = "127.0.0.1:0"
	return cfg, nil
}

func (s *shared) start() {
	if s.dir, s.err = os.MkdirTemp("", "parcours-engine-"); s.err != nil {
		return
	}
	cfg, err := Config(s.dir)
	if err != nil {
		s.err = err
		return
	}
	warnings := zap.NewDevelopmentConfig()
	warnings.Level.SetLevel(zap.WarnLevel)
	if cfg.Log, s.err = warnings.Build(zap.AddStacktrace(zap.DPanicLevel)); s.err != nil {
		return
	}
	if s.server, s.err = clickhouse.Start(context.Background(), cfg); s.err != nil {
		s.err = errors.Join(s.err, os.RemoveAll(s.dir))
	}
}

func (s *shared) close() error {
	if s.server == nil {
		return nil
	}
	return errors.Join(s.server.Close(), os.RemoveAll(s.dir))
}

// Database makes a new database and drops it when the test is over.
func Database(t testing.TB, address string) string {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	Exec(t, address, "CREATE DATABASE "+name)
	t.Cleanup(func() { Exec(t, address, "DROP DATABASE IF EXISTS "+name+" SYNC") })
	return name
}

// Exec runs one statement over HTTP and returns its answer, without the last newline, in TSV unless it says FORMAT.
func Exec(t testing.TB, address, query string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", query, resp.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n")
}

func childLog() *zap.Logger {
	log, err := zap.NewProduction()
	if err != nil {
		return zap.NewNop()
	}
	return log
}
