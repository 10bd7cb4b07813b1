package simulate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
)

// users are the people who showed an identifier in events that a case touches, and the accounts it was seen with.
type users struct{ people, accounts map[string]bool }

// world lives through a population with the given cases only, at the given rate (0: the default ones), and calls each
// for every right event.
func world(t *testing.T, rate float64, cases []Case, each func(*Event)) {
	t.Helper()
	if testing.Short() {
		t.Skip("whole worlds, drawn by one goroutine")
	}
	s := population(t, func(c *Config) {
		for _, which := range cases {
			if rate > 0 {
				c.Rates[which] = rate
			}
		}
		for _, which := range AllCases() {
			if !slices.Contains(cases, which) {
				c.Rates[which] = 0
			}
		}
	})
	for d := range s.Deliveries() {
		if d.Repeat {
			continue
		}
		for _, e := range d.Events {
			if e.Wrong == "" {
				each(e)
			}
		}
	}
}

// TestCasesComeAlone: a world with one case has events that it touches, and none that another one touches.
func TestCasesComeAlone(t *testing.T) {
	needs := map[Case][]Case{OpenAccount: {FamilyTablet}, SecondAddress: {GuestCheckout}}
	for _, which := range AllCases() {
		with := append([]Case{which}, needs[which]...)
		touched := 0
		world(t, .9, with, func(e *Event) {
			for _, c := range e.Cases.List() {
				if !slices.Contains(with, c) {
					t.Fatalf("a world with %v has an event of %s", with, c)
				}
			}
			if e.Cases.Has(which) {
				touched++
			}
		})
		if touched == 0 {
			t.Errorf("a world with %s alone has no event of it", which)
		}
	}
}

// TestCasesShareWhatTheySay: what a case is said to put on one identifier really is on one, of as many people as it says.
func TestCasesShareWhatTheySay(t *testing.T) {
	f := func(kind string, people, accounts int, rate float64, cases ...Case) {
		t.Helper()
		uses := map[string]*users{}
		world(t, rate, cases, func(e *Event) {
			for _, id := range e.Identifiers() {
				if id.Type != kind {
					continue
				}
				value := strings.ToLower(strings.TrimSpace(id.Value))
				if kind == "phone" {
					value = digits(value)
				}
				if uses[value] == nil {
					uses[value] = &users{map[string]bool{}, map[string]bool{}}
				}
				uses[value].people[fmt.Sprint(e.Person)] = true
				if e.UserID != "" {
					uses[value].accounts[e.UserID] = true
				}
			}
		})
		for _, u := range uses {
			if len(u.people) >= people && len(u.accounts) >= accounts {
				return
			}
		}
		t.Errorf("%v: no %s is of %d people and %d accounts", cases, kind, people, accounts)
	}
	f("anonymous_id", 2, 2, 0, FamilyTablet)
	f("anonymous_id", 2, 1, 0, FamilyTablet, OpenAccount)
	f("anonymous_id", 2, 2, .5, LentPhone)
	f("anonymous_id", 2, 2, 0, SharedPhone)
	f("device_id", 2, 2, 0, SharedPhone)
	f("anonymous_id", 2, 1, .1, SecondHandComputer)
	f("anonymous_id", 24, 3, 0, ShopKiosk) // dozens of customers, of whom several sign in
	f("loyalty_card", 2, 0, 0, HouseholdCard)
	f("loyalty_card", 2, 0, 0, LentCard)
	f("loyalty_card", 2, 0, 0, CashierCard)
	f("payment_reference", 2, 0, 0, HouseholdBankCard)
	f("phone", 2, 0, 0, RecycledPhone)
	f("phone", 2, 2, 0, HouseholdLandLine)
	f("email", 2, 0, 0, AnothersAddress)
	f("email", 3, 0, 0, MadeUpAddress)
	f("email", 2, 0, 0, FamilyAddress)
}

// digits are the last nine of a telephone number, which all its spellings have in common.
func digits(number string) string {
	only := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
	return only[max(len(only)-9, 0):]
}

// TestCasesPartWhatTheySay: the cases that leave one person in parts show another identifier, or less of them.
func TestCasesPartWhatTheySay(t *testing.T) {
	var p person
	s := population(t, nil)
	world(t, 1, []Case{GuestCheckout, SecondAddress}, func(e *Event) {
		if e.Cases.Has(GuestCheckout) && e.UserID != "" {
			t.Fatalf("%s of a guest shows the account %s", e.Name, e.UserID)
		}
		if e.Cases.Has(SecondAddress) && e.Traits != nil {
			if s.person(e.Person, &p); e.Traits.Email == p.email {
				t.Fatalf("the second address of person %d is the first", e.Person)
			}
		}
	})
	typed := map[Case]int{}
	world(t, .3, []Case{MisspeltAddress, GmailVariant}, func(e *Event) {
		for _, id := range e.Identifiers() {
			if id.Type != "email" {
				continue
			}
			s.person(e.Person, &p)
			for _, c := range []Case{MisspeltAddress, GmailVariant} {
				if !e.Cases.Has(c) {
					continue
				}
				if typed[c]++; strings.EqualFold(id.Value, p.email) {
					t.Fatalf("%s of person %d is the address itself", c, e.Person)
				}
			}
		}
	})
	if typed[MisspeltAddress] == 0 || typed[GmailVariant] == 0 {
		t.Errorf("addresses: %v", typed)
	}
	cookies := map[int]map[string]bool{}
	world(t, .2, []Case{ClearedCookie}, func(e *Event) {
		if e.Cases.Has(ClearedCookie) {
			if cookies[e.Person] == nil {
				cookies[e.Person] = map[string]bool{}
			}
			cookies[e.Person][e.Anonymous] = true
		}
	})
	several := 0
	for _, all := range cookies {
		if len(all) > 1 {
			several++
		}
	}
	if several*2 < len(cookies) {
		t.Errorf("%d of %d people with lost cookies have several", several, len(cookies))
	}
}

// TestTruthNamesTheCases: what touches an event is read from the truth as it was written.
func TestTruthNamesTheCases(t *testing.T) {
	s := population(t, nil)
	var text bytes.Buffer
	if err := s.WriteTruth(&text); err != nil {
		t.Fatal(err)
	}
	want := map[string]Cases{}
	for d := range s.Deliveries() {
		for _, e := range d.Events {
			want[e.MessageID] = e.Cases
		}
	}
	several := 0
	if err := ReadTruth(&text, func(l *TruthLine) error {
		if l.Kind != TruthEvent {
			return nil
		}
		var got Cases
		for _, name := range l.Cases {
			c, err := ParseCase(name)
			if err != nil {
				return err
			}
			got = got.With(c)
		}
		if len(l.Cases) > 1 {
			several++
		}
		if got != want[l.MessageID] {
			t.Errorf("event %s: %v in the truth, %v in the event", l.MessageID, got.List(), want[l.MessageID].List())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if several == 0 {
		t.Error("no event is touched by two cases")
	}
}

// TestNobodyHasAMadeUpNumber: no telephone number is one that identity blocks, or one of those that are kept for films.
func TestNobodyHasAMadeUpNumber(t *testing.T) {
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		t.Fatal(err)
	}
	s := population(t, nil)
	check := func(number string) {
		t.Helper()
		if strings.HasPrefix(number, "063998") || strings.HasPrefix(number, "019900") || strings.Trim(number[3:], number[3:4]) == "" {
			t.Errorf("number %s is nobody's", number)
		}
		if _, reason := ids.Normalise("phone", number); reason != "" {
			t.Errorf("number %s is %s", number, reason)
		}
	}
	for i := range 20_000 {
		check(s.telephone(i, ""))
		check(s.landLine(&household{head: i}))
	}
	// The indices at which the plain rule would give seven equal digits.
	for digit := range 10 {
		check(s.telephone(equalDigits(digit, 0), ""))
		check(s.landLine(&household{head: equalDigits(digit, 1)}))
	}
	for _, overseas := range []string{"971", "972", "973", "974", "976"} {
		check(s.telephone(4321, overseas))
	}
}

// equalDigits is the index whose seven digits would be all the same, counted from the offset.
func equalDigits(digit, offset int) int {
	index := 0
	for (index*7_654_321+offset)%10_000_000 != digit*1_111_111 {
		index++
	}
	return index
}

func TestCaseNames(t *testing.T) {
	for _, c := range AllCases() {
		if got, err := ParseCase(c.String()); err != nil || got != c {
			t.Errorf("%s is read as %v, %v", c, got, err)
		}
		if c.About() == "" || DefaultRates()[c] <= 0 {
			t.Errorf("%s is about nothing or never happens", c)
		}
	}
	if _, err := ParseCase("alien"); err == nil || !strings.Contains(err.Error(), "shop_kiosk") {
		t.Errorf("error %v, want one that lists the names", err)
	}
	cfg, err := (&Command{Case: map[string]float64{"shop_kiosk": .5}}).Config()
	if err != nil || cfg.Rates[ShopKiosk] != .5 || cfg.Rates[LentCard] != DefaultRates()[LentCard] {
		t.Errorf("rates %v, %v", cfg.Rates, err)
	}
	if _, err := (&Command{Case: map[string]float64{"alien": .5}}).Config(); err == nil {
		t.Error("a case that does not exist has a rate")
	}
	if _, err := New(Config{Rates: Rates{ShopKiosk: 1.5}}); err == nil || !strings.Contains(err.Error(), "shop_kiosk") {
		t.Errorf("error %v, want one that names the case", err)
	}
}

var rewrite = flag.Bool("rewrite", false, "write the table of the hard cases into docs/reference/simulation.md anew")

// TestThePageListsTheCases: docs/reference/simulation.md ends with the cases as they are.
func TestThePageListsTheCases(t *testing.T) {
	const page = "../../../docs/reference/simulation.md"
	var table strings.Builder
	table.WriteString("| case | rate | a share of |\n| --- | --- | --- |\n")
	for _, c := range AllCases() {
		fmt.Fprintf(&table, "| `%s` | %g | %s |\n", c, DefaultRates()[c], c.About())
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "| case |")
	if *rewrite {
		if err := os.WriteFile(page, []byte(before+table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), "| case |"+after); diff != "" {
		t.Errorf("docs/reference/simulation.md is out of date: go test ./simulate -rewrite (-want +got)\n%s", diff)
	}
}
