package identity

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

var rewrite = flag.Bool("rewrite", false, "write generated documents anew")

// deskDoor is a graph in memory whose log is applied as it is written, unless it is told to fail.
type deskDoor struct {
	graph   *graph.Graph
	next    int64
	edges   map[pair]evidence.Edge
	refuses error // nothing is written
	lags    error // what is written is not applied
}

func (d *deskDoor) view(look func(g *graph.Graph, position int64)) { look(d.graph, d.graph.Position()) }

func (d *deskDoor) append(_ context.Context, records ...evidence.Record) (int64, error) {
	if d.refuses != nil {
		return 0, d.refuses
	}
	for _, r := range records {
		d.next++
		if d.lags != nil {
			continue
		}
		if e, is := r.(*evidence.Edge); is {
			d.edges[pair{e.A.Node, e.B.Node}] = *e
		}
		d.graph.Apply(d.next, r)
	}
	return d.next, d.lags
}

func (d *deskDoor) edge(a, b uuid.UUID) (evidence.Edge, bool, error) {
	e, known := d.edges[pair{a, b}]
	return e, known, nil
}

func (d *deskDoor) end(context.Context) (int64, error) { return d.next, nil }

// newPageDesk is an operator's desk at a quarter past nine, with two cards that one e-mail joined.
func newPageDesk(t *testing.T) (*deskDoor, http.Handler) {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		t.Fatal(err)
	}
	d := &deskDoor{edges: make(map[pair]evidence.Edge)}
	d.graph = graph.New(func(node uuid.UUID) evidence.SuppressionKey { return ids.SuppressionKey(node) })
	rules, err := ruleset(DefaultConfig(), ids)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 9, 15, 0, 0, time.UTC)
	end := func(typ, value string) evidence.End {
		node, reason := ids.Node(typ, value)
		if reason != "" {
			t.Fatal(reason)
		}
		return evidence.End{Node: node, Type: typ}
	}
	records := []evidence.Record{
		&evidence.Engine{Workspace: ws.Name, Number: 1},
		&evidence.Rules{Workspace: ws.Name, Rules: rules, Configuration: rules.Fingerprint(), Note: evidence.Note{At: at.UnixMilli(), Author: "configuration"}},
	}
	for i, card := range []string{"2990000000017", "2990000000024"} {
		e := evidence.NewEdge(ws.Name, end("loyalty_card", card), end("email", "lea@example.com"))
		e.FirstSeen = at.Add(time.Duration(i) * time.Hour).UnixMilli()
		e.Source, e.Event = "pos", uuid.NewSHA1(uuid.NameSpaceOID, []byte(card))
		records = append(records, &e)
	}
	if _, err := d.append(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	o := &operator{workspace: ws.Name, ids: ids, door: d, now: func() time.Time { return at.Add(24 * time.Hour) }}
	return d, api.New(o, zap.NewNop(), api.NewMetrics(prometheus.NewRegistry()))
}

func askDesk(desk http.Handler, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	desk.ServeHTTP(answer, request)
	return answer
}

// The reference page's examples are what the interface answers.
func TestOperatorsPage(t *testing.T) {
	_, desk := newPageDesk(t)
	example := func(method, path, body string) string {
		answer := askDesk(desk, method, path, body)
		asked := method + " " + api.Prefix + path + "\n"
		if body != "" {
			asked += "Content-Type: application/json\n\n" + body + "\n"
		}
		return fmt.Sprintf("```http\n%s```\n\n```json\n%s\n```\n", asked, strings.TrimSpace(answer.Body.String()))
	}
	page, err := template.New("identity-api.md.tmpl").Funcs(template.FuncMap{"example": example}).ParseFiles("testdata/identity-api.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]int{"MaxEvidence": api.MaxEvidence, "MaxMoved": api.MaxMoved}); err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/reference/identity-api.md"
	if *rewrite {
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), text.String()); diff != "" {
		t.Errorf("docs/reference/identity-api.md is out of date: go test ./services/identity -run TestOperatorsPage -rewrite\n%s", diff)
	}
}

// A ruling that was not written is an error; one that was written and not applied is accepted and not told as done.
func TestOperatorsWhenTheLogIsSlow(t *testing.T) {
	const cut = `{"a": {"type": "loyalty_card", "value": "2990000000017"}, "b": {"type": "loyalty_card", "value": "2990000000024"}, "author": "marie", "reason": "ticket 1"}`
	const erase = `{"identifier": {"type": "email", "value": "lea@example.com"}, "author": "marie", "reason": "ticket 1"}`
	const rules = `{"rules": {"link_class": 2, "max_cluster": 5, "max_component": 50, "types": {"email": {"rank": 3, "class": 2}}}, "author": "marie", "reason": "ticket 1"}`
	for path, body := range map[string]string{"cut": cut, "erase": erase, "rules": rules} {
		door, desk := newPageDesk(t)
		door.refuses = errors.New("broker is away")
		if answer := askDesk(desk, "POST", path, body); answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "broker") {
			t.Errorf("%s that was not written: %d %s", path, answer.Code, answer.Body)
		}
		door.refuses, door.lags = nil, context.DeadlineExceeded
		answer := askDesk(desk, "POST", path, body)
		for _, want := range []string{`"applied": false`, `"changed": true`, `"recorded": 5`, `"position": 4`} {
			if answer.Code != http.StatusAccepted || !strings.Contains(answer.Body.String(), want) {
				t.Errorf("%s that was not applied: %d without %s\n%s", path, answer.Code, want, answer.Body)
			}
		}
	}
}
