package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

var (
	nodeA = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	nodeB = uuid.MustParse("22222222-2222-4222-8222-222222222222")
	when  = time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)
)

// canary is the personal data that must not be seen where it has no business.
const canary = "canary.zoe.o'neill@example.net"

// fake answers what it is told and keeps what it was asked.
type fake struct {
	err     error
	applied bool
	calls   []string
	order   api.Order
	subject api.Subject
	whole   bool
	note    api.Note
	rules   *evidence.Ruleset
}

func (f *fake) Show(_ context.Context, of api.Subject) (*api.Customer, error) {
	f.calls, f.subject = append(f.calls, "show"), of
	return &api.Customer{Position: 42, CustomerID: nodeA, Asked: api.Node{Node: nodeA, Type: of.Type, Status: api.Alone, CustomerID: nodeA}}, f.err
}

func (f *fake) Explain(_ context.Context, a, b api.Subject) (*api.Explanation, error) {
	f.calls, f.order = append(f.calls, "explain"), api.Order{A: a, B: b}
	return &api.Explanation{Position: 42, A: node(nodeA, "email"), B: node(nodeB, "user_id"), Verdict: api.NoEvidence}, f.err
}

func (f *fake) State(context.Context) (*api.Status, *api.Rules, error) {
	f.calls = append(f.calls, "state")
	var rules *api.Rules
	if f.rules != nil {
		rules = &api.Rules{Position: 42, Rules: *f.rules}
	}
	return &api.Status{Position: 42, End: 44, Lag: 2}, rules, f.err
}

func (f *fake) Rule(_ context.Context, order api.Order) (*api.Outcome, error) {
	f.calls, f.order = append(f.calls, "rule"), order
	return &api.Outcome{Position: 43, Recorded: 43, Changed: true, Applied: f.applied, Kind: order.Kind}, f.err
}

func (f *fake) Erase(_ context.Context, subject api.Subject, whole bool, note api.Note) (*api.Outcome, error) {
	f.calls, f.subject, f.whole, f.note = append(f.calls, "erase"), subject, whole, note
	return &api.Outcome{Position: 43, Recorded: 43, Changed: true, Applied: f.applied, Kind: api.Erased}, f.err
}

func (f *fake) Replace(_ context.Context, rules evidence.Ruleset, _ string, note api.Note) (*api.RulesOutcome, error) {
	f.calls, f.rules, f.note = append(f.calls, "replace"), &rules, note
	return &api.RulesOutcome{Rules: api.Rules{Position: 43, Rules: rules}, Changed: true, Applied: f.applied}, f.err
}

func node(id uuid.UUID, typ string) api.Node {
	return api.Node{Node: id, Type: typ, Known: true, Status: api.Linked, CustomerID: id}
}

// bench is the interface over a fake, with what it logs and counts.
type bench struct {
	*fake
	http.Handler
	logs     *observer.ObservedLogs
	registry *prometheus.Registry
}

func newBench() *bench {
	core, logs := observer.New(zapcore.DebugLevel)
	b := &bench{fake: &fake{applied: true}, logs: logs, registry: prometheus.NewRegistry()}
	b.Handler = api.New(b.fake, zap.New(core), api.NewMetrics(b.registry))
	return b
}

func (b *bench) ask(method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return b.send(request)
}

func (b *bench) send(request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	return recorder
}

const (
	refA  = `{"type":"email","value":"lea@example.com"}`
	refB  = `{"node":"22222222-2222-4222-8222-222222222222"}`
	whyMe = `"author":"marie","reason":"ticket 4711"`
)

func rulesJSON() string {
	return `{"link_class":2,"max_cluster":500,"max_component":5000,"types":{"email":{"rank":3,"class":2,"limit":5,"hubs":{"user_id":4}},"user_id":{"rank":1,"class":0,"limit":1}}}`
}

func TestRequestsReachTheOperator(t *testing.T) {
	email := api.Subject{Type: "email", Value: "lea@example.com"}
	in := func(field string, s api.Subject) api.Subject { s.Field = field; return s }
	byID := func(field string, id uuid.UUID) api.Subject { return api.Subject{Field: field, Node: id} }
	note := api.Note{Author: "marie", Reason: "ticket 4711"}
	f := func(method, path, body, call string, check func(*fake) any, want any) {
		t.Helper()
		b := newBench()
		b.rules = &evidence.Ruleset{LinkClass: 2}
		answer := b.ask(method, api.Prefix+path, body)
		if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "application/json" || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s %s: %d %v %s", method, path, body, answer.Code, answer.Header(), answer.Body)
			return
		}
		if diff := cmp.Diff([]string{call}, b.calls); diff != "" {
			t.Errorf("%s %s: calls %s", method, path, diff)
		}
		var positioned struct{ Position int64 }
		if err := json.Unmarshal(answer.Body.Bytes(), &positioned); err != nil || positioned.Position < 42 {
			t.Errorf("%s %s: no position in %s: %v", method, path, answer.Body, err)
		}
		if diff := cmp.Diff(want, check(b.fake)); diff != "" {
			t.Errorf("%s %s %s: %s", method, path, body, diff)
		}
	}
	subject := func(f *fake) any { return f.subject }
	order := func(f *fake) any { return f.order }
	f("POST", "lookup", refA, "show", subject, email)
	f("POST", "lookup", refB, "show", subject, byID("", nodeB))
	f("POST", "lookup", `{"customer_id":"22222222-2222-4222-8222-222222222222"}`, "show", subject, byID("", nodeB))
	f("GET", "customers/22222222-2222-4222-8222-222222222222", "", "show", subject, byID("", nodeB))
	f("POST", "explain", `{"a":`+refA+`,"b":`+refB+`}`, "explain", order, api.Order{A: in("a", email), B: byID("b", nodeB)})
	f("POST", "cut", `{"a":`+refA+`,"b":`+refB+`,`+whyMe+`}`, "rule", order, api.Order{Kind: api.Cut, A: in("a", email), B: byID("b", nodeB), Note: note})
	f("POST", "block", `{"identifier":`+refA+`,`+whyMe+`}`, "rule", order, api.Order{Kind: api.Blocked, A: in("identifier", email), Note: note})
	f("POST", "allow", `{"a":`+refA+`,"b":`+refB+`,`+whyMe+`}`, "rule", order, api.Order{Kind: api.CutLifted, A: in("a", email), B: byID("b", nodeB), Note: note})
	f("POST", "allow", `{"identifier":`+refA+`,`+whyMe+`}`, "rule", order, api.Order{Kind: api.Lifted, A: in("identifier", email), Note: note})
	f("POST", "allow", `{"identifier":`+refA+`,"ruling":"neutral",`+whyMe+`}`, "rule", order, api.Order{Kind: api.Neutral, A: in("identifier", email), Note: note})
	f("POST", "allow", `{"identifier":`+refA+`,"ruling":"allowed",`+whyMe+`}`, "rule", order, api.Order{Kind: api.Allowed, A: in("identifier", email), Note: note})
	whole := func(f *fake) any { return []any{f.subject, f.whole, f.note} }
	f("POST", "erase", `{"identifier":`+refA+`,`+whyMe+`}`, "erase", whole, []any{in("identifier", email), false, note})
	f("POST", "erase", `{"identifier":`+refA+`,"whole_customer":true,`+whyMe+`}`, "erase", whole, []any{in("identifier", email), true, note})
	f("POST", "erase", `{"customer_id":"22222222-2222-4222-8222-222222222222","whole_customer":true,`+whyMe+`}`, "erase", whole, []any{byID("", nodeB), true, note})
	f("GET", "rules", "", "state", func(f *fake) any { return f.rules.LinkClass }, uint8(2))
	f("POST", "rules", `{"rules":`+rulesJSON()+`,`+whyMe+`}`, "replace", func(f *fake) any { return f.rules.Types["email"].Hubs["user_id"] }, 4)
	f("GET", "status", "", "state", func(*fake) any { return nil }, nil)
}

// Whatever is wrong with a request is answered by the field that is wrong and what to do, and asks the operator nothing.
func TestProblemsNameFieldAndRemedy(t *testing.T) {
	f := func(method, path, body string, status int, field, says string) {
		t.Helper()
		b := newBench()
		answer := b.ask(method, api.Prefix+path, body)
		var p service.Problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %s: %d %s is no problem: %v", method, path, body, answer.Code, answer.Body, err)
			return
		}
		if answer.Code != status || p.Status != status || p.Field != field || !strings.Contains(p.Title+" "+p.Detail, says) || p.Detail == "" {
			t.Errorf("%s %s %s:\n%d %s\nwant %d, field %q and %q", method, path, body, answer.Code, answer.Body, status, field, says)
		}
		if len(b.calls) != 0 {
			t.Errorf("%s %s %s reached the operator: %v", method, path, body, b.calls)
		}
	}
	const bad, missing = http.StatusUnprocessableEntity, http.StatusUnprocessableEntity
	f("GET", "nothing", "", http.StatusNotFound, "", "identity-api.md")
	f("GET", "lookup", "", http.StatusMethodNotAllowed, "", "POST")
	f("DELETE", "rules", "", http.StatusMethodNotAllowed, "", "GET or POST")
	f("POST", "customers/"+nodeA.String(), refA, http.StatusMethodNotAllowed, "", "GET")
	f("GET", "customers/lea", "", bad, "customer_id", "UUID")
	f("GET", "customers/00000000-0000-0000-0000-000000000000", "", bad, "customer_id", "UUID")
	f("GET", "customers/urn:uuid:22222222-2222-4222-8222-222222222222", "", bad, "customer_id", "UUID")

	f("POST", "lookup", "", http.StatusUnsupportedMediaType, "", "application/json")
	f("POST", "lookup", " ", http.StatusBadRequest, "", "empty")
	f("POST", "lookup", "{", http.StatusBadRequest, "", "breaks off")
	f("POST", "lookup", "hello", http.StatusBadRequest, "", "byte")
	f("POST", "lookup", refA+refA, http.StatusBadRequest, "", "one JSON object")
	f("POST", "lookup", `{"type":7}`, http.StatusBadRequest, "type", "text")
	f("POST", "lookup", `{"typ":"email"}`, http.StatusBadRequest, "typ", "not known")
	f("POST", "lookup", `{}`, missing, "type", "type and value")
	f("POST", "lookup", `{"type":"email"}`, missing, "value", "missing")
	f("POST", "lookup", `{"value":"lea@example.com"}`, missing, "type", "missing")
	f("POST", "lookup", `{"node":"x"}`, bad, "node", "UUID")
	f("POST", "lookup", `{"node":"22222222-2222-4222-8222-222222222222","customer_id":"22222222-2222-4222-8222-222222222222"}`, bad, "node", "either")
	f("POST", "lookup", `{"node":"22222222-2222-4222-8222-222222222222","type":"email"}`, bad, "type", "either")
	f("POST", "lookup", `{"type":"email","value":"`+strings.Repeat("x", 4097)+`"}`, bad, "value", "4096")

	f("POST", "explain", `{"a":`+refA+`}`, missing, "b", "both")
	f("POST", "explain", `{"b":`+refA+`}`, missing, "a", "both")
	f("POST", "explain", `{"a":`+refA+`,"b":{"type":"email"}}`, missing, "b.value", "missing")
	f("POST", "explain", `{"a":`+refA+`,"b":{"node":"x"}}`, bad, "b.node", "UUID")

	for _, path := range []string{"cut", "allow"} {
		f("POST", path, `{"a":`+refA+`,"b":`+refB+`,"reason":"x"}`, missing, "author", "author")
		f("POST", path, `{"a":`+refA+`,"b":`+refB+`,"author":"marie","reason":" "}`, missing, "reason", "reason")
		f("POST", path, `{"a":`+refA+`,`+whyMe+`}`, missing, "b", "both")
	}
	f("POST", "block", `{`+whyMe+`}`, missing, "identifier", "missing")
	f("POST", "block", `{"identifier":"lea@example.com",`+whyMe+`}`, http.StatusBadRequest, "identifier", "object")
	f("POST", "block", `{"identifier":`+refA+`,"author":"marie","reason":"`+strings.Repeat("x", 1001)+`"}`, bad, "reason", "1000")
	f("POST", "block", `{"identifier":`+refA+`,"author":"`+strings.Repeat("x", 256)+`","reason":"y"}`, bad, "author", "255")
	f("POST", "block", `{"identifier":`+refA+`,"author":"marie","reason":"it is LEA@example.com"}`, bad, "reason", "Personal data")
	f("POST", "block", `{"identifier":{"type":"user_id","value":"lea-martin"},"author":"marie","reason":"lea-martin asked"}`, bad, "reason", "Personal data")
	f("POST", "block", `{"identifier":{"type":"user_id","value":"lea-martin"},"author":"lea-martin","reason":"asked"}`, bad, "reason", "Personal data")
	f("POST", "block", `{"identifier":`+refB+`,"author":"marie","reason":"call 06 12 34 56 78"}`, bad, "reason", "Personal data")
	f("POST", "block", `{"identifier":`+refB+`,"author":"marie","reason":"ask zoe@example.org"}`, bad, "reason", "Personal data")
	f("POST", "allow", `{"a":`+refA+`,"b":`+refB+`,"identifier":`+refA+`,`+whyMe+`}`, bad, "identifier", "a and b")
	f("POST", "allow", `{"identifier":`+refA+`,"ruling":"perhaps",`+whyMe+`}`, bad, "ruling", "neutral or allowed")
	f("POST", "allow", `{"a":`+refA+`,"b":`+refB+`,"ruling":"neutral",`+whyMe+`}`, bad, "ruling", "takes none")
	f("POST", "allow", `{`+whyMe+`}`, missing, "identifier", "missing")
	f("POST", "erase", `{`+whyMe+`}`, missing, "identifier", "missing")
	f("POST", "erase", `{"identifier":`+refA+`,"customer_id":"22222222-2222-4222-8222-222222222222",`+whyMe+`}`, bad, "customer_id", "either")
	f("POST", "erase", `{"customer_id":"22222222-2222-4222-8222-222222222222",`+whyMe+`}`, bad, "whole_customer", "true")
	f("POST", "erase", `{"identifier":`+refA+`}`, missing, "author", "author")
	f("POST", "rules", `{`+whyMe+`}`, missing, "rules", "all of them")
	f("POST", "rules", `{"rules":{"link_class":2,"max_cluster":500,"max_component":5000,"types":{}},`+whyMe+`}`, bad, "rules.types", "no type")
	f("POST", "rules", `{"rules":`+strings.Replace(rulesJSON(), "500,", "0,", 1)+`,`+whyMe+`}`, bad, "rules.max_cluster", "0")
	f("POST", "rules", `{"rules":`+strings.Replace(rulesJSON(), `"rank":3`, `"rank":30`, 1)+`,`+whyMe+`}`, bad, "rules.types.email.rank", "30")
	f("POST", "rules", `{"rules":`+strings.Replace(rulesJSON(), `{"user_id":4}`, `{"fax":4}`, 1)+`,`+whyMe+`}`, bad, "rules.types.email.hubs.fax", "no type fax: add the type")
	f("POST", "rules", `{"rules":`+strings.Replace(rulesJSON(), `"limit"`, `"limits"`, 1)+`,`+whyMe+`}`, http.StatusBadRequest, "limits", "not known")
	f("POST", "rules", `{"rules":`+strings.Replace(rulesJSON(), `"rank":3`, `"rank":300`, 1)+`,`+whyMe+`}`, http.StatusBadRequest, "rules.types.rank", "")
	f("POST", "rules", `{"rules":`+rulesJSON()+`}`, missing, "author", "author")
}

// A ticket's number is no phone number, and a name of a product no address.
func TestReasonsThatAreFine(t *testing.T) {
	for _, reason := range []string{"INC0012345678", "ticket 20261121-0042", "two people share a tablet @ store 12", "asked on 2026-11-21 at 10:30"} {
		b := newBench()
		body, err := json.Marshal(map[string]any{"identifier": map[string]string{"node": nodeA.String()}, "author": "marie@shop.example", "reason": reason})
		if err != nil {
			t.Fatal(err)
		}
		if answer := b.ask("POST", api.Prefix+"block", string(body)); answer.Code != http.StatusOK {
			t.Errorf("%q is refused: %s", reason, answer.Body)
		}
	}
}

func TestErrorsOfTheOperator(t *testing.T) {
	f := func(err error, status int, says string, logged int) {
		t.Helper()
		b := newBench()
		b.err = err
		answer := b.ask("POST", api.Prefix+"lookup", refA)
		if answer.Code != status || !strings.Contains(answer.Body.String(), says) {
			t.Errorf("%v: %d %s, want %d and %q", err, answer.Code, answer.Body, status, says)
		}
		if status == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") == "" {
			t.Errorf("%v: no Retry-After", err)
		}
		if b.logs.Len() != logged {
			t.Errorf("%v: %d lines of log, want %d", err, b.logs.Len(), logged)
		}
		expected := `
# HELP parcours_identity_operator_requests_total Requests of operators, by endpoint and status.
# TYPE parcours_identity_operator_requests_total counter
parcours_identity_operator_requests_total{endpoint="lookup",status="` + strconv.Itoa(status) + `"} 1
`
		if err := testutil.GatherAndCompare(b.registry, strings.NewReader(expected)); err != nil {
			t.Error(err)
		}
	}
	f(&service.Problem{Status: http.StatusNotFound, Title: "Unknown", Field: "node", Detail: "Ask for another.", Position: 42}, http.StatusNotFound, `"position":42`, 0)
	f(context.Canceled, http.StatusServiceUnavailable, "stopping", 0)
	f(context.DeadlineExceeded, http.StatusServiceUnavailable, "Ask again", 0)
	f(errors.New("broker said no"), http.StatusInternalServerError, "log", 1)
	f(nil, http.StatusOK, nodeA.String(), 0)
}

// What is recorded and not applied yet is accepted, not done.
func TestPendingIsAccepted(t *testing.T) {
	b := newBench()
	b.applied = false
	for path, body := range map[string]string{
		"cut":   `{"a":` + refA + `,"b":` + refB + `,` + whyMe + `}`,
		"erase": `{"identifier":` + refA + `,` + whyMe + `}`,
		"rules": `{"rules":` + rulesJSON() + `,` + whyMe + `}`,
	} {
		if answer := b.ask("POST", api.Prefix+path, body); answer.Code != http.StatusAccepted || !strings.Contains(answer.Body.String(), `"applied": false`) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

func TestRulesBeforeAnyWereLogged(t *testing.T) {
	if answer := newBench().ask("GET", api.Prefix+"rules", ""); answer.Code != http.StatusNotFound {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestBodyOverTheLimit(t *testing.T) {
	b := newBench()
	request := httptest.NewRequest("POST", api.Prefix+"lookup", strings.NewReader(refA))
	request.Header.Set("Content-Type", "application/json")
	request.Body = http.MaxBytesReader(nil, request.Body, 10)
	if answer := b.send(request); answer.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// brokenBody fails with an error that holds what was read, as a library's might.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("cannot read " + canary) }

// No clear value comes back in an answer, nor goes into a log or a metric, whatever the request and whatever goes wrong.
func TestPersonalDataStaysInTheBody(t *testing.T) {
	ref, err := json.Marshal(map[string]string{"type": "email", "value": canary})
	if err != nil {
		t.Fatal(err)
	}
	bodies := []string{
		string(ref), `{"a":` + string(ref) + `,"b":` + string(ref) + `}`, `{"identifier":` + string(ref) + `,` + whyMe + `}`,
		`{"a":` + string(ref) + `,"b":` + string(ref) + `,` + whyMe + `}`, `{"` + canary + `":1}`, `"` + canary + `"`, canary, `{"type":` + string(ref) + `}`,
		`{"identifier":` + string(ref) + `,"author":"` + canary + `","reason":"` + canary + `"}`, `{"node":"` + canary + `"}`, `{"customer_id":"` + canary + `"}`,
		`{"identifier":` + string(ref) + `,"ruling":"` + canary + `",` + whyMe + `}`, `{"rules":{"types":{"` + canary + `":{"rank":1}}},` + whyMe + `}`,
	}
	faults := []error{nil, errors.New("broken"), context.Canceled}
	for _, path := range []string{"lookup", "explain", "cut", "block", "allow", "erase", "rules"} {
		for _, body := range bodies {
			for _, fault := range faults {
				b := newBench()
				b.err = fault
				check(t, b, path+" "+body, b.ask("POST", api.Prefix+path, body))
			}
		}
		b := newBench()
		request := httptest.NewRequest("POST", api.Prefix+path, io.Reader(brokenBody{}))
		request.Header.Set("Content-Type", "application/json")
		check(t, b, path+" broken", b.send(request))
	}
	s := api.Subject{Field: "a", Type: "email", Value: canary}
	for _, text := range []string{s.String(), s.GoString(), s.Problem(404, "value", "x", "y").Error()} {
		if strings.Contains(text, "canary") {
			t.Errorf("a subject shows its value: %s", text)
		}
	}
}

func check(t *testing.T, b *bench, what string, answer *httptest.ResponseRecorder) {
	t.Helper()
	if strings.Contains(answer.Body.String(), "canary") {
		t.Errorf("%s: the answer shows the value: %s", what, answer.Body)
	}
	for _, entry := range b.logs.All() {
		fields, err := json.Marshal(entry.ContextMap())
		if err != nil || strings.Contains(entry.Message+string(fields), "canary") {
			t.Errorf("%s: the log shows the value: %s %s %v", what, entry.Message, fields, err)
		}
	}
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.Contains(family.String(), "canary") {
			t.Errorf("%s: the metrics show the value: %s", what, family)
		}
	}
}

func TestNewReference(t *testing.T) {
	f := func(text string, want api.Reference, fails bool) {
		t.Helper()
		got, err := api.NewReference(text)
		if (err != nil) != fails || (!fails && got != want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	f("email:lea@free.fr", api.Reference{Type: "email", Value: "lea@free.fr"}, false)
	f("user_id:a:b", api.Reference{Type: "user_id", Value: "a:b"}, false)
	f("22222222-2222-4222-8222-222222222222", api.Reference{Node: nodeB.String()}, false)
	f("anonymous_id:22222222-2222-4222-8222-222222222222", api.Reference{Type: "anonymous_id", Value: nodeB.String()}, false)
	f("lea@free.fr", api.Reference{}, true)
	f(":lea", api.Reference{}, true)
	f("email:", api.Reference{}, true)
	f("", api.Reference{}, true)
}
