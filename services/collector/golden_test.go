package collector

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// The files in testdata/sdk are requests as the stock SDKs sent them (analytics-next 1.84.3 in Chromium,
// analytics-node 3.1.0, analytics-python 2.4.0), two written after the mobile SDKs and a till, and beside
// each what became of it.
func TestRequestsOfRealSDKs(t *testing.T) {
	files, err := filepath.Glob("testdata/sdk/*.txt")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			d := newDirect(t, nil)
			w := httptest.NewRecorder()
			d.ServeHTTP(w, readRequest(t, file))
			var got bytes.Buffer
			fmt.Fprintf(&got, "%d %s\n", w.Code, w.Body)
			touchpoints, rejections, keys := d.take(t)
			for i, touchpoint := range touchpoints {
				fmt.Fprintf(&got, "\nkey %s\n%s\n", keys[i], pretty(t, touchpoint))
			}
			for _, rejection := range rejections {
				payload := rejection.Payload
				rejection.Payload, rejection.RejectedAt = nil, 0
				fmt.Fprintf(&got, "\nrejected %s\n%s\n", pretty(t, rejection), payload)
			}
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: go test -run %s -rewrite", err, t.Name())
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func pretty(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readRequest reads method and path, headers, an empty line and the body.
func readRequest(t *testing.T, file string) *http.Request {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, body, found := strings.Cut(string(text), "\n\n")
	if !found {
		t.Fatalf("%s has no empty line", file)
	}
	lines := strings.Split(head, "\n")
	wire := lines[0] + " HTTP/1.1\r\nHost: collector.example.fr\r\n" + strings.Join(lines[1:], "\r\n") + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	r.Body = io.NopCloser(strings.NewReader(strings.TrimSuffix(body, "\n")))
	r.ContentLength = -1
	r.RemoteAddr = "203.0.113.9:50000"
	return r
}
