package warehouse

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// unknownLength of a body has it sent in chunks.
const unknownLength = -1

// maxWords bounds what is read of the answer to an insert: it is empty, or an error.
const maxWords = 64 << 10

// posting is an insert on its way: the block, as it stands in the request's body.
type posting struct {
	body     io.Reader
	encoding string
	sending  sync.WaitGroup
}

type postingKey struct{}

// post gives the driver's request a body of ours. The body is lent: done waits until nobody reads it any more, which may
// be later than the answer.
func post(ctx context.Context, body io.Reader, encoding string) (_ context.Context, done func()) {
	p := &posting{body: body, encoding: encoding}
	return context.WithValue(ctx, postingKey{}, p), p.sending.Wait
}

// poster sends blocks through the driver's own connections. The driver compresses Native blocks only when it has made
// them itself, and takes whatever follows a status of 200 without a frame of its own for success.
type poster struct{ through http.RoundTripper }

func (t poster) RoundTrip(r *http.Request) (*http.Response, error) {
	p, posts := r.Context().Value(postingKey{}).(*posting)
	// A new connection asks the server's version first, in the same context.
	if !posts || !r.URL.Query().Has("query") {
		return t.through.RoundTrip(r)
	}
	if r.Body != nil {
		if err := r.Body.Close(); err != nil {
			return nil, fmt.Errorf("close the body that the driver made: %w", err)
		}
	}
	r = r.Clone(r.Context())
	r.Header.Del("Content-Encoding")
	if p.encoding != "" {
		r.Header.Set("Content-Encoding", p.encoding)
	}
	p.sending.Add(1)
	r.Body, r.ContentLength, r.GetBody = &lent{Reader: p.body, back: sync.OnceFunc(p.sending.Done)}, unknownLength, nil
	answer, err := t.through.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	// An error after the headers were sent stands in the body, framed or not: no word is the only good word.
	words, err := io.ReadAll(io.LimitReader(answer.Body, maxWords))
	if closed := answer.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer to an insert: %w", err)
	}
	if len(words) > 0 || answer.Header.Get("X-ClickHouse-Exception-Code") != "" {
		answer.StatusCode = http.StatusInternalServerError
	}
	answer.Body = io.NopCloser(bytes.NewReader(words))
	return answer, nil
}

// lent is a body that tells when it is given back. The transport closes it once, when it has stopped reading.
type lent struct {
	io.Reader
	back func()
}

func (b *lent) Close() error {
	b.back()
	return nil
}

// keptPacked is how much of a compressed block's memory is kept for the next.
const keptPacked = 4 << 20

// packer compresses blocks, one after the other.
type packer struct {
	buffer bytes.Buffer
	writer interface {
		io.WriteCloser
		Reset(to io.Writer)
	}
}

// packers are at rest, by encoding. The options are right for any input, so that the errors are nil.
var packers = map[string]*sync.Pool{
	"gzip": {New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return &packer{writer: w}
	}},
	"lz4": {New: func() any { return &packer{writer: lz4.NewWriter(nil)} }},
	"zstd": {New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		return &packer{writer: w}
	}},
}

// pack calls use with the body in one of HTTP's encodings, which is gone when use returns.
func pack(compression string, body io.Reader, use func(body io.Reader, encoding string) error) error {
	if compression == "none" {
		return use(body, "")
	}
	p := packers[compression].Get().(*packer)
	defer func() {
		if p.buffer.Cap() <= keptPacked {
			packers[compression].Put(p)
		}
	}()
	p.buffer.Reset()
	p.writer.Reset(&p.buffer)
	_, err := io.Copy(p.writer, body)
	if err := errors.Join(err, p.writer.Close()); err != nil {
		return fmt.Errorf("compress block with %s: %w", compression, err)
	}
	return use(bytes.NewReader(p.buffer.Bytes()), compression)
}
