package clickhouse_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// curl runs the real program and returns its standard output; a status of 400 or more is an error unless allowed.
func curl(t *testing.T, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		enginetest.Missing(t, err)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--silent", "--show-error", "--fail-with-body", "--max-time", "60"}, args...)...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("curl %q: %v: %s%s", args, err, out.Bytes(), complaint.Bytes())
	}
	return out.Bytes()
}

func TestCurlRoundTripsFormats(t *testing.T) {
	addr := enginetest.Start(t)
	database := enginetest.Database(t, addr)
	url := "http://" + addr + "/?database=" + database
	curl(t, url, "--data-binary", "CREATE TABLE source (n UInt64, s String, d Decimal(18, 4), a Array(Nullable(String)), at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY n")
	curl(t, url, "--data-binary", "INSERT INTO source SELECT number, concat('é\\n\\t\"', toString(number)), number / 7, [toString(number), NULL], toDateTime64(number, 3, 'UTC') FROM numbers(100000)")
	const digest = "SELECT count(), sum(cityHash64(n, s, d, toString(a), at)), min(n), max(s) FROM "
	want := curl(t, url, "--data-binary", digest+"source")
	f := func(format, wantStart string) {
		t.Helper()
		t.Run(format, func(t *testing.T) {
			table := "copy_" + strings.ToLower(format)
			curl(t, url, "--data-binary", "CREATE TABLE "+table+" AS source")
			file := filepath.Join(t.TempDir(), "rows")
			curl(t, url+"&default_format="+format, "--data-binary", "SELECT * FROM source ORDER BY n", "--output", file)
			start, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(start, []byte(wantStart)) {
				t.Errorf("%s begins with %.60q, want %q", format, start, wantStart)
			}
			curl(t, "--get", "--data-urlencode", "query=SELECT count() FROM "+table, url) // GET as well
			curl(t, "--url-query", "query=INSERT INTO "+table+" FORMAT "+format, "--data-binary", "@"+file, url)
			if got := curl(t, url, "--data-binary", digest+table); !bytes.Equal(got, want) {
				t.Errorf("%s changed the rows: %s, want %s", format, got, want)
			}
		})
	}
	f("TSV", "0\té\\n\\t\"0\t0\t['0',NULL]\t1970-01-01 00:00:00.000\n")
	f("JSONEachRow", `{"n":0,"s":"é\n\t\"0","d":0,"a":["0",null],"at":"1970-01-01 00:00:00.000"}`+"\n")
	f("CSV", "0,\"é\n\t\"\"0\",0,\"['0',NULL]\",\"1970-01-01 00:00:00.000\"\n")
	f("CSVWithNames", `"n","s","d","a","at"`+"\n0,")
	f("Parquet", "PAR1")
	f("Native", "\x05")
	f("RowBinaryWithNamesAndTypes", "\x05\x01n")
	f("ArrowStream", "")
	f("Avro", "Obj")
	f("JSONCompactEachRow", `[0, "é\n\t\"0", 0, ["0",null], "1970-01-01 00:00:00.000"]`+"\n")
}

func TestCurlInsertsQueryAndDataInOneBody(t *testing.T) {
	addr := enginetest.Start(t)
	url := "http://" + addr + "/?database=" + enginetest.Database(t, addr)
	curl(t, url, "--data-binary", "CREATE TABLE x (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
	f := func(body string) {
		t.Helper()
		curl(t, url, "--data-binary", body)
	}
	f("INSERT INTO x FORMAT TSV\n1\ta\\nb\n2\tb\n")
	f("INSERT INTO x (n, s) VALUES (3, 'it''s'), (4, 'VALUES (5)');")
	f("INSERT INTO x SETTINGS input_format_null_as_default = 1 FORMAT JSONEachRow {\"n\":6,\"s\":\"FORMAT CSV\"}")
	f("/* a comment; */ insert into x format CSV\n7,\"a\nb\"\n")
	f("INSERT INTO x SELECT number + 8, 'selected' FROM numbers(2)")
	got := string(curl(t, url, "--data-binary", "SELECT * FROM x ORDER BY n FORMAT TSV"))
	want := "1\ta\\nb\n2\tb\n3\tit\\'s\n4\tVALUES (5)\n6\tFORMAT CSV\n7\ta\\nb\n8\tselected\n9\tselected\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCurlCompression(t *testing.T) {
	addr := enginetest.Start(t)
	url := "http://" + addr + "/?enable_http_compression=1"
	got := curl(t, "--compressed", url, "--data-binary", "SELECT number FROM numbers(500000)")
	if lines := bytes.Count(got, []byte("\n")); lines != 500_000 {
		t.Errorf("%d lines, want 500000", lines)
	}
	if header := curl(t, "--compressed", "--dump-header", "-", "--output", os.DevNull, "--data-binary", "SELECT number FROM numbers(500000)", url); !bytes.Contains(header, []byte("Content-Encoding: ")) {
		t.Errorf("no encoding in %s", header)
	}
}
