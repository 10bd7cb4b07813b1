package warehouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Over the native protocol a server answers with values. So that texts are ClickHouse's own there too, the query is made
// one that writes its rows itself.

// queryRows is Query: names and types come from a description.
func (w *Warehouse) queryRows(ctx context.Context, query string, args ...any) (Table, error) {
	var table Table
	described, err := w.conn.Query(ctx, "DESCRIBE TABLE ("+query+")", args...)
	if err != nil {
		return table, fmt.Errorf("describe query: %w", err)
	}
	cells := make([]string, len(described.Columns()))
	into := make([]any, len(cells))
	for i := range cells {
		into[i] = &cells[i]
	}
	for described.Next() {
		if err := described.Scan(into...); err != nil {
			return table, errors.Join(fmt.Errorf("describe query: %w", err), described.Close())
		}
		table.Columns, table.Types = append(table.Columns, cells[0]), append(table.Types, cells[1])
	}
	if err := errors.Join(described.Err(), described.Close()); err != nil {
		return table, fmt.Errorf("describe query: %w", err)
	}
	rows, err := w.conn.Query(ctx, "SELECT formatRowNoNewline('TabSeparated', *) FROM ("+query+")", args...)
	if err != nil {
		return table, fmt.Errorf("query clickhouse: %w", err)
	}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return table, errors.Join(fmt.Errorf("query clickhouse: %w", err), rows.Close())
		}
		table.Rows = append(table.Rows, fields(line))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return table, fmt.Errorf("query clickhouse: %w", err)
	}
	return table, nil
}

func (w *Warehouse) streamRows(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := w.conn.Query(ctx, "SELECT formatRow('"+strings.ReplaceAll(format, "'", "")+"', *) FROM ("+query+")", args...)
	if err != nil {
		return nil, fmt.Errorf("query clickhouse: %w", err)
	}
	return &rowStream{rows: rows}, nil
}

// rowStream reads rows that are text already.
type rowStream struct {
	rows driver.Rows
	left string
}

func (s *rowStream) Read(p []byte) (int, error) {
	for s.left == "" {
		if !s.rows.Next() {
			if err := s.rows.Err(); err != nil {
				return 0, fmt.Errorf("query clickhouse: %w", err)
			}
			return 0, io.EOF
		}
		if err := s.rows.Scan(&s.left); err != nil {
			return 0, fmt.Errorf("query clickhouse: %w", err)
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *rowStream) Close() error { return s.rows.Close() }
