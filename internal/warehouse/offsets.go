package warehouse

import (
	"context"
	"fmt"
)

// Offsets are the places in a partition of the log, from the first to the last of a range, of which the table has a row:
// in ascending order, and as often as there are rows. It asks in one query, so that rows that come in meanwhile are seen
// together or not at all.
func (w *Warehouse) Offsets(ctx context.Context, table, topic string, partition int32, first, last int64) ([]int64, error) {
	var offsets []int64
	query := "SELECT arraySort(groupArray(_offset)) FROM " + Database + "." + table +
		" WHERE _topic = ? AND _partition = ? AND _offset BETWEEN ? AND ? SETTINGS select_sequential_consistency = 1"
	if err := w.ScanRow(ctx, []any{&offsets}, query, topic, partition, first, last); err != nil {
		return nil, fmt.Errorf("read offsets %s/%d/%d-%d of %s: %w", topic, partition, first, last, table, err)
	}
	return offsets, nil
}
