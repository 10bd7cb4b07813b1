package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// SourcePriority says how much a source is believed when several state one field of a customer.
type SourcePriority struct {
	// Source is the emitter, as configured in the collector.
	Source string `koanf:"source"`
	// Field is a trait, or a column of contacts; address is the whole postal address, and * every field that the source has no entry of its own for.
	Field string `koanf:"field"`
	// Priority: the greater one is believed, -1000 to 1000; a source without an entry has 0, and among equals the newest value holds.
	Priority int `koanf:"priority"`
	// FreshDays is the age in days from which a value counts with priority 0, so that newer ones of other sources win; 0 is never.
	FreshDays int `koanf:"fresh_days"`
}

// validatePriorities names the entry that is wrong, and what to do.
func validatePriorities(priorities []SourcePriority) error {
	type key struct{ source, field string }
	seen := make(map[key]bool, len(priorities))
	for i, p := range priorities {
		at := fmt.Sprintf("sink.source_priorities[%d]", i)
		switch {
		case p.Source == "":
			return fmt.Errorf("%s.source is empty: name an emitter", at)
		case p.Field == "":
			return fmt.Errorf("%s.field is empty: name a trait, a column of contacts, address, or * for every field", at)
		case p.Priority < -1000 || p.Priority > 1000:
			return fmt.Errorf("%s.priority is %d: give -1000 to 1000", at, p.Priority)
		case p.FreshDays < 0 || p.FreshDays > 36_500:
			return fmt.Errorf("%s.fresh_days is %d: give 0 to 36500", at, p.FreshDays)
		case seen[key{p.Source, p.Field}]:
			return fmt.Errorf("%s says again what %s is worth for %s: keep one entry", at, p.Source, p.Field)
		}
		seen[key{p.Source, p.Field}] = true
	}
	return nil
}

// applyPriorities brings source_priorities to what is configured, in one insert of the rows that differ: readers see the old rules or the new
// ones. What left the configuration gets the priority that a source without a row has. Instances that start at once write the same rows.
func applyPriorities(ctx context.Context, w *warehouse.Warehouse, workspace string, priorities []SourcePriority) error {
	var stored []struct {
		Source    string `ch:"source"`
		Field     string `ch:"field"`
		Priority  int32  `ch:"priority"`
		FreshDays uint32 `ch:"fresh_days"`
	}
	err := w.Select(ctx, &stored, `SELECT toString(p.source) AS source, toString(p.field) AS field, argMax(p.priority, p.version) AS priority, argMax(p.fresh_days, p.version) AS fresh_days
		FROM source_priorities AS p WHERE p.workspace = ? GROUP BY source, field ORDER BY source, field`, workspace)
	if err != nil {
		return fmt.Errorf("read source priorities: %w", err)
	}
	type key struct{ source, field string }
	has := make(map[key]SourcePriority, len(stored))
	for _, s := range stored {
		has[key{s.Source, s.Field}] = SourcePriority{Source: s.Source, Field: s.Field, Priority: int(s.Priority), FreshDays: int(s.FreshDays)}
	}
	wanted := make(map[key]bool, len(priorities))
	var write []SourcePriority
	for _, p := range priorities {
		k := key{p.Source, p.Field}
		wanted[k] = true
		if old, found := has[k]; !found || old != p {
			write = append(write, p)
		}
	}
	for _, s := range stored {
		if !wanted[key{s.Source, s.Field}] && (s.Priority != 0 || s.FreshDays != 0) {
			write = append(write, SourcePriority{Source: s.Source, Field: s.Field})
		}
	}
	if len(write) == 0 {
		return nil
	}
	version := time.Now().UnixNano()
	args := make([]any, 0, 6*len(write))
	for _, p := range write {
		args = append(args, workspace, p.Source, p.Field, p.Priority, p.FreshDays, version)
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?), ", len(write)), ", ")
	if err := w.Exec(ctx, "INSERT INTO source_priorities (workspace, source, field, priority, fresh_days, version) VALUES "+rows, args...); err != nil {
		return fmt.Errorf("write source priorities: %w", err)
	}
	return nil
}
