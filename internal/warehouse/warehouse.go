package warehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Warehouse is a pool of connections to the database. It is safe for concurrent use.
type Warehouse struct {
	cfg    Config
	conn   driver.Conn
	stated atomic.Pointer[clickhouse.Settings] // with each insert, once it is known what the server has
}

// Open makes the pool; the first request opens a connection, [Warehouse.Ping] tells whether it can.
func Open(cfg Config) (*Warehouse, error) {
	opts, err := cfg.options(Database)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse at %v: %w", cfg.Addresses, err)
	}
	return &Warehouse{cfg: cfg, conn: conn}, nil
}

// Close ends the connections.
func (w *Warehouse) Close() error {
	if err := w.conn.Close(); err != nil {
		return fmt.Errorf("close clickhouse: %w", err)
	}
	return nil
}

// Ping returns nil once the server answers. The database need not exist yet.
func (w *Warehouse) Ping(ctx context.Context) error {
	err := w.conn.Ping(ctx)
	if err == nil || codeOf(err) == codeUnknownDatabase {
		return nil
	}
	return fmt.Errorf("ping clickhouse at %v: %w", w.cfg.Addresses, err)
}

// Exec runs a statement that answers no rows.
func (w *Warehouse) Exec(ctx context.Context, statement string, args ...any) error {
	if err := w.conn.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("execute %s: %w", verb(statement), err)
	}
	return nil
}

// Select reads all rows into a slice of structs, whose fields are found by name or by the tag `ch`.
func (w *Warehouse) Select(ctx context.Context, into any, query string, args ...any) error {
	if err := w.conn.Select(ctx, into, query, args...); err != nil {
		return fmt.Errorf("query clickhouse: %w", err)
	}
	return nil
}

// ScanRow reads the only row of a query into the destinations.
func (w *Warehouse) ScanRow(ctx context.Context, into []any, query string, args ...any) error {
	if err := w.conn.QueryRow(ctx, query, args...).Scan(into...); err != nil {
		return fmt.Errorf("query clickhouse: %w", err)
	}
	return nil
}

// Table is the answer to a query as text, each value as ClickHouse itself writes it; null is an empty text.
type Table struct {
	Columns []string
	Types   []string
	Rows    [][]string
}

// Query reads all rows as text. It is for people and tests; keep the answer small.
func (w *Warehouse) Query(ctx context.Context, query string, args ...any) (Table, error) {
	stream, err := w.conn.QueryFormat(ctx, "TabSeparatedWithNamesAndTypes", query, args...)
	if err != nil {
		return Table{}, fmt.Errorf("query clickhouse: %w", err)
	}
	text, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil {
		return Table{}, fmt.Errorf("read answer of clickhouse: %w", err)
	}
	return parseTable(string(text))
}

// Stream answers a query in one of ClickHouse's formats, such as CSV or JSONEachRow, for the caller to close.
func (w *Warehouse) Stream(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	stream, err := w.conn.QueryFormat(ctx, format, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query clickhouse: %w", err)
	}
	return stream, nil
}

// parseTable reads TabSeparatedWithNamesAndTypes.
func parseTable(text string) (Table, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 2 {
		return Table{}, errors.New("read answer of clickhouse: it has no header; the statement answers no rows")
	}
	table := Table{Columns: fields(lines[0]), Types: fields(lines[1])}
	for _, line := range lines[2:] {
		table.Rows = append(table.Rows, fields(line))
	}
	return table, nil
}

var unescape = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\b`, "\b", `\f`, "\f", `\0`, "\x00", `\'`, `'`)

func fields(line string) []string {
	cells := strings.Split(line, "\t")
	for i, cell := range cells {
		if cell == `\N` {
			cells[i] = ""
			continue
		}
		if strings.Contains(cell, `\`) {
			cells[i] = unescape.Replace(cell)
		}
	}
	return cells
}

// Insert writes a block under a deduplication token: a block whose token the table has seen within its window is
// not written again, whatever it holds.
func (w *Warehouse) Insert(ctx context.Context, b *Block, token string) error {
	body, err := b.Encode(time.Now())
	if err != nil {
		return err
	}
	return w.InsertNative(ctx, b.table, b.Columns(), token, body)
}

// InsertNative writes a block that is in Native format already.
func (w *Warehouse) InsertNative(ctx context.Context, table string, columns []string, token string, body []byte) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(w.insertSettings(token)))
	if err := w.conn.InsertFormat(ctx, "Native", insertStatement(table, columns), bytes.NewReader(body)); err != nil {
		var transport *url.Error
		if errors.As(err, &transport) {
			err = transport.Err // the address carries the whole statement
		}
		return fmt.Errorf("insert %s into %s: %w", token, table, err)
	}
	return nil
}

// verb is the head of a statement, for messages: a statement may hold values.
func verb(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(3, len(words))], " ")
}
