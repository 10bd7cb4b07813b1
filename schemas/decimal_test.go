package schemas

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	f := func(text string, want Decimal) {
		t.Helper()
		got, err := ParseDecimal(text)
		if err != nil || got != want {
			t.Errorf("ParseDecimal(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	f("12.90", 129_000)
	f("-5", -50_000)
	f("+5", 50_000)
	f("0", 0)
	f("-0.0", 0)
	f(".5", 5_000)
	f("5.", 50_000)
	f("1e3", 10_000_000)
	f("1E+3", 10_000_000)
	f("12.5e-1", 12_500)
	f("0.00005", 1)
	f("0.00004999", 0)
	f("-0.00005", -1)
	f("19.990000000000002", 199_900)
	f("19.98999999999999", 199_900)
	f(" 12.5\t", 125_000)
	f("12,50\u00a0", 125_000)
	f("12,90", 129_000)
	f("-12,9", -129_000)
	f("000000000000000000000000001", 10_000)
	f("0e99999999999999999999", 0)
	f("1e-99999999999999999999", 0)
	f("0.00000000000000000001e20", 10_000)
	f("99999999999999.9999", maxDecimal)
	f("-99999999999999.9999", -maxDecimal)
	f("1e13", 100_000_000_000_000_000)
	f("99999999999999.99994", maxDecimal)
}

func TestParseDecimalRefuses(t *testing.T) {
	f := func(text string, want error) {
		t.Helper()
		if got, err := ParseDecimal(text); !errors.Is(err, want) {
			t.Errorf("ParseDecimal(%q) = %d, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "-", ".", ",", "e3", "1e", "1e+", "1e1.5", "--1", "+-1", "1 000", "12.90 EUR", "€5", "0x10", "1_000", "NaN", "Inf",
		"1.2.3", "1,2,3", "1.234,56", "1,234.56", "١٢", "1,a", "null",
	} {
		f(text, errDecimalSyntax)
	}
	f("1,234", errDecimalComma)
	f("1,", errDecimalComma)
	f(",50", errDecimalComma)
	f("1,5e3", errDecimalComma)
	f("100000000000000", errDecimalRange)
	f("-100000000000000", errDecimalRange)
	f("1e14", errDecimalRange)
	f("1e99999999999999999999", errDecimalRange)
	f("99999999999999.99995", errDecimalRange)
	f("9999999999999999999999999999", errDecimalRange)
}

// TestParseDecimalEqualsBig draws digits, a point and an exponent, and asks math/big.
func TestParseDecimalEqualsBig(t *testing.T) {
	limit := new(big.Int).SetInt64(int64(maxDecimal))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[+-]?([0-9]{1,16}(\.[0-9]{0,25})?|\.[0-9]{1,25})(e[+-]?[0-9]{1,2})?`).Draw(t, "text")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("math/big refuses %q", text)
		}
		want := roundHalfAway(exact.Mul(exact, big.NewRat(10_000, 1)))
		got, err := ParseDecimal(text)
		if want.CmpAbs(limit) > 0 {
			if !errors.Is(err, errDecimalRange) {
				t.Fatalf("ParseDecimal(%q) = %d, %v; it does not fit", text, got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("ParseDecimal(%q) = %d, %v; want %d", text, got, err, want)
		}
	})
}

func roundHalfAway(r *big.Rat) *big.Int {
	twice := new(big.Int).Mul(new(big.Int).Abs(r.Num()), big.NewInt(2))
	twice.Add(twice, r.Denom())
	q := twice.Quo(twice, new(big.Int).Mul(r.Denom(), big.NewInt(2)))
	if r.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func TestDecimalTextIsExactAndShort(t *testing.T) {
	f := func(d Decimal, want string) {
		t.Helper()
		if got := d.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(d), got, want)
		}
	}
	f(0, "0")
	f(129_000, "12.9")
	f(-1, "-0.0001")
	f(50_000, "5")
	f(-maxDecimal, "-99999999999999.9999")
	f(math.MinInt64, "-922337203685477.5808")
	rapid.Check(t, func(t *rapid.T) {
		d := Decimal(randomDecimal(t))
		text := d.String()
		exact, ok := new(big.Rat).SetString(text)
		if !ok || exact.Cmp(big.NewRat(int64(d), 10_000)) != 0 {
			t.Fatalf("%d is written %q", int64(d), text)
		}
		if strings.Contains(text, ".") && strings.HasSuffix(text, "0") {
			t.Fatalf("%q ends with a zero", text)
		}
		if again, err := ParseDecimal(text); err != nil || again != d {
			t.Fatalf("%q is read as %d, %v", text, again, err)
		}
		if number, err := json.Marshal(Some(d)); err != nil || string(number) != text {
			t.Fatalf("JSON of %q is %s, %v", text, number, err)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, text := range []string{"12.90", "1e3", "-5", "12,90", "1,234", "19.990000000000002", "1e-9999", "", "e"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDecimal(text)
		if err != nil {
			if d != 0 && !errors.Is(err, errDecimalRange) {
				t.Errorf("%d with %v", d, err)
			}
			return
		}
		if again, err := ParseDecimal(d.String()); err != nil || again != d {
			t.Errorf("%q is %d, and its text %q reads as %d, %v", text, d, d, again, err)
		}
	})
}
