//go:build linux || darwin

package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func (x *exchange) emit(n counts, p []byte) error {
	x.total.add(n)
	_, err := x.out.Write(p)
	return err
}

// run executes the statement whole: the engine holds its result until it is over.
func (x *exchange) run() error {
	sent := false
	n, err := x.conn.run(newText(x.stmt.text, x.stmt.format, x.params), func(n counts, p []byte) error {
		sent = true
		return x.emit(n, p)
	})
	if !sent {
		x.total.add(n)
	}
	return err
}

func (x *exchange) stream() error {
	return x.conn.stream(newText(x.stmt.text, x.stmt.format, x.params), x.emit)
}

// pipe executes a SELECT whose format is one document with a beginning and an end: the engine writes it into a pipe,
// as it would into a file, so that an answer of any size passes through.
func (x *exchange) pipe() error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open a pipe for the answer: %w", err)
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(x.out, read)
		if err != nil {
			x.abandon()
		}
		// The engine must not wait for a reader that is gone.
		copied <- errors.Join(err, read.Close())
	}()
	query := fmt.Sprintf("%s INTO OUTFILE '/dev/fd/%d' APPEND FORMAT %s %s",
		x.stmt.text[:x.stmt.outAt], write.Fd(), x.stmt.format, x.stmt.tail())
	n, err := x.conn.run(newText(query, "Null", x.params), nil)
	err = errors.Join(err, write.Close(), <-copied)
	x.total = n // Only now: the answer's headers, written by the other goroutine, read it.
	return err
}

// insert hands the body over as it comes in; the engine holds back the sender when it is slower.
//
//  1. The INSERT is opened: a wrong table or column is answered before any data is read.
//  2. Data flows. A body that breaks off cancels the INSERT; what the engine had committed block by block stays, as
//     on a server (blocks are squashed to a million rows, so a usual batch is one block, and all or nothing).
//  3. finish commits, and only then is the client answered 200.
func (x *exchange) insert() error {
	in, err := x.conn.beginInsert(newText(x.stmt.text, x.stmt.format, x.params))
	if err != nil {
		return err
	}
	defer in.close()
	buf := make([]byte, 256<<10)
	for ended := false; !ended; {
		n, err := fill(x.data, buf)
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			in.cancel()
			return bodyError(err)
		}
		if _, err := in.Write(buf[:n]); err != nil {
			break // finish tells why the engine takes no more
		}
	}
	x.total, err = in.finish()
	return err
}

// fill reads until the buffer is full. Unlike io.ReadFull it tells a body that ended (io.EOF) from one that broke
// off (io.ErrUnexpectedEOF).
func fill(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
