package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

var (
	leaEmail = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	leaUser  = uuid.MustParse("22222222-2222-4222-8222-222222222222")
	leaEvent = uuid.MustParse("33333333-3333-4333-8333-333333333333")
	seen     = time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)
)

// canned answers every question with the same customer and keeps what was asked of it.
type canned struct {
	orders []api.Order
	erased []bool
	rules  evidence.Ruleset
	// elsewhere is true when the rules are of another configuration, configured those of this one.
	elsewhere  bool
	configured *evidence.Ruleset
	applied    bool
}

func emailNode() api.Node {
	return api.Node{Node: leaEmail, Type: "email", Known: true, Status: api.Linked, Rank: 3, FirstSeen: &seen, CustomerID: leaUser}
}

func userID() api.Node {
	return api.Node{Node: leaUser, Type: "user_id", Known: true, Status: api.Linked, Rank: 1, FirstSeen: &seen, CustomerID: leaUser}
}

func together() api.Pair {
	return api.Pair{A: leaEmail, TypeA: "email", B: leaUser, TypeB: "user_id", Class: "typed", Score: 100, FirstSeen: seen, Source: "web", EventID: &leaEvent, State: api.Linked}
}

func (c *canned) Show(_ context.Context, of api.Subject) (*api.Customer, error) {
	c.orders = append(c.orders, api.Order{A: of})
	if of.Type == "nonsense" {
		return nil, of.Problem(http.StatusUnprocessableEntity, "type", "No such type", "Use email or user_id.")
	}
	return &api.Customer{
		Position: 42, CustomerID: leaUser, Asked: emailNode(), Members: []api.Node{userID(), emailNode()}, Evidence: []api.Pair{together()}, EvidenceTotal: 3,
		Rulings: []api.Ruling{{Kind: api.Cut, A: leaEmail, TypeA: "email", B: &leaUser, TypeB: "user_id", Lifted: true, At: seen, Author: "marie", Reason: "ticket 7"}},
	}, nil
}

func (c *canned) Explain(_ context.Context, a, b api.Subject) (*api.Explanation, error) {
	c.orders = append(c.orders, api.Order{A: a, B: b})
	return &api.Explanation{Position: 42, OneCustomer: true, A: emailNode(), B: userID(), Verdict: api.Linked, Path: []api.Pair{together()}}, nil
}

func (c *canned) State(context.Context) (*api.Status, *api.Rules, error) {
	return &api.Status{Workspace: "default", Position: 42, End: 44, Lag: 2, Engine: 1, RulesFingerprint: "f00d", ThisInstanceConfigured: !c.elsewhere, Counts: map[string]int64{"nodes": 7}},
		&api.Rules{Position: 42, Fingerprint: "f00d", Rules: c.rules, Configured: true, ThisInstanceConfigured: !c.elsewhere, ConfiguredRules: c.configured, At: seen, Author: "configuration"}, nil
}

func (c *canned) Rule(_ context.Context, order api.Order) (*api.Outcome, error) {
	c.orders = append(c.orders, order)
	return c.outcome(order.Kind), nil
}

func (c *canned) outcome(kind string) *api.Outcome {
	after := emailNode()
	after.CustomerID = leaEmail
	return &api.Outcome{
		Position: 43, Recorded: 43, Changed: true, Applied: c.applied, Kind: kind, Note: "Say so.",
		Before: []api.Node{emailNode()}, After: []api.Node{after},
		Moved: []api.Move{{Node: leaEmail, Type: "email", Before: leaUser, After: &leaEmail}, {Node: leaUser, Type: "user_id", Before: leaUser}}, MovedTotal: 5,
	}
}

func (c *canned) Erase(_ context.Context, subject api.Subject, whole bool, note api.Note) (*api.Outcome, error) {
	c.orders, c.erased = append(c.orders, api.Order{A: subject, Note: note}), append(c.erased, whole)
	return c.outcome(api.Erased), nil
}

func (c *canned) Replace(_ context.Context, rules evidence.Ruleset, replaces string, note api.Note) (*api.RulesOutcome, error) {
	c.rules = rules
	c.orders = append(c.orders, api.Order{Kind: replaces, Note: note})
	return &api.RulesOutcome{Rules: api.Rules{Position: 43, Fingerprint: "beef", Rules: rules}, Changed: true, Applied: true}, nil
}

const operatorToken = "token-of-the-operators"

// operated is a canned service behind the token, and the flags that lead to it.
type operated struct {
	*canned
	url   string
	flags []string
	seen  *[]string // addresses that were asked
}

func serveCanned(t *testing.T) operated {
	t.Helper()
	c := &canned{applied: true, rules: evidence.Ruleset{LinkClass: 2, MaxCluster: 500, MaxComponent: 5000, Types: map[string]evidence.TypeRule{
		"user_id": {Rank: 1, Limit: 1}, "email": {Rank: 3, Class: 2, Limit: 5, Hubs: map[string]int{"user_id": 4}},
	}}}
	handler := api.New(c, zap.NewNop(), api.NewMetrics(prometheus.NewRegistry()))
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		if r.Header.Get("Authorization") != "Bearer "+operatorToken {
			(&service.Problem{Status: http.StatusUnauthorized, Title: "The admin token is wrong", Detail: "Send the right one."}).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return operated{
		canned: c, url: server.URL, seen: &asked,
		flags: []string{"--admin", strings.TrimPrefix(server.URL, "http://"), "--token-file", file(t, "token", operatorToken+"\n")},
	}
}

func (o operated) run(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(append([]string{"identity"}, args...), o.flags...), streams{in: strings.NewReader(in), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestIdentityShow(t *testing.T) {
	o := serveCanned(t)
	want := `Customer 22222222-2222-4222-8222-222222222222, as of evidence position 42.

Identifiers
TYPE     STATUS  FIRST SEEN           RANK  RULING  NODE
user_id  linked  2026-11-03 09:30:00  1             22222222-2222-4222-8222-222222222222
email    linked  2026-11-03 09:30:00  3             11111111-1111-4111-8111-111111111111

Evidence
FIRST SEEN           SEEN TOGETHER   WITH              CLASS  STATE   SOURCE  EVENT                                 WHY
2026-11-03 09:30:00  email 11111111  user_id 22222222  typed  linked  web     33333333-3333-4333-8333-333333333333  
... and 2 more pairs.

Rulings
AT                   RULING       OF              AND               AUTHOR  REASON
2026-11-03 09:30:00  cut, lifted  email 11111111  user_id 22222222  marie   ticket 7
`
	byValue := api.Order{A: api.Subject{Type: "email", Value: "lea@free.fr"}}
	f := func(want string, asked api.Order, in string, args ...string) {
		t.Helper()
		o.orders = nil
		code, out, errs := o.run(t, in, append([]string{"show"}, args...)...)
		if diff := cmp.Diff(want, out); code != exitOK || diff != "" {
			t.Errorf("show %v: exit code %d %s\n%s", args, code, errs, diff)
		}
		if diff := cmp.Diff([]api.Order{asked}, o.orders); diff != "" {
			t.Errorf("show %v asked for %s", args, diff)
		}
	}
	f(want, byValue, "", "email:lea@free.fr")
	f(want, byValue, "", "--type", "email", "--value", "lea@free.fr")
	f(want, byValue, "lea@free.fr\n", "email:-")
	f(want, byValue, "lea@free.fr", "email:-")
	formerly := strings.Replace(want, "42.\n", "42.\n"+leaEmail.String()+" is one of its identifiers, and an id it had or could have had.\n", 1)
	f(formerly, api.Order{A: api.Subject{Node: leaEmail}}, "", leaEmail.String())
	f(formerly, api.Order{A: api.Subject{Node: leaEmail}}, "", "--id", leaEmail.String())

	code, out, _ := o.run(t, "", "show", "email:lea@free.fr", "--output", "json")
	var customer api.Customer
	if err := json.Unmarshal([]byte(out), &customer); err != nil || code != exitOK || customer.Position != 42 || len(customer.Members) != 2 {
		t.Errorf("show --output json: exit code %d, %v\n%s", code, err, out)
	}
	for _, address := range *o.seen {
		if strings.Contains(address, "lea") || strings.Contains(address, "free") {
			t.Errorf("the address shows the value: %s", address)
		}
	}
}

func TestIdentityExplain(t *testing.T) {
	o := serveCanned(t)
	code, out, errs := o.run(t, "", "explain", "email:lea@free.fr", leaUser.String())
	want := `email:lea@free.fr and 22222222-2222-4222-8222-222222222222 are one customer, 22222222-2222-4222-8222-222222222222.
email:lea@free.fr and 22222222-2222-4222-8222-222222222222 were seen together first on 2026-11-03 09:30 UTC by source web in event 33333333-3333-4333-8333-333333333333 (typed).
This is true at evidence position 42.
`
	if diff := cmp.Diff(want, out); code != exitOK || diff != "" {
		t.Errorf("explain: exit code %d %s\n%s", code, errs, diff)
	}
}

func TestIdentityRulings(t *testing.T) {
	o := serveCanned(t)
	email := func(field string) api.Subject {
		return api.Subject{Field: field, Type: "email", Value: "lea@free.fr"}
	}
	id := func(field string) api.Subject { return api.Subject{Field: field, Node: leaUser} }
	note := api.Note{Author: "marie", Reason: "ticket 7"}
	printed := func(first string) string {
		return first + `, as of evidence position 43.
Say so.

Named
IDENTIFIER      CUSTOMER BEFORE                       CUSTOMER NOW
email 11111111  22222222-2222-4222-8222-222222222222  11111111-1111-4111-8111-111111111111

Moved
IDENTIFIER        CUSTOMER BEFORE                       CUSTOMER NOW
email 11111111    22222222-2222-4222-8222-222222222222  11111111-1111-4111-8111-111111111111
user_id 22222222  22222222-2222-4222-8222-222222222222  erased
... and 3 more.
`
	}
	f := func(want string, asked api.Order, args ...string) {
		t.Helper()
		o.orders = nil
		code, out, errs := o.run(t, "", append(args, "--author", "marie", "--reason", "ticket 7")...)
		if diff := cmp.Diff(want, out); code != exitOK || diff != "" {
			t.Errorf("%v: exit code %d %s\n%s", args, code, errs, diff)
		}
		asked.Note = note
		if diff := cmp.Diff([]api.Order{asked}, o.orders); diff != "" {
			t.Errorf("%v asked for %s", args, diff)
		}
	}
	f(printed("The cut is made"), api.Order{Kind: api.Cut, A: email("a"), B: id("b")}, "cut", "email:lea@free.fr", leaUser.String())
	f(printed("The identifier is blocked"), api.Order{Kind: api.Blocked, A: email("identifier")}, "block", "email:lea@free.fr")
	f(printed("The cut is lifted"), api.Order{Kind: api.CutLifted, A: email("a"), B: id("b")}, "allow", "email:lea@free.fr", leaUser.String())
	f(printed("The identifier is allowed"), api.Order{Kind: api.Allowed, A: email("identifier")}, "allow", "email:lea@free.fr", "--ruling", "allowed")
	f(printed("The identifier is left to the rules"), api.Order{Kind: api.Neutral, A: email("identifier")}, "allow", "email:lea@free.fr", "--ruling", "neutral")
	f(printed("Erased"), api.Order{A: email("identifier")}, "erase", "email:lea@free.fr", "--yes")
	f(printed("Erased"), api.Order{A: id("identifier")}, "erase", leaUser.String(), "--whole-customer", "--yes")
	if diff := cmp.Diff([]bool{false, true}, o.erased); diff != "" {
		t.Errorf("whole customers: %s", diff)
	}
	o.applied = false
	f(printed("The cut is made at position 43 of the log, which the service has not reached yet"), api.Order{Kind: api.Cut, A: email("a"), B: id("b")}, "cut", "email:lea@free.fr", leaUser.String())

	code, out, _ := o.run(t, "", "cut", "email:lea@free.fr", leaUser.String(), "--reason", "ticket 7", "--output", "json")
	var outcome api.Outcome
	if err := json.Unmarshal([]byte(out), &outcome); err != nil || code != exitOK || outcome.Position != 43 || outcome.Applied {
		t.Errorf("cut --output json: exit code %d, %v\n%s", code, err, out)
	}
	if author := o.orders[len(o.orders)-1].Note.Author; author == "" {
		t.Error("without --author, nobody signs")
	}
}

// Nothing is erased because a script had nobody to ask.
func TestEraseAsksFirst(t *testing.T) {
	o := serveCanned(t)
	code, out, errs := o.run(t, "erase\n", "erase", "email:lea@free.fr", "--reason", "ticket 7")
	if code != exitError || !strings.Contains(errs, "--yes") || len(o.erased) != 0 {
		t.Errorf("exit code %d, %s %s, %d erasures", code, out, errs, len(o.erased))
	}
}

func TestIdentityRules(t *testing.T) {
	o := serveCanned(t)
	code, out, errs := o.run(t, "", "rules", "show")
	want := `Rules f00d, from the configuration on 2026-11-03 09:30:00 UTC, as of evidence position 42.
link_class 2, max_cluster 500, max_component 5000, 0 blocked nodes.

TYPE     RANK  CLASS  LIMIT  HUB ABOVE
user_id  1     0      1      
email    3     2      5      user_id 4
`
	if diff := cmp.Diff(want, out); code != exitOK || diff != "" {
		t.Errorf("rules show: exit code %d %s\n%s", code, errs, diff)
	}

	// What is shown can be set, and says what it was made from.
	_, shown, _ := o.run(t, "", "rules", "show", "--output", "json")
	changed := strings.Replace(shown, `"limit": 5`, `"limit": 6`, 1)
	if changed == shown {
		t.Fatalf("no limit to change in %s", shown)
	}
	code, out, errs = o.run(t, "", "rules", "set", file(t, "rules.json", changed), "--reason", "ticket 7")
	if code != exitOK || !strings.Contains(out, "Rules beef are in force, as of evidence position 43.") || o.rules.Types["email"].Limit != 6 || o.orders[0].Kind != "f00d" {
		t.Errorf("rules set: exit code %d, %s%s, set %+v", code, out, errs, o.rules)
	}
	bare := "link_class: 1\nmax_cluster: 100\nmax_component: 1000\ntypes:\n  user_id: {rank: 1, class: 0}\n"
	code, _, errs = o.run(t, "", "rules", "set", file(t, "rules.yaml", bare), "--reason", "ticket 7")
	if code != exitOK || o.rules.LinkClass != 1 || o.orders[1].Kind != "" {
		t.Errorf("rules set of YAML: exit code %d, %s, set %+v", code, errs, o.rules)
	}
	before := len(o.orders)
	f := func(text, says string) {
		t.Helper()
		code, _, errs := o.run(t, "", "rules", "set", file(t, "rules.yaml", text), "--reason", "ticket 7")
		if code != exitError || !strings.Contains(errs, says) || len(o.orders) != before {
			t.Errorf("rules set of %q: exit code %d and %s, want %q", text, code, errs, says)
		}
	}
	f(strings.Replace(bare, "max_cluster", "max_clutter", 1), "max_clutter")
	f(strings.Replace(bare, "1000", "0", 1), "max_component")
	f("- a list", "no object")
	f("", "max_cluster")
	f(bare+"  email: {rank: 3, class: 2, hubs: {fax: 2}}\n", "no type fax")
}

// Whoever asks an instance that is configured otherwise is told, and gets what was configured back.
func TestIdentityRulesOfAnotherConfiguration(t *testing.T) {
	o := serveCanned(t)
	for _, command := range [][]string{{"rules", "show"}, {"status"}} {
		o.elsewhere = false
		if _, out, _ := o.run(t, "", command...); strings.Contains(out, "not of the configuration") {
			t.Errorf("%v: its own rules are %s", command, out)
		}
		o.elsewhere = true
		if _, out, _ := o.run(t, "", command...); !strings.Contains(out, "not of the configuration of the instance that answers: give all instances the same") {
			t.Errorf("%v does not say that configurations differ: %s", command, out)
		}
	}
	in := o.rules
	restore := func(want int) {
		t.Helper()
		_, shown, _ := o.run(t, "", "rules", "show", "--configured")
		code, _, errs := o.run(t, "", "rules", "set", file(t, "rules.json", shown), "--reason", "ticket 7")
		if code != exitOK || o.rules.MaxCluster != want || o.orders[len(o.orders)-1].Kind != "" {
			t.Errorf("rules set of what was configured: exit code %d, %s, set %+v", code, errs, o.rules)
		}
	}
	restore(in.MaxCluster)
	was := in
	was.MaxCluster = 77
	o.configured = &was
	restore(77)
}

func TestIdentityStatus(t *testing.T) {
	o := serveCanned(t)
	code, out, errs := o.run(t, "", "status")
	if code != exitOK || !strings.Contains(out, "evidence position    42") || !strings.Contains(out, "nodes                7") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestIdentityMistakes(t *testing.T) {
	o := serveCanned(t)
	f := func(want int, says string, args ...string) {
		t.Helper()
		code, out, errs := o.run(t, "", args...)
		if code != want || !strings.Contains(errs, says) {
			t.Errorf("identity %v: exit code %d and\n%s%s\nwant %d and %q", args, code, out, errs, want, says)
		}
	}
	f(exitUsage, "type:value", "show", "lea@free.fr")
	f(exitUsage, "name one", "show")
	f(exitUsage, "name one", "show", "email:lea@free.fr", "--id", leaUser.String())
	f(exitUsage, "--reason", "cut", "email:lea@free.fr", leaUser.String())
	f(exitUsage, "<b>", "explain", "email:lea@free.fr")
	f(exitError, "standard input", "show", "email:-")
	f(exitError, "No such type: Use email or user_id. (field type)", "show", "nonsense:1")
	f(exitError, "no id", "show", "--id", "lea")
	f(exitError, "Personal data", "block", leaUser.String(), "--reason", "call 06 12 34 56 78")

	o.flags = []string{"--admin", strings.TrimPrefix(o.url, "http://"), "--token-file", file(t, "token", "another-token-than-that")}
	f(exitError, "token is wrong", "status")
	o.flags = []string{"--admin", "127.0.0.1:1", "--token-file", file(t, "token", operatorToken)}
	f(exitError, "--admin", "status")
	o.flags = []string{"--admin", "somewhere"}
	f(exitError, "host:port", "status")
	o.flags = []string{"--admin", "127.0.0.1:1", "--data-dir", t.TempDir()}
	f(exitError, "PARCOURS_ADMIN_TOKEN", "status")
}

// The token is looked for where it was said to be, in the order that the help gives.
func TestWhereTheTokenComesFrom(t *testing.T) {
	o := serveCanned(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/admin.token", []byte(operatorToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(works bool, flags ...string) {
		t.Helper()
		o.flags = append([]string{"--admin", o.url}, flags...)
		if code, _, errs := o.run(t, "", "status"); (code == exitOK) != works {
			t.Errorf("with %v: exit code %d %s", flags, code, errs)
		}
	}
	f(true, "--token-file", dir+"/admin.token", "--set", "admin.token=another-token-than-that")
	f(true, "--data-dir", dir)
	f(true, "--set", "embedded.data_dir="+dir)
	f(true, "--set", "admin.token="+operatorToken)
	f(false, "--set", "admin.token=another-token-than-that", "--set", "embedded.data_dir="+dir)
	t.Setenv("PARCOURS_ADMIN_TOKEN_FILE", dir+"/admin.token")
	f(true)

	// The addresses that up wrote lead there as well.
	at := file(t, "addresses.json", `{"admin":"`+strings.TrimPrefix(o.url, "http://")+`"}`)
	o.flags = []string{"--at", at}
	if code, _, errs := o.run(t, "", "status"); code != exitOK {
		t.Errorf("with --at: exit code %d %s", code, errs)
	}
}

// A redirect does not get the token.
func TestTheTokenIsNotRedirected(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	door := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer door.Close()
	o := serveCanned(t)
	o.flags[1] = door.URL
	if code, _, errs := o.run(t, "", "status"); code != exitError || !strings.Contains(errs, "307") {
		t.Errorf("exit code %d %s", code, errs)
	}
}

func TestAdminURL(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		if got, err := adminURL(address); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s %v, want %s", address, got, err, want)
		}
	}
	f("127.0.0.1:9600", "http://127.0.0.1:9600")
	f("0.0.0.0:9602", "http://127.0.0.1:9602")
	f(":9602", "http://127.0.0.1:9602")
	f("[::]:9602", "http://127.0.0.1:9602")
	f("identity.example:9602", "http://identity.example:9602")
	f("https://identity.example/", "https://identity.example")
	f("127.0.0.1:0", "")
	f("identity", "")
}
