package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/service"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const token = "a-token-of-the-test-7f3a"

// running is a host with its admin listener and one supervised service.
type running struct {
	url  string
	log  *observer.ObservedLogs
	stop func()
}

func start(t *testing.T, token string, run service.Run) running {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	host := service.NewHost(zap.New(core))
	host.Expect("tester", "mute")
	c := common(t)
	ctx, cancel := context.WithCancel(t.Context())
	listener := listen(t)
	served, ended := make(chan error, 1), make(chan error, 1)
	go func() { served <- host.Serve(ctx, listener, token) }()
	go func() { ended <- host.Supervise(ctx, "tester", c, run) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ended, <-served); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	t.Cleanup(stop)
	return running{url: "http://" + listener.Addr().String(), log: logs, stop: stop}
}

type reply struct {
	code   int
	header http.Header
}

// ask sends one request; an empty authorization sends none.
func ask(t *testing.T, method, url, authorization, body string) (reply, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header}, string(text)
}

// serving mounts a handler that says where it was asked, and runs until it is stopped.
func serving(mounted chan<- struct{}) service.Run {
	return func(ctx context.Context, p service.Platform) error {
		p.Ready.Set("work", true, "")
		unmount := p.Admin.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			_, _ = io.WriteString(w, r.URL.Path+" "+string(body))
		}))
		defer unmount()
		close(mounted)
		<-ctx.Done()
		return nil
	}
}

func TestOperatorsNeedTheToken(t *testing.T) {
	mounted := make(chan struct{})
	host := start(t, token, serving(mounted))
	<-mounted
	f := func(authorization string, want int, says string) {
		t.Helper()
		response, body := ask(t, http.MethodPost, host.url+"/tester/v1/it", authorization, "hello")
		if response.code != want || !strings.Contains(body, says) {
			t.Errorf("with %q: %d %s, want %d and %q", authorization, response.code, body, want, says)
		}
		if want != http.StatusUnauthorized {
			return
		}
		var problem service.Problem
		if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != want || problem.Detail == "" {
			t.Errorf("with %q: %s is no problem: %v", authorization, body, err)
		}
		if response.header.Get("WWW-Authenticate") == "" || response.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("with %q: headers %v", authorization, response.header)
		}
	}
	f("Bearer "+token, http.StatusOK, "/tester/v1/it hello")
	f("bearer "+token, http.StatusOK, "/tester/v1/it hello")
	f("", http.StatusUnauthorized, "missing")
	f("Basic "+token, http.StatusUnauthorized, "missing")
	f("Bearer "+token+"x", http.StatusUnauthorized, "wrong")
	f("Bearer "+token[1:], http.StatusUnauthorized, "wrong")
	f("Bearer ", http.StatusUnauthorized, "missing")
	f("Bearer", http.StatusUnauthorized, "missing")

	// What needs no token today needs none tomorrow.
	for _, path := range []string{"/healthz", "/metrics", "/debug/pprof/cmdline"} {
		if response, _ := ask(t, http.MethodGet, host.url+path, "", ""); response.code != http.StatusOK {
			t.Errorf("%s without a token answers %d", path, response.code)
		}
	}
	if response, _ := ask(t, http.MethodGet, host.url+"/unknown/v1/it", "Bearer "+token, ""); response.code != http.StatusNotFound {
		t.Errorf("a path of no service answers %d", response.code)
	}
	_, metrics := ask(t, http.MethodGet, host.url+"/metrics", "", "")
	for _, want := range []string{`parcours_admin_refused_total{reason="missing"} 4`, `parcours_admin_refused_total{reason="wrong"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	told := host.log.FilterMessage("operator's request refused").All()
	if len(told) != 1 {
		t.Errorf("6 refusals were told %d times, want once a minute", len(told))
	}
	for _, entry := range host.log.All() {
		if strings.Contains(entry.Message, token) || strings.Contains(contextText(t, entry), token) {
			t.Errorf("the log shows the token: %v", entry)
		}
	}
}

func contextText(t *testing.T, entry observer.LoggedEntry) string {
	t.Helper()
	text, err := json.Marshal(entry.ContextMap())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNobodyOperatesWithoutAConfiguredToken(t *testing.T) {
	mounted := make(chan struct{})
	host := start(t, "", serving(mounted))
	<-mounted
	for _, authorization := range []string{"", "Bearer ", "Bearer x"} {
		response, body := ask(t, http.MethodPost, host.url+"/tester/v1/it", authorization, "")
		if response.code != http.StatusForbidden || !strings.Contains(body, "PARCOURS_ADMIN_TOKEN") {
			t.Errorf("with %q: %d %s", authorization, response.code, body)
		}
	}
}

func TestOperatorsBodiesAreBounded(t *testing.T) {
	mounted := make(chan struct{})
	host := start(t, token, serving(mounted))
	<-mounted
	if response, _ := ask(t, http.MethodPost, host.url+"/tester/v1/it", "Bearer "+token, strings.Repeat("x", 1<<20)); response.code != http.StatusOK {
		t.Errorf("a body of 1 MiB answers %d", response.code)
	}
	if response, _ := ask(t, http.MethodPost, host.url+"/tester/v1/it", "Bearer "+token, strings.Repeat("x", 1<<20+1)); response.code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over 1 MiB answers %d", response.code)
	}
}

// Between two runs of a service its paths say what they wait for, and then answer again.
func TestOperatorsWaitForAServiceThatRestarts(t *testing.T) {
	runs := 0
	fail, mounted := make(chan struct{}), make(chan struct{}, 2)
	warm := make(chan struct{})
	host := start(t, token, func(ctx context.Context, p service.Platform) error {
		if runs++; runs == 2 {
			p.Ready.Set("evidence", false, "reading the evidence log")
			mounted <- struct{}{}
			<-warm
		}
		// Nothing unmounts it but the return.
		p.Admin.Mount(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		mounted <- struct{}{}
		select {
		case <-fail:
			return errors.New("broken")
		case <-ctx.Done():
			return nil
		}
	})
	get := func() (reply, string) {
		return ask(t, http.MethodGet, host.url+"/tester/v1/it", "Bearer "+token, "")
	}
	<-mounted
	if response, body := get(); response.code != http.StatusNoContent {
		t.Fatalf("a mounted handler answers %d %s", response.code, body)
	}
	fail <- struct{}{}
	<-mounted
	response, body := get()
	if response.code != http.StatusServiceUnavailable || response.header.Get("Retry-After") == "" || !strings.Contains(body, "reading the evidence log") {
		t.Errorf("between two runs: %d, Retry-After %q, %s", response.code, response.header.Get("Retry-After"), body)
	}
	close(warm)
	<-mounted
	if response, body := get(); response.code != http.StatusNoContent {
		t.Errorf("mounted again: %d %s", response.code, body)
	}
	if response, _ := ask(t, http.MethodGet, host.url+"/mute/v1/it", "Bearer "+token, ""); response.code != http.StatusServiceUnavailable {
		t.Errorf("a service that has not started answers %d", response.code)
	}
}

// What a service closes after unmounting is used by no request any more.
func TestUnmountWaitsForRequestsInHand(t *testing.T) {
	mounted, inside := make(chan struct{}), make(chan struct{})
	closed := false
	host := start(t, token, func(ctx context.Context, p service.Platform) error {
		unmount := p.Admin.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done() // Told to end, it still has to.
			if closed {
				t.Error("the request in hand saw the store closed")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		close(mounted)
		<-ctx.Done()
		unmount()
		closed = true
		return nil
	})
	<-mounted
	answered := make(chan int, 1)
	go func() {
		response, _ := ask(t, http.MethodGet, host.url+"/tester/v1/it", "Bearer "+token, "")
		answered <- response.code
	}()
	<-inside
	host.stop()
	if code := <-answered; code != http.StatusServiceUnavailable {
		t.Errorf("the request in hand ended with %d", code)
	}
}

func TestMountWithoutAHost(t *testing.T) {
	var none *service.Admin
	none.Mount(http.NotFoundHandler())()
}
