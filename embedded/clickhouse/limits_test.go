package clickhouse_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

func TestTooManyQueriesAreRefused(t *testing.T) {
	server := own(t, t.TempDir(), func(cfg *clickhouse.Config) {
		cfg.Engine.MaxQueries, cfg.Engine.QueueTimeout = 2, 50*time.Millisecond
	})
	addr := server.Addr()
	ended := make(chan answer, 1)
	go func() {
		ended <- post(t, addr, "SELECT sum(sleepEachRow(0.1)) FROM numbers(20) SETTINGS max_block_size = 1")
	}()
	eventually(t, "the slow query runs", func() bool {
		return enginetest.Exec(t, addr, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sum(sleepEachRow%'") == "1"
	})
	second := make(chan answer, 1)
	go func() {
		second <- post(t, addr, "SELECT sum(sleepEachRow(0.1)) FROM numbers(10) SETTINGS max_block_size = 1")
	}()
	var refused answer
	eventually(t, "a third query is refused", func() bool { refused = post(t, addr, "SELECT 1"); return refused.status != 200 })
	wantError(t, refused, 500, "202", "Too many simultaneous queries")
	for _, c := range []chan answer{ended, second} {
		if a := <-c; a.status != 200 {
			t.Errorf("an accepted query ended with %d %s", a.status, a.body)
		}
	}
	if a := post(t, addr, "SELECT 1"); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.body)
	}
}

// A body that is small on the wire and large behind it is bounded by what comes out.
func TestBodyIsBoundedAfterDecompression(t *testing.T) {
	server := own(t, t.TempDir(), func(cfg *clickhouse.Config) { cfg.Engine.MaxBodyBytes = 1 << 20 })
	addr := server.Addr()
	enginetest.Exec(t, addr, "CREATE TABLE x (s String) ENGINE = MergeTree ORDER BY s")
	long := bytes.Repeat([]byte("line\n"), 1<<20)
	insert := values("query", "INSERT INTO x FORMAT TSV")
	for name, encode := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"lz4":  func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		var bomb bytes.Buffer
		w := encode(&bomb)
		if _, err := w.Write(long); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, ask(t, "POST", addr, insert, bomb.String(), "Content-Encoding", name), 413, "229", "limit")
		if a := ask(t, "POST", addr, insert, bomb.String(), "Content-Encoding", name+", "+name); a.status == 200 || !strings.Contains(a.body, "UNKNOWN_COMPRESSION_METHOD") {
			t.Errorf("two layers of %s: %d %s", name, a.status, a.body)
		}
	}
	blocks := compress.NewWriter(compress.LevelZero, compress.ZSTD)
	if err := blocks.Compress(long); err != nil {
		t.Fatal(err)
	}
	native := values("query", insert.Get("query"), "decompress", "1")
	wantError(t, ask(t, "POST", addr, native, string(blocks.Data)), 413, "229", "limit")
	// Only a little too long: a server may break off what comes long after its answer.
	wantError(t, ask(t, "POST", addr, insert, strings.Repeat("line\n", (1<<20)/5+1000)), 413, "229", "limit")
	if got := enginetest.Exec(t, addr, "SELECT count() FROM x"); got != "0" {
		t.Errorf("%s rows of refused bodies", got)
	}
	if a := ask(t, "POST", addr, insert, strings.Repeat("line\n", 100_000)); a.status != 200 {
		t.Errorf("a body within the limit: %d %s", a.status, a.body)
	}
}

func TestSessionEndsWithItsTimeout(t *testing.T) {
	addr := embedded(t)
	session := values("session_id", "short", "session_timeout", "1")
	if a := ask(t, "POST", addr, session, "CREATE TEMPORARY TABLE mine (n UInt8)"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	session.Set("session_check", "1")
	begun := time.Now()
	if a := ask(t, "POST", addr, session, "SELECT count() FROM mine"); a.status != 200 {
		t.Fatalf("after %s: %d %s", time.Since(begun), a.status, a.body)
	}
	eventually(t, "the session ends", func() bool {
		if time.Since(begun) < 1500*time.Millisecond {
			return false // Asking would prolong it.
		}
		begun = time.Now()
		return ask(t, "POST", addr, session, "SELECT 1").header.Get("X-ClickHouse-Exception-Code") == "372"
	})
	wantError(t, ask(t, "POST", addr, values("session_id", "x", "session_timeout", "999999"), "SELECT 1"), 500, "374", "999999")
}

func TestMergesMutationsAndUpdatesRun(t *testing.T) {
	addr := enginetest.Start(t)
	table := enginetest.Database(t, addr) + ".x"
	enginetest.Exec(t, addr, "CREATE TABLE "+table+" (n UInt64, s String, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY n "+
		"TTL at + INTERVAL 1 YEAR SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 1")
	for range 20 {
		enginetest.Exec(t, addr, "INSERT INTO "+table+" (n, s) SELECT number, 'a' FROM numbers(10)")
	}
	parts := func() string {
		return enginetest.Exec(t, addr, "SELECT uniqExact(_part) FROM "+table)
	}
	eventually(t, "parts are merged in the background", func() bool { return parts() != "20" })
	enginetest.Exec(t, addr, "ALTER TABLE "+table+" DELETE WHERE n = 3 SETTINGS mutations_sync = 2")
	enginetest.Exec(t, addr, "DELETE FROM "+table+" WHERE n = 4")
	enginetest.Exec(t, addr, "UPDATE "+table+" SET s = 'b' WHERE n = 5 SETTINGS enable_lightweight_update = 1")
	if got := enginetest.Exec(t, addr, "SELECT count(), countIf(s = 'b'), countIf(n IN (3, 4)) FROM "+table); got != "160\t20\t0" {
		t.Errorf("rows, updated and deleted ones: %q", got)
	}
}
