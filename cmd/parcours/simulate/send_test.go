package simulate

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received is one event of one request, as the test's collector read it.
type received struct {
	id, sentAt string
	attempt    int
}

// fakeCollector remembers what it acknowledged and fails as its script says.
type fakeCollector struct {
	t      *testing.T
	script func(n int, r *http.Request) int // 0 closes the connection without an answer

	mu       sync.Mutex
	requests int
	taken    map[string]int // acknowledged, by message id
	attempts map[string][]received
	times    map[string][]time.Time
}

func serve(t *testing.T, script func(n int, r *http.Request) int) (*fakeCollector, string) {
	t.Helper()
	f := &fakeCollector{t: t, script: script, taken: map[string]int{}, attempts: map[string][]received{}, times: map[string][]time.Time{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fakeCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ids, sentAt, err := read(r)
	if err != nil {
		f.t.Errorf("%s: %v", r.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	attempt := 1
	if n := r.Header.Get("X-Retry-Count"); n != "" {
		before, err := strconv.Atoi(n)
		if err != nil {
			f.t.Errorf("X-Retry-Count is %q", n)
		}
		attempt += before
	}
	for _, id := range ids {
		f.attempts[id] = append(f.attempts[id], received{id, sentAt, attempt})
		f.times[id] = append(f.times[id], time.Now())
	}
	status := f.script(f.requests, r)
	switch {
	case status == 0:
		f.hangUp(w)
		return
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	case status < 300:
		for _, id := range ids {
			f.taken[id]++
		}
	}
	w.WriteHeader(status)
}

// hangUp closes the connection without an answer.
func (f *fakeCollector) hangUp(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = connection.Close()
	}
	if err != nil {
		f.t.Errorf("hang up: %v", err)
	}
}

// read takes a request apart with nothing but the standard library.
func read(r *http.Request) (ids []string, sentAt string, err error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(r.Body); err != nil {
			return nil, "", err
		}
	}
	var m struct {
		MessageID, SentAt, WriteKey string
		Batch                       []struct{ MessageID string }
	}
	if err := json.NewDecoder(body).Decode(&m); err != nil {
		return nil, "", err
	}
	key, _, ok := r.BasicAuth()
	if !ok || !strings.HasPrefix(key, "wk_dev_") || key != m.WriteKey {
		return nil, "", fmt.Errorf("write key %q in the header, %q in the body", key, m.WriteKey)
	}
	if m.MessageID != "" {
		return []string{m.MessageID}, m.SentAt, nil
	}
	for _, e := range m.Batch {
		ids = append(ids, e.MessageID)
	}
	return ids, m.SentAt, nil
}

func sendTo(t *testing.T, target string, customers int, change func(*Options)) (Result, map[string][]LedgerLine, error) {
	t.Helper()
	s := population(t, func(c *Config) { c.Customers, c.Days = customers, 2 })
	var book bytes.Buffer
	opts := Options{Target: target, Workers: 4, Ledger: &book}
	if change != nil {
		change(&opts)
	}
	result, err := Send(t.Context(), s, opts)
	lines := map[string][]LedgerLine{}
	if readErr := ReadLedger(&book, func(l LedgerLine) error {
		lines[l.MessageID] = append(lines[l.MessageID], l)
		return nil
	}); readErr != nil {
		t.Fatal(readErr)
	}
	return result, lines, err
}

// TestEverythingArrives: without faults every event is acknowledged once, and once more where it is repeated.
func TestEverythingArrives(t *testing.T) {
	f, url := serve(t, func(int, *http.Request) int { return http.StatusOK })
	result, lines, err := sendTo(t, url, 200, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Acknowledged != result.Events || result.Events == 0 || result.Retries != 0 || result.Lost+result.Refused != 0 {
		t.Errorf("result %+v", result)
	}
	if int64(len(f.taken)) != result.Events || len(lines) != len(f.taken) {
		t.Errorf("%d events taken, %d in the ledger, %d sent", len(f.taken), len(lines), result.Events)
	}
	again := int64(0)
	for _, n := range f.taken {
		again += int64(n - 1)
	}
	if again != result.Repeats || again == 0 {
		t.Errorf("%d events came again, result says %d", again, result.Repeats)
	}
}

// TestRetries: a target that fails in every way that SDKs mend gets every event all the same, under the same id, and
// the ledger tells what was acknowledged.
func TestRetries(t *testing.T) {
	f, url := serve(t, func(n int, _ *http.Request) int {
		switch n % 31 {
		case 1:
			return http.StatusServiceUnavailable
		case 3:
			return 0
		case 5:
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	result, lines, err := sendTo(t, url, 25, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Retries == 0 || result.Acknowledged != result.Events || result.Lost+result.Refused != 0 {
		t.Errorf("result %+v", result)
	}
	for id, entries := range lines {
		for _, l := range entries {
			if l.Status != http.StatusOK {
				t.Errorf("ledger says %d of %s", l.Status, id)
			}
		}
		if f.taken[id] != len(entries) {
			t.Errorf("%s was acknowledged %d times, the ledger says %d", id, f.taken[id], len(entries))
		}
	}
	for id, tries := range f.attempts {
		for i := 1; i < len(tries); i++ {
			if tries[i].attempt == tries[i-1].attempt+1 && tries[i].sentAt == tries[i-1].sentAt {
				t.Errorf("%s: sentAt was not stamped anew with attempt %d", id, tries[i].attempt)
			}
		}
	}
}

// TestRetryAfterIsHonoured: a client that was told to wait a second waits a second.
func TestRetryAfterIsHonoured(t *testing.T) {
	f, url := serve(t, func(n int, _ *http.Request) int {
		if n == 1 {
			return http.StatusTooManyRequests
		}
		return http.StatusOK
	})
	result, _, err := sendTo(t, url, 4, func(o *Options) { o.Workers = 1 })
	if err != nil || result.Retries != 1 {
		t.Fatalf("result %+v, %v", result, err)
	}
	for id, at := range f.times {
		if len(f.attempts[id]) > 1 && f.attempts[id][1].attempt == 2 {
			if waited := at[1].Sub(at[0]); waited < time.Second {
				t.Errorf("%s was sent again after %s, Retry-After said 1 s", id, waited)
			}
			return
		}
	}
	t.Error("no event was sent again")
}

func TestRefusedAndGivenUp(t *testing.T) {
	_, url := serve(t, func(_ int, r *http.Request) int {
		if strings.HasPrefix(r.URL.Path, "/v1/p") {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	result, lines, err := sendTo(t, url, 60, nil)
	if err != nil || result.Refused == 0 || result.Retries != 0 || result.Err() == nil {
		t.Errorf("a 400 is final: result %+v, %v", result, err)
	}
	bad := 0
	for _, entries := range lines {
		for _, l := range entries {
			if l.Status == http.StatusBadRequest {
				bad++
			}
		}
	}
	if int64(bad) != result.Refused {
		t.Errorf("%d refusals in the ledger, %d in the result", bad, result.Refused)
	}

	_, url = serve(t, func(int, *http.Request) int { return http.StatusServiceUnavailable })
	result, lines, err = sendTo(t, url, 1, func(o *Options) { o.Patience, o.Workers = 250*time.Millisecond, 8 })
	if err != nil || result.Lost == 0 || result.Acknowledged != 0 {
		t.Errorf("a target that is always away: result %+v, %v", result, err)
	}
	for id, entries := range lines {
		if entries[0].Status != 0 {
			t.Errorf("%s was given up and stands as %d in the ledger", id, entries[0].Status)
		}
	}
}

// A target that answers nothing at all is a wrong address: the run ends after one patience, not after one a delivery.
func TestEndsWhenNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	_, _, err := sendTo(t, url, 10, func(o *Options) { o.Patience, o.Workers = 250*time.Millisecond, 2 })
	if err == nil || !strings.Contains(err.Error(), "has answered nothing") {
		t.Errorf("nobody listens at %s, and Send ends with %v", url, err)
	}
}

// TestStopsWithItsContext: a stop in the middle returns, and the ledger claims nothing that was not acknowledged.
func TestStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, url := serve(t, func(n int, _ *http.Request) int {
		if n == 200 {
			cancel()
		}
		return http.StatusOK
	})
	var book bytes.Buffer
	result, err := Send(ctx, population(t, nil), Options{Target: url, Ledger: &book})
	if !errors.Is(err, context.Canceled) || result.Acknowledged == 0 {
		t.Fatalf("result %+v, %v", result, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ReadLedger(&book, func(l LedgerLine) error {
		if l.Status == http.StatusOK && f.taken[l.MessageID] == 0 {
			t.Errorf("the ledger claims %s", l.MessageID)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestRatePaces(t *testing.T) {
	_, url := serve(t, func(int, *http.Request) int { return http.StatusOK })
	s := population(t, func(c *Config) { c.Customers, c.Events = 50, 150 })
	result, err := Send(t.Context(), s, Options{Target: url, Rate: 300})
	if err != nil || result.Events != 150 {
		t.Fatalf("result %+v, %v", result, err)
	}
	if result.Elapsed < 400*time.Millisecond {
		t.Errorf("150 events at 300 a second took %s", result.Elapsed)
	}
}

// TestSendersStayInOrder: the events of one browser arrive in the order in which they happened.
func TestSendersStayInOrder(t *testing.T) {
	type browser struct{ AnonymousID, Timestamp, SentAt, MessageID string }
	var mu sync.Mutex
	last, seen := map[string]string{}, map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "text/plain" {
			return
		}
		var b browser
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[b.MessageID] || b.AnonymousID == "" { // repeated, or wrong, on purpose
			return
		}
		seen[b.MessageID] = true
		if b.Timestamp < last[b.AnonymousID] {
			t.Errorf("browser %s: %s after %s", b.AnonymousID, b.Timestamp, last[b.AnonymousID])
		}
		last[b.AnonymousID] = b.Timestamp
	}))
	defer server.Close()
	// Without trouble every browser has one user and one clock.
	s := population(t, func(c *Config) { c.Customers, c.Trouble = 150, 0 })
	if _, err := Send(t.Context(), s, Options{Target: server.URL, Workers: 8}); err != nil {
		t.Fatal(err)
	}
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	f := func(value string, want time.Duration) {
		t.Helper()
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", value, got, want)
		}
	}
	f("", 0)
	f("7", 7*time.Second)
	f("-3", 0)
	f("soon", 0)
	f("99999", longestWait)
	f("Mon, 02 Mar 2026 10:00:30 GMT", 30*time.Second)
	f("Mon, 02 Mar 2026 09:00:00 GMT", 0)
}

func TestTargetsThatAreNone(t *testing.T) {
	f := func(target, want string) {
		t.Helper()
		_, err := Send(t.Context(), population(t, nil), Options{Target: target})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("target %q: error %v, want one that says %q", target, err, want)
		}
	}
	f("127.0.0.1:8080", "target")
	f("ftp://127.0.0.1", "http://host:port")
	f("http://", "http://host:port")
	f("kafka://127.0.0.1:9092", "registry")
	f("kafka://127.0.0.1:9092?registry=http://127.0.0.1:1", "--hash-key")
}
