package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errBodyTooLarge    = errors.New("body over the limit")
	errEncodingUnknown = errors.New("unknown content encoding")
	errEncodingInvalid = errors.New("body is not of its content encoding")
	errBusy            = errors.New("too many bytes in flight")
	errSlow            = errors.New("body took too long")
	errAborted         = errors.New("body ended early")
)

// bodies reads request bodies within the limits of size and of memory.
type bodies struct {
	limits Limits
	flying atomic.Int64 // bytes held by requests now
	gzips  sync.Pool
	zstd   *zstd.Decoder
}

func openBodies(limits Limits) (*bodies, error) {
	// Output and window are bound together, and every decoder has to take windows of 8 MiB: a bomb may come
	// to that much before it is refused, in as many decoders as there are processors.
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxZstdWindow))
	if err != nil {
		return nil, fmt.Errorf("open zstd decoder: %w", err)
	}
	return &bodies{limits: limits, zstd: decoder}, nil
}

// maxZstdWindow is what RFC 8878 asks every decoder to take.
const maxZstdWindow = 8 << 20

func (b *bodies) close() { b.zstd.Close() }

// firstRead is how much is asked for at once; more is, as more has come.
const firstRead = 16 << 10

// memory is the share of one request in the bytes in flight. It grows with what has really come in, so
// that a request cannot take memory by announcing a body that it never sends.
type memory struct {
	bodies *bodies
	held   int64
}

func (m *memory) grow(bytes int) error {
	held := m.bodies.flying.Add(int64(bytes))
	m.held += int64(bytes)
	if held > m.bodies.limits.InFlightBytes {
		return errBusy
	}
	return nil
}

func (m *memory) release() { m.bodies.flying.Add(-m.held) }

// read returns the request's body, decoded, in one of two buffers that it may grow.
func (b *bodies) read(r *http.Request, m *memory, wire, plain []byte) (wireBuf, plainBuf []byte, err error) {
	encoding, err := contentEncoding(r)
	if err != nil {
		return wire, plain, err
	}
	if encoding == "" {
		plain, err = readAll(r.Body, r.ContentLength, b.limits.BodyBytes, m, plain[:0])
		return wire, plain, err
	}
	if wire, err = readAll(r.Body, r.ContentLength, b.limits.CompressedBytes, m, wire[:0]); err != nil {
		return wire, plain, err
	}
	if encoding == "gzip" {
		plain, err = b.gunzip(wire, m, plain[:0])
	} else {
		plain, err = b.unzstd(wire, m, plain[:0])
	}
	return wire, plain, err
}

// contentEncoding takes one layer: each further one multiplies what a small body can become.
func contentEncoding(r *http.Request) (string, error) {
	switch sent := strings.ToLower(strings.TrimSpace(strings.Join(r.Header["Content-Encoding"], ","))); sent {
	case "", "identity":
		return "", nil
	case "gzip", "x-gzip":
		return "gzip", nil
	case "zstd":
		return "zstd", nil
	default:
		return "", errEncodingUnknown
	}
}

// readAll reads to the end, or fails past the limit.
func readAll(from io.Reader, announced int64, limit int, m *memory, into []byte) ([]byte, error) {
	if announced > int64(limit) {
		return into, errBodyTooLarge
	}
	want := firstRead
	if announced > 0 {
		want = min(want, int(announced)+1) // one more, to see the end in one read
	}
	for {
		if cap(into)-len(into) < want {
			grown := make([]byte, len(into), max(len(into)+want, min(2*cap(into), limit+1)))
			copy(grown, into)
			into = grown
		}
		n, err := from.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if len(into) > limit {
			return into, errBodyTooLarge
		}
		if busy := m.grow(n); busy != nil {
			return into, busy
		}
		switch {
		case err == io.EOF:
			return into, nil
		case err != nil:
			return into, readError(err)
		}
		want = 1
		if len(into) >= firstRead {
			want = firstRead
		}
	}
}

func readError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return errBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return errEncodingInvalid
	}
	return errAborted
}

func (b *bodies) gunzip(wire []byte, m *memory, into []byte) ([]byte, error) {
	reader, _ := b.gzips.Get().(*gzip.Reader)
	if reader == nil {
		reader = new(gzip.Reader)
	}
	defer b.gzips.Put(reader)
	if err := reader.Reset(bytes.NewReader(wire)); err != nil {
		return into, errEncodingInvalid
	}
	into, err := readAll(reader, -1, b.limits.BodyBytes, m, into)
	if err != nil && !errors.Is(err, errBodyTooLarge) && !errors.Is(err, errBusy) {
		err = errEncodingInvalid // the bytes are all here: nothing else can fail
	}
	return into, err
}

func (b *bodies) unzstd(wire []byte, m *memory, into []byte) ([]byte, error) {
	decoded, err := b.zstd.DecodeAll(wire, into)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), len(decoded) > b.limits.BodyBytes:
		return into, errBodyTooLarge // without what it grew to
	case err != nil:
		return into, errEncodingInvalid
	}
	return decoded, m.grow(len(decoded))
}
