package clickhouse

import (
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// bufferSize is how much of an answer is held back: within it an error still gets its own status, and the summary
// is exact.
const bufferSize = 1 << 20

// response writes a query's answer: whole with its summary when it is small, streamed when it is not. Bytes go
// through the native compression (compress=1), then through the HTTP one (enable_http_compression=1).
type response struct {
	w        http.ResponseWriter
	native   compress.Method
	compress bool
	encoding string
	summary  func() string

	held      []byte
	committed bool
	out       io.Writer
	closers   []io.Closer
	tag       string
}

func (r *response) Write(p []byte) (int, error) {
	if r.committed {
		return r.out.Write(p)
	}
	if len(r.held)+len(p) <= bufferSize {
		r.held = append(r.held, p...)
		return len(p), nil
	}
	if err := r.commit(); err != nil {
		return 0, err
	}
	return r.out.Write(p)
}

// commit sends the headers; from here on an error can only be told in the body.
func (r *response) commit() error {
	r.committed = true
	h := r.w.Header()
	setExact(h, "X-ClickHouse-Summary", r.summary())
	r.tag = strings.ToLower(rand.Text()[:16])
	setExact(h, "X-ClickHouse-Exception-Tag", r.tag)
	r.out = r.w
	if enc := encoder(r.encoding, r.w); enc != nil {
		h.Set("Content-Encoding", r.encoding)
		r.out = enc
		r.closers = append(r.closers, enc)
	}
	if r.compress {
		blocks := &blockWriter{w: r.out, c: compress.NewWriter(compress.LevelZero, r.native)}
		r.out = blocks
		r.closers = append([]io.Closer{blocks}, r.closers...)
	}
	r.w.WriteHeader(http.StatusOK)
	held := r.held
	r.held = nil
	if len(held) == 0 {
		return nil
	}
	_, err := r.out.Write(held)
	return err
}

func (r *response) finish() error {
	if !r.committed {
		if len(r.held) == 0 {
			// Nothing to compress, and clients take an empty body with its length for "no rows".
			r.compress, r.encoding = false, ""
		}
		if err := r.commit(); err != nil {
			return err
		}
	}
	return r.closeAll()
}

func (r *response) closeAll() error {
	for _, c := range r.closers {
		if err := c.Close(); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
	return nil
}

// fail tells an error: by status when nothing was sent yet, else in ClickHouse's frame at the end of the body, and
// by breaking the transfer off, so that no client takes half an answer for a whole one.
func (r *response) fail(e *queryError) {
	if !r.committed {
		writeError(r.w, e)
		return
	}
	text := e.text + "\n"
	if len(text) > 16<<10 {
		text = text[:16<<10] + "\n"
	}
	_, err := fmt.Fprintf(r.out, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", r.tag, text, len(text), r.tag)
	if err == nil {
		err = r.closeAll()
	}
	if err == nil {
		err = http.NewResponseController(r.w).Flush()
	}
	_ = err // The connection is given up either way.
	panic(http.ErrAbortHandler)
}

// writeError answers a query that failed before anything of its answer was sent.
func writeError(w http.ResponseWriter, e *queryError) {
	h := w.Header()
	setExact(h, "X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(statusOf(e.code))
	_, _ = io.WriteString(w, e.text+"\n") // A client that is gone needs no answer.
}

// setExact keeps ClickHouse's spelling of its headers on the wire, which scripts look for; Go's own would be
// X-Clickhouse-Summary.
func setExact(h http.Header, name, value string) { h[name] = []string{value} }

// blockWriter frames what it gets as ClickHouse's compressed blocks (checksum, method, sizes, data).
type blockWriter struct {
	w    io.Writer
	c    *compress.Writer
	held []byte
}

func (b *blockWriter) Write(p []byte) (int, error) {
	b.held = append(b.held, p...)
	for len(b.held) >= bufferSize {
		if err := b.block(b.held[:bufferSize]); err != nil {
			return 0, err
		}
		b.held = append(b.held[:0], b.held[bufferSize:]...)
	}
	return len(p), nil
}

func (b *blockWriter) Close() error {
	if len(b.held) == 0 {
		return nil
	}
	err := b.block(b.held)
	b.held = nil
	return err
}

func (b *blockWriter) block(p []byte) error {
	if err := b.c.Compress(p); err != nil {
		return fmt.Errorf("compress answer: %w", err)
	}
	_, err := b.w.Write(b.c.Data)
	return err
}

// encoder returns nil for "no encoding".
func encoder(name string, w io.Writer) io.WriteCloser {
	switch name {
	case "gzip":
		return gzip.NewWriter(w)
	case "deflate":
		return zlib.NewWriter(w)
	case "br":
		return brotli.NewWriterLevel(w, 3)
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil // Only wrong options fail, and these are constants.
		}
		return z
	}
	return nil
}

// acceptedEncoding picks the first encoding a server would: br, gzip, deflate, zstd are its order of checks.
func acceptedEncoding(header string) string {
	accepted := map[string]bool{}
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.ReplaceAll(quality, " ", "") != "q=0" {
			accepted[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	for _, name := range []string{"br", "gzip", "deflate", "zstd"} {
		if accepted[name] {
			return name
		}
	}
	return ""
}
