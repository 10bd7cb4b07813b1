package provider

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// canary is a clear e-mail that must stand in no log, metric or error.
const canary = "canary.dupont@example.org"

// bench is a provider under test with its clock, its log and its metrics.
type bench struct {
	*Provider
	log      *bytes.Buffer
	registry *prometheus.Registry
	now      atomic.Int64
}

// run starts a provider on an address of this machine.
func run(t testing.TB, cfg Config, names ...resolver) *bench {
	t.Helper()
	b := &bench{log: &bytes.Buffer{}, registry: prometheus.NewRegistry()}
	b.now.Store(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano())
	options := Options{
		Log: zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.Lock(zapcore.AddSync(b.log)), zapcore.DebugLevel)),
		Now: func() time.Time { return time.Unix(0, b.now.Load()) }, Metrics: NewMetrics(b.registry),
	}
	if len(names) > 0 {
		options.Resolver = names[0]
	}
	p, err := New(cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	b.Provider = p
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		families, err := b.registry.Gather()
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(b.log.String()+fmt.Sprint(families), "canary") {
			t.Errorf("the log or the metrics hold personal data:\n%s\n%v", b.log, families)
		}
	})
	return b
}

func config(url string) Config {
	return Config{
		Name: "acme", URL: url + "/people?email=${email_sha256}", Subject: Email, Purpose: "profiling", Licence: "contract 12",
		Attributes: []Attribute{{Name: "segment", Type: "string"}, {Name: "income", Type: "number", Path: "money.income"}, {Name: "owner", Type: "boolean"}},
		Allow:      []string{"127.0.0.1"}, Timeout: 2 * time.Second, MaxWait: 5 * time.Second,
	}
}

func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func subject(value string) Subject {
	return Subject{Key: Key(uuid.NewSHA1(uuid.NameSpaceOID, []byte(value))), Value: value}
}

// ask is a batch of one event.
func (b *bench) ask(t testing.TB, value string) *Answer {
	t.Helper()
	b.Begin()
	s := subject(value)
	if answer := b.Find(s.Key); answer != nil {
		return answer
	}
	if answer := b.Ask(s); answer != nil {
		return answer
	}
	b.Wait(t.Context())
	if answer := b.Closed(s.Key); answer != nil {
		return answer
	}
	t.Fatal("after Wait there is no answer and no reason")
	return nil
}

func TestAnswers(t *testing.T) {
	var asked atomic.Int64
	var query, header string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		query, header = r.URL.RawQuery, r.Header.Get("Authorization")
		fmt.Fprint(w, `{"segment": "young \"family\"", "money": {"income": 2150.50, "x": 1}, "owner": true}`)
	})
	cfg := config(s.URL)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("Bearer sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Headers = []Header{{Name: "Authorization", ValueFile: secret}}
	p := run(t, cfg)
	answer := p.ask(t, canary)
	if want := `{"income":2150.5,"owner":true,"segment":"young \"family\""}`; answer.JSON != want || answer.Reason != "" {
		t.Errorf("answer is %q (%s), want %s", answer.JSON, answer.Reason, want)
	}
	if want := "email=" + formSHA256.of(canary); query != want || header != "Bearer sesame" {
		t.Errorf("asked with %q and %q, want %q", query, header, want)
	}
	if again := p.ask(t, canary); again != answer || asked.Load() != 1 {
		t.Errorf("%d requests for one subject, answer %+v", asked.Load(), again)
	}
	stored := p.TakeStored()
	if len(stored) != 1 || len(p.TakeStored()) != 0 {
		t.Fatalf("%d answers to store", len(stored))
	}
	set := p.Set("shop", stored[0])
	if err := attributes.Validate(set); err != nil {
		t.Error(err)
	}
	if set.Node != uuid.UUID(subject(canary).Key) || set.ValidUntil.Value.Time() != answer.At.Add(30*24*time.Hour).UTC() || set.Licence != "contract 12" {
		t.Errorf("the set is %+v", set)
	}
	p.now.Add(int64(31 * 24 * time.Hour))
	if p.ask(t, canary); asked.Load() != 2 {
		t.Errorf("%d requests, want a second one after the time to live", asked.Load())
	}
}

func TestNothingKnownIsRemembered(t *testing.T) {
	var asked atomic.Int64
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		func(w http.ResponseWriter) { fmt.Fprint(w, `{"other": 1, "segment": null}`) },
	}
	for i, answer := range answers {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			answer(w)
		})
		asked.Store(0)
		p := run(t, config(s.URL))
		for range 3 {
			if got := p.ask(t, canary); got.Reason != "" || len(got.Values) != 0 {
				t.Errorf("%d: %+v", i, got)
			}
		}
		if asked.Load() != 1 || len(p.TakeStored()) != 0 {
			t.Errorf("%d: asked %d times", i, asked.Load())
		}
		p.now.Add(int64(25 * time.Hour))
		if p.ask(t, canary); asked.Load() != 2 {
			t.Errorf("%d: asked %d times after the negative time to live", i, asked.Load())
		}
	}
}

// faults are servers that do not answer as they should.
func faults() map[string]struct {
	want  string
	serve http.HandlerFunc
} {
	return map[string]struct {
		want  string
		serve http.HandlerFunc
	}{
		"hang": {ReasonTimeout, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"slow drip": {ReasonTimeout, func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				fmt.Fprint(w, " ")
				_ = http.NewResponseController(w).Flush() // the client is gone sooner or later
				<-tick.C
			}
		}},
		"garbage":       {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+canary) }},
		"two documents": {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"segment":"a"} {}`) }},
		"other type":    {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"segment":"a","owner":"yes"}`) }},
		"huge number": {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"money":{"income":1e400}}`)
		}},
		"not UTF-8":    {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{\"segment\":\"\xff\"}") }},
		"server error": {ReasonServerError, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		"unauthorised": {ReasonRefused, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }},
		"accepted":     {ReasonBadAnswer, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }},
		"rate limited": {ReasonRateLimited, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }},
		"reset": {ReasonUnreachable, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		}},
		"cut in the middle": {ReasonUnreachable, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"segment":`)
		}},
		"huge body": {ReasonTooLarge, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(spaces{}, 1<<20)) // the client hangs up in the middle
		}},
		"redirect": {ReasonRedirect, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/latest/meta-data/", http.StatusFound)
		}},
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestFaultsAreNamedAndCountAgainstTheBreaker(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				fault.serve(w, r)
			})
			cfg := config(s.URL)
			cfg.Timeout = 300 * time.Millisecond
			cfg.Breaker = BreakerConfig{Failures: 2, OpenFor: time.Hour}
			p := run(t, cfg)
			for range 2 {
				if got := p.ask(t, canary); got.Reason != fault.want || len(got.Values) > 0 {
					t.Errorf("%s, want %s", got.Reason, fault.want)
				}
			}
			for range 3 {
				if got := p.ask(t, canary); got.Reason != ReasonBreakerOpen {
					t.Errorf("after two failures: %s", got.Reason)
				}
			}
			if asked.Load() != 2 || len(p.TakeStored()) != 0 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

func TestTLSOfAnotherAuthority(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"segment":"a"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if got := run(t, config(s.URL)).ask(t, canary); got.Reason != ReasonTLS {
		t.Errorf("an unknown authority: %s, want %s", got.Reason, ReasonTLS)
	}
}

func TestRetries(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, `{"segment":"a"}`)
	})
	cfg := config(s.URL)
	cfg.Retries = 2
	if got := run(t, cfg).ask(t, canary); got.JSON != `{"segment":"a"}` || asked.Load() != 3 {
		t.Errorf("%+v after %d requests", got, asked.Load())
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"segment":"a"}`)
	})
	cfg := config(s.URL)
	cfg.Retries = 5
	p := run(t, cfg)
	for range 3 {
		if got := p.ask(t, canary); got.Reason != ReasonRateLimited {
			t.Errorf("%+v", got)
		}
	}
	p.now.Add(int64(119 * time.Second))
	if got := p.ask(t, canary); got.Reason != ReasonRateLimited || asked.Load() != 1 {
		t.Errorf("before its time: %+v after %d requests", got, asked.Load())
	}
	p.now.Add(int64(2 * time.Second))
	if got := p.ask(t, canary); got.JSON == "" || asked.Load() != 2 {
		t.Errorf("after its time: %+v after %d requests", got, asked.Load())
	}
}

func TestBreakerTriesAgainWithoutKeepingEventsWaiting(t *testing.T) {
	var healthy atomic.Bool
	answered := make(chan struct{}, 10)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"segment":"a"}`)
		answered <- struct{}{}
	})
	cfg := config(s.URL)
	cfg.Breaker = BreakerConfig{Failures: 1, OpenFor: 100 * time.Millisecond}
	p := run(t, cfg)
	if got := p.ask(t, canary); got.Reason != ReasonServerError {
		t.Fatalf("%+v", got)
	}
	healthy.Store(true)
	deadline := time.Now().Add(10 * time.Second)
	for p.ask(t, canary).Reason != "" {
		if time.Now().After(deadline) {
			t.Fatal("the breaker never closed")
		}
		select {
		case <-answered:
		case <-time.After(5 * time.Millisecond):
		}
	}
	if open := testutil.ToFloat64(p.metrics.open); open != 0 {
		t.Errorf("the metric says %v after it closed", open)
	}
}

// One request for one subject, however many events of the batch have it; and the batch does not wait for ever.
func TestRound(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-release:
			fmt.Fprint(w, `{"segment":"a"}`)
		case <-r.Context().Done():
		}
	})
	cfg := config(s.URL)
	cfg.MaxWait, cfg.Concurrency, cfg.Timeout = 100*time.Millisecond, 2, 30*time.Second
	p := run(t, cfg)
	p.Begin()
	for range 100 {
		for i := range 5 {
			if got := p.Ask(subject(fmt.Sprint(i))); got != nil {
				t.Fatalf("%+v", got)
			}
		}
	}
	began := time.Now()
	p.Wait(t.Context())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the batch waited %s with max_wait 100ms", took)
	}
	for i := range 5 {
		if got := p.Closed(subject(fmt.Sprint(i)).Key); got == nil || got.Reason != ReasonTooLate {
			t.Errorf("%+v", got)
		}
	}
	close(release)
	eventually(t, "what was under way is remembered, what was queued is dropped", func() bool {
		return len(p.queue) == 0 && p.Find(subject("0").Key) != nil && p.Find(subject("1").Key) != nil
	})
	if asked.Load() != 2 {
		t.Errorf("%d requests, want the 2 that were under way", asked.Load())
	}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestBudget(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	})
	cfg := config(s.URL)
	cfg.CostPerRequest, cfg.BudgetPerDay = "0.30", "1"
	p := run(t, cfg)
	for i := range 5 {
		want := ""
		if i >= 3 {
			want = ReasonBudget
		}
		if got := p.ask(t, fmt.Sprint(i)); got.Reason != want {
			t.Errorf("request %d: %q, want %q", i, got.Reason, want)
		}
	}
	p.now.Add(int64(24 * time.Hour))
	if got := p.ask(t, "next day"); got.Reason != "" || asked.Load() != 4 {
		t.Errorf("the day after: %+v after %d requests", got, asked.Load())
	}
	if cost := testutil.ToFloat64(p.metrics.cost.WithLabelValues("acme")); cost < 1.19 || cost > 1.21 {
		t.Errorf("cost is %v, want 1.2", cost)
	}
}

func TestPost(t *testing.T) {
	var got string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Header.Get("Content-Type") + " " + r.URL.Path + " " + string(body)
		fmt.Fprint(w, `{"segment":"a"}`)
	})
	cfg := config(s.URL)
	cfg.Method, cfg.URL, cfg.Clear = http.MethodPost, s.URL+"/v1/${email}/look", true
	cfg.Body = `{"who": {"email": "${email}", "md5": "${email_md5}"}, "price": "$${x}"}`
	value := `a"b/c?@example.org`
	p := run(t, cfg)
	p.ask(t, value)
	want := `application/json /v1/` + value + `/look {"who": {"email": "a\"b/c?@example.org", "md5": "` + formMD5.of(value) + `"}, "price": "${x}"}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if answer := p.ask(t, ".."); answer.Reason != ReasonNotAllowed {
		t.Errorf("a subject that is a step up in the path: %+v", answer)
	}
}
