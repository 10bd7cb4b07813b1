package clickhouse_test

import (
	"database/sql"
	"fmt"
	"testing"
	"testing/fstest"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

func openSQL(t *testing.T) *sql.DB {
	t.Helper()
	addr := enginetest.Start(t)
	db := ch.OpenDB(&ch.Options{Protocol: ch.HTTP, Addr: []string{addr}, Auth: ch.Auth{Database: enginetest.Database(t, addr)}})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLMigrationsWithGoose(t *testing.T) {
	db := openSQL(t)
	files := fstest.MapFS{
		"00001_events.sql": {Data: []byte("-- +goose Up\nCREATE TABLE events (n UInt64, s String DEFAULT 'a;b') ENGINE = MergeTree ORDER BY n;\n-- +goose Down\nDROP TABLE events;\n")},
		"00002_column.sql": {Data: []byte("-- +goose Up\nALTER TABLE events ADD COLUMN extra LowCardinality(String) DEFAULT 'x';\n-- +goose Down\nALTER TABLE events DROP COLUMN extra;\n")},
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 0} {
		done, err := provider.Up(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(done) != want {
			t.Errorf("%d migrations ran, want %d", len(done), want)
		}
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO events (n) VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	var count int
	var s, extra string
	if err := db.QueryRowContext(t.Context(), "SELECT count(), any(s), any(extra) FROM events").Scan(&count, &s, &extra); err != nil {
		t.Fatal(err)
	}
	if count != 2 || s != "a;b" || extra != "x" {
		t.Errorf("%d rows, %q, %q", count, s, extra)
	}
	version, err := provider.GetDBVersion(t.Context())
	if err != nil || version != 2 {
		t.Errorf("version %d, %v; want 2", version, err)
	}
	if _, err := provider.Down(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSQLDictionaryOverALocalTable(t *testing.T) {
	db := openSQL(t)
	var database string
	if err := db.QueryRowContext(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	get := func(dictionary string, node int) (got uint64) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT dictGetOrDefault('"+dictionary+"', 'canonical', toUInt64(?), toUInt64(99))", node).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	exec("CREATE TABLE map_rows (node UInt64, canonical UInt64, version UInt64) ENGINE = ReplacingMergeTree(version) ORDER BY node")
	exec("INSERT INTO map_rows VALUES (1, 10, 1), (2, 10, 1), (1, 20, 2)")
	// One is loaded whenever its lifetime is over, the other only when its source says that something changed.
	for name, invalidate := range map[string]string{"by_lifetime": "", "by_change": " INVALIDATE_QUERY 'SELECT ''rows: '' || toString(count()) FROM " + database + ".map_rows'"} {
		exec("CREATE DICTIONARY " + name + " (node UInt64, canonical UInt64) PRIMARY KEY node " +
			"SOURCE(CLICKHOUSE(QUERY 'SELECT node, argMax(canonical, version) FROM " + database + ".map_rows GROUP BY node'" + invalidate + ")) " +
			"LIFETIME(MIN 0 MAX 1) LAYOUT(HASHED())")
		if a, b, none := get(name, 1), get(name, 2), get(name, 9); a != 20 || b != 10 || none != 99 {
			t.Errorf("%s: nodes 1, 2, 9 are %d, %d, %d; want 20, 10, 99", name, a, b, none)
		}
	}
	for _, node := range []int{3, 4} {
		exec(fmt.Sprintf("INSERT INTO map_rows VALUES (%d, %d, 1)", node, 10*node))
		for _, name := range []string{"by_lifetime", "by_change"} {
			eventually(t, name+" is loaded again", func() bool { return get(name, node) == uint64(10*node) })
		}
	}
}

func TestSQLRefreshableView(t *testing.T) {
	db := openSQL(t)
	for _, query := range []string{
		"CREATE TABLE source (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO source VALUES (1), (2)",
		"CREATE MATERIALIZED VIEW total REFRESH EVERY 1 SECOND ENGINE = MergeTree ORDER BY tuple() AS SELECT sum(n) AS sum FROM source",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	sum := func() (n uint64) {
		if err := db.QueryRowContext(t.Context(), "SELECT sum(sum) FROM total").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the view is filled", func() bool { return sum() == 3 })
	if _, err := db.ExecContext(t.Context(), "INSERT INTO source VALUES (10)"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the view is refreshed", func() bool { return sum() == 13 })
}
