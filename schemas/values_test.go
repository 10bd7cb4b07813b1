package schemas

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Millis(rapid.Int64Range(-1<<43, 1<<43).Draw(t, "millis"))
		if again := MillisOf(m.Time()); again != m {
			t.Fatalf("%d is %s and then %d", m, m.Time(), again)
		}
		d := Date(rapid.Int32Range(-200_000, 200_000).Draw(t, "date"))
		y, month, day := d.Time().Date()
		if again := DateOf(y, month, day); again != d {
			t.Fatalf("%d is %s and then %d", d, d.Time(), again)
		}
	})
	if d := DateOf(1969, time.December, 31); d != -1 {
		t.Errorf("the day before the first is %d", d)
	}
	if m := MillisOf(time.Date(2026, 3, 1, 1, 0, 0, 999_999, time.FixedZone("", 3600))); m.Time() != time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("moment %s", m.Time())
	}
}

func TestJSONIsReadable(t *testing.T) {
	x := Touchpoint{
		MessageID: "m", OccurredAt: 1_772_000_000_001, Identifiers: []Identifier{},
		Person:   Some(Person{BirthDate: Some(DateOf(1950, time.July, 14))}),
		Commerce: Some(Commerce{Total: Some(Decimal(129_000)), Shipping: Some(Decimal(0)), Tender: []Tender{{Type: "cash"}}}),
	}
	got, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"message_id":"m","occurred_at":"2026-02-25T06:13:20.001Z","person":{"birth_date":"1950-07-14"},` +
		`"commerce":{"total":12.9,"shipping":0,"tender":[{"type":"cash"}]}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := json.Marshal(Optional[string]{}); err != nil || string(got) != "null" {
		t.Errorf("nothing is %s, %v", got, err)
	}
}

func TestFraming(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int32().Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		msg := append(AppendHeader(nil, want), body...)
		id, rest, err := SplitHeader(msg)
		if err != nil || id != want || string(rest) != string(body) || len(msg) != HeaderSize+len(body) {
			t.Fatalf("id %d, body %x, %v", id, rest, err)
		}
	})
	if got := AppendHeader(nil, 0x01020304); string(got) != "\x00\x01\x02\x03\x04" {
		t.Errorf("header % x", got)
	}
	for _, msg := range []string{"", "\x00\x00\x00\x00", "\x01\x00\x00\x00\x01", `{"a":1}`} {
		if _, _, err := SplitHeader([]byte(msg)); err == nil {
			t.Errorf("%q has a header", msg)
		}
	}
}
