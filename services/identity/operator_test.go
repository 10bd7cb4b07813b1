package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

const adminToken = "token-of-the-operators"

// desk is where an operator sits: an address and the token.
type desk struct {
	*world
	url  string
	logs *observer.ObservedLogs
	*instance
}

// newDesk starts an instance that can be operated.
func newDesk(t *testing.T) *desk {
	t.Helper()
	w := newWorld(t)
	core, logs := observer.New(zapcore.DebugLevel)
	host := service.NewHost(zap.New(core))
	w.admin = host.Admin("identity")
	var network net.ListenConfig
	listener, err := network.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, listener, adminToken) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	d := &desk{world: w, url: "http://" + listener.Addr().String() + api.Prefix, logs: logs}
	d.instance = w.startReady()
	return d
}

// ask sends a request and reads the answer, or the problem.
func (d *desk) ask(method, path string, request, into any) int {
	d.world.t.Helper()
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			d.world.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(d.soon(), method, d.url+path, body)
	if err != nil {
		d.world.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.world.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.world.t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		d.world.t.Fatalf("%s %s answers %d %s: %v", method, path, response.StatusCode, text, err)
	}
	return response.StatusCode
}

func (d *desk) must(method, path string, request, into any) {
	d.world.t.Helper()
	var text json.RawMessage
	if code := d.ask(method, path, request, &text); code != http.StatusOK {
		d.world.t.Fatalf("%s %s answers %d %s", method, path, code, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		d.world.t.Fatal(err)
	}
}

func (d *desk) show(ref api.Reference) api.Customer {
	d.world.t.Helper()
	var c api.Customer
	d.must("POST", "lookup", ref, &c)
	return c
}

func (d *desk) explain(a, b api.Reference) api.Explanation {
	d.world.t.Helper()
	var e api.Explanation
	d.must("POST", "explain", api.Both{A: &a, B: &b}, &e)
	return e
}

// order rules, and holds what every outcome promises: it is true at a position, the ruling stands in the log right
// before the one it names, and the identity map has each node that moved at that version.
func (d *desk) order(path string, request any) api.Outcome {
	d.world.t.Helper()
	before := d.logged()
	var o api.Outcome
	d.must("POST", path, request, &o)
	if !o.Applied || o.Position < o.Recorded {
		d.world.t.Errorf("%s: applied is %v at %d, recorded at %d", path, o.Applied, o.Position, o.Recorded)
	}
	ruled := func(records []evidence.Record) (n int) {
		for _, r := range records {
			switch r.(type) {
			case *evidence.Cut, *evidence.Verdict, *evidence.Erase:
				n++
			}
		}
		return n
	}
	if wrote := ruled(d.logged()) - ruled(before); (wrote == 1) != o.Changed || wrote > 1 || (o.Recorded > 0) != o.Changed {
		d.world.t.Errorf("%s: changed is %v, recorded %d, and %d rulings were written", path, o.Changed, o.Recorded, wrote)
	}
	if !o.Changed {
		return o
	}
	identities := d.untilPosition(o.Recorded)
	for _, move := range o.Moved {
		row := identities[move.Node]
		if move.After == nil {
			continue // a tombstone follows
		}
		if row.Version != uint64(o.Recorded) || row.Canonical != *move.After || row.Previous != move.Before {
			d.world.t.Errorf("%s: moved %+v, and the map has %+v", path, move, row)
		}
	}
	moved := 0
	for _, row := range identities {
		if row.Version == uint64(o.Recorded) && row.Canonical != row.Previous {
			moved++
		}
	}
	if kept := slices.DeleteFunc(slices.Clone(o.Moved), func(m api.Move) bool { return m.After == nil || *m.After == m.Before }); moved != len(kept) && path != "erase" {
		d.world.t.Errorf("%s: the map moved %d nodes and the answer tells of %d", path, moved, len(kept))
	}
	return o
}

func (d *desk) problem(status int, field string, method, path string, request any) {
	d.world.t.Helper()
	var p service.Problem
	if code := d.ask(method, path, request, &p); code != status || p.Field != field || p.Detail == "" || p.Position == 0 {
		d.world.t.Errorf("%s %s: %d %+v, want %d and field %q at a position", method, path, code, p, status, field)
	}
}

func ref(typ, value string) api.Reference { return api.Reference{Type: typ, Value: value} }

func byID(id uuid.UUID) api.Reference { return api.Reference{Node: id.String()} }

var note = api.Note{Author: "marie", Reason: "ticket 4711"}

// family is two people whose cards one e-mail joined: a card each, the mail, a phone app.
type family struct{ zoe, adam, mail, app api.Reference }

const canaryMail = "zoe.canary@example.net"

func (d *desk) family() family {
	f := family{ref("loyalty_card", "2990000000017"), ref("loyalty_card", "2990000000024"), ref("email", canaryMail), ref("device_id", "0f5e2c1a-7b9d-4e6f-8a1b-2c3d4e5f6a7b")}
	d.collect(
		d.touch(1, id(f.zoe.Type, f.zoe.Value), id(f.mail.Type, f.mail.Value)),
		d.touch(2, id(f.adam.Type, f.adam.Value), id(f.mail.Type, f.mail.Value)),
		d.touch(3, id(f.adam.Type, f.adam.Value), id(f.app.Type, f.app.Value)),
	)
	d.untilEvents(3)
	return f
}

func (d *desk) nodeOf(r api.Reference) uuid.UUID { return d.node(r.Type, r.Value) }

// timeless leaves out what an answer does not share with an earlier one that says the same.
var timeless = cmpopts.IgnoreFields(api.Customer{}, "Position", "Asked", "Rulings", "History")

func TestOperatorsSeeACustomer(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	c := d.show(f.mail)
	zoe, adam := d.nodeOf(f.zoe), d.nodeOf(f.adam)
	if c.CustomerID != zoe || c.Position == 0 || c.Position > d.logEnd() || len(c.Members) != 4 || c.Members[0].Node != zoe || c.Asked.Node != d.nodeOf(f.mail) {
		t.Fatalf("the customer of the mail is %+v", c)
	}
	// Any id that was ever handed out finds the customer, as does a path of the address.
	for _, other := range []api.Reference{f.zoe, f.adam, f.app, byID(adam), {CustomerID: zoe.String()}} {
		got := d.show(other)
		if diff := cmp.Diff(c, got, timeless); diff != "" {
			t.Errorf("by %+v: %s", other, diff)
		}
	}
	var got api.Customer
	d.must("GET", "customers/"+adam.String(), nil, &got)
	if diff := cmp.Diff(c, got, timeless); diff != "" {
		t.Errorf("by address: %s", diff)
	}
	// Evidence tells source, event and time, the oldest first, and history the same.
	if len(c.Evidence) != 3 || c.EvidenceTotal != 3 || len(c.History) != 3 {
		t.Fatalf("evidence is %+v, history %+v", c.Evidence, c.History)
	}
	for i, p := range c.Evidence {
		event := d.touch(i + 1)
		if p.Source != "web" || p.EventID == nil || *p.EventID != event.EventID || !p.FirstSeen.Equal(event.OccurredAt.Time()) || p.State != api.Linked || c.History[i].EventID == nil {
			t.Errorf("pair %d is %+v", i, p)
		}
	}
	// An identifier that was seen alone, or never, is its own customer, and an id that nobody knows too.
	for _, lone := range []api.Reference{ref("anonymous_id", "a-1"), byID(uuid.New())} {
		got := d.show(lone)
		if got.Asked.Known || got.CustomerID != got.Asked.Node || got.Asked.Status != api.Alone || len(got.Members) != 1 || got.Position == 0 {
			t.Errorf("%+v is %+v", lone, got)
		}
	}
	d.problem(http.StatusUnprocessableEntity, "type", "POST", "lookup", ref("fax", "1"))
	d.problem(http.StatusUnprocessableEntity, "value", "POST", "lookup", ref("email", "no address"))
	d.problem(http.StatusUnprocessableEntity, "value", "POST", "lookup", ref("email", "null"))

	var status api.Status
	d.must("GET", "status", nil, &status)
	if status.Position != d.logEnd() || status.Lag != 0 || status.Counts["pairs"] != 3 || status.Counts["customers"] != 1 || status.RulesFingerprint == "" || status.Workspace != d.ws.Name {
		t.Errorf("status is %+v", status)
	}
}

// Two people whom an e-mail made one are parted by a cut, and taking it back gives exactly what was.
func TestOperatorsCutAndAllow(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	zoe, adam := d.nodeOf(f.zoe), d.nodeOf(f.adam)
	before := d.show(f.mail)
	e := d.explain(f.zoe, f.adam)
	if !e.OneCustomer || e.Verdict != api.Linked || len(e.Path) != 2 || e.Position == 0 || e.Path[0].EventID == nil {
		t.Fatalf("before the cut: %+v", e)
	}
	cut := api.CutRequest{Both: api.Both{A: &f.zoe, B: &f.adam}, Note: note}
	o := d.order("cut", cut)
	// Adam goes with his app; the mail was seen with Zoe first.
	want := map[uuid.UUID]uuid.UUID{adam: adam, d.nodeOf(f.app): adam}
	got := make(map[uuid.UUID]uuid.UUID)
	for _, m := range o.Moved {
		got[m.Node] = *m.After
	}
	if diff := cmp.Diff(want, got); diff != "" || o.Kind != api.Cut || o.Before[1].CustomerID != zoe || o.After[1].CustomerID != adam || o.MovedTotal != 2 {
		t.Errorf("the cut did %+v: %s", o, diff)
	}
	if e := d.explain(f.zoe, f.adam); e.OneCustomer || e.Verdict != api.Cut || len(e.Rulings) != 1 || e.Rulings[0].Author != "marie" || e.Position < o.Recorded {
		t.Errorf("after the cut: %+v", e)
	}
	c := d.show(f.adam)
	if c.CustomerID != adam || len(c.Rulings) != 1 || c.Rulings[0].Reason != note.Reason || c.History[len(c.History)-1].What != api.Cut {
		t.Errorf("after the cut Adam is %+v", c)
	}
	if o := d.order("cut", api.CutRequest{Both: api.Both{A: &f.adam, B: &f.zoe}, Note: note}); o.Changed || !strings.Contains(o.Note, "marie") {
		t.Errorf("cutting again did %+v", o)
	}
	allow := api.AllowRequest{Both: cut.Both, Note: note}
	if o := d.order("allow", allow); !o.Changed || o.Kind != api.CutLifted || o.MovedTotal != 2 || o.After[1].CustomerID != zoe {
		t.Errorf("lifting the cut did %+v", o)
	}
	if diff := cmp.Diff(before, d.show(byID(adam)), timeless); diff != "" {
		t.Errorf("the customer did not come back as it was: %s", diff)
	}
	if o := d.order("allow", allow); o.Changed || !strings.Contains(o.Note, "no cut") {
		t.Errorf("lifting again did %+v", o)
	}
	bogus := byID(uuid.New())
	d.problem(http.StatusUnprocessableEntity, "b", "POST", "cut", api.CutRequest{Both: api.Both{A: &f.zoe, B: &f.zoe}, Note: note})
	d.problem(http.StatusNotFound, "b.node", "POST", "cut", api.CutRequest{Both: api.Both{A: &f.zoe, B: &bogus}, Note: note})
	d.problem(http.StatusNotFound, "identifier.node", "POST", "block", api.BlockRequest{One: api.One{Identifier: &bogus}, Note: note})
	d.wantMap(d.untilPublished())
}

// A blocked mail joins nobody, a kiosk that is a hub may be exempted, and both are taken back.
func TestOperatorsBlockAndAllow(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	before := d.show(f.mail)
	one := api.One{Identifier: &f.mail}
	o := d.order("block", api.BlockRequest{One: one, Note: note})
	if !o.Changed || o.After[0].Status != api.Blocked || o.After[0].Ruling != api.Blocked || o.MovedTotal != 3 {
		t.Errorf("the block did %+v", o)
	}
	e := d.explain(f.zoe, f.adam)
	if e.OneCustomer || e.Verdict != api.Shared || !strings.Contains(e.Detail, "operator blocked the email") || len(e.Between) != 2 || len(e.Rulings) != 1 {
		t.Errorf("after the block: %+v", e)
	}
	if c := d.show(f.mail); len(c.Members) != 1 || c.Asked.Status != api.Blocked || len(c.Evidence) != 2 || c.Evidence[0].State != api.Shared {
		t.Errorf("the blocked mail is %+v", c)
	}
	if o := d.order("block", api.BlockRequest{One: one, Note: note}); o.Changed {
		t.Errorf("blocking again did %+v", o)
	}
	if o := d.order("allow", api.AllowRequest{One: one, Note: note}); o.Kind != api.Neutral || !o.Changed || o.MovedTotal != 3 {
		t.Errorf("lifting the block did %+v", o)
	}
	if diff := cmp.Diff(before, d.show(f.mail), timeless); diff != "" {
		t.Errorf("the customer did not come back as it was: %s", diff)
	}
	if o := d.order("allow", api.AllowRequest{One: one, Note: note}); o.Changed || o.Note == "" {
		t.Errorf("lifting again did %+v", o)
	}

	// Four people sign in on one device; three are the most.
	kiosk := ref("device_id", "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d")
	for n, user := range []string{"u-1", "u-2", "u-3", "u-4"} {
		d.collect(d.touch(10+n, id("user_id", user), id(kiosk.Type, kiosk.Value)))
	}
	d.untilEvents(7)
	e = d.explain(ref("user_id", "u-1"), kiosk)
	if e.Verdict != api.Shared || e.B.Status != api.Hub || !strings.Contains(e.Detail, "seen with 4 of type user_id where 3 are the most") {
		t.Errorf("a kiosk: %+v", e)
	}
	exempt := api.AllowRequest{One: api.One{Identifier: &kiosk}, Note: note}
	if o := d.order("allow", exempt); o.Kind != api.Allowed || !o.Changed || o.After[0].Status != api.Linked {
		t.Errorf("exempting the kiosk did %+v", o)
	}
	e = d.explain(ref("user_id", "u-1"), ref("user_id", "u-2"))
	if e.OneCustomer || e.Verdict != api.Refused || !strings.Contains(e.Detail, "2 of type user_id, and one has at most 1") {
		t.Errorf("two people on an exempted kiosk: %+v", e)
	}
	exempt.Ruling = api.Neutral
	if o := d.order("allow", exempt); o.Kind != api.Neutral || o.After[0].Status != api.Hub || !strings.Contains(o.Note, "still carries no links") {
		t.Errorf("leaving the kiosk to the rules did %+v", o)
	}
	// A value may be blocked before it is seen with another.
	unseen := ref("device_id", "11111111-2222-4333-8444-555555555555")
	if o := d.order("block", api.BlockRequest{One: api.One{Identifier: &unseen}, Note: note}); !o.Changed || o.MovedTotal != 0 {
		t.Errorf("blocking what was not seen did %+v", o)
	}
	d.wantMap(d.untilPublished())
}

// What is erased is gone for good, and a person who comes back is somebody new.
func TestOperatorsErase(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	mail := d.nodeOf(f.mail)
	o := d.order("erase", api.EraseRequest{One: api.One{Identifier: &f.mail}, Note: note})
	if !o.Changed || o.Kind != api.Erased || o.After[0].ErasedAt == nil || o.After[0].Known || !slices.ContainsFunc(o.Moved, func(m api.Move) bool { return m.Node == mail && m.After == nil }) {
		t.Errorf("the erasure did %+v", o)
	}
	if e := d.explain(f.zoe, f.adam); e.OneCustomer || e.Verdict != api.NoEvidence {
		t.Errorf("without the mail: %+v", e)
	}
	if c := d.show(byID(mail)); c.Asked.Known || c.Asked.ErasedAt == nil || len(c.Evidence) != 0 {
		t.Errorf("the erased node is %+v", c)
	}
	if c := d.show(f.mail); c.Asked.Known || c.Asked.ErasedAt == nil || c.Asked.Node == mail {
		t.Errorf("the address is %+v", c)
	}
	id1 := byID(mail)
	if o := d.order("erase", api.EraseRequest{One: api.One{Identifier: &id1}, Note: note}); o.Changed || !strings.Contains(o.Note, "already") {
		t.Errorf("erasing the node again did %+v", o)
	}
	d.problem(http.StatusNotFound, "identifier.node", "POST", "block", api.BlockRequest{One: api.One{Identifier: &id1}, Note: note})

	// A late event of before does not bring it back, and is dropped; the person does, as somebody else.
	d.collect(d.touch(20, id(f.mail.Type, f.mail.Value), id(f.adam.Type, f.adam.Value)))
	back := d.touch(21, id(f.mail.Type, f.mail.Value), id(f.adam.Type, f.adam.Value))
	later := time.Now().Add(time.Hour)

	back.OccurredAt = schemas.MillisOf(later)
	back.ReceivedAt = schemas.MillisOf(later.Add(time.Second))
	d.collect(back)
	d.untilEvents(4)
	c := d.show(f.mail)
	if !c.Asked.Known || c.Asked.Node == mail || c.CustomerID != d.nodeOf(f.adam) || c.Asked.ErasedAt == nil {
		t.Errorf("the person who came back is %+v", c)
	}

	// All of a customer, named by its id.
	yes := true
	whole := d.show(f.adam)
	o = d.order("erase", api.EraseRequest{CustomerID: whole.CustomerID.String(), WholeCustomer: &yes, Note: note})
	if len(o.Before) != len(whole.Members) || o.MovedTotal != len(whole.Members) {
		t.Errorf("erasing a customer of %d did %+v", len(whole.Members), o)
	}
	for _, m := range whole.Members {
		if got := d.show(byID(m.Node)); got.Asked.Known || got.Asked.ErasedAt == nil {
			t.Errorf("%s of the erased customer is %+v", m.Type, got.Asked)
		}
	}
	if c := d.show(f.zoe); c.Asked.Known {
		t.Errorf("Zoe, whom nothing links any more, is %+v", c)
	}
}

// Rules are changed live, and back.
func TestOperatorsChangeRules(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	before := d.show(f.mail)
	var rules api.Rules
	d.must("GET", "rules", nil, &rules)
	if !rules.Configured || rules.Rules.Types["loyalty_card"].Limit != 2 || rules.Fingerprint == "" || rules.Position == 0 {
		t.Fatalf("the rules are %+v", rules)
	}
	configured := rules.Rules
	strict := rules.Rules
	strict.Types = make(map[string]evidence.TypeRule, len(configured.Types))
	for name, rule := range configured.Types {
		strict.Types[name] = rule
	}
	card := strict.Types["loyalty_card"]
	card.Limit = 1
	strict.Types["loyalty_card"] = card

	var o api.RulesOutcome
	d.must("POST", "rules", api.RulesRequest{Rules: &strict, Replaces: rules.Fingerprint, Note: note}, &o)
	if !o.Changed || !o.Applied || o.Position < o.Recorded || o.Recorded == 0 || o.Configured || o.Author != "marie" {
		t.Errorf("the change did %+v", o)
	}
	e := d.explain(f.zoe, f.adam)
	if e.OneCustomer || e.Verdict != api.Refused || e.Position < o.Recorded || !strings.Contains(e.Detail, "2 of type loyalty_card, and one has at most 1") {
		t.Errorf("under stricter rules: %+v", e)
	}
	d.problem(http.StatusConflict, "replaces", "POST", "rules", api.RulesRequest{Rules: &configured, Replaces: rules.Fingerprint, Note: note})
	end := d.logEnd()
	d.must("POST", "rules", api.RulesRequest{Rules: &strict, Note: note}, &o)
	if o.Changed || d.logEnd() != end {
		t.Errorf("the same rules again did %+v", o)
	}
	d.must("POST", "rules", api.RulesRequest{Rules: &configured, Note: note}, &o)
	if diff := cmp.Diff(before, d.show(f.mail), timeless); diff != "" || !o.Changed {
		t.Errorf("under the rules of before the customer is not what it was: %s", diff)
	}
}

// Operators' requests leave no personal data in the log, nor what they ruled in the clear anywhere.
func TestOperatorsLeaveNoPersonalData(t *testing.T) {
	d := newDesk(t)
	f := d.family()
	d.show(f.mail)
	d.explain(f.mail, f.app)
	d.order("cut", api.CutRequest{Both: api.Both{A: &f.mail, B: &f.adam}, Note: note})
	d.order("block", api.BlockRequest{One: api.One{Identifier: &f.mail}, Note: note})
	d.order("erase", api.EraseRequest{One: api.One{Identifier: &f.mail}, Note: note})
	var p service.Problem
	d.ask("POST", "block", api.BlockRequest{One: api.One{Identifier: &f.mail}, Note: api.Note{Author: canaryMail, Reason: canaryMail}}, &p)
	d.ask("POST", "lookup", ref("fax", canaryMail), &p)
	for _, record := range slices.Concat(d.evidence.all(), d.identities.all(), d.audit.all(), d.rejected.all()) {
		if contains(record, "canary") {
			t.Errorf("%s/%d shows the value", record.Topic, record.Offset)
		}
	}
	for _, line := range slices.Concat(d.logs.All(), d.instance.logs.All()) {
		fields, err := json.Marshal(line.ContextMap())
		if err != nil || strings.Contains(line.Message+string(fields), "canary") {
			t.Errorf("the log shows the value: %s %s %v", line.Message, fields, err)
		}
	}
}

// Before the service has read the log, and after it ended, there is no answer that could be wrong.
func TestOperatorsWaitForTheService(t *testing.T) {
	d := newDesk(t)
	d.family()
	d.stop()
	var p service.Problem
	if code := d.ask("GET", "status", nil, &p); code == http.StatusOK {
		t.Errorf("a stopped service answers %d %+v", code, p)
	}
}
