package clickhouse

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxHead bounds the part of a request that is read as SQL; the data of an INSERT comes after it, in any size.
const maxHead = 1 << 20

// openBody undoes the HTTP encoding and the native compression (decompress=1) of a request and bounds what comes
// out of them.
func openBody(r *http.Request, maxBytes int64) (io.Reader, *queryError) {
	var in io.Reader = bufio.NewReaderSize(r.Body, 64<<10)
	// One encoding, as a server: what comes out between two would be bounded by nobody.
	in, err := decoder(strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))), in)
	if err != nil {
		return nil, newError(codeUnknownCompressed, "UNKNOWN_COMPRESSION_METHOD", "Cannot decode the request's body: %s", err)
	}
	if r.URL.Query().Get("decompress") == "1" {
		in = compress.NewReader(in)
	}
	return &boundedReader{r: in, left: maxBytes}, nil
}

func decoder(name string, in io.Reader) (io.Reader, error) {
	switch name {
	case "", "identity":
		return in, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(in)
	case "deflate":
		return zlib.NewReader(in)
	case "br":
		return brotli.NewReader(in), nil
	case "lz4":
		return lz4.NewReader(in), nil
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("unknown Content-Encoding %q; use gzip, deflate, br, zstd or lz4", name)
}

var errBodyTooLarge = errors.New("the request's body is over the engine's limit")

type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errBodyTooLarge
	}
	return n, err
}

// bodyError tells a request that could not be read.
func bodyError(err error) *queryError {
	if errors.Is(err, errBodyTooLarge) {
		return newError(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", "%s; send it in parts", err)
	}
	return newError(codeIncorrectData, "INCORRECT_DATA", "Cannot read the request's body: %s", err)
}
