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
//
// A missing place will be inserted again, so no row may be overlooked. On a cluster every replica is asked for what it has
// itself, and the one that has most of a place is right: it rests on each replica answering, not on any being up to
// date. A service that shares its storage among servers is told to look at the latest state instead.
func (w *Warehouse) Places(ctx context.Context, table, topic string, partition int32, first, last int64) ([]Place, error) {
	var places []Place
	query := `SELECT _offset, produced FROM
	(
	    SELECT _offset, produced, max(rows) AS rows FROM
	    (
	        SELECT hostName() AS host, tcpPort() AS port, _offset, toUnixTimestamp64Milli(_produced_at) AS produced, count() AS rows
	        FROM ` + w.everywhere(table) + `
	        WHERE _topic = ? AND _partition = ? AND _offset BETWEEN ? AND ?
	        GROUP BY host, port, _offset, produced
	    )
	    GROUP BY _offset, produced
	)
	ARRAY JOIN range(rows) AS copy
	ORDER BY _offset, produced
	SETTINGS select_sequential_consistency = 1, skip_unavailable_shards = 0`
	if err := w.Select(ctx, &places, query, topic, partition, first, last); err != nil {
		return nil, fmt.Errorf("read places %s/%d/%d-%d of %s: %w", topic, partition, first, last, table, err)
	}
	return places, nil
}

// LastPlace is the greatest offset at or after from of which the table has a row; -1 when it has none. It asks as
// [Warehouse.Places] does.
func (w *Warehouse) LastPlace(ctx context.Context, table, topic string, partition int32, from int64) (int64, error) {
	var last int64
	query := "SELECT max(if(there, at, -1)) FROM (SELECT true AS there, _offset AS at FROM " + w.everywhere(table) + " WHERE _topic = ? AND _partition = ? AND _offset >= ? UNION ALL SELECT false, toInt64(-1))" +
		" SETTINGS select_sequential_consistency = 1, skip_unavailable_shards = 0"
	if err := w.ScanRow(ctx, []any{&last}, query, topic, partition, from); err != nil {
		return -1, fmt.Errorf("read last place of %s/%d in %s: %w", topic, partition, table, err)
	}
	return last, nil
}
