package clickhouse_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

type fault string

const (
	cutInMid   fault = "cut in mid-insert"
	loseAnswer fault = "answer lost"
	stall      fault = "stall"
)

// faults happen to the next insert, and note what it was like.
type faults struct {
	mu       sync.Mutex
	next     fault
	encoding string
	stalled  chan struct{}
}

func newFaults() *faults { return &faults{stalled: make(chan struct{}, 1)} }

func (f *faults) set(next fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

func (f *faults) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.next
	f.next = ""
	return next
}

func (f *faults) encoded(as string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.encoding = as
}

func (f *faults) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.encoding
}

func (f *faults) reached() { f.stalled <- struct{}{} }

// handler is the way to the engine over HTTP.
func (f *faults) handler(engine string) http.Handler {
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") {
			forward.ServeHTTP(w, r)
			return
		}
		f.encoded(r.Header.Get("Content-Encoding"))
		switch f.take() {
		case cutInMid:
			_, _ = io.CopyN(io.Discard, r.Body, 10)
			panic(http.ErrAbortHandler)
		case loseAnswer:
			forward.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case stall:
			_, _ = io.Copy(io.Discard, r.Body)
			f.reached()
			<-r.Context().Done()
		default:
			forward.ServeHTTP(w, r)
		}
	})
}

// pack is a compressed block of a server.
func pack(t *testing.T, body []byte) []byte {
	w := compress.NewWriter(compress.LevelZero, compress.LZ4)
	if err := w.Compress(body); err != nil {
		t.Error(err)
	}
	return w.Data
}

// certificate is one of a server, with the file of the authority that signed it: itself.
func certificate(t *testing.T) (server *tls.Config, authority string) {
	t.Helper()
	made := httptest.NewTLSServer(http.NotFoundHandler())
	defer made.Close()
	authority = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: made.TLS.Certificates, MinVersion: tls.VersionTLS12}, authority
}

// A transport changes nothing of what an insert means: rows, tokens, errors and doubts are the same on all.
func TestTransports(t *testing.T) {
	for _, c := range []struct {
		protocol, compression string
		tls                   bool
		encoding              string
	}{
		{"http", "none", false, ""},
		{"http", "gzip", false, "gzip"},
		{"http", "lz4", false, "lz4"},
		{"http", "zstd", false, "zstd"},
		{"http", "zstd", true, "zstd"},
		{"native", "none", false, "false"},
		{"native", "lz4", false, "true"},
		{"native", "zstd", false, "true"},
		{"native", "lz4", true, "true"},
	} {
		name := c.protocol + " " + c.compression
		if c.tls {
			name += " tls"
		}
		t.Run(name, func(t *testing.T) {
			engine, f := enginetest.Start(t), newFaults()
			change := func(cfg *warehouse.Config) {
				var server *tls.Config
				if c.tls {
					server, cfg.CAFile = certificate(t)
				}
				cfg.Protocol, cfg.Compression, cfg.TLS = c.protocol, c.compression, c.tls
				if c.protocol == "native" {
					cfg.Addresses = []string{startNative(t, engine, f, server)}
					return
				}
				proxy := httptest.NewUnstartedServer(f.handler(engine))
				if proxy.TLS = server; server != nil {
					proxy.StartTLS()
				} else {
					proxy.Start()
				}
				t.Cleanup(proxy.Close)
				cfg.Addresses = []string{proxy.Listener.Addr().String()}
			}
			var cfg warehouse.Config
			w := house(t, change, func(made *warehouse.Config) { cfg = *made })
			transport{t: t, w: w, f: f, direct: house(t)}.check()
			if got := f.last(); got != c.encoding {
				t.Errorf("encoding is %q, want %q", got, c.encoding)
			}
			if c.tls {
				cfg.CAFile = ""
				stranger := house(t, func(made *warehouse.Config) { *made = cfg })
				if err := stranger.Ping(t.Context()); err == nil {
					t.Error("a server of an unknown authority was trusted")
				}
				if err := stranger.Insert(t.Context(), block("missing", "a", 1, 1), "t"); err == nil || warehouse.Classify(err) != warehouse.ClassUnanswered {
					t.Errorf("got %v, want no connection", err)
				}
			}
		})
	}
}

type transport struct {
	t         *testing.T
	w, direct *warehouse.Warehouse
	f         *faults
}

func (c transport) check() {
	c.t.Helper()
	if err := c.w.Ping(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.kinds()
	name := table(c.t, c.direct, asWanted)
	if _, err := c.w.RequireSettings(c.t.Context(), name); err != nil {
		c.t.Fatal(err)
	}
	c.tokens(name)
	c.doubts(name)
	c.errors()
}

// count is asked on another way, and without FINAL.
func (c transport) count(name string) (rows uint64) {
	c.t.Helper()
	if err := c.direct.ScanRow(c.t.Context(), []any{&rows}, "SELECT count() FROM parcours."+name); err != nil {
		c.t.Fatal(err)
	}
	return rows
}

func (c transport) insert(b *warehouse.Block, token string) {
	c.t.Helper()
	if err := c.w.Insert(c.t.Context(), b, token); err != nil {
		c.t.Fatal(err)
	}
}

func (c transport) tokens(name string) {
	c.t.Helper()
	c.insert(block(name, "a", 1, 1, 2, 3), "one")
	c.insert(block(name, "b", 1, 4, 5), "one")
	if rows := c.count(name); rows != 3 {
		c.t.Errorf("%d rows after the same token twice, want 3", rows)
	}
	c.insert(block(name, "b", 1, 4, 5), "two")
	got, err := c.w.Places(c.t.Context(), name, "topic", 3, 2, 4)
	if err != nil {
		c.t.Fatal(err)
	}
	if diff := cmp.Diff([]warehouse.Place{{Offset: 2, ProducedAt: 1_700_000_000_002}, {Offset: 3, ProducedAt: 1_700_000_000_003}, {Offset: 4, ProducedAt: 1_700_000_000_004}}, got); diff != "" {
		c.t.Error(diff)
	}
}

// doubts are inserts without an answer: whatever happened, the same token once more makes it one.
func (c transport) doubts(name string) {
	c.t.Helper()
	before := c.count(name)
	for _, fault := range []fault{cutInMid, loseAnswer, stall} {
		ctx, cancel := context.WithCancel(c.t.Context())
		if fault == stall {
			go func() {
				<-c.f.stalled
				cancel()
			}()
		}
		c.f.set(fault)
		began := time.Now()
		err := c.w.Insert(ctx, block(name, "c", 1, 6), string(fault))
		cancel()
		if err == nil || warehouse.Classify(err) != warehouse.ClassUnanswered {
			c.t.Errorf("%s: got %v, want an error without an answer", fault, err)
		}
		if fault == stall && !errors.Is(err, context.Canceled) {
			c.t.Errorf("%s: got %v, want context.Canceled", fault, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			c.t.Errorf("%s: took %s", fault, took)
		}
		if fault == loseAnswer {
			before++
		}
		if rows := c.count(name); rows != before {
			c.t.Errorf("%s: %d rows, want %d", fault, rows, before)
		}
		if fault != loseAnswer {
			before++
		}
		c.insert(block(name, "c", 1, 6), string(fault))
		if rows := c.count(name); rows != before {
			c.t.Errorf("%s: %d rows after the insert was repeated, want %d", fault, rows, before)
		}
	}
}

func (c transport) errors() {
	c.t.Helper()
	f := func(b *warehouse.Block, token string, want warehouse.Class, reason string) {
		c.t.Helper()
		err := c.w.Insert(c.t.Context(), b, token)
		if err == nil || warehouse.Classify(err) != want || warehouse.Reason(err) != reason {
			c.t.Errorf("got %s %s (%v), want %s %s", warehouse.Classify(err), warehouse.Reason(err), err, want, reason)
		}
	}
	full := table(c.t, c.direct, asWanted+", parts_to_throw_insert = 1, parts_to_delay_insert = 0")
	if err := c.direct.Exec(c.t.Context(), "SYSTEM STOP MERGES parcours."+full); err != nil {
		c.t.Fatal(err)
	}
	c.insert(block(full, "a", 1, 1), "1")
	f(block(full, "a", 1, 2), "2", warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(block("missing", "a", 1, 2), "3", warehouse.ClassTransient, "UNKNOWN_TABLE")
	checked := table(c.t, c.direct, asWanted)
	if err := c.direct.Exec(c.t.Context(), "ALTER TABLE parcours."+checked+" ADD CONSTRAINT short CHECK length(text) < 3"); err != nil {
		c.t.Fatal(err)
	}
	f(block(checked, "long", 1, 2), "4", warehouse.ClassData, "VIOLATED_CONSTRAINT")
	c.insert(block(checked, "a", 1, 2), "5") // a refusal leaves the client well
	if rows := c.count(full); rows != 1 {
		c.t.Errorf("%d rows in the full table, want 1", rows)
	}
}

// kinds inserts a row of every kind of column and reads it as text, which every way writes alike.
func (c transport) kinds() {
	c.t.Helper()
	name := "k" + strings.ReplaceAll(uuid.NewString(), "-", "")
	err := c.direct.Exec(c.t.Context(), "CREATE TABLE parcours."+name+` (text String, word LowCardinality(String), amount Nullable(Decimal(18, 4)), at DateTime64(3, 'UTC'),
		day Nullable(Date32), id UUID, flag Bool, ratio Float64, words Array(LowCardinality(String)), prices Array(Nullable(Decimal(18, 4))), doc JSON, _ingested_at DateTime64(3, 'UTC'))
		ENGINE = MergeTree ORDER BY text SETTINGS `+asWanted)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { enginetest.Exec(c.t, enginetest.Start(c.t), "DROP TABLE parcours."+name+" SYNC") })
	b := warehouse.NewBlock(name)
	text, word := warehouse.Add(b, "text", warehouse.NewStrings()), warehouse.Add(b, "word", warehouse.NewWords())
	amount, at := warehouse.Add(b, "amount", warehouse.NewNullable[int64](warehouse.NewDecimals())), warehouse.Add(b, "at", warehouse.NewTimes())
	day, id := warehouse.Add(b, "day", warehouse.NewNullable[int32](warehouse.NewDates())), warehouse.Add(b, "id", warehouse.NewUUIDs())
	flag, ratio := warehouse.Add(b, "flag", warehouse.NewBools()), warehouse.Add(b, "ratio", warehouse.NewFloat64s())
	words := warehouse.Add(b, "words", warehouse.NewArray(warehouse.NewWords()))
	prices := warehouse.Add(b, "prices", warehouse.NewArray(warehouse.NewNullable[int64](warehouse.NewDecimals())))
	doc := warehouse.Add(b, "doc", warehouse.NewStrings())
	b.AddStamp("_ingested_at")
	row := func(i int64, stated bool) {
		text.Append("é\t" + string(rune('a'+i)))
		word.Append("web")
		amount.Append(15_000+i, stated)
		at.Append(1_700_000_000_123)
		day.Append(19_000, stated)
		id.Append(uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"))
		flag.Append(stated)
		ratio.Append(0.5)
		for range i {
			words.Items.Append("w")
			prices.Items.Append(10_000, stated)
		}
		words.End()
		prices.End()
		doc.Append(`{"a":{"b":1},"c":["x"]}`)
		b.EndRow()
	}
	row(0, true)
	row(2, false)
	c.insert(b, "kinds")
	answer, err := c.w.Query(c.t.Context(), "SELECT * EXCEPT (_ingested_at), _ingested_at > now() - 600 AS fresh FROM parcours."+name+" WHERE word = ? ORDER BY text", "web")
	if err != nil {
		c.t.Fatal(err)
	}
	want := warehouse.Table{
		Columns: []string{"text", "word", "amount", "at", "day", "id", "flag", "ratio", "words", "prices", "doc", "fresh"},
		Types: []string{
			"String", "LowCardinality(String)", "Nullable(Decimal(18, 4))", "DateTime64(3, 'UTC')", "Nullable(Date32)", "UUID", "Bool", "Float64",
			"Array(LowCardinality(String))", "Array(Nullable(Decimal(18, 4)))", "JSON", "UInt8",
		},
		Rows: [][]string{
			{"é\ta", "web", "1.5", "2023-11-14 22:13:20.123", "2022-01-08", "00112233-4455-6677-8899-aabbccddeeff", "true", "0.5", "[]", "[]", `{"a":{"b":1},"c":["x"]}`, "1"},
			{"é\tc", "web", "", "2023-11-14 22:13:20.123", "", "00112233-4455-6677-8899-aabbccddeeff", "false", "0.5", "['w','w']", "[NULL,NULL]", `{"a":{"b":1},"c":["x"]}`, "1"},
		},
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		c.t.Error(diff)
	}
	stream, err := c.w.Stream(c.t.Context(), "CSV", "SELECT word, flag FROM parcours."+name+" ORDER BY text")
	if err != nil {
		c.t.Fatal(err)
	}
	csv, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil {
		c.t.Fatal(err)
	}
	if string(csv) != "\"web\",true\n\"web\",false\n" {
		c.t.Errorf("got %q", csv)
	}
}
