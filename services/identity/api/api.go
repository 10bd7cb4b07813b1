// Package api is how operators ask the identity service over HTTP, and tell it what they know better: who is which
// customer and why, cuts, blocks, erasures and rules.
//
// It owns the requests and the answers as JSON, their checks and their problems; what they mean is the [Operator]'s,
// which it is given. It promises that every answer names the evidence position it is true at, and that no clear value
// of an identifier goes into a log, an address or an error. There is nothing to close.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Reader answers questions. Its problems are [service.Problem]s; other errors are faults of the service.
type Reader interface {
	// Show is the customer that a subject belongs to.
	Show(ctx context.Context, of Subject) (*Customer, error)
	// Explain is why two subjects are, or are not, one customer; the sentences are left out.
	Explain(ctx context.Context, a, b Subject) (*Explanation, error)
	// State is how far the instance is, and the rules in force.
	State(ctx context.Context) (*Status, *Rules, error)
}

// Writer records what operators rule, and waits until it holds here. Its problems are as those of Reader.
type Writer interface {
	// Rule records a cut or a verdict, or takes one back.
	Rule(ctx context.Context, order Order) (*Outcome, error)
	// Erase forgets a subject, or the whole customer it belongs to.
	Erase(ctx context.Context, subject Subject, wholeCustomer bool, note Note) (*Outcome, error)
	// Replace puts other rules in force. With replaces, only if those in force have that fingerprint.
	Replace(ctx context.Context, rules evidence.Ruleset, replaces string, note Note) (*RulesOutcome, error)
}

// Operator is both.
type Operator interface {
	Reader
	Writer
}

// Order is a ruling that is wanted.
type Order struct {
	// Kind is Cut, CutLifted, Blocked, Allowed, Neutral, or Lifted: whatever takes back what keeps the subject out.
	Kind string
	// A is the subject, B the other one of a cut.
	A, B Subject
	Note Note
}

// Lifted asks for Neutral where an operator's block stands, and otherwise for Allowed.
const Lifted = "lifted"

// Prefix is where the interface stands on the admin listener.
const Prefix = "/identity/v1/"

// answerWithin bounds a request. A change of rules of a large graph takes longer: it is answered as not applied yet.
const answerWithin = 30 * time.Second

// Metrics of the interface.
type Metrics struct{ requests *prometheus.CounterVec }

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parcours_identity_operator_requests_total", Help: "Requests of operators, by endpoint and status.",
	}, []string{"endpoint", "status"})}
	reg.MustRegister(m.requests)
	return m
}

// server answers requests.
type server struct {
	operator Operator
	log      *zap.Logger
	metrics  *Metrics
}

// endpoint is one path and what stands behind it.
type endpoint struct {
	method, path string
	answer       func(ctx context.Context, r *http.Request) (any, error)
}

// New makes the handler of everything below [Prefix].
func New(operator Operator, log *zap.Logger, metrics *Metrics) http.Handler {
	s := &server{operator: operator, log: log, metrics: metrics}
	mux := http.NewServeMux()
	allowed := make(map[string][]string)
	for _, e := range s.endpoints() {
		mux.Handle(e.method+" "+Prefix+e.path, s.serve(e))
		allowed[e.path] = append(allowed[e.path], e.method)
	}
	for path, methods := range allowed {
		mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			s.problem(w, r, path, &service.Problem{
				Status: http.StatusMethodNotAllowed, Title: "Not with this method", Detail: "Use " + strings.Join(methods, " or ") + ".",
			})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, "none", &service.Problem{
			Status: http.StatusNotFound, Title: "No such endpoint", Detail: "docs/reference/identity-api.md lists those there are.",
		})
	})
	return mux
}

func (s *server) endpoints() []endpoint {
	return []endpoint{
		{http.MethodPost, "lookup", s.lookup},
		{http.MethodGet, "customers/{id}", s.customer},
		{http.MethodPost, "explain", s.explain},
		{http.MethodPost, "cut", s.cut},
		{http.MethodPost, "block", s.block},
		{http.MethodPost, "allow", s.allow},
		{http.MethodPost, "erase", s.erase},
		{http.MethodGet, "rules", s.rules},
		{http.MethodPost, "rules", s.replaceRules},
		{http.MethodGet, "status", s.status},
	}
}

func (s *server) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		answer, err := e.answer(ctx, r)
		if err != nil {
			s.problem(w, r, e.path, err)
			return
		}
		status := http.StatusOK
		if pending, is := answer.(interface{ pending() bool }); is && pending.pending() {
			status = http.StatusAccepted
		}
		s.metrics.count(e.path, status)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		// The only error is a client that went away.
		_ = encoder.Encode(answer)
	})
}

// A ruling that is recorded and not applied yet is accepted, not done.
func (o *Outcome) pending() bool { return !o.Applied }

func (o *RulesOutcome) pending() bool { return !o.Applied }

// problem answers with what is wrong. What is no problem of the request is told in the log alone.
func (s *server) problem(w http.ResponseWriter, r *http.Request, path string, err error) {
	var p *service.Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = &service.Problem{
			Status: http.StatusServiceUnavailable, Title: "No answer in time", RetryAfter: 2 * time.Second,
			Detail: "The service is stopping, or behind. Ask again: what was recorded holds, and asking twice changes nothing.",
		}
	default:
		s.log.Error("operator's request failed", zap.String("endpoint", path), zap.Error(err))
		p = &service.Problem{Status: http.StatusInternalServerError, Title: "The service failed", Detail: "Its log tells why."}
	}
	s.metrics.count(path, p.Status)
	p.ServeHTTP(w, r)
}

func (m *Metrics) count(path string, status int) {
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Inc()
}
