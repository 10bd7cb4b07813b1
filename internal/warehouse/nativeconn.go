package warehouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

type nativeOptions struct {
	user, password, compression string
	timeout                     time.Duration
	tls                         *tls.Config
}

// nativeConn is one connection of the native protocol, for one insert at a time. The words are the protocol's library's;
// its client is not used, because it leaves a cancelled insert only seconds later, and tells a broken connection where
// the server has said what was wrong.
type nativeConn struct {
	conn     net.Conn
	in       *proto.Reader
	version  int
	compress *compress.Writer
	out      proto.Buffer
}

func dialNative(ctx context.Context, address string, opts nativeOptions) (*nativeConn, error) {
	ctx, cancel := context.WithTimeout(ctx, opts.timeout)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	if opts.tls != nil {
		dial = (&tls.Dialer{Config: opts.tls}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &nativeConn{conn: conn, in: proto.NewReader(conn), version: proto.Version}
	switch opts.compression {
	case "lz4":
		c.compress = compress.NewWriter(compress.LevelZero, compress.LZ4)
	case "zstd":
		c.compress = compress.NewWriter(compress.LevelZero, compress.ZSTD)
	}
	if err := c.within(ctx, func() error { return c.hello(opts) }); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *nativeConn) close() error {
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// within does work on the connection, and ends it when ctx ends, whatever it waits for.
func (c *nativeConn) within(ctx context.Context, work func() error) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // a connection that cannot be stopped is closed by whoever has the error
	})
	err := work()
	if !stop() {
		<-ended
		return fmt.Errorf("%w: %w", context.Cause(ctx), errors.Join(err, net.ErrClosed))
	}
	return err
}

// keptPacket is how much of a packet's memory is kept for the next.
const keptPacket = 1 << 20

func (c *nativeConn) flush() error {
	_, err := c.conn.Write(c.out.Buf)
	if c.out.Reset(); cap(c.out.Buf) > keptPacket {
		c.out.Buf = nil
	}
	return err
}

func (c *nativeConn) hello(opts nativeOptions) error {
	proto.ClientHello{
		Name: "parcours", Major: 1, ProtocolVersion: proto.Version, Database: Database, User: opts.user, Password: opts.password,
	}.Encode(&c.out)
	if err := c.flush(); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	code, err := c.packet()
	if err != nil {
		return err
	}
	if code != proto.ServerCodeHello {
		return fmt.Errorf("the server answered %s to a greeting", code)
	}
	var server proto.ServerHello
	if err := server.DecodeAware(c.in, c.version); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	if c.version = min(c.version, server.Revision); !proto.FeatureSettingsSerializedAsStrings.In(c.version) {
		return fmt.Errorf("the server speaks version %d of the protocol, which has no settings as text: use ClickHouse 25.3 or newer", server.Revision)
	}
	if proto.FeatureAddendum.In(c.version) {
		c.out.PutString("") // a quota key
	}
	return c.flush()
}

func (c *nativeConn) ping(ctx context.Context) error {
	return c.within(ctx, func() error {
		_ = c.conn.SetDeadline(time.Now().Add(pingAfter)) // a dead connection fails below
		proto.ClientCodePing.Encode(&c.out)
		if err := c.flush(); err != nil {
			return err
		}
		if code, err := c.packet(); err != nil || code != proto.ServerCodePong {
			return errors.Join(err, fmt.Errorf("the server answered %s to a ping", code))
		}
		return c.conn.SetDeadline(time.Time{})
	})
}

// insert sends the statement, learns the table's columns, sends the block, and waits until it is written.
func (c *nativeConn) insert(ctx context.Context, statement string, settings clickhouse.Settings, input proto.Input) error {
	return c.within(ctx, func() error {
		if err := c.query(statement, settings); err != nil {
			return err
		}
		table, err := c.columns()
		if err != nil {
			return err
		}
		for _, column := range input {
			for _, theirs := range table {
				if theirs.Name == column.Name {
					column.Data.(*wire).infer(theirs.Type)
				}
			}
		}
		if err := c.block(input); err != nil {
			return err
		}
		if err := c.block(nil); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return c.lastWords(err)
		}
		for {
			code, err := c.packet()
			if err != nil || code == proto.ServerCodeEndOfStream {
				return err
			}
			if err := c.skip(code, nil); err != nil {
				return err
			}
		}
	})
}

// lastWords looks for what the server said before it stopped to listen.
func (c *nativeConn) lastWords(broken error) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return broken
	}
	for {
		code, err := c.packet()
		if codeOf(err) != 0 {
			return err
		}
		if err != nil || c.skip(code, nil) != nil {
			return fmt.Errorf("send block: %w", broken)
		}
	}
}

func (c *nativeConn) query(statement string, settings clickhouse.Settings) error {
	query := proto.Query{
		ID: uuid.NewString(), Body: statement, Stage: proto.StageComplete,
		Info: proto.ClientInfo{
			ProtocolVersion: c.version, Major: 1, Interface: proto.InterfaceTCP, Query: proto.ClientQueryInitial,
			InitialAddress: c.conn.LocalAddr().String(), ClientName: "parcours",
		},
	}
	if c.compress != nil {
		query.Compression = proto.CompressionEnabled
	}
	for name, value := range settings {
		// An important setting that the server does not know is an error there.
		query.Settings = append(query.Settings, proto.Setting{Key: name, Value: fmt.Sprint(value), Important: true})
	}
	query.EncodeAware(&c.out, c.version)
	if err := c.block(nil); err != nil { // no external tables
		return err
	}
	if err := c.flush(); err != nil {
		return c.lastWords(err)
	}
	return nil
}

// columns are those of the table, which the server names before it takes a block.
func (c *nativeConn) columns() (proto.ColInfoInput, error) {
	for {
		code, err := c.packet()
		if err != nil {
			return nil, err
		}
		if code == proto.ServerCodeEndOfStream {
			return nil, errors.New("the server ended the insert before it began")
		}
		var info proto.ColInfoInput
		if err := c.skip(code, &info); err != nil || code == proto.ServerCodeData {
			return info, err
		}
	}
}

// frame bounds what is compressed at once, as servers do it.
const frame = 1 << 20

// block appends a packet of data; one without columns says that there is no more.
func (c *nativeConn) block(input proto.Input) error {
	proto.ClientCodeData.Encode(&c.out)
	proto.ClientData{}.EncodeAware(&c.out, c.version)
	block := proto.Block{Columns: len(input)}
	if len(input) > 0 {
		block.Rows, block.Info.BucketNum = input[0].Data.Rows(), -1
	}
	if c.compress == nil {
		if err := block.EncodeBlock(&c.out, c.version, input); err != nil {
			return fmt.Errorf("encode block: %w", err)
		}
		return nil
	}
	var plain proto.Buffer
	if err := block.EncodeBlock(&plain, c.version, input); err != nil {
		return fmt.Errorf("encode block: %w", err)
	}
	for rest := plain.Buf; len(rest) > 0; {
		n := min(len(rest), frame)
		if err := c.compress.Compress(rest[:n]); err != nil {
			return fmt.Errorf("compress block: %w", err)
		}
		c.out.Buf = append(c.out.Buf, c.compress.Data...)
		rest = rest[n:]
	}
	return nil
}

// packet reads the kind of the server's next packet. Its exceptions become errors, those of the driver, so that they are
// told apart in one way.
func (c *nativeConn) packet() (proto.ServerCode, error) {
	n, err := c.in.UVarInt()
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	code := proto.ServerCode(n)
	if code != proto.ServerCodeException {
		return code, nil
	}
	var exception proto.Exception
	if err := exception.DecodeAware(c.in, c.version); err != nil {
		return code, fmt.Errorf("read exception: %w", err)
	}
	name := ""
	if exception.Code.IsAError() {
		name = exception.Code.String()
	}
	message := strings.TrimSpace(strings.TrimPrefix(exception.Message, exception.Name+":"))
	return code, &clickhouse.Exception{Code: int32(exception.Code), Name: exception.Name, CodeName: name, Message: message}
}

// skip reads a packet that says nothing to us, or the columns of a block.
func (c *nativeConn) skip(code proto.ServerCode, into proto.Result) error {
	var err error
	switch code {
	case proto.ServerCodeProgress:
		err = new(proto.Progress).DecodeAware(c.in, c.version)
	case proto.ServerCodeProfile:
		err = new(proto.Profile).DecodeAware(c.in, c.version)
	case proto.ServerCodeTableColumns:
		err = new(proto.TableColumns).DecodeAware(c.in, c.version)
	case proto.ServerCodeData, proto.ServerCodeTotals, proto.ServerCodeExtremes, proto.ServerCodeLog, proto.ServerProfileEvents:
		err = c.skipBlock(code, into)
	default:
		err = errors.New("it is not expected here")
	}
	if err != nil {
		return fmt.Errorf("read packet %s: %w", code, err)
	}
	return nil
}

func (c *nativeConn) skipBlock(code proto.ServerCode, into proto.Result) error {
	if proto.FeatureTempTables.In(c.version) {
		if _, err := c.in.Str(); err != nil {
			return err
		}
	}
	switch code {
	case proto.ServerCodeLog:
		into = new(proto.Logs).Result()
	case proto.ServerProfileEvents:
		into = new(proto.ProfileEvents).Result()
	}
	if c.compress != nil && code.Compressible() {
		c.in.EnableCompression()
		defer c.in.DisableCompression()
	}
	return new(proto.Block).DecodeBlock(c.in, c.version, into)
}
