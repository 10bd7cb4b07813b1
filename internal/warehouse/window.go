package warehouse

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

var (
	localWindow   = regexp.MustCompile(`(?:^|\W)non_replicated_deduplication_window = (\d+)`)
	replicaWindow = regexp.MustCompile(`(?:^|\W)replicated_deduplication_window = (\d+)`)
)

// RequireTokens refuses tables that do not remember the tokens of inserts: on them a repeated insert doubles its rows.
// The memory is asked of the table's own settings, because a server's default moves from version to version.
func (w *Warehouse) RequireTokens(ctx context.Context, tables ...string) error {
	for _, table := range tables {
		var engine string
		if err := w.ScanRow(ctx, []any{&engine}, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", Database, table); err != nil {
			return fmt.Errorf("read settings of %s: %w", table, err)
		}
		if !remembers(engine) {
			return fmt.Errorf("table %s.%s does not remember the tokens of inserts: run ALTER TABLE %s.%s MODIFY SETTING non_replicated_deduplication_window = 10000 (replicated_deduplication_window on a replicated table)", Database, table, Database, table)
		}
	}
	return nil
}

func remembers(engine string) bool {
	for _, window := range []*regexp.Regexp{localWindow, replicaWindow} {
		if found := window.FindStringSubmatch(engine); found != nil {
			blocks, err := strconv.Atoi(found[1])
			return err == nil && blocks > 0
		}
	}
	return false
}
