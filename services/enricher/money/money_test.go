package money

import (
	"bufio"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"pgregory.net/rapid"
)

func invented(t testing.TB) *Rates {
	t.Helper()
	edition, err := Dataset().Read("testdata/eurofxref-hist-invented.csv", "testdata/eurofxref-invented.csv")
	if err != nil {
		t.Fatal(err)
	}
	if edition.Loaded.Rows != 9 {
		t.Errorf("%d days", edition.Loaded.Rows)
	}
	return edition.Loaded.Table.(*Rates)
}

func dayOf(t testing.TB, text string) int32 {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return int32(day.Unix() / 86_400)
}

func answer(t testing.TB, rates *Rates, question string) string {
	t.Helper()
	q := strings.Fields(question)
	amount, err := schemas.ParseDecimal(q[0])
	if err != nil {
		t.Fatal(err)
	}
	rate, err := rates.At(q[1], q[2], dayOf(t, q[3]))
	switch {
	case errors.Is(err, ErrUnknown):
		return "unknown"
	case errors.Is(err, ErrStale):
		return "stale"
	case err != nil:
		t.Fatal(err)
	}
	converted, ok := rate.Convert(int64(amount))
	if !ok {
		return "too_large"
	}
	day := "-"
	if rate != Same {
		day = time.Unix(int64(rate.Day)*86_400, 0).UTC().Format(time.DateOnly)
	}
	return rate.String() + " " + day + " " + schemas.Decimal(converted).String()
}

// The golden file was written by another program, in fractions.
func TestGoldenAmounts(t *testing.T) {
	rates := invented(t)
	file, err := os.Open("testdata/amounts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		question, want, ok := strings.Cut(lines.Text(), ": ")
		if !ok || strings.HasPrefix(question, "#") {
			continue
		}
		cases++
		if got := answer(t, rates, question); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", question, got, want)
		}
	}
	if cases < 40 {
		t.Errorf("only %d cases", cases)
	}
}

// Of a day that stands in two files the first file counts.
func TestTheFirstFileOfADayCounts(t *testing.T) {
	rates, err := Read(strings.NewReader("Date,USD,\n2026-11-20,1.1,\n"), strings.NewReader("Date, USD, \n20 November 2026, 2, \n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, rates, "1 EUR USD 2026-11-20"); got != "1.1 2026-11-20 1.1" {
		t.Errorf("got %s", got)
	}
}

func TestBrokenFiles(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		if _, err := Read(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", file, err)
		}
	}
	f("", "empty")
	f("<html></html>\n", "Date")
	f("Date\n", "Date")
	f("Date,\n", "no currency")
	f("Date,USD,USD\n", "one more currency")
	f("Date,EUR\n", "one more currency")
	f("Date,usd\n", "one more currency")
	f("Date,USD\n2026-11-20\n", "wrong number of fields")
	f("Date,USD\n2026-13-20,1\n", "day of publication")
	f("Date,USD\n1998-12-31,1\n", "day of publication")
	f("Date,USD\n20/11/2026,1\n", "day of publication")
	f("Date,USD\n2026-11-20,1\n2026-11-20,1\n", "twice")
	f("Date,USD\n2026-11-20,0\n", "no rate")
	f("Date,USD\n2026-11-20,-1\n", "no rate")
	f("Date,USD\n2026-11-20,1e3\n", "no rate")
	f("Date,USD\n2026-11-20,1.123456789\n", "no rate")
	f("Date,USD\n2026-11-20,\"1,5\"\n", "no rate")
	f("Date,USD,\n2026-11-20,1,5\n", "no currency")
}

var (
	drawRate   = rapid.Uint64Range(1, 1_000_000_000_000_000)
	drawAmount = rapid.Int64Range(-most, most)
)

// fraction is the value of a rate.
func fraction(r Rate) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(r.mantissa), new(big.Int).SetUint64(powers[r.scale]))
}

func TestConvertingIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := quotient(drawRate.Draw(t, "b"), drawRate.Draw(t, "a"))
		x, y := drawAmount.Draw(t, "x"), drawAmount.Draw(t, "y")
		if x > y {
			x, y = y, x
		}
		cx, okx := rate.Convert(x)
		cy, oky := rate.Convert(y)
		if okx && oky && cx > cy {
			t.Fatalf("%s: %d becomes %d and %d becomes %d", rate, x, cx, y, cy)
		}
		if minus, ok := rate.Convert(-x); ok != okx || (ok && minus != -cx) {
			t.Fatalf("%s: %d becomes %d and its opposite %d", rate, x, cx, minus)
		}
	})
}

// What the answer says of itself is so: the amount times the rate, rounded to the nearest, and the rate is right to eleven digits or eighteen places.
func TestConvertingIsExact(t *testing.T) {
	half := big.NewRat(1, 2)
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRate.Draw(t, "a"), drawRate.Draw(t, "b")
		rate := quotient(b, a)
		stated, ok := new(big.Rat).SetString(rate.String())
		if !ok || stated.Cmp(fraction(rate)) != 0 {
			t.Fatalf("the rate %+v is written %s", rate, rate)
		}
		exact := new(big.Rat).SetFrac(new(big.Int).SetUint64(b), new(big.Int).SetUint64(a))
		off := new(big.Rat).Sub(exact, stated)
		bound := new(big.Rat).Add(new(big.Rat).Mul(exact, big.NewRat(1, 100_000_000_000)), new(big.Rat).SetFrac(big.NewInt(1), big.NewInt(1_000_000_000_000_000_000)))
		if off.Abs(off).Cmp(bound) > 0 {
			t.Fatalf("%d/%d is stated as %s", b, a, rate)
		}
		amount := drawAmount.Draw(t, "amount")
		converted, ok := rate.Convert(amount)
		want := new(big.Rat).Mul(new(big.Rat).SetInt64(amount), stated)
		if !ok {
			if limit := new(big.Rat).SetInt64(most); new(big.Rat).Abs(want).Cmp(limit) < 0 {
				t.Fatalf("%d at %s was refused", amount, rate)
			}
			return
		}
		want.Sub(want, new(big.Rat).SetInt64(converted))
		if cmp := want.Abs(want).Cmp(half); cmp > 0 || (cmp == 0 && converted%2 != 0) {
			t.Fatalf("%d at %s became %d", amount, rate, converted)
		}
	})
}

func TestTheSameCurrencyChangesNothing(t *testing.T) {
	var none Rates
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.StringMatching(`[A-Z]{3}`).Draw(t, "code")
		amount := drawAmount.Draw(t, "amount")
		rate, err := none.At(code, code, rapid.Int32().Draw(t, "day"))
		if converted, ok := rate.Convert(amount); err != nil || !ok || converted != amount || rate.String() != "1" {
			t.Fatalf("%d became %d, %t, %v", amount, converted, ok, err)
		}
	})
}

func TestCodes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got, ok := Code(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q %t", text, got, ok)
		}
	}
	f("EUR", "EUR")
	f("eur", "EUR")
	f(" Usd ", "USD")
	f("€", "")
	f("", "")
	f("EURO", "")
	f("978", "")
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"testdata/eurofxref-hist-invented.csv", "testdata/eurofxref-invented.csv"} {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(file), int64(1299_0000))
	}
	f.Add("Date,USD\n1999-01-04,0.00000001\n", int64(-1))
	f.Fuzz(func(t *testing.T, file string, amount int64) {
		rates, err := Read(strings.NewReader(file))
		if err != nil {
			return
		}
		for code := range rates.perEuro {
			for _, day := range rates.days {
				for _, pair := range [][2]string{{code, euro}, {euro, code}} {
					rate, err := rates.At(pair[0], pair[1], day)
					if err != nil {
						continue
					}
					if rate.Day > day || day-rate.Day > oldest {
						t.Fatalf("a rate of day %d for day %d", rate.Day, day)
					}
					rate.Convert(amount)
				}
			}
		}
	})
}

func BenchmarkAtAndConvert(b *testing.B) {
	rates := invented(b)
	day := dayOf(b, "2026-11-20")
	b.ReportAllocs()
	for b.Loop() {
		rate, err := rates.At("GBP", "CHF", day)
		if err != nil {
			b.Fatal(err)
		}
		for i := range int64(7) {
			rate.Convert(129_9000 + i)
		}
	}
}

// A file of rates as long as the real one.
func BenchmarkLoad(b *testing.B) {
	var file strings.Builder
	file.WriteString("Date" + strings.Repeat(",", 1))
	for i := range 41 {
		file.WriteString(string([]byte{'A' + byte(i/26), 'A' + byte(i%26), 'X'}) + ",")
	}
	file.WriteString("\n")
	for i := range 7_000 {
		file.WriteString(time.Unix(int64(10_600+i)*86_400, 0).UTC().Format(time.DateOnly) + strings.Repeat(",1.2345", 41) + ",\n")
	}
	path := b.TempDir() + "/eurofxref-hist.csv"
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Dataset().Load([]reference.File{{Name: "eurofxref-hist.csv", Path: path}}); err != nil {
			b.Fatal(err)
		}
	}
}
