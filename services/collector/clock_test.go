package collector

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClocks(t *testing.T) {
	d := newDirect(t, nil)
	at := func(offset time.Duration) string {
		return `"` + testNow.Add(offset).Format("2006-01-02T15:04:05.000Z") + `"`
	}
	f := func(what, members string, want time.Duration, original string) {
		t.Helper()
		got := d.one(t, "/v1/track", "wk_dev_app", `{"event":"X","userId":"u",`+members+`}`)
		if offset := got.OccurredAt.Time().Sub(testNow); offset != want {
			t.Errorf("%s: occurred %s from now, want %s", what, offset, want)
		}
		stated := ""
		if got.OriginalTimestamp.Valid {
			stated = `"` + got.OriginalTimestamp.Value.Time().Format("2006-01-02T15:04:05.000Z") + `"`
		}
		if stated != original || got.ReceivedAt.Time() != testNow {
			t.Errorf("%s: original %s, want %s; received %s", what, stated, original, got.ReceivedAt.Time())
		}
	}
	const minute, hour = time.Minute, time.Hour
	f("nothing", `"x":1`, 0, ``)
	f("null", `"timestamp":null,"sentAt":""`, 0, ``)
	f("no sentAt", `"timestamp":`+at(-hour), -hour, at(-hour))
	f("right clock", `"timestamp":`+at(-hour)+`,"sentAt":`+at(-2*time.Second), -hour, at(-hour))
	f("4:59 slow", `"timestamp":`+at(-hour)+`,"sentAt":`+at(-299*time.Second), -hour, at(-hour))
	f("5:00 slow", `"timestamp":`+at(-hour)+`,"sentAt":`+at(-300*time.Second), -hour+5*minute, at(-hour))
	f("5:00 fast", `"timestamp":`+at(-hour)+`,"sentAt":`+at(5*minute), -hour-5*minute, at(-hour))
	f("1970", `"timestamp":"1970-01-01T00:00:00Z","sentAt":"1970-01-01T00:01:00Z"`, -minute, `"1970-01-01T00:00:00.000Z"`)
	f("future", `"timestamp":`+at(24*hour), 0, at(24*hour))
	f("future by the skew", `"timestamp":`+at(-hour)+`,"sentAt":`+at(-2*hour), 0, at(-hour))
	f("before all time by the skew", `"timestamp":"1905-01-01","sentAt":"2299-01-01"`, earliest.Time().Sub(testNow), `"1905-01-01T00:00:00.000Z"`)
	f("corrected before", `"originalTimestamp":`+at(-3*hour)+`,"timestamp":`+at(-hour)+`,"sentAt":`+at(-2*hour), -hour, at(-3*hour))
	f("originalTimestamp", `"originalTimestamp":`+at(-hour)+`,"sentAt":`+at(-hour), 0, at(-hour))
	f("a phone that was offline", `"timestamp":`+at(-2*hour)+`,"sentAt":`+at(-hour)+`,"context":{"library":{"name":"analytics-kotlin"}}`, -2*hour, at(-2*hour))
	f("a phone with a fast clock", `"timestamp":`+at(hour)+`,"sentAt":`+at(2*hour)+`,"context":{"library":{"name":"Analytics-CSharp"}}`, -hour, at(hour))
	f("milliseconds", fmt.Sprintf(`"timestamp":%d`, testNow.Add(-hour).UnixMilli()), -hour, at(-hour))
	// As Java and PHP write a float.
	f("milliseconds with an exponent", fmt.Sprintf(`"timestamp":%s`, strconv.FormatFloat(float64(testNow.Add(-hour).UnixMilli()), 'E', -1, 64)), -hour, at(-hour))
	f("seconds as text", fmt.Sprintf(`"timestamp":"%d.250"`, testNow.Add(-hour).Unix()), -hour+250*time.Millisecond, at(-hour+250*time.Millisecond))
}

func TestISO8601(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := "refused"
		if millis, ok := parseISO(text); ok {
			got = millis.Time().Format("2006-01-02T15:04:05.000")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f("2026-05-31", "2026-05-31T00:00:00.000")
	f("2026-05-31T20:15", "2026-05-31T20:15:00.000")
	f("2026-05-31T20:15:30Z", "2026-05-31T20:15:30.000")
	f("2026-05-31 20:15:30", "2026-05-31T20:15:30.000")
	f("2026-05-31t20:15:30z", "2026-05-31T20:15:30.000")
	f("2026-05-31T20:15:30.1234567Z", "2026-05-31T20:15:30.123")
	f("2026-05-31T20:15:30,5+02:00", "2026-05-31T18:15:30.500")
	f("2026-05-31T20:15:30+0200", "2026-05-31T18:15:30.000")
	f("2026-05-31T20:15:30-05", "2026-06-01T01:15:30.000")
	f("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000")
	f("2026-02-29T00:00:00Z", "refused")
	f("2026-05-31T24:00:00Z", "2026-06-01T00:00:00.000")
	f("2026-05-31T24:00:01Z", "refused")
	f("2026-05-31T23:59:60Z", "2026-06-01T00:00:00.000")
	f("2026-13-01", "refused")
	f("2026-5-1", "refused")
	f("2026-05-31T20:15:30.Z", "refused")
	f("2026-05-31T20:15:30+2", "refused")
	f("2026-05-31T20:15:30 CEST", "refused")
	f("2026-05-31T", "refused")
	f("Sun May 31 2026", "refused")
}

// Whatever RFC 3339 calls a time is read as time.Parse reads it.
func TestISO8601IsThatOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(int64(earliest), int64(latest)).Draw(t, "millis"))
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(t, "minutes")*60)
		text := at.In(zone).Format(rapid.SampledFrom([]string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000-0700"}).Draw(t, "layout"))
		got, ok := parseISO(text)
		if !ok || got.Time().UnixMilli() != at.UnixMilli() {
			t.Fatalf("%s: got %v %v, want %v", text, got.Time(), ok, at.UTC())
		}
	})
}
