package sink

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// ownRelation finds the tables and views of the database in the text of a view.
var ownRelation = regexp.MustCompile(warehouse.Database + `\.([a-z_0-9]+)`)

// RefreshViews brings every refreshable view up to what the tables hold now, and the dictionaries that they resolve customers by, those that
// others read first, and waits for it. They refresh by
// themselves as well, each in its own time; this is for who wants an answer of now. It returns the names in the order in which they were refreshed.
func RefreshViews(ctx context.Context, w *warehouse.Warehouse) ([]string, error) {
	table, err := w.Query(ctx, "SELECT t.name, t.create_table_query, r.view != '' FROM system.tables AS t LEFT JOIN system.view_refreshes AS r ON r.database = t.database AND r.view = t.name WHERE t.database = '"+warehouse.Database+"' AND t.engine IN ('View', 'MaterializedView') ORDER BY t.name")
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	reads, refreshable := make(map[string][]string, len(table.Rows)), make(map[string]bool)
	for _, row := range table.Rows {
		for _, found := range ownRelation.FindAllStringSubmatch(row[1], -1) {
			if found[1] != row[0] {
				reads[row[0]] = append(reads[row[0]], found[1])
			}
		}
		refreshable[row[0]] = row[2] == "1"
	}
	var order []string
	for _, name := range afterTheirSources(reads) {
		if refreshable[name] {
			order = append(order, name)
		}
	}
	if err := reloadDictionaries(ctx, w); err != nil {
		return nil, fmt.Errorf("refresh views: %w", err)
	}
	for _, name := range order {
		// A refresh that is under way may have read before now, so it is not the one to wait for.
		for _, step := range []string{"WAIT", "REFRESH", "WAIT"} {
			err := w.Exec(ctx, "SYSTEM "+step+" VIEW "+warehouse.Database+"."+name)
			if err != nil && (step == "REFRESH" || step == "WAIT" && ctx.Err() != nil) {
				return nil, fmt.Errorf("refresh view %s: %w", name, err)
			}
		}
		var exception string
		if err := w.ScanRow(ctx, []any{&exception}, "SELECT exception FROM system.view_refreshes WHERE database = ? AND view = ?", warehouse.Database, name); err != nil {
			return nil, fmt.Errorf("read the refresh of view %s: %w", name, err)
		}
		if exception != "" {
			return nil, fmt.Errorf("refresh view %s: %s", name, exception)
		}
	}
	return order, nil
}

// afterTheirSources orders views so that each comes after those it reads.
func afterTheirSources(reads map[string][]string) []string {
	names := make([]string, 0, len(reads))
	for name := range reads {
		names = append(names, name)
	}
	slices.Sort(names)
	var order []string
	done := make(map[string]bool, len(reads))
	var visit func(name string)
	visit = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		for _, source := range reads[name] {
			visit(source)
		}
		order = append(order, name)
	}
	for _, name := range names {
		visit(name)
	}
	return order
}
