package clickhouse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

func TestHTTPHealth(t *testing.T) {
	addr := enginetest.Start(t)
	f := func(path string, wantStatus int, wantBody string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != wantStatus || !strings.HasPrefix(string(body), wantBody) {
			t.Errorf("%s: %s %q", path, resp.Status, body)
		}
	}
	f("/", 200, "Ok.\n")
	f("/ping", 200, "Ok.\n")
	f("/replicas_status", 200, "Ok.\n")
	f("/nothing/here", 404, "There is no handle /nothing/here")
}

func TestHTTPWhereTheQueryAndItsOptionsStand(t *testing.T) {
	addr := enginetest.Start(t)
	f := func(got answer, want string) {
		t.Helper()
		if got.status != 200 || got.body != want {
			t.Errorf("%d %q, want %q", got.status, got.body, want)
		}
	}
	f(post(t, addr, "SELECT 1"), "1\n")
	f(post(t, addr, "SELECT 1;  -- the end;"), "1\n")
	f(ask(t, "GET", addr, values("query", "SELECT 'a', 2"), ""), "a\t2\n")
	f(ask(t, "POST", addr, values("query", "SELECT"), "5"), "5\n")
	f(post(t, addr, "SELECT 1 AS a FORMAT JSONEachRow"), "{\"a\":1}\n")
	f(post(t, addr, "SELECT 1 AS a", "X-ClickHouse-Format", "JSONEachRow"), "{\"a\":1}\n")
	f(ask(t, "POST", addr, values("default_format", "CSVWithNames"), "SELECT 1 AS a"), "\"a\"\n1\n")
	f(ask(t, "POST", addr, values("default_format", "CSV"), "SELECT 1 AS a FORMAT TSVWithNames SETTINGS max_threads = 1"), "a\n1\n")
	f(ask(t, "POST", addr, values("database", "system"), "SELECT count() > 100 FROM settings"), "1\n")
	f(post(t, addr, "SELECT currentDatabase()", "X-ClickHouse-Database", "system"), "system\n")
	f(ask(t, "POST", addr, values("max_threads", "3", "log_comment", `it's \ok`), "SELECT getSetting('max_threads'), getSetting('log_comment')"), "3\tit\\'s \\\\ok\n")
	f(ask(t, "POST", addr, values("param_s", `a\tb`, "param_n", "7", "param_empty", ""), "SELECT {s:String}, {n:UInt8} + 1, {empty:String}"), "a\\tb\t8\t\n")
	f(post(t, addr, "SELECT 1 AS x WHERE 0"), "")
	f(post(t, addr, "SELECT number % 2 AS k, count() AS c FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k"), "0\t2\n1\t2\n\n0\t4\n")
	f(post(t, addr, "WITH 'FORMAT CSV; SELECT 2' AS a SELECT a, $$b;$$ AS format"), "FORMAT CSV; SELECT 2\tb;\n")
	f(post(t, addr, "SHOW DATABASES LIKE 'system'"), "system\n")
	f(post(t, addr, "EXISTS TABLE system.one"), "1\n")
}

func TestHTTPHeaders(t *testing.T) {
	addr := enginetest.Start(t)
	a := ask(t, "POST", addr, values("query_id", "mine-1"), "SELECT number FROM numbers(10) FORMAT JSON")
	for name, want := range map[string]string{"X-ClickHouse-Query-Id": "mine-1", "X-ClickHouse-Format": "JSON", "Content-Type": "application/json; charset=UTF-8"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a.header.Get("X-ClickHouse-Timezone") == "" || a.header.Get("X-ClickHouse-Server-Display-Name") == "" {
		t.Errorf("headers are %v", a.header)
	}
	summary := func(a answer) (s struct{ Read_rows, Written_rows, Result_rows string }) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.header.Get("X-ClickHouse-Summary")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := summary(a); got.Read_rows != "10" {
		t.Errorf("summary is %+v", got)
	}
	database := enginetest.Database(t, addr)
	enginetest.Exec(t, addr, "CREATE TABLE "+database+".x (n UInt8) ENGINE = MergeTree ORDER BY n")
	if got := summary(post(t, addr, "INSERT INTO "+database+".x VALUES (1), (2), (3)")); got.Written_rows != "3" {
		t.Errorf("summary of an INSERT is %+v", got)
	}
	if a := post(t, addr, "SELECT 1"); a.header.Get("X-ClickHouse-Query-Id") == "" {
		t.Error("no query id")
	}
}

func wantError(t *testing.T, got answer, wantStatus int, wantCode, wantText string) {
	t.Helper()
	if code := got.header.Get("X-ClickHouse-Exception-Code"); got.status != wantStatus || code != wantCode ||
		!strings.HasPrefix(got.body, "Code: "+wantCode+". DB::Exception: ") || !strings.Contains(got.body, wantText) {
		t.Errorf("%d, code %q, %q; want %d, %q, %q", got.status, code, got.body, wantStatus, wantCode, wantText)
	}
}

func TestHTTPErrors(t *testing.T) {
	addr := enginetest.Start(t)
	f := func(got answer, wantStatus int, wantCode, wantText string) {
		t.Helper()
		wantError(t, got, wantStatus, wantCode, wantText)
	}
	f(post(t, addr, "SELECT * FROM nowhere"), 404, "60", "(UNKNOWN_TABLE)")
	f(post(t, addr, "SELECT 1; DROP DATABASE x"), 400, "62", "Multi-statements are not allowed")
	f(post(t, addr, "  "), 400, "62", "mpty query")
	f(ask(t, "POST", addr, values("nosetting", "1"), "SELECT 1"), 404, "115", "nosetting")
	f(ask(t, "POST", addr, values("max_threads", "many"), "SELECT 1"), 400, "27", "many")
	f(ask(t, "POST", addr, values("database", "nobody"), "SELECT 1"), 404, "81", "nobody")
	f(ask(t, "POST", addr, nil, "SELECT {s:String}"), 500, "456", "`s`")
	f(ask(t, "GET", addr, values("query", "CREATE DATABASE by_get"), ""), 500, "164", "(READONLY)")
	f(ask(t, "GET", addr, values("query", "CREATE DATABASE by_get", "readonly", "0"), ""), 500, "164", "(READONLY)")
	if a := post(t, addr, "x", "Content-Encoding", "gzip"); a.status < 400 {
		t.Errorf("a body that is not gzip: %d %s", a.status, a.body)
	}
	if a := post(t, addr, "SELECT 1", "Content-Encoding", "rot13"); a.status < 400 {
		t.Errorf("an unknown encoding: %d %s", a.status, a.body)
	}
}

func TestHTTPWhatOnlyTheEmbeddedEngineRefuses(t *testing.T) {
	addr := embedded(t)
	f := func(got answer, wantStatus int, wantCode, wantText string) {
		t.Helper()
		wantError(t, got, wantStatus, wantCode, wantText)
	}
	f(post(t, addr, "SELECT 1 INTO OUTFILE 'x.tsv'"), 500, "358", "INTO OUTFILE")
	f(post(t, addr, "INSERT INTO x FROM INFILE '/etc/hostname' FORMAT CSV"), 501, "48", "INFILE")
	f(post(t, addr, "INSERT INTO x SELECT * FROM input('a String') FORMAT CSV\n1"), 501, "48", "input()")
	f(post(t, addr, "SELECT "+strings.Repeat("1+", 1<<20)+"1"), 413, "229", "longer")
	f(post(t, addr, "SELECT 1", "Content-Type", "multipart/form-data; boundary=x"), 501, "48", "multipart")
	f(post(t, addr, "SELECT 1", "Origin", "http://evil.example"), 403, "497", "origin")
	f(post(t, addr, "SELECT 1", "Host", "evil.example"), 403, "497", "evil.example")
	f(ask(t, "GET", addr, values("query", "SELECT 1"), "", "Sec-Fetch-Site", "cross-site"), 403, "497", "origin")
	f(ask(t, "GET", addr, values("query", "DROP DATABASE system", "session_id", "link"), ""), 500, "164", "(READONLY)")
	if a := post(t, addr, "SELECT 1", "Host", "localhost:8123", "Origin", "http://localhost:8123"); a.status != 200 {
		t.Errorf("localhost: %d %s", a.status, a.body)
	}
}

func TestHTTPRequestBodyEncodings(t *testing.T) {
	addr := enginetest.Start(t)
	database := enginetest.Database(t, addr)
	enginetest.Exec(t, addr, "CREATE TABLE "+database+".x (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
	var plain bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&plain, "%d\ts%d\n", i, i)
	}
	encoders := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"br":   func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	}
	query := values("query", "INSERT INTO "+database+".x FORMAT TSV")
	want := 0
	check := func(name string, a answer) {
		t.Helper()
		want++
		if got := enginetest.Exec(t, addr, "SELECT count() / 50000, sum(n) / 1249975000 FROM "+database+".x"); a.status != 200 || got != fmt.Sprintf("%d\t%d", want, want) {
			t.Fatalf("%s: %d %s; the table holds %s times the rows, want %d", name, a.status, a.body, got, want)
		}
	}
	for name, encode := range encoders {
		var body bytes.Buffer
		w := encode(&body)
		if _, err := w.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		check(name, ask(t, "POST", addr, query, body.String(), "Content-Encoding", name))
		// An encoded body that breaks off inserts nothing.
		if a := ask(t, "POST", addr, query, body.String()[:body.Len()/2], "Content-Encoding", name); a.status == 200 {
			t.Errorf("%s: half a body is answered %d", name, a.status)
		}
	}
	var blocks []byte
	for _, method := range []compress.Method{compress.LZ4, compress.ZSTD} {
		c := compress.NewWriter(compress.LevelZero, method)
		blocks = blocks[:0]
		for rest := plain.Bytes(); len(rest) > 0; {
			n := min(len(rest), 100_000)
			if err := c.Compress(rest[:n]); err != nil {
				t.Fatal(err)
			}
			blocks, rest = append(blocks, c.Data...), rest[n:]
		}
		native := values("query", query.Get("query"), "decompress", "1")
		check("native blocks", ask(t, "POST", addr, native, string(blocks)))
		if a := ask(t, "POST", addr, native, string(blocks[:len(blocks)/2])); a.status == 200 {
			t.Error("half a block is answered 200")
		}
		blocks[len(blocks)/2] ^= 1
		if a := ask(t, "POST", addr, native, string(blocks)); a.status == 200 {
			t.Error("a block with a wrong checksum is answered 200")
		}
	}
	if got := enginetest.Exec(t, addr, "SELECT count() / 50000 FROM "+database+".x"); got != fmt.Sprint(want) {
		t.Errorf("broken bodies left rows: %s times, want %d", got, want)
	}
}

// A body that ends before its length must not commit the half that came, whether the client is gone or only its
// sending side is (then nothing but the missing bytes tells).
func TestHTTPInsertThatBreaksOffInsertsNothing(t *testing.T) {
	addr := enginetest.Start(t)
	database := enginetest.Database(t, addr)
	enginetest.Exec(t, addr, "CREATE TABLE "+database+".x (n UInt64) ENGINE = MergeTree ORDER BY n")
	running := func() string {
		return enginetest.Exec(t, addr, "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND position(query, '"+database+"') > 0")
	}
	for name, end := range map[string]func(*net.TCPConn) error{"close": (*net.TCPConn).Close, "half": (*net.TCPConn).CloseWrite} {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		const body = "1\n2\n3\n"
		if _, err := fmt.Fprintf(conn, "POST /?query=INSERT+INTO+%s.x+FORMAT+TSV HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", database, addr, len(body)+10, body); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the INSERT waits for its data", func() bool { return running() == "1" })
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			t.Fatalf("%T is no TCP connection", conn)
		}
		if err := end(tcp); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the INSERT is given up", func() bool { return running() == "0" })
		if got := enginetest.Exec(t, addr, "SELECT count() FROM "+database+".x"); got != "0" {
			t.Errorf("%s: %s rows of half a body were inserted", name, got)
		}
		_ = conn.Close() // It may be closed already.
	}
}

func TestHTTPSessions(t *testing.T) {
	addr := enginetest.Start(t)
	session := values("session_id", "s1", "session_timeout", "60")
	if a := ask(t, "POST", addr, values("session_id", "s1", "session_check", "1"), "SELECT 1"); a.header.Get("X-ClickHouse-Exception-Code") != "372" {
		t.Errorf("an unknown session with session_check: %d %s", a.status, a.body)
	}
	for _, query := range []string{"CREATE TEMPORARY TABLE mine (n UInt8)", "INSERT INTO mine VALUES (7)", "SET max_threads = 5"} {
		if a := ask(t, "POST", addr, session, query); a.status != 200 {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := ask(t, "POST", addr, session, "SELECT n, getSetting('max_threads') FROM mine"); a.body != "7\t5\n" {
		t.Errorf("in the session: %d %q", a.status, a.body)
	}
	if a := ask(t, "POST", addr, values("session_id", "s2"), "SELECT n FROM mine"); a.status != 404 {
		t.Errorf("in another session: %d %q", a.status, a.body)
	}
	if a := post(t, addr, "SELECT n FROM mine"); a.status != 404 {
		t.Errorf("without a session: %d %q", a.status, a.body)
	}
}

func TestHTTPMidStreamErrorBreaksTheTransferOff(t *testing.T) {
	addr := enginetest.Start(t)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+addr+"/",
		strings.NewReader("SELECT number, throwIf(number = 3000000, 'in the middle') FROM numbers(5000000) SETTINGS max_threads = 1 FORMAT TSV"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	tag := resp.Header.Get("X-ClickHouse-Exception-Tag")
	if resp.StatusCode != 200 || err == nil || !strings.Contains(string(body[max(0, len(body)-500):]), "\r\n__exception__\r\n"+tag+"\r\nCode: 395. ") {
		t.Errorf("%s, %v, ends with %q", resp.Status, err, body[max(0, len(body)-300):])
	}
}

func TestHTTPLargeAnswerIsStreamed(t *testing.T) {
	addr := enginetest.Start(t)
	for _, format := range []string{"RowBinary", "JSON", "CSVWithNames", "Native"} {
		query := "SELECT number FROM numbers(1000000000000) FORMAT " + format
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		// The answer has terabytes: that its beginning comes means that nobody waits for its end.
		if n, err := io.CopyN(io.Discard, resp.Body, 64<<20); err != nil {
			t.Errorf("%s: %d bytes, %v", format, n, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "the query ends with its reader", func() bool {
			return enginetest.Exec(t, addr, "SELECT count() FROM system.processes WHERE position(query, 'FROM numbers(1000000000000)') = 15") == "0"
		})
	}
}

func TestHTTPFramedFormatsAreOneDocument(t *testing.T) {
	addr := enginetest.Start(t)
	const query = "SELECT number AS n FROM numbers(300000)"
	var doc struct {
		Rows int
		Data []struct{ N string }
	}
	f := func(a answer) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.body), &doc); err != nil || doc.Rows != 300_000 || len(doc.Data) != 300_000 || doc.Data[299_999].N != "299999" {
			t.Errorf("%d, %d rows, %d data, %v", a.status, doc.Rows, len(doc.Data), err)
		}
	}
	quoted := values("output_format_json_quote_64bit_integers", "1")
	f(ask(t, "POST", addr, quoted, query+" FORMAT JSON"))
	f(ask(t, "POST", addr, quoted, query+" FORMAT JSON SETTINGS max_threads = 1, log_comment = 'a;b';  -- the end"))
	f(ask(t, "POST", addr, quoted, query+" SETTINGS max_threads = 1 FORMAT JSON;"))
	f(ask(t, "POST", addr, quoted, "/* FORMAT CSV */"+query+" /* FORMAT CSV */", "X-ClickHouse-Format", "JSON"))
	quoted.Set("wait_end_of_query", "1")
	f(ask(t, "POST", addr, quoted, query+" FORMAT JSON"))
	if a := post(t, addr, "SELECT number AS format FROM numbers(2) ORDER BY format DESC"); a.body != "1\n0\n" || a.header.Get("X-ClickHouse-Format") != "TabSeparated" {
		t.Errorf("a column that is called format: %d %q %v", a.status, a.body, a.header)
	}
	if a := post(t, addr, "SELECT format FROM (SELECT 1 AS format) FORMAT JSONCompact"); !strings.Contains(a.body, `"rows": 1`) {
		t.Errorf("a column that is called format: %d %q", a.status, a.body)
	}
	wantError(t, post(t, addr, "SELECT throwIf(number = 5) FROM numbers(10) FORMAT JSON"), 500, "395", "throwIf")
	wantError(t, post(t, addr, "SELECT FROM WHERE FORMAT JSON"), 400, "62", "Syntax error")
	wantError(t, post(t, addr, "SELECT 1 FORMAT NoSuchFormat"), 404, "73", "NoSuchFormat")
}
