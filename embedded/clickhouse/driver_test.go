package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

var compressions = map[string]*ch.Compression{
	"none":    nil,
	"lz4":     {Method: ch.CompressionLZ4},
	"zstd":    {Method: ch.CompressionZSTD, Level: 3},
	"gzip":    {Method: ch.CompressionGZIP, Level: 3},
	"deflate": {Method: ch.CompressionDeflate, Level: 3},
	"brotli":  {Method: ch.CompressionBrotli, Level: 3},
}

// wide has every column type the project uses, in the order of the table.
type wide struct {
	ID       uuid.UUID                    `ch:"id"`
	At       time.Time                    `ch:"at"`
	Seconds  time.Time                    `ch:"seconds"`
	Day      time.Time                    `ch:"day"`
	Name     string                       `ch:"name"`
	Channel  string                       `ch:"channel"`
	Maybe    *string                      `ch:"maybe"`
	MaybeLC  *string                      `ch:"maybe_lc"`
	Node     string                       `ch:"node"`
	Kind     string                       `ch:"kind"`
	Amount   decimal.Decimal              `ch:"amount"`
	Rate     *decimal.Decimal             `ch:"rate"`
	Big      decimal.Decimal              `ch:"big"`
	Flag     bool                         `ch:"flag"`
	I8       int8                         `ch:"i8"`
	I64      int64                        `ch:"i64"`
	U16      uint16                       `ch:"u16"`
	U32      uint32                       `ch:"u32"`
	U64      uint64                       `ch:"u64"`
	F64      float64                      `ch:"f64"`
	Quantity *float32                     `ch:"quantity"`
	V4       net.IP                       `ch:"v4"`
	V6       net.IP                       `ch:"v6"`
	Tags     []string                     `ch:"tags"`
	LCTags   []string                     `ch:"lc_tags"`
	Nested   [][]int32                    `ch:"nested"`
	Purposes map[string]string            `ch:"purposes"`
	Counts   map[string]map[string]uint32 `ch:"counts"`
	Place    []any                        `ch:"place"`
	Items    []map[string]any             `ch:"items"`
}

const wideTable = `CREATE TABLE wide (
	id UUID, at DateTime64(3, 'Europe/Paris'), seconds DateTime('UTC'), day Date, name String, channel LowCardinality(String),
	maybe Nullable(String), maybe_lc LowCardinality(Nullable(String)), node FixedString(16), kind Enum8('track' = 1, 'page' = 2),
	amount Decimal(18, 4), rate Nullable(Decimal(9, 2)), big Decimal(38, 10), flag Bool, i8 Int8, i64 Int64, u16 UInt16, u32 UInt32, u64 UInt64,
	f64 Float64, quantity Nullable(Float32), v4 IPv4, v6 IPv6, tags Array(String), lc_tags Array(LowCardinality(String)),
	nested Array(Array(Int32)), purposes Map(String, String), counts Map(LowCardinality(String), Map(String, UInt32)),
	place Tuple(String, Nullable(Int32), Array(Float64)), items Array(Tuple(sku String, price Decimal(18, 4)))
) ENGINE = MergeTree ORDER BY (day, id)`

func wideRow(i int) wide {
	maybe, rate, quantity, number := fmt.Sprintf("maybe\n%d", i), decimal.New(int64(i)*37+1, -2), float32(i)/2, int32(i)
	row := wide{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i)), At: time.UnixMilli(1_700_000_000_123 + int64(i)*1001).UTC(),
		Seconds: time.Unix(1_700_000_000+int64(i), 0).UTC(), Day: time.Date(2026, 2, 1+i%28, 0, 0, 0, 0, time.UTC),
		Name: fmt.Sprintf("n\u00e9\x00\n\t'\\%d", i), Channel: []string{"web", "store", ""}[i%3], Maybe: &maybe, MaybeLC: &maybe,
		Node: fmt.Sprintf("node-%011d", i), Kind: []string{"track", "page"}[i%2], Amount: decimal.New(-1234567*int64(i)-9, -4), Rate: &rate,
		Big: decimal.RequireFromString("1234567890123456789012345678.0123456789").Add(decimal.New(int64(i), 0)), Flag: i%2 == 0,
		I8: int8(-i % 128), I64: -1 << 62, U16: uint16(i), U32: uint32(i), U64: 1<<64 - 1 - uint64(i), F64: 1.5 * float64(i), Quantity: &quantity,
		V4: net.IPv4(10, 0, byte(i>>8), byte(i)).To4(), V6: net.ParseIP(fmt.Sprintf("2001:db8::%x", i)), Tags: []string{"a", "", "line\nbreak"},
		LCTags: []string{"x", "y", "x"}, Nested: [][]int32{{1, int32(i)}, {}}, Purposes: map[string]string{"analytics": "granted", "ads": ""},
		Counts: map[string]map[string]uint32{"web": {"page": uint32(i)}}, Place: []any{"Lyon", &number, []float64{45.76, 4.83}},
		Items: []map[string]any{{"sku": "A-1", "price": decimal.New(19990, -4)}, {"sku": "", "price": decimal.New(-5, -4)}},
	}
	if i%5 == 0 {
		row.Maybe, row.MaybeLC, row.Rate, row.Quantity, row.Tags, row.Nested = nil, nil, nil, nil, []string{}, [][]int32{}
		row.Purposes, row.Place = map[string]string{}, []any{"", (*int32)(nil), []float64{}}
	}
	return row
}

var sameValue = cmp.Options{
	cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b net.IP) bool { return a.Equal(b) }),
}

func TestDriverRoundTripsEveryColumnType(t *testing.T) {
	for name, compression := range compressions {
		t.Run(name, func(t *testing.T) {
			conn, _ := open(t, func(o *ch.Options) { o.Compression = compression })
			run(t, conn, wideTable)
			var want []wide
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO wide")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				want = append(want, wideRow(i))
				if err := batch.AppendStruct(&want[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got []wide
			if err := conn.Select(t.Context(), &got, "SELECT * FROM wide ORDER BY u16"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, sameValue); diff != "" {
				t.Errorf("rows changed on their way (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDriverJSONColumn(t *testing.T) {
	conn, _ := open(t)
	run(t, conn, "CREATE TABLE j (n UInt32, properties JSON, traits JSON(age UInt8)) ENGINE = MergeTree ORDER BY n")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO j")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		doc := fmt.Sprintf(`{"a":{"b":%d,"c":["x","y\n"]},"price":1.5,"ok":true,"only%d":"é"}`, i, i%7)
		if err := batch.Append(uint32(i), doc, fmt.Sprintf(`{"age":%d}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var sum int64
	var ok uint64
	row := conn.QueryRow(t.Context(), "SELECT sum(properties.a.b.:Int64), countIf(properties.ok.:Bool AND properties.a.c.:`Array(Nullable(String))`[2] = 'y\n') FROM j")
	if err := row.Scan(&sum, &ok); err != nil {
		t.Fatal(err)
	}
	if sum != 4950 || ok != 100 {
		t.Errorf("sum %d, ok %d; want 4950, 100", sum, ok)
	}
	var doc, traits ch.JSON
	if err := conn.QueryRow(t.Context(), "SELECT properties, traits FROM j WHERE n = 8").Scan(&doc, &traits); err != nil {
		t.Fatal(err)
	}
	if b, found := ch.ExtractJSONPathAs[int64](&doc, "a.b"); !found || b != 8 {
		t.Errorf("a.b is %d, %v; want 8", b, found)
	}
	if only, found := ch.ExtractJSONPathAs[string](&doc, "only1"); !found || only != "é" {
		t.Errorf("only1 is %q, %v; want é", only, found)
	}
	if age, found := ch.ExtractJSONPathAs[uint8](&traits, "age"); !found || age != 8 {
		t.Errorf("age is %d, %v; want 8", age, found)
	}
	var text string
	if err := conn.QueryRow(ch.Context(t.Context(), ch.WithSettings(ch.Settings{"output_format_native_write_json_as_string": 1})),
		"SELECT properties FROM j WHERE n = 8").Scan(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, `"only1":"é"`) {
		t.Errorf("JSON as text is %s", text)
	}
}

func TestDriverBatchOf100kRowsIsOnePart(t *testing.T) {
	conn, addr := open(t, func(o *ch.Options) { o.Compression = compressions["lz4"] })
	run(t, conn, "CREATE TABLE big (n UInt64, s String, amount Decimal(18, 4)) ENGINE = MergeTree ORDER BY n")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO big")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		if err := batch.Append(uint64(i), fmt.Sprintf("row\n%d", i), decimal.New(int64(i), -4)); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	t.Logf("insert of 100k rows into %s: %s", addr, time.Since(begun))
	var count, parts, long uint64
	var sum decimal.Decimal
	row := conn.QueryRow(t.Context(), "SELECT count(), uniq(_part), sum(amount), countIf(s = concat('row\n', toString(n))) FROM big")
	if err := row.Scan(&count, &parts, &sum, &long); err != nil {
		t.Fatal(err)
	}
	if want := decimal.RequireFromString("499995"); count != 100_000 || parts != 1 || long != count || !sum.Equal(want) {
		t.Errorf("%d rows, %d with their text, in %d parts, sum %s; want 100000 in 1, %s", count, long, parts, sum, want)
	}
	rows, err := conn.Query(t.Context(), "SELECT n, s FROM big ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	for ; rows.Next(); next++ {
		var n uint64
		var s string
		if err := rows.Scan(&n, &s); err != nil {
			t.Fatal(err)
		}
		if n != next || s != fmt.Sprintf("row\n%d", n) {
			t.Fatalf("row %d is %d, %q", next, n, s)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || next != 100_000 {
		t.Errorf("read %d rows, %v", next, err)
	}
}

func TestDriverErrors(t *testing.T) {
	conn, _ := open(t)
	f := func(query string, wantStatus int, wantCode int32, wantName string) {
		t.Helper()
		err := conn.Exec(t.Context(), query)
		var exception *ch.Exception
		var status *ch.HTTPError
		if !errors.As(err, &exception) || !errors.As(err, &status) {
			t.Errorf("%s: %v is no exception", query, err)
			return
		}
		if exception.Code != wantCode || exception.CodeName != wantName || status.StatusCode != wantStatus || exception.Message == "" {
			t.Errorf("%s: %d %d %s %q, want %d %d %s", query, status.StatusCode, exception.Code, exception.CodeName, exception.Message, wantStatus, wantCode, wantName)
		}
	}
	run(t, conn, "CREATE TABLE e (n UInt8) ENGINE = MergeTree ORDER BY n")
	f("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE")
	f("SELECT * FROM nobody.nothing", 404, 81, "UNKNOWN_DATABASE")
	f("SELEC 1", 400, 62, "SYNTAX_ERROR")
	f("SELECT nothing FROM e", 404, 47, "UNKNOWN_IDENTIFIER")
	f("SELECT nofunction(1)", 404, 46, "UNKNOWN_FUNCTION")
	f("SELECT throwIf(1, 'mine')", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")
	f("CREATE TABLE e (n UInt8) ENGINE = MergeTree ORDER BY n", 500, 57, "TABLE_ALREADY_EXISTS")
	f("SELECT 1 SETTINGS nosetting = 1", 404, 115, "UNKNOWN_SETTING")
	f("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR")
	f("INSERT INTO nowhere VALUES (1)", 404, 60, "UNKNOWN_TABLE")
	f("INSERT INTO e VALUES ('x')", 400, 6, "CANNOT_PARSE_TEXT")
	f("SELECT sleep(3) SETTINGS max_execution_time = 1, function_sleep_max_microseconds_per_block = 0", 408, 159, "TIMEOUT_EXCEEDED")
}

func TestDriverMidStreamErrorIsNotTheEnd(t *testing.T) {
	conn, _ := open(t)
	// The first blocks are megabytes, so the answer is on its way when the error comes.
	rows, err := conn.Query(t.Context(), "SELECT number, throwIf(number = 3000000, 'in the middle') FROM numbers(5000000) SETTINGS max_threads = 1")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	var exception *ch.Exception
	if err := errors.Join(rows.Err(), rows.Close()); !errors.As(err, &exception) || exception.Code != 395 {
		t.Errorf("after %d rows: %v, want code 395", n, err)
	}
	if n == 0 || n >= 5_000_000 {
		t.Errorf("%d rows before the error", n)
	}
}

func TestDriverSettingsAndParametersDoNotLeak(t *testing.T) {
	conn, _ := open(t)
	read := func(ctx context.Context) (got [2]string) {
		t.Helper()
		if err := conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads')), getSetting('log_comment')").Scan(&got[0], &got[1]); err != nil {
			t.Fatal(err)
		}
		return got
	}
	before, want := read(t.Context()), [2]string{"7", "it's\\mine"}
	with := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"max_threads": 7, "log_comment": want[1]}), ch.WithParameters(ch.Parameters{"x": "tab\\tline\\nend"}))
	for range 3 {
		if got := read(with); got != want {
			t.Errorf("the settings of the query are %q, want %q", got, want)
		}
		var x string
		if err := conn.QueryRow(with, "SELECT {x:String}").Scan(&x); err != nil || x != "tab\tline\nend" {
			t.Errorf("the parameter is %q, %v", x, err)
		}
		run(t, conn, "SET max_threads = 7, log_comment = 'leaked'")
		if got := read(t.Context()); got != before {
			t.Errorf("the next query has settings %q, want %q", got, before)
		}
		if err := conn.QueryRow(t.Context(), "SELECT {x:String}").Scan(&x); err == nil {
			t.Error("the next query has the earlier one's parameter")
		}
	}
}

func TestDriverDeduplicationToken(t *testing.T) {
	conn, _ := open(t)
	run(t, conn, "CREATE TABLE d (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100",
		"CREATE TABLE undeduplicated (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0")
	send := func(table, token string, n uint64) {
		t.Helper()
		batch, err := conn.PrepareBatch(ch.Context(t.Context(), ch.WithSettings(ch.Settings{"insert_deduplication_token": token})), "INSERT INTO "+table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(10) {
			if err := batch.Append(n + i); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		send("d", "touchpoints/0/0-9/v1", 0)
		send("undeduplicated", "touchpoints/0/0-9/v1", 0)
	}
	send("d", "touchpoints/0/10-19/v1", 0)
	var got, without uint64
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count() FROM d), (SELECT count() FROM undeduplicated)").Scan(&got, &without); err != nil {
		t.Fatal(err)
	}
	if got != 20 || without != 30 {
		t.Errorf("%d rows with a window, %d without; want 20, 30", got, without)
	}
}

func TestDriverTwoQueriesAtOnce(t *testing.T) {
	conn, _ := open(t)
	running := func(ctx context.Context) (n uint64) {
		if err := conn.QueryRow(ctx, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleepEachRow%' AND query LIKE '%/*at once*/%'").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			var n uint8
			ended <- conn.QueryRow(ctx, "SELECT sleepEachRow(1) FROM numbers(60) /*at once*/ SETTINGS max_block_size = 1").Scan(&n)
		}()
	}
	eventually(t, "two queries run at once", func() bool { return running(t.Context()) == 2 })
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled query ended with %v", err)
		}
	}
	eventually(t, "cancelled queries end in the engine", func() bool { return running(t.Context()) == 0 })
}

func TestDriverCancelStopsTheQueryInTheEngine(t *testing.T) {
	conn, _ := open(t)
	f := func(query string) {
		t.Helper()
		count := func() (n uint64) {
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE position(query, {q:String}) = 1", ch.Named("q", query)).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			rows, err := conn.Query(ctx, query)
			if err == nil {
				for rows.Next() {
				}
				err = errors.Join(rows.Err(), rows.Close())
			}
			ended <- err
		}()
		eventually(t, "the query runs", func() bool { return count() == 1 })
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: ended without an error", query)
		}
		eventually(t, "the query is gone from the engine", func() bool { return count() == 0 })
	}
	f("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")
	f("SELECT number, toString(number) FROM numbers(1000000000000)")
	f("INSERT INTO FUNCTION null('n UInt64') SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) != 1")
}

func TestDriverEmptyResultHasItsColumns(t *testing.T) {
	conn, _ := open(t)
	run(t, conn, "CREATE TABLE empty (n UInt64, j JSON) ENGINE = MergeTree ORDER BY n")
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := conn.Select(t.Context(), &rows, "SELECT n FROM empty"); err != nil || len(rows) != 0 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT n FROM empty").Scan(new(uint64)); err == nil {
		t.Error("a row of an empty table")
	}
}
