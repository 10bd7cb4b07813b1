package warehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	native *native                             // for inserts, when that is the protocol
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
	w := &Warehouse{cfg: cfg, conn: conn}
	if opts.Protocol == clickhouse.Native {
		w.native = newNative(cfg, opts)
	}
	return w, nil
}

// Close ends the connections.
func (w *Warehouse) Close() error {
	err := w.conn.Close()
	if w.native != nil {
		err = errors.Join(err, w.native.close())
	}
	if err != nil {
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

// Exec runs a statement that answers no rows. On a cluster, one that defines or changes something does so on all servers.
func (w *Warehouse) Exec(ctx context.Context, statement string, args ...any) error {
	statements, err := w.cfg.cluster().rewrite(statement)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := w.conn.Exec(ctx, statement, args...); err != nil {
			return fmt.Errorf("execute %s: %w", verb(statement), err)
		}
	}
	return nil
}

// held is the table that holds the rows, on the server that is asked.
func (w *Warehouse) held(table string) string {
	if w.cfg.Cluster == "" {
		return table
	}
	return table + localSuffix
}

// everywhere reads a table on all replicas of all shards, each with the rows that it has: a replica that lags behind hides
// nothing, and one that does not answer fails the query. A row comes once from each replica that has it.
func (w *Warehouse) everywhere(table string) string {
	if w.cfg.Cluster == "" {
		return Database + "." + table
	}
	return fmt.Sprintf("clusterAllReplicas('%s', %s, %s%s)", w.cfg.Cluster, Database, table, localSuffix)
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
	if w.native != nil {
		return w.queryRows(ctx, query, args...)
	}
	stream, err := w.Stream(ctx, "TabSeparatedWithNamesAndTypes", query, args...)
	if err != nil {
		return Table{}, err
	}
	text, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil {
		return Table{}, fmt.Errorf("read answer of clickhouse: %w", err)
	}
	return parseTable(string(text))
}

// Stream answers a query in one of ClickHouse's formats, such as CSV or JSONEachRow, for the caller to close. Over the
// native protocol the format must be one that writes row by row, without head or foot.
func (w *Warehouse) Stream(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	if w.native != nil {
		return w.streamRows(ctx, format, query, args...)
	}
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
	if w.native != nil {
		ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
		defer cancel()
		if err := w.native.insert(ctx, b, w.insertSettings(token)); err != nil {
			return fmt.Errorf("insert %s into %s: %w", token, b.table, err)
		}
		return nil
	}
	body, err := b.Encode(time.Now())
	if err != nil {
		return err
	}
	return w.post(ctx, b.table, b.Columns(), token, body)
}

// InsertNative writes a block that is in Native format already, over HTTP.
func (w *Warehouse) InsertNative(ctx context.Context, table string, columns []string, token string, body []byte) error {
	return w.post(ctx, table, columns, token, bytes.NewReader(body))
}

func (w *Warehouse) post(ctx context.Context, table string, columns []string, token string, body io.Reader) error {
	settings := w.insertSettings(token)
	// Errors come as a status. It is no setting of the session, so it cannot be read back.
	settings["wait_end_of_query"] = 1
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	err := pack(w.cfg.Compression, body, func(body io.Reader, encoding string) error {
		ctx, done := post(ctx, body, encoding)
		defer done()
		return w.conn.InsertFormat(ctx, "Native", insertStatement(table, columns), http.NoBody)
	})
	if err != nil {
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
