package sink_test

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sync/errgroup"
)

// newDatabase drops what other tests left.
func newDatabase(t *testing.T) (warehouse.Config, *warehouse.Warehouse) {
	t.Helper()
	cfg := warehouse.DefaultConfig()
	cfg.Addresses = []string{enginetest.Start(t)}
	enginetest.Exec(t, cfg.Addresses[0], "DROP DATABASE IF EXISTS parcours SYNC")
	return cfg, open(t, cfg)
}

func versions(t *testing.T, db *warehouse.Warehouse) [][]string {
	t.Helper()
	table, err := db.Query(t.Context(), "SELECT version_id, count() FROM parcours.goose_db_version WHERE version_id > 0 GROUP BY version_id ORDER BY version_id")
	if err != nil {
		t.Fatal(err)
	}
	return table.Rows
}

// Instances that start at once take turns: each migration runs once, and all instances find the database ready.
func TestMigrationsRunOnceHoweverMayInstancesStart(t *testing.T) {
	cfg, db := newDatabase(t)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var want [][]string
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		number, err := strconv.Atoi(file[:5])
		if err != nil {
			t.Fatalf("%s does not start with a number of five digits", file)
		}
		want = append(want, []string{strconv.Itoa(number), "1"})
	}
	if diff := cmp.Diff(want, versions(t, db)); diff != "" {
		t.Errorf("versions and how often each was applied (-want +got):\n%s", diff)
	}
	if err := warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, versions(t, db)); diff != "" {
		t.Errorf("a second start applied something (-want +got):\n%s", diff)
	}
}

// Every migration may be cut off between its statement and the note that it ran, so it must bear a repetition.
func TestEveryMigrationMayBeRepeated(t *testing.T) {
	cfg, db := newDatabase(t)
	for range 2 {
		if err := warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
			t.Fatal(err)
		}
		if err := db.Exec(t.Context(), "TRUNCATE TABLE parcours.goose_db_version"); err != nil {
			t.Fatal(err)
		}
	}
}

// A database that a newer program has migrated is refused before anything is changed.
func TestNewerDatabaseIsRefused(t *testing.T) {
	cfg, _ := newDatabase(t)
	newer := fstest.MapFS{}
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		body, err := fs.ReadFile(sink.Migrations(), file)
		if err != nil {
			t.Fatal(err)
		}
		newer[file] = &fstest.MapFile{Data: body}
	}
	newer["99999_later.sql"] = &fstest.MapFile{Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE IF NOT EXISTS parcours.later (a Int8) ENGINE = Memory;\n")}
	if err := warehouse.Migrate(t.Context(), cfg, newer, zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	err = warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t))
	if err == nil || !strings.Contains(err.Error(), "is at version 99999 and this program knows versions up to") {
		t.Errorf("got %v, want a refusal that names both versions", err)
	}
	enginetest.Exec(t, cfg.Addresses[0], "DROP DATABASE parcours SYNC")
}

// A migration is one statement, because ClickHouse would keep the first of two when the second fails.
func TestMigrationsAreOneStatement(t *testing.T) {
	err := fs.WalkDir(sink.Migrations(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(sink.Migrations(), path)
		if err != nil {
			return err
		}
		_, statements, found := strings.Cut(string(body), "-- +goose Up\n")
		if !found || strings.Count(statements, ";\n") != 1 || !strings.Contains(string(body), "-- +goose NO TRANSACTION") {
			t.Errorf("%s: want NO TRANSACTION, Up, and one statement", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRetentionFollowsTheConfiguration(t *testing.T) {
	cfg, db := newDatabase(t)
	if err := warehouse.Migrate(t.Context(), cfg, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	for _, months := range []int{25, 13, 13} {
		if err := db.Retain(t.Context(), warehouse.Retention{Table: "events", Column: "received_at", Months: months}); err != nil {
			t.Fatal(err)
		}
		var engine string
		if err := db.ScanRow(t.Context(), []any{&engine}, "SELECT engine_full FROM system.tables WHERE database = 'parcours' AND name = 'events'"); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("TTL toDateTime(received_at) + toIntervalMonth(%d)", months); !strings.Contains(engine, want) {
			t.Errorf("engine is %s, want %s", engine, want)
		}
	}
}

// What inserts rest on is asserted at the start: without memory of tokens, the sink does not write.
func TestTableWithoutMemoryOfTokensIsRefused(t *testing.T) {
	r := newRig(t)
	t.Cleanup(func() { enginetest.Exec(t, r.cfg.ClickHouse.Addresses[0], "DROP DATABASE parcours SYNC") })
	tables := r.rows("SELECT name FROM system.tables WHERE %s != '' AND database = 'parcours' AND name NOT IN ('goose_db_version', 'migration_locks', 'identity_pruned', 'source_priorities') AND name NOT LIKE '.inner%%' AND engine LIKE '%%MergeTree' ORDER BY name")
	for _, row := range tables {
		if _, err := r.db.RequireSettings(t.Context(), row[0]); err != nil {
			t.Fatal(err)
		}
		if err := r.db.Exec(t.Context(), "ALTER TABLE "+row[0]+" MODIFY SETTING non_replicated_deduplication_window = 0"); err != nil {
			t.Fatal(err)
		}
		err := sink.Run(t.Context(), r.cfg, r.platform())
		if err == nil || !strings.Contains(err.Error(), "parcours."+row[0]+": setting non_replicated_deduplication_window is 0, want 1000 or more: run ALTER TABLE") {
			t.Errorf("%s: got %v, want a refusal that says what to do", row[0], err)
		}
		if err := r.db.Exec(t.Context(), "ALTER TABLE "+row[0]+" MODIFY SETTING non_replicated_deduplication_window = 10000"); err != nil {
			t.Fatal(err)
		}
	}
	if len(tables) != 9 {
		t.Errorf("tables are %v, want nine", tables)
	}
}
