package clickhouse_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// The tests of our own client on the engine stand here, because only this module has one.

// house opens our client on the database parcours of the tests' engine.
func house(t *testing.T, change ...func(*warehouse.Config)) *warehouse.Warehouse {
	t.Helper()
	cfg := warehouse.DefaultConfig()
	cfg.Addresses = []string{enginetest.Start(t)}
	enginetest.Exec(t, cfg.Addresses[0], "CREATE DATABASE IF NOT EXISTS parcours")
	for _, f := range change {
		f(&cfg)
	}
	w, err := warehouse.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// table makes a table of one String and where it came from, and drops it after the test.
func table(t *testing.T, w *warehouse.Warehouse, settings string) string {
	t.Helper()
	name := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")
	err := w.Exec(t.Context(), "CREATE TABLE parcours."+name+` (text String, month UInt8, _topic LowCardinality(String), _partition Int32, _offset Int64, _produced_at DateTime64(3, 'UTC'))
		ENGINE = MergeTree PARTITION BY month ORDER BY text SETTINGS `+settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { enginetest.Exec(t, enginetest.Start(t), "DROP TABLE parcours."+name+" SYNC") })
	return name
}

const asWanted = "non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1"

// in puts a proxy before the engine, which may change a request, or answer it itself.
func in(t *testing.T, between func(w http.ResponseWriter, r *http.Request) (answered bool)) func(*warehouse.Config) {
	return func(cfg *warehouse.Config) {
		forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: cfg.Addresses[0]})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !between(w, r) {
				forward.ServeHTTP(w, r)
			}
		}))
		t.Cleanup(server.Close)
		cfg.Addresses = []string{strings.TrimPrefix(server.URL, "http://")}
	}
}

// wrongs are what RequireSettings complains of.
func wrongs(t *testing.T, w *warehouse.Warehouse, tables ...string) []warehouse.SettingError {
	t.Helper()
	_, err := w.RequireSettings(t.Context(), tables...)
	if err == nil {
		return nil
	}
	var all *warehouse.SettingsError
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	var list []warehouse.SettingError
	for _, wrong := range all.Wrong {
		if !strings.Contains(err.Error(), wrong.Error()) {
			t.Errorf("%q is not in %q", wrong, err)
		}
		list = append(list, *wrong)
	}
	return list
}

func TestTableThatForgetsIsRefused(t *testing.T) {
	w := house(t)
	good := table(t, w, asWanted)
	memory, err := w.RequireSettings(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	if want := (warehouse.Memory{Blocks: 10_000}); memory != want {
		t.Errorf("memory is %v, want %v", memory, want)
	}
	// Each is turned wrong, is refused, and said how to put right, which we do.
	for _, wrong := range []struct{ name, value, found, least, want string }{
		{"non_replicated_deduplication_window", "0", "0", "1000", "10000"},
		{"non_replicated_deduplication_window", "999", "999", "1000", "10000"},
		{"fsync_after_insert", "0", "0", "1", "1"},
		{"fsync_part_directory", "0", "0", "1", "1"},
	} {
		if err := w.Exec(t.Context(), "ALTER TABLE parcours."+good+" MODIFY SETTING "+wrong.name+" = "+wrong.value); err != nil {
			t.Fatal(err)
		}
		do := "ALTER TABLE parcours." + good + " MODIFY SETTING " + wrong.name + " = " + wrong.want
		want := []warehouse.SettingError{{Where: "parcours." + good, Name: wrong.name, Found: wrong.found, Wanted: wrong.least + " or more", Do: "run " + do}}
		if diff := cmp.Diff(want, wrongs(t, w, good)); diff != "" {
			t.Error(diff)
		}
		if err := w.Exec(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	// A default is not ours: another server has another. All is told at once, of all tables.
	silent := table(t, w, "index_granularity = 1024")
	if got := wrongs(t, w, good, silent); len(got) != 3 || got[0].Found != "not stated" || got[0].Where != "parcours."+silent {
		t.Errorf("got %v, want three of %s", got, silent)
	}
}

// A profile may change what we state, or forbid to state it: a proxy plays it.
func TestProfileThatChangesSettingsIsRefused(t *testing.T) {
	rest := map[string]string{
		"insert_deduplicate": "0", "deduplicate_insert": "backward_compatible_choice", "deduplicate_blocks_in_dependent_materialized_views": "0",
		"materialized_views_ignore_errors": "1", "parallel_view_processing": "1", "async_insert": "1", "insert_quorum": "2",
		"max_partitions_per_insert_block": "100", "max_insert_block_size": "1000", "min_insert_block_size_rows": "10", "min_insert_block_size_bytes": "20",
		"input_format_native_allow_types_conversion": "0", "input_format_null_as_default": "1",
	}
	good := table(t, house(t), asWanted)
	for name, value := range rest {
		overridden := house(t, in(t, func(_ http.ResponseWriter, r *http.Request) bool {
			values := r.URL.Query()
			values.Set(name, value)
			r.URL.RawQuery = values.Encode()
			return false
		}))
		if got := wrongs(t, overridden, good); len(got) != 1 || got[0].Where != "session" || got[0].Name != name || got[0].Found != value {
			t.Errorf("%s = %s: got %v", name, value, got)
		}
		fixed := house(t, in(t, func(w http.ResponseWriter, r *http.Request) bool {
			values := r.URL.Query()
			if given := values.Get(name); given != "" && given != value {
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprintf(w, "Code: 452. DB::Exception: Setting %s should not be changed. (SETTING_CONSTRAINT_VIOLATION)", name)
				return true
			}
			values.Set(name, value)
			r.URL.RawQuery = values.Encode()
			return false
		}))
		if got := wrongs(t, fixed, good); len(got) != 1 || got[0].Name != name || got[0].Found != value || !strings.Contains(got[0].Do, "ALTER USER default SETTINGS "+name) {
			t.Errorf("%s fixed at %s: got %v", name, value, got)
		}
	}
}

// A read-only account may change nothing: whatever differs by default is told at once.
func TestReadOnlyAccountIsRefused(t *testing.T) {
	good := table(t, house(t), asWanted)
	w := house(t, in(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("max_partitions_per_insert_block") || r.URL.Query().Has("insert_quorum") {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "Code: 164. DB::Exception: Cannot modify 'insert_quorum' setting in readonly mode. (READONLY)")
			return true
		}
		return false
	}))
	got := wrongs(t, w, good)
	if len(got) != 1 || got[0].Name != "max_partitions_per_insert_block" || got[0].Found != "100" {
		t.Errorf("got %v, want the one setting whose default is not what inserts need", got)
	}
}

// A server without one of the newer settings is not asked to have it; one without the others is refused.
func TestOlderServer(t *testing.T) {
	f := func(lacks string, want ...string) {
		t.Helper()
		w := house(t, in(t, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has(lacks) {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprintf(w, "Code: 115. DB::Exception: Unknown setting '%s'. (UNKNOWN_SETTING)", lacks)
				return true
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			asks := strings.Replace(string(body), "FROM system.settings WHERE ", "FROM system.settings WHERE name != '"+lacks+"' AND ", 1)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(asks)), int64(len(asks))
			return false
		}))
		name := table(t, w, asWanted)
		var got []string
		for _, wrong := range wrongs(t, w, name) {
			got = append(got, wrong.Name+" "+wrong.Found)
		}
		if !slices.Equal(got, want) {
			t.Errorf("without %s: got %v, want %v", lacks, got, want)
		}
		if len(want) == 0 {
			if err := w.Insert(t.Context(), block(name, "a", 1, 0), "token"); err != nil {
				t.Error(err)
			}
		}
	}
	f("deduplicate_insert")
	f("input_format_native_allow_types_conversion")
	f("deduplicate_blocks_in_dependent_materialized_views", "deduplicate_blocks_in_dependent_materialized_views unknown to the server")
}

func block(table, text string, month uint8, offsets ...int64) *warehouse.Block {
	b := warehouse.NewBlock(table)
	texts, months := warehouse.Add(b, "text", warehouse.NewStrings()), warehouse.Add(b, "month", warehouse.NewUInt8s())
	topics, partitions := warehouse.Add(b, "_topic", warehouse.NewWords()), warehouse.Add(b, "_partition", warehouse.NewInt32s())
	places, times := warehouse.Add(b, "_offset", warehouse.NewInt64s()), warehouse.Add(b, "_produced_at", warehouse.NewTimes())
	for _, offset := range offsets {
		texts.Append(text)
		months.Append(month)
		topics.Append("topic")
		partitions.Append(3)
		places.Append(offset)
		times.Append(1_700_000_000_000 + offset)
		b.EndRow()
	}
	return b
}

func TestPlaces(t *testing.T) {
	w := house(t)
	name := table(t, w, asWanted)
	for i, b := range []*warehouse.Block{block(name, "a", 1, 9, 4, 5), block(name, "b", 2, 5, 10), block(name, "c", 3, 3)} {
		if err := w.Insert(t.Context(), b, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	f := func(topic string, partition int32, first, last int64, want ...int64) {
		t.Helper()
		places, err := w.Places(t.Context(), name, topic, partition, first, last)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, place := range places {
			if got = append(got, place.Offset); place.ProducedAt != 1_700_000_000_000+place.Offset {
				t.Errorf("offset %d was produced at %d", place.Offset, place.ProducedAt)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s/%d/%d-%d: got %v, want %v", topic, partition, first, last, got, want)
		}
	}
	f("topic", 3, 4, 9, 4, 5, 5, 9)
	f("topic", 3, 0, 100, 3, 4, 5, 5, 9, 10)
	f("topic", 3, 6, 8)
	f("topic", 4, 0, 100)
	f("other", 3, 0, 100)
}

// The names that we give to codes are the server's.
func TestCodesAreTheServers(t *testing.T) {
	w := house(t)
	named := 0
	for code := int32(1); code < 1100; code++ {
		err := &ch.Exception{Code: code}
		ours := warehouse.Reason(err)
		if ours == "clickhouse" {
			if class := warehouse.Classify(err); class != warehouse.ClassTransient {
				t.Errorf("code %d is %s and has no name", code, class)
			}
			continue
		}
		named++
		var theirs string
		if err := w.ScanRow(t.Context(), []any{&theirs}, "SELECT errorCodeToName(?)", code); err != nil {
			t.Fatal(err)
		}
		if ours != theirs {
			t.Errorf("code %d is %s, the server says %s", code, ours, theirs)
		}
	}
	if named < 40 {
		t.Errorf("%d codes have a name", named)
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	w := house(t)
	name := table(t, w, asWanted+", parts_to_throw_insert = 1, parts_to_delay_insert = 0, max_parts_in_total = 2")
	if err := w.Exec(t.Context(), "SYSTEM STOP MERGES parcours."+name); err != nil {
		t.Fatal(err)
	}
	f := func(b *warehouse.Block, token string, want warehouse.Class, reason string) {
		t.Helper()
		err := w.Insert(t.Context(), b, token)
		if err == nil || warehouse.Classify(err) != want || warehouse.Reason(err) != reason {
			t.Errorf("got %s %s (%v), want %s %s", warehouse.Classify(err), warehouse.Reason(err), err, want, reason)
		}
	}
	if err := w.Insert(t.Context(), block(name, "a", 1, 1), "1"); err != nil {
		t.Fatal(err)
	}
	f(block(name, "a", 1, 2), "2", warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(block("missing", "a", 1, 2), "3", warehouse.ClassTransient, "UNKNOWN_TABLE")
	bad := warehouse.NewBlock(name)
	warehouse.Add(bad, "_partition", warehouse.NewStrings()).Append("no number")
	bad.EndRow()
	f(bad, "4", warehouse.ClassData, "CANNOT_PARSE_TEXT")
	if err := house(t, func(cfg *warehouse.Config) { cfg.Addresses = []string{"127.0.0.1:1"} }).Insert(t.Context(), block(name, "a", 1, 2), "5"); warehouse.Classify(err) != warehouse.ClassUnanswered || warehouse.Reason(err) != "unanswered" {
		t.Errorf("got %s, want an unanswered error", err)
	}
}

// An answer to an insert is good when it is empty. Whatever else comes after a status of 200 is an error, in whichever
// frame a version of the server or a proxy puts it.
func TestLateErrorsOfInserts(t *testing.T) {
	const words = "Code: 252. DB::Exception: Too many parts (300). Merges are processing significantly slower than inserts. (TOO_MANY_PARTS) (version 26.7.2.1)"
	f := func(answer func(w http.ResponseWriter), want warehouse.Class, reason string) {
		t.Helper()
		w := house(t, in(t, func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") {
				return false
			}
			answer(w)
			return true
		}))
		err := w.Insert(t.Context(), block("t", "a", 1, 1), "token")
		if err == nil || warehouse.Classify(err) != want || warehouse.Reason(err) != reason {
			t.Errorf("got %v, %s %s, want %s %s", err, warehouse.Classify(err), warehouse.Reason(err), want, reason)
		}
	}
	text := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	framed := "\r\n__exception__\r\nabcdefghijklmnop\r\n" + words + "\n" + fmt.Sprint(len(words)+1) + " abcdefghijklmnop\r\n__exception__\r\n"
	f(text(500, words), warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(text(200, framed), warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(text(200, "some progress"+framed), warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(text(200, "__exception__\r\n"+words), warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(text(200, words), warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(func(w http.ResponseWriter) {
		w.Header().Set("X-ClickHouse-Exception-Code", "252")
		w.WriteHeader(200)
	}, warehouse.ClassOverload, "TOO_MANY_PARTS")
	f(func(w http.ResponseWriter) { // the server dies in mid-answer
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(200)
		fmt.Fprint(w, words[:20])
		panic(http.ErrAbortHandler)
	}, warehouse.ClassUnanswered, "unanswered")
	f(text(200, "<html>maintenance</html>"), warehouse.ClassUnanswered, "unanswered")
	f(text(502, "<html>bad gateway</html>"), warehouse.ClassUnanswered, "unanswered")
	f(text(429, "slow down"), warehouse.ClassOverload, "unanswered")
}
