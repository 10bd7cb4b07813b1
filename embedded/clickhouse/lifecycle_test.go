package clickhouse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// own starts an engine for this test alone, in dir.
func own(t *testing.T, dir string, change ...func(*clickhouse.Config)) *clickhouse.Server {
	t.Helper()
	if os.Getenv(enginetest.AddressEnv) != "" {
		t.Skip("this is about the supervisor, not about the external ClickHouse the tests were pointed at")
	}
	cfg, err := enginetest.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.PreferBinary = false
	for _, f := range change {
		f(&cfg)
	}
	server, err := clickhouse.Start(context.Background(), cfg)
	if errors.Is(err, clickhouse.ErrNoEngine) {
		enginetest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestRestartKeepsData(t *testing.T) {
	dir := t.TempDir()
	first := own(t, dir)
	for _, query := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.x (n UInt64, j JSON) ENGINE = MergeTree ORDER BY n",
		`INSERT INTO shop.x FORMAT JSONEachRow {"n":1,"j":{"a":"b"}}`,
		"CREATE VIEW shop.v AS SELECT n, j.a AS a FROM shop.x",
		"CREATE DICTIONARY shop.d (n UInt64, s String) PRIMARY KEY n SOURCE(CLICKHOUSE(QUERY 'SELECT n, toString(j.a) FROM shop.x')) LIFETIME(0) LAYOUT(HASHED())",
	} {
		enginetest.Exec(t, first.Addr(), query)
	}
	pid := first.PID()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Errorf("process %d outlives Close", pid)
	}
	second := own(t, dir)
	if got := enginetest.Exec(t, second.Addr(), "SELECT n, a, dictGet('shop.d', 's', n) FROM shop.v"); got != "1\tb\tb" {
		t.Errorf("after a restart the view has %q", got)
	}
}

// Every row whose INSERT was answered 200 is there after the engine was killed again and again.
func TestKilledEngineLosesNoAcknowledgedInsert(t *testing.T) {
	server := own(t, t.TempDir())
	addr := server.Addr()
	enginetest.Exec(t, addr, "CREATE TABLE acked (writer UInt8, n UInt64, s String) ENGINE = MergeTree ORDER BY (writer, n)")
	ctx, stop := context.WithCancel(t.Context())
	const writers, rows = 3, 500
	var acked [writers]atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for batch := 0; ctx.Err() == nil; {
				var body strings.Builder
				for i := range rows {
					fmt.Fprintf(&body, "%d\t%d\trow of a batch\n", w, batch*rows+i)
				}
				// An INSERT whose answer was lost is sent again, and without a token: a table without replicas may note a token
				// before it has the part, so that a kill between the two makes it drop the repetition of what it never kept.
				url := fmt.Sprintf("http://%s/?query=INSERT+INTO+acked+FORMAT+TSV", addr)
				if insert(t, url, body.String()) {
					batch++
					acked[w].Store(int64(batch))
				}
			}
		})
	}
	const kills = 4
	for k := range kills {
		before := acked[0].Load()
		eventually(t, "inserts are acknowledged", func() bool { return acked[0].Load() >= before+5 })
		pid := server.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the engine is restarted", func() bool { return server.Restarts() == k+1 && server.Ready() && server.PID() != pid })
	}
	last := acked[0].Load()
	eventually(t, "inserts go on on the same address", func() bool { return acked[0].Load() > last })
	stop()
	wg.Wait()
	if server.Addr() != addr {
		t.Errorf("the address moved from %s to %s", addr, server.Addr())
	}
	for w := range writers {
		got := enginetest.Exec(t, addr, fmt.Sprintf("SELECT count(), uniqExact(n) FROM acked WHERE writer = %d", w))
		count, unique, _ := strings.Cut(got, "\t")
		want := acked[w].Load() * rows
		if n, err := strconv.ParseInt(unique, 10, 64); err != nil || n < want {
			t.Errorf("writer %d: %d rows acknowledged, %s found, %s different", w, want, count, unique)
		}
	}
	t.Logf("%d kills, %d+%d+%d batches of %d rows acknowledged", kills, acked[0].Load(), acked[1].Load(), acked[2].Load(), rows)
}

func insert(t *testing.T, url, body string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return true
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false // The engine was killed: the answer is unknown, and the batch is sent again.
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("an INSERT is answered %s", resp.Status)
	}
	return resp.StatusCode == http.StatusOK
}

// A crash inside the engine's own code is a death like any other: the child goes, the supervisor replaces it.
func TestCrashInTheEngineIsIsolated(t *testing.T) {
	server := own(t, t.TempDir())
	pid := server.PID()
	if err := syscall.Kill(pid, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine is restarted", func() bool { return server.Restarts() == 1 && server.Ready() })
	if got := enginetest.Exec(t, server.Addr(), "SELECT 1"); got != "1" || server.PID() == pid {
		t.Errorf("after a crash: %q from process %d", got, server.PID())
	}
}

func TestSignalsReachGoAndNotTheEngine(t *testing.T) {
	server := own(t, t.TempDir())
	enginetest.Exec(t, server.Addr(), "SELECT count() FROM numbers(10000000)")
	pid := server.PID()
	begun := time.Now()
	if err := server.Close(); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second || alive(pid) {
		t.Errorf("the clean stop took %s", took)
	}
}

func TestStopCancelsRunningQueries(t *testing.T) {
	server := own(t, t.TempDir(), func(cfg *clickhouse.Config) { cfg.Engine.StopTimeout = 200 * time.Millisecond })
	addr := server.Addr()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		insert(&testing.T{}, "http://"+addr+"/?query=SELECT+count()+FROM+numbers(1000000000000)+WHERE+sipHash64(number)=1+FORMAT+TSV", "")
	}()
	eventually(t, "the query runs", func() bool {
		return enginetest.Exec(t, addr, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers(1000%'") == "1"
	})
	if err := server.Close(); err != nil {
		t.Errorf("stop in the middle of a query: %v", err)
	}
	<-ended
}

func TestSecondEngineOnADirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	own(t, dir)
	cfg, err := enginetest.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.PreferBinary, cfg.Engine.StopTimeout = false, time.Millisecond
	if second, err := clickhouse.Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "another engine is running") {
		t.Errorf("a second engine: %v", err)
		if second != nil {
			_ = second.Close()
		}
	}
}

func TestPassword(t *testing.T) {
	server := own(t, t.TempDir(), func(cfg *clickhouse.Config) { cfg.Engine.Password = "s3cret & more" })
	addr := server.Addr()
	f := func(a answer, want int) {
		t.Helper()
		if a.status != want {
			t.Errorf("%d %q, want %d", a.status, a.body, want)
		}
	}
	f(post(t, addr, "SELECT 1"), 403)
	f(post(t, addr, "SELECT 1", "X-ClickHouse-User", "default", "X-ClickHouse-Key", "wrong"), 403)
	f(ask(t, "POST", addr, values("password", "s3cret & mor"), "SELECT 1"), 403)
	f(post(t, addr, "SELECT 1", "X-ClickHouse-User", "default", "X-ClickHouse-Key", "s3cret & more"), 200)
	f(ask(t, "POST", addr, values("user", "default", "password", "s3cret & more"), "SELECT 1"), 200)
	f(post(t, addr, "SELECT 1", "Authorization", "Basic ZGVmYXVsdDpzM2NyZXQgJiBtb3Jl"), 200)
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server.PID()))
	if err == nil && bytes.Contains(environment, []byte("s3cret")) {
		t.Error("the password stands in the process list")
	}
}

// parentEnv makes the test program play a parent that starts an engine on an address, tells its process and waits
// for its own death.
const parentEnv = "PARCOURS_TEST_PARENT"

func TestParentForTests(t *testing.T) {
	dir, address, found := strings.Cut(os.Getenv(parentEnv), "|")
	if !found {
		t.Skip("this is the parent that another test starts")
	}
	server := own(t, dir, func(cfg *clickhouse.Config) { cfg.Engine.Listen = address })
	fmt.Printf("engine %d at %s\n", server.PID(), server.Addr())
	<-t.Context().Done()
}

// A parent that is killed takes its engine with it, and the next one takes over its address and data at once.
func TestEngineDiesWithItsKilledParent(t *testing.T) {
	dir := t.TempDir()
	own(t, filepath.Join(dir, "other")) // Skips when there is no engine.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:0"
	var pids []int
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestParentForTests$", "-test.timeout=2m", "-test.v=false")
		cmd.Env = append(os.Environ(), parentEnv+"="+filepath.Join(dir, "data")+"|"+address)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscanf(out, "engine %d at %s\n", &pid, &address); err != nil {
			rest, _ := io.ReadAll(out)
			t.Fatalf("round %d: the parent did not start its engine: %v: %s", round, err, rest)
		}
		enginetest.Exec(t, address, "CREATE TABLE IF NOT EXISTS rounds (n UInt8) ENGINE = MergeTree ORDER BY n")
		enginetest.Exec(t, address, fmt.Sprintf("INSERT INTO rounds VALUES (%d)", round))
		if got := enginetest.Exec(t, address, "SELECT count() FROM rounds"); got != fmt.Sprint(round+1) {
			t.Errorf("round %d: %s rows", round, got)
		}
		pids = append(pids, pid)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // It was killed.
	}
	for _, pid := range pids {
		eventually(t, "the engine is gone with its parent", func() bool { return !alive(pid) })
	}
}

func alive(pid int) bool {
	if runtime.GOOS == "linux" {
		// A process that ended and was not yet waited for is dead.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && !bytes.Contains(stat, []byte(") Z "))
	}
	return syscall.Kill(pid, 0) == nil
}
