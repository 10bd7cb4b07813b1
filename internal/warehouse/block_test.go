package warehouse

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// sample has one column of every kind.
type sample struct {
	block    *Block
	text     *Strings
	word     *Words
	whole    *Int64s
	amount   *Nullable[int64, *Int64s]
	at       *Int64s
	unsigned *UInt64s
	small    *Int32s
	natural  *UInt32s
	day      *Nullable[int32, *Int32s]
	byte     *UInt8s
	flag     *Bools
	ratio    *Float64s
	id       *UUIDs
	words    *Array[*Words]
	prices   *Array[*Nullable[int64, *Int64s]]
	ids      *Array[*UUIDs]
}

func newSample() *sample {
	b := NewBlock("sample")
	return &sample{
		block: b, text: Add(b, "text", NewStrings()), word: Add(b, "word", NewWords()), whole: Add(b, "whole", NewInt64s()),
		amount: Add(b, "amount", NewNullable[int64](NewDecimals())), at: Add(b, "at", NewTimes()), unsigned: Add(b, "unsigned", NewUInt64s()),
		small: Add(b, "small", NewInt32s()), day: Add(b, "day", NewNullable[int32](NewDates())), byte: Add(b, "byte", NewUInt8s()),
		flag: Add(b, "flag", NewBools()), ratio: Add(b, "ratio", NewFloat64s()), id: Add(b, "id", NewUUIDs()),
		words: Add(b, "words", NewArray(NewWords())), prices: Add(b, "prices", NewArray(NewNullable[int64](NewDecimals()))),
		ids: Add(b, "ids", NewArray(NewUUIDs())), natural: Add(b, "natural", NewUInt32s()),
	}
}

var (
	drawUUID = rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	})
	// Few words that repeat, and many that do not.
	drawWord = rapid.OneOf(rapid.SampledFrom([]string{"", "web", "store", "é"}), rapid.String())
	// Decimals and times that the driver can represent; it counts nanoseconds, which end in 2262.
	drawUnits  = rapid.Int64Range(-999_999_999_999_999_999, 999_999_999_999_999_999)
	drawMillis = rapid.Int64Range(-2_208_988_800_000, 9_000_000_000_000)
	drawDay    = rapid.Int32Range(-25_567, 120_529)
)

// append draws a row, adds it to the block, and returns what the driver should read back.
func (s *sample) append(t *rapid.T) []any {
	text, word, whole := rapid.String().Draw(t, "text"), drawWord.Draw(t, "word"), rapid.Int64().Draw(t, "whole")
	amount, stated := drawUnits.Draw(t, "amount"), rapid.Bool().Draw(t, "stated")
	at, unsigned, small := drawMillis.Draw(t, "at"), rapid.Uint64().Draw(t, "unsigned"), rapid.Int32().Draw(t, "small")
	day, dated := drawDay.Draw(t, "day"), rapid.Bool().Draw(t, "dated")
	octet, flag, ratio := rapid.Uint8().Draw(t, "byte"), rapid.Bool().Draw(t, "flag"), rapid.Float64().Draw(t, "ratio")
	id := drawUUID.Draw(t, "id")
	s.text.Append(text)
	s.word.Append(word)
	s.whole.Append(whole)
	s.amount.Append(amount, stated)
	s.at.Append(at)
	s.unsigned.Append(unsigned)
	s.small.Append(small)
	s.day.Append(day, dated)
	s.byte.Append(octet)
	s.flag.Append(flag)
	s.ratio.Append(ratio)
	s.id.Append(id)

	words := rapid.SliceOfN(drawWord, 0, 4).Draw(t, "words")
	for _, w := range words {
		s.words.Items.Append(w)
	}
	s.words.End()
	prices := []*decimal.Decimal{}
	for range rapid.IntRange(0, 3).Draw(t, "prices") {
		price, known := drawUnits.Draw(t, "price"), rapid.Bool().Draw(t, "known")
		s.prices.Items.Append(price, known)
		if known {
			d := decimal.New(price, -4)
			prices = append(prices, &d)
		} else {
			prices = append(prices, nil)
		}
	}
	s.prices.End()
	natural := rapid.Uint32().Draw(t, "natural")
	s.natural.Append(natural)
	ids := rapid.SliceOfN(drawUUID, 0, 3).Draw(t, "ids")
	for _, id := range ids {
		s.ids.Items.Append(id)
	}
	s.ids.End()
	s.block.EndRow()

	var wantAmount, wantDay any
	if stated {
		wantAmount = decimal.New(amount, -4)
	}
	if dated {
		wantDay = time.Unix(int64(day)*86400, 0).UTC()
	}
	return []any{text, word, whole, wantAmount, time.UnixMilli(at).UTC(), unsigned, small, wantDay, octet, flag, ratio, id, words, prices, ids, natural}
}

// TestBlockIsReadByTheDriver takes the driver's own decoder as the oracle of our encoder. One block is used again and
// again, so what a reset leaves behind shows.
func TestBlockIsReadByTheDriver(t *testing.T) {
	s := newSample()
	rapid.Check(t, func(t *rapid.T) {
		s.block.Reset()
		var want [][]any
		for range rapid.IntRange(0, 12).Draw(t, "rows") {
			want = append(want, s.append(t))
		}
		now := time.Now()
		body, err := s.block.Encode(now)
		if err != nil {
			t.Fatal(err)
		}
		slowly, err := io.ReadAll(iotest.OneByteReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body, err = s.block.Encode(now); err != nil { // an attempt that failed is made again
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(body); err != nil || !bytes.Equal(slowly, whole) {
			t.Fatalf("%d bytes one by one, %d together, %v", len(slowly), len(whole), err)
		}
		if diff := cmp.Diff(want, decodeBlock(t, bytes.NewReader(slowly)), cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })); diff != "" {
			t.Fatal(diff)
		}
	})
}

func decodeBlock(t interface{ Fatal(...any) }, body io.Reader) [][]any {
	decoded := proto.NewBlock()
	decoded.ServerContext.Timezone = time.UTC
	if err := decoded.Decode(chproto.NewReader(body), 0); err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	for i := range decoded.Rows() {
		row := make([]any, len(decoded.Columns))
		for j, column := range decoded.Columns {
			row[j] = plain(column.Row(i, false))
		}
		rows = append(rows, row)
	}
	return rows
}

// plain unwraps the pointers that the driver gives for nullable values.
func plain(v any) any {
	switch v := v.(type) {
	case *decimal.Decimal:
		if v == nil {
			return nil
		}
		return *v
	case *time.Time:
		if v == nil {
			return nil
		}
		return v.UTC()
	case time.Time:
		return v.UTC()
	}
	return v
}

// Words change the width of their keys as the dictionary grows.
func TestWordsOfEveryWidth(t *testing.T) {
	for _, n := range []int{1, 256, 257, 65_536, 65_537} {
		b := NewBlock("words")
		words := Add(b, "word", NewWords())
		for i := range n {
			words.Append(fmt.Sprint(i))
			b.EndRow()
		}
		body, err := b.Encode(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		rows := decodeBlock(t, body)
		if len(rows) != n {
			t.Fatalf("%d words: %d rows", n, len(rows))
		}
		for i, row := range rows {
			if row[0] != fmt.Sprint(i) {
				t.Fatalf("%d words: row %d is %v", n, i, row[0])
			}
		}
	}
}

func TestBlockWithAMissingValueIsRefused(t *testing.T) {
	s := newSample()
	s.text.Append("alone")
	s.block.EndRow()
	if _, err := s.block.Encode(time.Now()); err == nil {
		t.Fatal("a block whose columns have different lengths was encoded")
	}
}

func TestStampIsOfTheAttempt(t *testing.T) {
	b := NewBlock("stamped")
	Add(b, "text", NewStrings()).Append("a")
	b.AddStamp("at")
	b.EndRow()
	for _, want := range []time.Time{time.UnixMilli(1_000).UTC(), time.UnixMilli(2_000).UTC()} {
		body, err := b.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeBlock(t, body)[0][1]; got != want {
			t.Errorf("stamp is %v, want %v", got, want)
		}
	}
}

func TestParseTable(t *testing.T) {
	got, err := parseTable("a\tb\nString\tNullable(Int64)\nx\\ty\\\\\t\\N\n\t7\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Table{Columns: []string{"a", "b"}, Types: []string{"String", "Nullable(Int64)"}, Rows: [][]string{{"x\ty\\", ""}, {"", "7"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		cfg := DefaultConfig()
		change(&cfg)
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(func(*Config) {}, "")
	f(func(c *Config) { c.Addresses = nil }, "clickhouse.addresses is empty: give at least one host:port")
	f(func(c *Config) { c.Compression = "lz5" }, `clickhouse.compression is "lz5": use none, lz4, zstd, or over http gzip`)
	f(func(c *Config) { c.Protocol = "tcp" }, `clickhouse.protocol is "tcp": use http or native`)
	f(func(c *Config) { c.Protocol, c.Compression = "native", "gzip" }, `clickhouse.compression is "gzip": use none, lz4, zstd, or over http gzip`)
	f(func(c *Config) { c.Protocol, c.Compression = "native", "zstd" }, "")
	f(func(c *Config) { c.CAFile = "ca.pem" }, "clickhouse.ca_file is set and clickhouse.tls is not: set clickhouse.tls, or leave ca_file empty")
}
