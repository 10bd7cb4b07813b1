package clickhouse_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeRevision is the newest that the protocol's library knows.
const nativeRevision = chproto.Version

// nativeServer speaks the native protocol as far as our clients do, and asks the engine over HTTP what to answer. Its
// words are taken from the protocol's own library, so that what both ends believe is not one mistake.
type nativeServer struct {
	t      *testing.T
	engine string
	faults *faults
	conns  sync.WaitGroup
}

func startNative(t *testing.T, engine string, f *faults, certificates *tls.Config) (address string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if certificates != nil {
		listener = tls.NewListener(listener, certificates)
	}
	s := &nativeServer{t: t, engine: engine, faults: f}
	ctx, stop := context.WithCancel(context.Background())
	s.conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() {
				closed := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer closed()
				defer conn.Close()
				s.serve(ctx, conn)
			})
		}
	})
	t.Cleanup(func() {
		stop()
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		s.conns.Wait()
	})
	return address
}

type nativeConn struct {
	*nativeServer
	conn     net.Conn
	in       *chproto.Reader
	database string
	packed   bool // the blocks of this query are compressed
}

// serve ends when the client leaves or says what it should not.
func (s *nativeServer) serve(ctx context.Context, conn net.Conn) {
	c := &nativeConn{nativeServer: s, conn: conn, in: chproto.NewReader(conn)}
	var hello chproto.ClientHello
	if code, err := c.in.UVarInt(); err != nil || chproto.ClientCode(code) != chproto.ClientCodeHello || hello.Decode(c.in) != nil {
		return // the client did not trust our certificate, or is no client
	}
	c.database = hello.Database
	greeting := chproto.ServerHello{Name: "ClickHouse", Major: 26, Minor: 7, Revision: nativeRevision, Timezone: "UTC", DisplayName: "test", Patch: 1}
	if c.write(func(b *chproto.Buffer) { greeting.EncodeAware(b, nativeRevision) }) != nil {
		return
	}
	if _, err := c.in.Str(); err != nil { // the quota key
		return
	}
	for {
		code, err := c.in.UVarInt()
		if err != nil {
			return
		}
		switch chproto.ClientCode(code) {
		case chproto.ClientCodePing:
			err = c.write(chproto.ServerCodePong.Encode)
		case chproto.ClientCodeQuery:
			err = c.query(ctx)
		case chproto.ClientCodeCancel:
			return
		default:
			s.t.Errorf("the client sent packet %d out of turn", code)
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *nativeConn) write(encode func(*chproto.Buffer)) error {
	var b chproto.Buffer
	encode(&b)
	_, err := c.conn.Write(b.Buf)
	return err
}

// block reads a packet of data; it is nil at the end of data.
func (c *nativeConn) block() (*proto.Block, error) {
	code, err := c.in.UVarInt()
	if err != nil {
		return nil, err
	}
	if chproto.ClientCode(code) != chproto.ClientCodeData {
		return nil, fmt.Errorf("packet %d in place of data", code)
	}
	var data chproto.ClientData
	if err := data.DecodeAware(c.in, nativeRevision); err != nil {
		return nil, err
	}
	if c.packed {
		c.in.EnableCompression()
		defer c.in.DisableCompression()
	}
	block := proto.NewBlock()
	if err := block.Decode(c.in, nativeRevision); err != nil {
		return nil, err
	}
	if len(block.Columns) == 0 {
		return nil, nil
	}
	return block, nil
}

var insertHead = regexp.MustCompile(`^INSERT INTO ([a-z0-9_.]+) \((.*)\) VALUES$`)

func (c *nativeConn) query(ctx context.Context) error {
	var q chproto.Query
	if err := q.DecodeAware(c.in, nativeRevision); err != nil {
		c.t.Errorf("decode query: %v", err)
		return err
	}
	c.packed = q.Compression == chproto.CompressionEnabled
	if external, err := c.block(); err != nil || external != nil {
		return fmt.Errorf("external data %v: %w", external, err)
	}
	values := url.Values{"database": {c.database}, "default_format": {"Native"}}
	for _, s := range q.Settings {
		values.Set(s.Key, s.Value)
	}
	if head := insertHead.FindStringSubmatch(q.Body); head != nil {
		return c.insert(ctx, values, q.Body, head[1], head[2])
	}
	answer, err := c.ask(values, strings.NewReader(q.Body))
	if err != nil {
		return c.exception(err)
	}
	return c.blocks(answer)
}

// blocks relays the answer of the engine.
func (c *nativeConn) blocks(answer []byte) error {
	in := chproto.NewReader(bytes.NewReader(answer))
	for {
		block := proto.NewBlock()
		if err := block.Decode(in, 0); errors.Is(err, io.EOF) {
			return c.write(chproto.ServerCodeEndOfStream.Encode)
		} else if err != nil {
			return c.exception(fmt.Errorf("Code: 1002. DB::Exception: %w", err))
		}
		var b chproto.Buffer
		if err := block.Encode(&b, nativeRevision); err != nil {
			return err
		}
		if err := c.data(b.Buf); err != nil {
			return err
		}
	}
}

func (c *nativeConn) data(body []byte) error {
	var head chproto.Buffer
	chproto.ServerCodeData.Encode(&head)
	head.PutString("")
	if c.packed {
		body = pack(c.t, body)
	}
	_, err := c.conn.Write(append(head.Buf, body...))
	return err
}

// insert takes all blocks, and answers when the engine has them.
func (c *nativeConn) insert(ctx context.Context, values url.Values, body, table, columns string) error {
	described, err := c.ask(url.Values{"default_format": {"TabSeparatedRaw"}}, strings.NewReader("SELECT name, type FROM system.columns WHERE concat(database, '.', table) = '"+table+"'"))
	if err != nil {
		return c.exception(err)
	}
	if len(described) == 0 {
		return c.exception(errors.New("Code: 60. DB::Exception: Table " + table + " does not exist. (UNKNOWN_TABLE)"))
	}
	types := map[string]string{}
	for line := range strings.Lines(string(described)) {
		name, typ, _ := strings.Cut(strings.TrimSpace(line), "\t")
		types[name] = typ
	}
	// A block without rows says which columns the table has.
	names := strings.Split(columns, ", ")
	var header chproto.Buffer
	chproto.Block{Info: chproto.BlockInfo{BucketNum: -1}, Columns: len(names)}.EncodeAware(&header, nativeRevision)
	for _, name := range names {
		name = strings.Trim(name, "`")
		header.PutString(name)
		header.PutString(types[name])
		header.PutBool(false) // no serialization of its own
	}
	if err := c.data(header.Buf); err != nil {
		return err
	}
	fault := c.faults.take()
	if fault == cutInMid {
		_, err := io.CopyN(io.Discard, c.conn, 10)
		return errors.Join(err, errors.New("cut on purpose"))
	}
	var native chproto.Buffer
	count := 0
	for {
		block, err := c.block()
		if err != nil {
			c.t.Errorf("read block: %v", err)
			return err
		}
		if block == nil {
			break
		}
		count++
		for _, column := range block.Columns {
			if table := types[column.Name()]; strings.HasPrefix(table, "JSON") && string(column.Type()) != table {
				return c.exception(fmt.Errorf("Code: 53. DB::Exception: Cannot convert column %s from %s to %s. (TYPE_MISMATCH)", column.Name(), column.Type(), table))
			}
		}
		if err := block.Encode(&native, 0); err != nil {
			c.t.Errorf("encode block: %v", err)
			return err
		}
	}
	if count != 1 {
		c.t.Errorf("an insert of %d blocks, want one", count)
	}
	c.faults.encoded(strconv.FormatBool(c.packed))
	if fault == stall {
		c.faults.reached()
		_, _ = c.conn.Read(make([]byte, 1)) // until the client leaves or cancels
		return errors.New("stalled on purpose")
	}
	values.Set("query", strings.TrimSuffix(body, "VALUES")+"FORMAT Native")
	if _, err := c.ask(values, bytes.NewReader(native.Buf)); err != nil {
		return c.exception(err)
	}
	if fault == loseAnswer {
		return errors.New("lost on purpose")
	}
	return c.write(chproto.ServerCodeEndOfStream.Encode)
}

// ask is a request to the engine; its error is the engine's text.
func (c *nativeConn) ask(values url.Values, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.engine+"/?"+values.Encode(), body)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(text))
	}
	return text, err
}

var exceptionText = regexp.MustCompile(`(?s)^Code: (\d+)\. (DB::Exception: .*)`)

func (c *nativeConn) exception(err error) error {
	code, text := 1002, err.Error()
	if found := exceptionText.FindStringSubmatch(text); found != nil {
		text = found[2]
		code, _ = strconv.Atoi(found[1])
	}
	return c.write(func(b *chproto.Buffer) {
		chproto.ServerCodeException.Encode(b)
		b.PutInt32(int32(code))
		b.PutString("DB::Exception")
		b.PutString(text)
		b.PutString("no stack")
		b.PutBool(false)
	})
}
