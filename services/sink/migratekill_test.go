package sink_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap/zaptest"
)

// migrateEnv makes this test program one that migrates the database at an address, to be killed.
const migrateEnv = "PARCOURS_TEST_MIGRATE"

func TestMigratingProcess(t *testing.T) {
	address := os.Getenv(migrateEnv)
	if address == "" {
		t.Skip("this is the process that another test kills")
	}
	cfg := warehouse.DefaultConfig()
	cfg.Addresses = []string{address}
	if err := warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed between a migration and the note that it ran leaves the database to the next one, which waits
// for as long as the dead one's claim lasts, and no longer.
func TestMigrationsGoOnAfterAKill(t *testing.T) {
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for _, file := range files {
		number, err := strconv.Atoi(file[:5])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, []string{strconv.Itoa(number), "1"})
	}
	for _, at := range []int64{1, int64(len(files) / 2), int64(len(files))} {
		cfg, db := newDatabase(t)
		killMigrating(t, cfg.Addresses[0], at)
		if got := int64(len(versions(t, db))); got != at-1 {
			t.Fatalf("%d migrations are noted after a kill before the note of number %d", got, at)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		err := warehouse.Migrate(soon, cfg, sink.Migrations(), zaptest.NewLogger(t))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want it to wait for the claim of the process that was killed", err)
		}
		// What 30 seconds would do.
		if err := db.Exec(t.Context(), "INSERT INTO parcours.migration_locks SELECT DISTINCT holder, now64(3), true FROM parcours.migration_locks"); err != nil {
			t.Fatal(err)
		}
		if err := warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, versions(t, db)); diff != "" {
			t.Errorf("versions and how often each was noted (-want +got):\n%s", diff)
		}
	}
}

// killMigrating runs a process that migrates, and kills it when it is about to note a migration: the statement has run.
func killMigrating(t *testing.T, engine string, at int64) {
	t.Helper()
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})
	var notes atomic.Int64
	var child atomic.Pointer[os.Process]
	killed := make(chan error, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		// goose notes version 0 first.
		if bytes.Contains(body, []byte("INSERT INTO goose_db_version")) && notes.Add(1) == at+1 {
			killed <- child.Load().Kill()
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "-test.run=^TestMigratingProcess$", "-test.count=1")
	command.Env = append(os.Environ(), migrateEnv+"="+strings.TrimPrefix(proxy.URL, "http://"))
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	child.Store(command.Process)
	ended := command.Wait()
	select {
	case err := <-killed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience): // it ended before its killer could say so, or by itself
		t.Fatalf("the process was not killed: %v\n%s", ended, output.String())
	}
}
