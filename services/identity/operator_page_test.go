package identity

import (
	"bytes"
	"context"
	"encoding/json"
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
	o := &operator{workspace: ws.Name, ids: ids, door: d, configured: rules, now: func() time.Time { return at.Add(24 * time.Hour) }}
	return d, api.New(o, zap.NewNop(), api.NewMetrics(prometheus.NewRegistry()))
}

func askDesk(desk http.Handler, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	desk.ServeHTTP(answer, request)
	return answer
}

// oneCard asks for the rules in force, with one card a customer and nothing blocked.
func oneCard(t *testing.T, desk http.Handler) string {
	t.Helper()
	var in api.Rules
	if err := json.Unmarshal(askDesk(desk, "GET", "rules", "").Body.Bytes(), &in); err != nil {
		t.Fatal(err)
	}
	rules := in.Rules
	card := rules.Types["loyalty_card"]
	card.Limit = 1
	rules.Types["loyalty_card"], rules.Blocked = card, nil
	body, err := json.Marshal(api.RulesRequest{Rules: &rules, Note: api.Note{Author: "marie", Reason: "one card a customer"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Rules that leave out a configured type are a mistake: its identifiers would have neither rank nor limit.
func TestOperatorsRulesHaveEveryType(t *testing.T) {
	door, desk := newPageDesk(t)
	body := oneCard(t, desk)
	var request api.RulesRequest
	if err := json.Unmarshal([]byte(body), &request); err != nil {
		t.Fatal(err)
	}
	refused := func(want ...string) {
		t.Helper()
		body, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		end := door.next
		answer := askDesk(desk, "POST", "rules", string(body))
		for _, text := range want {
			if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), text) || door.next != end {
				t.Errorf("got %d %s, want %s", answer.Code, answer.Body, text)
			}
		}
	}
	till, phone := request.Rules.Types["till_record"], request.Rules.Types["phone"]
	delete(request.Rules.Types, "till_record")
	delete(request.Rules.Types, "phone")
	refused(`"rules.types"`, "also has phone, till_record, whose", "give rules for every type")
	request.Rules.Types["till_record"], request.Rules.Types["phone"] = till, phone
	phone.Hubs = map[string]int{"fax": 4}
	request.Rules.Types["phone"] = phone
	refused(`"rules.types.phone.hubs.fax"`, "It is 4, and the rules have no type fax: add the type, or leave it out of hubs.")

	// One that the configuration does not have is said to be of no use here, and kept.
	request.Rules.Types["fax"] = evidence.TypeRule{Rank: 9}
	whole, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	answer := askDesk(desk, "POST", "rules", string(whole))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "no type [fax]") {
		t.Errorf("rules with one type more: %d %s", answer.Code, answer.Body)
	}
}

// What only a cut names has no rank that the graph knows of.
func TestOperatorsSeeNoRankOfWhatWasNeverSeen(t *testing.T) {
	_, desk := newPageDesk(t)
	const both = `"a": {"type": "email", "value": "lea@example.com"}, "b": {"type": "email", "value": "new@example.com"}`
	if answer := askDesk(desk, "POST", "cut", `{`+both+`, "author": "marie", "reason": "ticket 1"}`); answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for value, rank := range map[string]int{"lea@example.com": 3, "new@example.com": 0} {
		var c api.Customer
		answer := askDesk(desk, "POST", "lookup", `{"type": "email", "value": "`+value+`"}`)
		if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil || !c.Asked.Known || c.Asked.Rank != rank || c.Asked.Type != "email" {
			t.Errorf("%s: %v, %s", value, err, answer.Body)
		}
	}
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
	page, err := template.New("identity-api.md.tmpl").Funcs(template.FuncMap{"example": example, "oneCard": func() string { return oneCard(t, desk) }}).ParseFiles("testdata/identity-api.md.tmpl")
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
	for path, body := range map[string]string{"cut": cut, "erase": erase, "rules": ""} {
		door, desk := newPageDesk(t)
		if path == "rules" {
			body = oneCard(t, desk)
		}
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
