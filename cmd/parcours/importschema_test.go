package main

import (
	"testing"
	"time"
)

// A day counts whole, as a beginning and as an end; a time is what it is.
func TestMomentsOfValidity(t *testing.T) {
	f := func(text, begin, end string) {
		t.Helper()
		from, err := parseBegin(text)
		until, err2 := parseEnd(text)
		if err != nil || err2 != nil {
			t.Errorf("%q: %v, %v", text, err, err2)
			return
		}
		if got := from.Value.Time().Format(time.RFC3339); got != begin {
			t.Errorf("%q begins at %s, want %s", text, got, begin)
		}
		if got := until.Value.Time().Format(time.RFC3339); got != end {
			t.Errorf("%q ends at %s, want %s", text, got, end)
		}
	}
	f("2027-12-31", "2027-12-31T00:00:00Z", "2028-01-01T00:00:00Z")
	f(" 31/12/2027 ", "2027-12-31T00:00:00Z", "2028-01-01T00:00:00Z")
	f("2027-12-31T18:00:00+01:00", "2027-12-31T17:00:00Z", "2027-12-31T17:00:00Z")
	for _, text := range []string{"31.12.2027", "2027-13-01", "soon"} {
		if _, err := parseEnd(text); err == nil {
			t.Errorf("%q is an end", text)
		}
	}
	if none, err := parseEnd(" "); none.Valid || err != nil {
		t.Errorf("nothing ends at %v, %v", none, err)
	}
}
