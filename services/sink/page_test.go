package sink_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the generated pages instead of comparing with them")

// tablesPage is the reference that analysts read; it is made from the comments in the database.
const tablesPage = "../../docs/reference/tables.md"

const pageHead = `# Tables and views

All of them are in the ClickHouse database ` + "`parcours`" + `, and each comment below is in ` + "`system.columns`" + ` too. No query needs
` + "`FINAL`" + `. An event is one row of ` + "`events`" + `, and a rejection one of ` + "`rejected_events`" + `, however often they were delivered: what repeats an earlier one within
two days is dropped. The tables whose engine is *ReplacingMergeTree* may hold older versions of a row until ClickHouse merges them: take the row with
the greatest ` + "`version`" + `, as the views do; ` + "`customer_contacts` and `customer_traits`" + ` alone show all that is there.

A customer's history moves when identity learns that two customers are one, or one is two. The views resolve the customer of each row when the query
runs, so they always tell the customer of now; how, and what it costs, is in [Query customers](../how-to/query-customers.md).

This page is made from the database: change the comments in ` + "`services/sink/migrations`" + `, then run ` + "`go test -run TestTablesPage -rewrite .`" + ` in ` + "`services/sink`" + `.
`

// TestTablesPage holds the page to the database, and every table and column to having a comment.
func TestTablesPage(t *testing.T) {
	r := newRig(t)
	own := "database = 'parcours' AND table NOT IN ('goose_db_version', 'migration_locks', 'identifier_sightings_mv') AND table NOT LIKE '.inner%'"
	var page strings.Builder
	page.WriteString(pageHead)
	tables, err := r.db.Query(t.Context(), "SELECT name, engine, comment, sorting_key, partition_key, extract(create_table_query, 'REFRESH (EVERY [0-9]+ [A-Z]+)') FROM system.tables WHERE "+strings.ReplaceAll(own, "table ", "name ")+" ORDER BY multiIf(engine IN ('View', 'MaterializedView'), 1, engine = 'Dictionary', 3, 2), name")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables.Rows {
		name, engine, comment := table[0], table[1], table[2]
		if comment == "" {
			t.Errorf("%s has no comment", name)
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n", name, comment)
		if engine == "MaterializedView" {
			fmt.Fprintf(&page, "A refreshable view, refreshed %s; refreshes tells when it was.\n\n", strings.ToLower(table[5]))
		} else if engine != "View" && engine != "Dictionary" {
			fmt.Fprintf(&page, "Engine %s, ordered by `%s`", engine, table[3])
			if table[4] != "" {
				fmt.Fprintf(&page, ", partitioned by `%s`", table[4])
			}
			page.WriteString(".\n\n")
		}
		columns, err := r.db.Query(t.Context(), "SELECT name, type, comment FROM system.columns WHERE "+own+" AND table = ? ORDER BY position", name)
		if err != nil {
			t.Fatal(err)
		}
		page.WriteString("| column | type | what |\n| --- | --- | --- |\n")
		for _, column := range columns.Rows {
			// ClickHouse keeps no comments for the columns of a dictionary; they are those of its table.
			if engine == "Dictionary" {
				column[2] = r.rows("SELECT any(comment) FROM system.columns WHERE %s != '' AND database = 'parcours' AND table = 'identity_map' AND name = '" + column[0] + "'")[0][0]
			}
			if column[2] == "" {
				t.Errorf("%s.%s has no comment", name, column[0])
			}
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", column[0], column[1], strings.ReplaceAll(column[2], "|", "\\|"))
		}
	}
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(tablesPage), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tablesPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(tablesPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), page.String()); diff != "" {
		t.Errorf("%s is not what the database says; run go test -run TestTablesPage -rewrite . (-page +database):\n%s", tablesPage, diff)
	}
}
