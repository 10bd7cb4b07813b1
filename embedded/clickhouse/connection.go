//go:build linux || darwin

package clickhouse

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

// connection is one session of the engine: one statement at a time, its own settings, database and temporary
// tables. A request gets a fresh one (a quarter of a millisecond), so that nothing can leak from query to query.
type connection struct {
	lib *library
	ref unsafe.Pointer
}

// counts is what a statement read and wrote, as X-ClickHouse-Summary tells it.
type counts struct {
	resultRows, readRows, readBytes, writtenRows, writtenBytes uint64
}

func (c *counts) add(d counts) {
	c.resultRows += d.resultRows
	c.readRows += d.readRows
	c.readBytes += d.readBytes
	c.writtenRows += d.writtenRows
	c.writtenBytes += d.writtenBytes
}

func connect(lib *library, args []string) (*connection, error) {
	ref := lib.open(args)
	if ref == nil {
		return nil, errors.New("open engine connection: the engine refused it")
	}
	return &connection{lib: lib, ref: ref}, nil
}

func (c *connection) close() {
	c.lib.close(c.ref)
	c.ref = nil
}

func (c *connection) handle() unsafe.Pointer { return *(*unsafe.Pointer)(c.ref) }

// take reads a result; emit sees its bytes, which are the library's own memory and gone afterwards.
func (c *connection) take(result unsafe.Pointer, emit func(counts, []byte) error) (counts, error) {
	if result == nil {
		return counts{}, errors.New("run statement: the engine gave no result")
	}
	defer c.lib.resultDestroy(result)
	if text := c.lib.resultError(result); text != "" {
		return counts{}, engineError(text)
	}
	n := counts{
		resultRows:   c.lib.resultRows(result),
		readRows:     c.lib.resultReadRows(result),
		readBytes:    c.lib.resultReadBytes(result),
		writtenRows:  c.lib.resultWrittenRows(result),
		writtenBytes: c.lib.resultWrittenBytes(result),
	}
	length := c.lib.resultLength(result)
	if length == 0 || emit == nil {
		return n, nil
	}
	return n, emit(n, unsafe.Slice((*byte)(c.lib.resultBuffer(result)), length))
}

// run executes a statement whole and hands its result over in one piece.
func (c *connection) run(t *text, emit func(counts, []byte) error) (counts, error) {
	return c.take(t.call(c.lib.query, c.handle()), emit)
}

// errNotStreamable is answered before anything ran: the statement is not a SELECT in the engine's eyes.
var errNotStreamable = errors.New("statement cannot be streamed")

// stream executes a SELECT and hands over each block by itself, written as a whole document of its format. Only
// formats whose documents may be joined come out right (see streamable).
func (c *connection) stream(t *text, emit func(counts, []byte) error) error {
	result := t.call(c.lib.stream, c.handle())
	if result == nil {
		return errors.New("run statement: the engine gave no stream")
	}
	defer c.lib.resultDestroy(result)
	if text := c.lib.resultError(result); text != "" {
		if strings.Contains(text, "Streaming query is not supported for query") {
			return errNotStreamable
		}
		return engineError(text)
	}
	for {
		more := false
		_, err := c.take(c.lib.streamFetch(c.handle(), result), func(n counts, p []byte) error {
			more = true
			return emit(n, p)
		})
		if err != nil {
			c.lib.streamStop(c.handle(), result)
			return err
		}
		if !more {
			return nil
		}
	}
}

// insertion is an open INSERT that takes its data in pieces of any size.
type insertion struct {
	c   *connection
	ref unsafe.Pointer
}

func (c *connection) beginInsert(t *text) (*insertion, error) {
	ref := t.call(c.lib.insert, c.handle())
	if ref == nil {
		return nil, errors.New("run INSERT: the engine gave no stream")
	}
	in := &insertion{c: c, ref: ref}
	if text := c.lib.insertError(ref); text != "" {
		in.close()
		return nil, engineError(text)
	}
	return in, nil
}

// errInsertEnded says that the engine takes no more data; finish tells why.
var errInsertEnded = errors.New("the engine ended the INSERT")

func (in *insertion) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	state := in.c.lib.insertAppend(in.ref, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
	runtime.KeepAlive(p)
	if state != 0 {
		return 0, errInsertEnded
	}
	return len(p), nil
}

// finish commits; when it returns nil the rows are in their table.
func (in *insertion) finish() (counts, error) {
	return in.c.take(in.c.lib.insertDone(in.ref), nil)
}

// cancel drops what was not committed yet.
func (in *insertion) cancel() { in.c.lib.insertCancel(in.ref) }

func (in *insertion) close() { in.c.lib.insertDestroy(in.ref) }

// exec runs a statement of our own and returns its answer.
func (c *connection) exec(query string) (string, error) {
	var out []byte
	_, err := c.run(newText(query, "TabSeparatedRaw", nil), func(_ counts, p []byte) error {
		out = append(out, p...)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("run %.40q: %w", query, err)
	}
	return string(out), nil
}
