package warehouse

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// What the migrations do not hold: see services/sink/testdata/cluster for what they do.
func TestStatementsForACluster(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Cluster = "c"
	f := func(sql string, want ...string) {
		t.Helper()
		got, err := cfg.cluster().rewrite(sql)
		if err != nil {
			got = []string{err.Error()}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", sql, diff)
		}
	}
	f("SELECT 'CREATE TABLE parcours.x'", "SELECT 'CREATE TABLE parcours.x'")
	f("INSERT INTO parcours.x SELECT 1", "INSERT INTO parcours.x SELECT 1")
	f("CREATE DATABASE IF NOT EXISTS parcours", "CREATE DATABASE IF NOT EXISTS parcours ON CLUSTER 'c'")
	// Words in comments, names and texts are none; a key may be one column, or none.
	f("/* ENGINE = Log */ CREATE TABLE parcours.x (`engine` String COMMENT 'ENGINE = Log; SETTINGS', b Int8) -- ORDER BY z\nENGINE MergeTree() ORDER BY engine COMMENT 'it''s; \\'x\\'';",
		"/* ENGINE = Log */ CREATE TABLE parcours.x_local ON CLUSTER 'c' (`engine` String COMMENT 'ENGINE = Log; SETTINGS', b Int8) -- ORDER BY z\nENGINE ReplicatedMergeTree('/clickhouse/tables/{shard}/parcours/x', '{replica}') ORDER BY engine COMMENT 'it''s; \\'x\\''",
		"CREATE TABLE IF NOT EXISTS parcours.x ON CLUSTER 'c' AS parcours.x_local\nENGINE = Distributed('c', parcours, x_local, cityHash64(engine))\nCOMMENT 'it''s; \\'x\\''")
	f("CREATE TABLE parcours.x (a String) ENGINE = MergeTree ORDER BY tuple()",
		"CREATE TABLE parcours.x_local ON CLUSTER 'c' (a String) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/parcours/x', '{replica}') ORDER BY tuple()",
		"CREATE TABLE IF NOT EXISTS parcours.x ON CLUSTER 'c' AS parcours.x_local\nENGINE = Distributed('c', parcours, x_local, rand())")
	f("CREATE TABLE parcours.x (a String) ENGINE = Null", "CREATE TABLE parcours.x ON CLUSTER 'c' (a String) ENGINE = Null")
	// Columns are there before they are named in front, and are not named there after they are gone.
	f("ALTER TABLE parcours.x ADD COLUMN IF NOT EXISTS a Decimal(18, 4), ADD COLUMN b String",
		"ALTER TABLE parcours.x_local ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS a Decimal(18, 4), ADD COLUMN b String",
		"ALTER TABLE parcours.x ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS a Decimal(18, 4), ADD COLUMN b String")
	f("ALTER TABLE parcours.x DROP COLUMN a", "ALTER TABLE parcours.x ON CLUSTER 'c' DROP COLUMN a", "ALTER TABLE parcours.x_local ON CLUSTER 'c' DROP COLUMN a")
	f("DELETE FROM parcours.x WHERE a = 1 SETTINGS mutations_sync = 2", "DELETE FROM parcours.x_local ON CLUSTER 'c' WHERE a = 1 SETTINGS mutations_sync = 2")
	f("ALTER TABLE parcours.x DELETE WHERE a = 1 SETTINGS mutations_sync = 2", "ALTER TABLE parcours.x_local ON CLUSTER 'c' DELETE WHERE a = 1 SETTINGS mutations_sync = 2")
	f("ALTER TABLE parcours.x MODIFY TTL toDateTime(at) + INTERVAL 3 MONTH", "ALTER TABLE parcours.x_local ON CLUSTER 'c' MODIFY TTL toDateTime(at) + INTERVAL 3 MONTH")
	f("ALTER TABLE parcours.x ADD COLUMN a Int8, ADD INDEX i a TYPE minmax",
		"rewrite ALTER TABLE parcours.x for cluster c: table x: change its columns in a statement of their own")
	f("DROP TABLE IF EXISTS parcours.x SYNC", "DROP TABLE IF EXISTS parcours.x ON CLUSTER 'c' SYNC", "DROP TABLE IF EXISTS parcours.x_local ON CLUSTER 'c' SYNC")
	f("TRUNCATE TABLE IF EXISTS parcours.x", "TRUNCATE TABLE IF EXISTS parcours.x_local ON CLUSTER 'c'")
	f("OPTIMIZE TABLE parcours.x FINAL", "OPTIMIZE TABLE parcours.x_local ON CLUSTER 'c' FINAL")
	f("DROP VIEW IF EXISTS parcours.x", "DROP VIEW IF EXISTS parcours.x ON CLUSTER 'c'")
	f("CREATE MATERIALIZED VIEW parcours.x REFRESH EVERY 1 HOUR (a Int8) ENGINE = MergeTree ORDER BY a AS SELECT a FROM parcours.y",
		"CREATE MATERIALIZED VIEW parcours.x ON CLUSTER 'c' REFRESH EVERY 1 HOUR (a Int8) ENGINE = MergeTree ORDER BY a AS SELECT a FROM parcours.y")
	f("CREATE MATERIALIZED VIEW parcours.x TO parcours.y AS SELECT a FROM (SELECT a, b FROM parcours.z AS z) WHERE a IN (SELECT a FROM parcours.w)",
		"CREATE MATERIALIZED VIEW parcours.x ON CLUSTER 'c' TO parcours.y_local AS SELECT a FROM (SELECT a, b FROM parcours.z_local AS z) WHERE a IN (SELECT a FROM parcours.w)")
	f("CREATE MATERIALIZED VIEW parcours.x ENGINE = MergeTree ORDER BY a AS SELECT a FROM parcours.y",
		"rewrite CREATE MATERIALIZED VIEW for cluster c: view x keeps its rows itself: let it write TO a table")
	f("CREATE ROLE IF NOT EXISTS a, b SETTINGS max_threads = 1", "CREATE ROLE IF NOT EXISTS a, b ON CLUSTER 'c' SETTINGS max_threads = 1")
	f("CREATE USER IF NOT EXISTS a IDENTIFIED WITH sha256_password BY 'x'", "CREATE USER IF NOT EXISTS a ON CLUSTER 'c' IDENTIFIED WITH sha256_password BY 'x'")
	f("CREATE ROW POLICY OR REPLACE p ON parcours.x FOR SELECT USING a = 1 TO r",
		"CREATE ROW POLICY OR REPLACE p ON CLUSTER 'c' ON parcours.x FOR SELECT USING a = 1 TO r",
		"CREATE ROW POLICY OR REPLACE p ON CLUSTER 'c' ON parcours.x_local FOR SELECT USING a = 1 TO r")
	f("GRANT SELECT(a, b) ON parcours.x TO r", "GRANT ON CLUSTER 'c' SELECT(a, b) ON parcours.x, SELECT(a, b) ON parcours.x_local TO r")
	f("GRANT SELECT(a, b) ON parcours.x, dictGet ON parcours.d, DROP TABLE ON parcours._tmp_*, SELECT ON system.parts TO r WITH REPLACE OPTION",
		"GRANT ON CLUSTER 'c' SELECT(a, b) ON parcours.x, SELECT(a, b) ON parcours.x_local, dictGet ON parcours.d, dictGet ON parcours.d_local, DROP TABLE ON parcours._tmp_*, SELECT ON system.parts TO r WITH REPLACE OPTION")
	f("CREATE ROLE IF NOT EXISTS r", "CREATE ROLE IF NOT EXISTS r ON CLUSTER 'c'")
	f("GRANT SELECT ON parcours.* TO r", "GRANT ON CLUSTER 'c' SELECT ON parcours.* TO r")
	f("GRANT r TO u", "GRANT ON CLUSTER 'c' r TO u")
	f("SYSTEM RELOAD DICTIONARY parcours.d", "SYSTEM RELOAD DICTIONARY ON CLUSTER 'c' parcours.d")
	// What is not known is not guessed.
	f("RENAME TABLE parcours.x TO parcours.y", "rewrite RENAME TABLE parcours.x for cluster c: it is not known what RENAME means on a cluster")
	f("CREATE TABLE x (a Int8) ENGINE = Log", `rewrite CREATE TABLE x for cluster c: "x" stands where a name as parcours.x should`)

	cfg.Cluster = ""
	f("CREATE TABLE parcours.x (a Int8) ENGINE = MergeTree ORDER BY a", "CREATE TABLE parcours.x (a Int8) ENGINE = MergeTree ORDER BY a")
}

func TestClusterMigrationsAreFilesLikeOthers(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Cluster = "c"
	files := cfg.ClusterMigrations(fstest.MapFS{
		"00001_x.sql": {Data: []byte("-- Why.\n\n-- +goose NO TRANSACTION\n-- +goose Up\nDROP TABLE IF EXISTS parcours.x;\n")},
		"00002_y.sql": {Data: []byte("RENAME TABLE parcours.x TO parcours.y;\n")},
	})
	body, err := fs.ReadFile(files, "00001_x.sql")
	if err != nil {
		t.Fatal(err)
	}
	want := "-- Why.\n\n-- +goose NO TRANSACTION\n-- +goose Up\nDROP TABLE IF EXISTS parcours.x ON CLUSTER 'c';\n\nDROP TABLE IF EXISTS parcours.x_local ON CLUSTER 'c';\n"
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Error(diff)
	}
	if info, err := fs.Stat(files, "00001_x.sql"); err != nil || info.Size() != int64(len(want)) {
		t.Errorf("stat is %v (%v), want %d bytes", info, err, len(want))
	}
	if _, err := fs.ReadFile(files, "00002_y.sql"); err == nil || !strings.Contains(err.Error(), "migration 00002_y.sql: it has no line") {
		t.Errorf("got %v", err)
	}
	if names, err := fs.Glob(files, "*.sql"); err != nil || len(names) != 2 {
		t.Errorf("files are %v (%v)", names, err)
	}
}
