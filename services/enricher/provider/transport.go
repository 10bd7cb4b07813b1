package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/parcours-cdp/parcours/schemas"
)

// Reasons why a provider did not answer, as they stand on events.
const (
	ReasonTimeout     = "timeout"
	ReasonUnreachable = "unreachable"
	ReasonTLS         = "tls"
	ReasonNotAllowed  = "address_not_allowed"
	ReasonServerError = "server_error"
	ReasonRefused     = "refused"
	ReasonRateLimited = "rate_limited"
	ReasonRedirect    = "redirect"
	ReasonTooLarge    = "too_large"
	ReasonBadAnswer   = "bad_answer"
	ReasonBreakerOpen = "breaker_open"
	ReasonBudget      = "budget_spent"
	ReasonTooLate     = "too_late"
	ReasonTooMany     = "too_many"
	reasonStopped     = "stopped"
)

var reasons = []string{
	ReasonTimeout, ReasonUnreachable, ReasonTLS, ReasonNotAllowed, ReasonServerError, ReasonRefused, ReasonRateLimited, ReasonRedirect,
	ReasonTooLarge, ReasonBadAnswer, ReasonBreakerOpen, ReasonBudget, ReasonTooLate, ReasonTooMany, reasonStopped,
}

// failure is why a request came to nothing. It holds a reason and nothing else: what the HTTP client says has the address, and so the subject, in
// it.
type failure struct {
	reason string
	// rest is how long the provider asked to be left alone.
	rest time.Duration
}

func (f *failure) Error() string { return "ask the provider: " + f.reason }

func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return nil
}

func reasonOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, circuitbreaker.ErrOpen):
		return ReasonBreakerOpen
	}
	if f := failureOf(err); f != nil {
		return f.reason
	}
	return reasonStopped // the only other error is that of our context
}

// countsAgainst says whether the breaker counts a failure. Not those of our own budget and end, nor a provider that says when it will take more.
func countsAgainst(err error) bool {
	f := failureOf(err)
	return f != nil && f.rest == 0 && f.reason != ReasonBudget && f.reason != reasonStopped
}

// passes says whether the same request may succeed when it is sent again at once.
func passes(err error) bool {
	f := failureOf(err)
	if f == nil || f.rest > 0 {
		return false
	}
	return f.reason == ReasonTimeout || f.reason == ReasonUnreachable || f.reason == ReasonServerError
}

// transport sends one request and reads its answer.
type transport struct {
	request request
	reader  *reader
	client  *http.Client
	timeout time.Duration
}

const maxHeaderBytes = 32 << 10

func newTransport(cfg Config, names resolver) (*transport, error) {
	r, err := compileRequest(cfg)
	if err != nil {
		return nil, err
	}
	r.header = http.Header{"Accept": {typeJSON}, "User-Agent": {"parcours"}}
	for _, h := range cfg.Headers {
		text, err := h.text()
		if err != nil {
			return nil, err
		}
		r.header.Set(h.Name, text)
	}
	if cfg.Method == http.MethodPost {
		r.header.Set("Content-Type", cfg.ContentType)
	}
	reader, err := newReader(cfg)
	if err != nil {
		return nil, err
	}
	authorities, err := authoritiesOf(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	allowed, err := cfg.networks()
	if err != nil {
		return nil, err
	}
	return &transport{request: r, reader: reader, timeout: cfg.Timeout, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // A proxy would be dialled instead of the address that is checked.
			DialContext:            newGuard(allowed, names, cfg.Timeout).dial,
			TLSClientConfig:        &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    cfg.Concurrency,
			MaxConnsPerHost:        cfg.Concurrency,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func authoritiesOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil stands for the system's authorities
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities that ca_file names: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM: give the one of the provider's authority", file)
	}
	return pool, nil
}

func (t *transport) close() { t.client.CloseIdleConnections() }

// ask sends one request. The values are none when the provider knows nothing of the subject. Errors are *failure.
func (t *transport) ask(ctx context.Context, value string) ([]schemas.AttributeValue, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	var body io.Reader
	if t.request.method == http.MethodPost {
		body = strings.NewReader(t.request.body.fill(value))
	}
	r, err := http.NewRequestWithContext(ctx, t.request.method, t.request.url.fill(value), body)
	if err != nil || r.URL.Host != t.request.host || strings.Trim(value, ".") == "" { // dots alone are a step up in a path
		return nil, &failure{reason: ReasonNotAllowed}
	}
	r.Header = t.request.header.Clone()
	response, err := t.client.Do(r)
	if err != nil {
		return nil, &failure{reason: causeOf(ctx, err)}
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status == http.StatusOK:
		return t.read(ctx, response.Body)
	case status == http.StatusNoContent || status == http.StatusNotFound:
		return nil, nil
	case status == http.StatusTooManyRequests:
		return nil, &failure{reason: ReasonRateLimited, rest: retryAfter(response.Header)}
	case status >= http.StatusInternalServerError:
		return nil, &failure{reason: ReasonServerError, rest: retryAfter(response.Header)}
	case status >= http.StatusBadRequest:
		return nil, &failure{reason: ReasonRefused}
	case status >= http.StatusMultipleChoices:
		return nil, &failure{reason: ReasonRedirect}
	}
	return nil, &failure{reason: ReasonBadAnswer}
}

func (t *transport) read(ctx context.Context, body io.Reader) ([]schemas.AttributeValue, error) {
	values, err := t.reader.read(body)
	switch {
	case err == nil:
		return values, nil
	case errors.Is(err, errTooLarge):
		return nil, &failure{reason: ReasonTooLarge}
	case errors.Is(err, errMistyped):
		return nil, &failure{reason: ReasonBadAnswer}
	}
	return nil, &failure{reason: causeOf(ctx, err)}
}

// causeOf puts an error of the HTTP client into a class.
func causeOf(ctx context.Context, err error) string {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		timeout     interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, errNotAllowed):
		return ReasonNotAllowed
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		return ReasonTLS
	case errors.Is(ctx.Err(), context.Canceled):
		return reasonStopped
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout
	}
	return ReasonUnreachable
}

// retryAfter reads seconds or a date; zero when there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
