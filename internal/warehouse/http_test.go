package warehouse

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A packer is used again: what it packs is one body, whatever it packed before.
func TestPackedBodiesAreWholeAndAlone(t *testing.T) {
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"none": func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"lz4":  func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) {
			d, err := zstd.NewReader(r)
			if err != nil {
				return nil, err
			}
			t.Cleanup(d.Close)
			return d, nil
		},
	}
	for compression, open := range unpack {
		for _, want := range []string{strings.Repeat("a long one, ", 1<<20), "short", "", strings.Repeat("x", 1<<16)} {
			err := pack(compression, strings.NewReader(want), func(body io.Reader, encoding string) error {
				if (encoding == "") != (compression == "none") {
					t.Errorf("%s is sent as %q", compression, encoding)
				}
				packed, err := io.ReadAll(body)
				if err != nil {
					return err
				}
				if compression != "none" && len(want) > 1<<10 && len(packed) > len(want)/2 {
					t.Errorf("%s makes %d bytes of %d", compression, len(packed), len(want))
				}
				plain, err := open(bytes.NewReader(packed))
				if err != nil {
					return err
				}
				got, err := io.ReadAll(plain)
				if string(got) != want {
					t.Errorf("%s: %d bytes came out of %d", compression, len(got), len(want))
				}
				return err
			})
			if err != nil {
				t.Errorf("%s of %d bytes: %v", compression, len(want), err)
			}
		}
	}
}
