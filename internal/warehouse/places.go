package warehouse

import (
	"context"
	"fmt"
)

// Place is where a row stands in a partition of the log: its offset, and the time of its record in milliseconds since
// 1970, which tells this log from another of the same name.
type Place struct {
	Offset     int64 `ch:"_offset"`
	ProducedAt int64 `ch:"produced"`
}

// Places are those between two offsets of which the table has a row, in ascending order, and as often as there are rows. It
// asks in one query, so that rows that come in meanwhile are seen together or not at all.
func (w *Warehouse) Places(ctx context.Context, table, topic string, partition int32, first, last int64) ([]Place, error) {
	var places []Place
	query := "SELECT _offset, toUnixTimestamp64Milli(_produced_at) AS produced FROM " + Database + "." + table +
		" WHERE _topic = ? AND _partition = ? AND _offset BETWEEN ? AND ? ORDER BY _offset SETTINGS select_sequential_consistency = 1"
	if err := w.Select(ctx, &places, query, topic, partition, first, last); err != nil {
		return nil, fmt.Errorf("read places %s/%d/%d-%d of %s: %w", topic, partition, first, last, table, err)
	}
	return places, nil
}
