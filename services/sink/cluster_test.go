package sink_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
)

// TestClusterMigrations holds what a cluster runs in place of each migration to its golden file, which has the lines that
// differ, and has the engine parse every statement. TestClusterTablesAreMadeInKeeper runs them.
func TestClusterMigrations(t *testing.T) {
	cfg := warehouse.DefaultConfig()
	cfg.Cluster = "analytics"
	rewritten := cfg.ClusterMigrations(sink.Migrations())
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "cluster")
	if *rewrite {
		if err := os.RemoveAll(golden); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(golden, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	engine := enginetest.Start(t)
	for _, name := range files {
		plain, err := fs.ReadFile(sink.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		made, err := fs.ReadFile(rewritten, name)
		if err != nil {
			t.Errorf("%v: say in internal/warehouse/cluster.go what it means on a cluster", err)
			continue
		}
		got := changes(string(plain), string(made))
		if *rewrite {
			if err := os.WriteFile(filepath.Join(golden, name), []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("testdata/cluster/%s is out of date: look at the difference, then run go test -run TestClusterMigrations -rewrite . in services/sink\n%s", name, diff)
		}
		for _, statement := range statementsOf(string(made)) {
			parses(t, engine, name, statement)
		}
	}
	old, err := filepath.Glob(filepath.Join(golden, "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if len(old) > len(files) {
		t.Errorf("testdata/cluster has %d files for %d migrations: run go test -run TestClusterMigrations -rewrite . in services/sink", len(old), len(files))
	}
}

// statementsOf are those of a migration, in their order.
func statementsOf(migration string) (statements []string) {
	_, up, _ := strings.Cut(migration, "-- +goose Up\n")
	for _, statement := range strings.SplitAfter(up, ";\n") {
		if statement = strings.TrimSuffix(strings.TrimSpace(statement), ";"); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// changes are the lines that differ. A rewritten statement has the lines of the plain one, and others may follow.
func changes(plain, made string) string {
	var b strings.Builder
	before, after := strings.Split(plain, "\n"), strings.Split(made, "\n")
	for i, line := range after {
		if i < len(before) && before[i] == line {
			continue
		}
		if i < len(before) && before[i] != "" {
			b.WriteString("- " + before[i] + "\n")
		}
		b.WriteString(strings.TrimRight("+ "+line, " ") + "\n")
	}
	return b.String()
}

func parses(t *testing.T, engine, name, statement string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+engine+"/", strings.NewReader("EXPLAIN AST "+statement))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if code := answer.Header.Get("X-ClickHouse-Exception-Code"); answer.StatusCode != http.StatusOK {
		t.Errorf("%s: the engine does not parse what a cluster would run (%s):\n%s", name, code, statement)
	}
}
