package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/internal/workspace"
)

// applyPriorities brings source_priorities to what is configured, in one insert of the rows that differ: readers see the old rules or the new
// ones. What left the configuration gets the priority that a source without a row has. Instances that start at once write the same rows.
func applyPriorities(ctx context.Context, w *warehouse.Warehouse, ws string, priorities []workspace.SourcePriority) error {
	var stored []struct {
		Source    string `ch:"source"`
		Field     string `ch:"field"`
		Priority  int32  `ch:"priority"`
		FreshDays uint32 `ch:"fresh_days"`
	}
	err := w.Select(ctx, &stored, `SELECT toString(p.source) AS source, toString(p.field) AS field, argMax(p.priority, p.version) AS priority, argMax(p.fresh_days, p.version) AS fresh_days
		FROM source_priorities AS p WHERE p.workspace = ? GROUP BY source, field ORDER BY source, field`, ws)
	if err != nil {
		return fmt.Errorf("read source priorities: %w", err)
	}
	type key struct{ source, field string }
	has := make(map[key]workspace.SourcePriority, len(stored))
	for _, s := range stored {
		has[key{s.Source, s.Field}] = workspace.SourcePriority{Source: s.Source, Field: s.Field, Priority: int(s.Priority), FreshDays: int(s.FreshDays)}
	}
	wanted := make(map[key]bool, len(priorities))
	var write []workspace.SourcePriority
	for _, p := range priorities {
		k := key{p.Source, p.Field}
		wanted[k] = true
		if old, found := has[k]; !found || old != p {
			write = append(write, p)
		}
	}
	for _, s := range stored {
		if !wanted[key{s.Source, s.Field}] && (s.Priority != 0 || s.FreshDays != 0) {
			write = append(write, workspace.SourcePriority{Source: s.Source, Field: s.Field})
		}
	}
	if len(write) == 0 {
		return nil
	}
	version := time.Now().UnixNano()
	args := make([]any, 0, 6*len(write))
	for _, p := range write {
		args = append(args, ws, p.Source, p.Field, p.Priority, p.FreshDays, version)
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?), ", len(write)), ", ")
	if err := w.Exec(ctx, "INSERT INTO source_priorities (workspace, source, field, priority, fresh_days, version) VALUES "+rows, args...); err != nil {
		return fmt.Errorf("write source priorities: %w", err)
	}
	return nil
}
