package warehouse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// native inserts blocks over the native protocol: the driver would take them apart into values first, so inserts have
// connections of their own.
type native struct {
	addresses []string
	options   nativeOptions
	slots     chan struct{}
	idle      chan idleConn
}

type idleConn struct {
	*nativeConn
	since time.Time
}

// An idle connection is asked whether it lives after pingAfter: the doubt about an insert into a dead one costs more.
const pingAfter = 10 * time.Second

func newNative(cfg Config, opts *clickhouse.Options) *native {
	return &native{
		addresses: cfg.Addresses,
		options: nativeOptions{
			user: cfg.Username, password: cfg.Password, compression: cfg.Compression, timeout: cfg.DialTimeout, tls: opts.TLS,
		},
		slots: make(chan struct{}, cfg.Connections),
		idle:  make(chan idleConn, cfg.Connections),
	}
}

func (n *native) close() error {
	var errs []error
	for {
		select {
		case c := <-n.idle:
			errs = append(errs, c.close())
		default:
			return errors.Join(errs...)
		}
	}
}

// insert sends a block as one block of the protocol. A connection on which anything failed is not used again.
func (n *native) insert(ctx context.Context, b *Block, settings clickhouse.Settings) error {
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	case <-ctx.Done():
		return fmt.Errorf("wait for a connection: %w", context.Cause(ctx))
	}
	c, err := n.conn(ctx)
	if err != nil {
		return err
	}
	if err := c.insert(ctx, insertStatement(b.table, b.Columns())+" VALUES", settings, b.input(time.Now())); err != nil {
		return errors.Join(err, c.close())
	}
	n.idle <- idleConn{c, time.Now()} // there is a place for each slot
	return nil
}

// conn is an idle connection or a new one, to the first address that answers.
func (n *native) conn(ctx context.Context) (*nativeConn, error) {
	for waiting := true; waiting; {
		select {
		case idle := <-n.idle:
			if time.Since(idle.since) < pingAfter || idle.ping(ctx) == nil {
				return idle.nativeConn, nil
			}
			_ = idle.close() // it is dead, which is why it goes
		default:
			waiting = false
		}
	}
	var errs []error
	for _, address := range n.addresses {
		c, err := dialNative(ctx, address, n.options)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("connect to %s: %w", address, err))
	}
	return nil, errors.Join(errs...)
}

// input are the block's columns as the protocol's library takes them.
func (b *Block) input(now time.Time) proto.Input {
	var input proto.Input
	for _, i := range b.sent() {
		input = append(input, proto.InputColumn{Name: b.names[i], Data: &wire{Column: b.columns[i]}})
	}
	if b.stamp != "" {
		stamps := NewTimes()
		for range b.rows {
			stamps.Append(now.UnixMilli())
		}
		input = append(input, proto.InputColumn{Name: b.stamp, Data: &wire{Column: stamps}})
	}
	return input
}

// wire is a column on its way out.
type wire struct {
	Column
	json proto.ColumnType // of the table's column, if it is one
}

// infer sees the table's type. The protocol states JSON columns as such, with texts inside: servers that convert types
// in HTTP bodies do not all do so here.
func (c *wire) infer(table proto.ColumnType) {
	if strings.HasPrefix(string(table), "JSON") && c.chType() == "String" {
		c.json = table
	}
}

func (c *wire) Type() proto.ColumnType {
	if c.json != "" {
		return c.json
	}
	return proto.ColumnType(c.chType())
}

func (c *wire) Rows() int { return c.rows() }

// jsonAsText is the version of the JSON column's format whose values are texts.
const jsonAsText = 1

func (c *wire) EncodeState(b *proto.Buffer) {
	if c.json != "" {
		b.Buf = binary.LittleEndian.AppendUint64(b.Buf, jsonAsText)
		return
	}
	b.Buf = c.prefix(b.Buf)
}

func (c *wire) EncodeColumn(b *proto.Buffer) { b.Buf = c.encode(b.Buf) }

func (c *wire) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
