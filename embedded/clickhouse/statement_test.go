package clickhouse

import (
	"strings"
	"testing"
)

func TestParseStatementOfInserts(t *testing.T) {
	f := func(query, wantText, wantFormat, wantData string) {
		t.Helper()
		st := parseStatement(query)
		if st.kind != kindInsert || st.refused != nil {
			t.Errorf("%q is of kind %d (%v)", query, st.kind, st.refused)
			return
		}
		if got := query[st.data:]; strings.TrimSpace(st.text) != wantText || st.format != wantFormat || got != wantData {
			t.Errorf("%q: text %q, format %q, data %q; want %q, %q, %q", query, st.text, st.format, got, wantText, wantFormat, wantData)
		}
	}
	f("INSERT INTO t FORMAT Native", "INSERT INTO t", "Native", "")
	f("INSERT INTO t FORMAT Native\n\nx", "INSERT INTO t", "Native", "\nx")
	f("INSERT INTO t FORMAT CSV \t 1,2", "INSERT INTO t", "CSV", "1,2")
	f("INSERT INTO t FORMAT CSV\r\n1", "INSERT INTO t", "CSV", "1")
	f("insert into t values(1)", "insert into t", "Values", "(1)")
	f("INSERT INTO t (a, `b(`, \"c'\") VALUES ('FORMAT', ';')", "INSERT INTO t (a, `b(`, \"c'\")", "Values", " ('FORMAT', ';')")
	f("INSERT INTO db.`format` FORMAT JSONEachRow {}", "INSERT INTO db.`format`", "JSONEachRow", "{}")
	f("INSERT INTO format FORMAT TSV\n", "INSERT INTO format", "TSV", "")
	f("INSERT INTO db.values VALUES (1)", "INSERT INTO db.values", "Values", " (1)")
	f("INSERT INTO TABLE FUNCTION file('x', 'CSV', 'a FORMAT') FORMAT TSV\n1", "INSERT INTO TABLE FUNCTION file('x', 'CSV', 'a FORMAT')", "TSV", "1")
	f("INSERT INTO t SETTINGS async_insert=1, log_comment='FORMAT X' FORMAT TSV\n1", "INSERT INTO t SETTINGS async_insert=1, log_comment='FORMAT X'", "TSV", "1")
	f("-- VALUES\nINSERT /* FORMAT a */ INTO t FORMAT TSV\n1", "-- VALUES\nINSERT /* FORMAT a */ INTO t", "TSV", "1")
	f("INSERT INTO t (* EXCEPT(a)) VALUES (1)", "INSERT INTO t (* EXCEPT(a))", "Values", " (1)")
	f("INSERT INTO t (a)", "INSERT INTO t (a)", "", "")
	f("INSERT INTO t", "INSERT INTO t", "", "")
}

func TestParseStatementOfOthers(t *testing.T) {
	f := func(query string, wantKind kind, wantFormat string, wantRefused int) {
		t.Helper()
		st := parseStatement(query)
		refused := 0
		if st.refused != nil {
			refused = st.refused.code
		}
		if st.kind != wantKind || st.format != wantFormat || refused != wantRefused || st.text != query {
			t.Errorf("%q: kind %d, format %q, refused %d; want %d, %q, %d", query, st.kind, st.format, refused, wantKind, wantFormat, wantRefused)
		}
	}
	f("SELECT 1", kindRead, "", 0)
	f("SELECT 1 FORMAT JSON", kindRead, "JSON", 0)
	f("(SELECT 1) FORMAT JSON;", kindRead, "JSON", 0)
	f("FROM t SELECT 1 format json settings max_threads=1", kindRead, "json", 0)
	f("WITH 'FORMAT CSV' AS x SELECT x -- FORMAT TSV", kindRead, "", 0)
	f("SELECT format FROM t", kindRead, "", 0)
	f("SELECT t.format x", kindRead, "", 0)
	f("SELECT a FROM t ORDER BY format DESC", kindRead, "", 0)
	f("SELECT a FROM (SELECT 1 AS a FORMAT JSON)", kindRead, "", 0)
	f("SELECT a, count() FROM t GROUP BY a WITH TOTALS", kindOther, "", 0)
	f("SELECT 'it''s; \\'; ' || $x$ ; $x$ || `a;b`", kindRead, "", 0)
	f("SELECT 1; SELECT 2", kindRead, "", codeSyntaxError)
	f("SELECT 1; -- nothing\n /* follows */ ", kindRead, "", 0)
	f("SELECT 1 INTO OUTFILE 'x'", kindRead, "", 358)
	f("SHOW TABLES FORMAT CSV", kindOther, "CSV", 0)
	f("CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a", kindOther, "", 0)
	f("INSERT INTO t SELECT 1", kindOther, "", 0)
	f("INSERT INTO t (a) WITH 1 AS x SELECT x", kindOther, "", 0)
	f("INSERT INTO t (SELECT 1)", kindOther, "", 0)
	f("INSERT INTO t SELECT a FROM input('a String') FORMAT CSV", kindOther, "CSV", codeNotImplemented)
	f("INSERT INTO t FROM INFILE 'x' FORMAT CSV", kindOther, "CSV", codeNotImplemented)
	f("", kindOther, "", 0)
	f("'", kindOther, "", 0)
}

func FuzzParseStatement(f *testing.F) {
	for _, seed := range []string{"INSERT INTO t FORMAT CSV 1", "SELECT 1 FORMAT JSON SETTINGS a=1;", "$a$ '\\", "INSERT INTO t VALUES", "/* ` \" *", "INSERT INTO t ((SELECT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		st := parseStatement(query)
		if st.data < 0 || st.data > len(query) || st.outAt < 0 || st.outAt > len(query) {
			t.Fatalf("positions outside of the query: %+v", st)
		}
		if st.kind == kindInsert && !strings.HasPrefix(query, st.text) {
			t.Fatalf("the INSERT %q is no beginning of %q", st.text, query)
		}
		_ = st.tail()
	})
}
