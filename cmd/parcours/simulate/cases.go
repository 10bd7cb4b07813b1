package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Case is a hard case of real life: something people and tills do that makes it hard to tell who is who.
type Case uint8

// The hard cases. [Case.About] says how often each happens by default and to whom.
const (
	FamilyTablet Case = iota
	OpenAccount
	LentPhone
	SharedPhone
	SecondHandComputer
	ShopKiosk
	ClearedCookie
	HouseholdCard
	LentCard
	CashierCard
	HouseholdBankCard
	RecycledPhone
	HouseholdLandLine
	GmailVariant
	MisspeltAddress
	AnothersAddress
	MadeUpAddress
	FamilyAddress
	GuestCheckout
	SecondAddress
	caseCount
)

// caseList has of every case its name in truth files and flags, its rate in a usual world, and what it is a share of.
var caseList = [caseCount]struct {
	name string
	rate float64
	of   string
}{
	FamilyTablet:       {"family_tablet", .35, "households of several people that have one tablet, with one browser, for all"},
	OpenAccount:        {"open_account", .3, "visits on that tablet made under the account that its head left open"},
	LentPhone:          {"lent_phone", .06, "households whose second member also signs in on the first one's phone, where nobody signs out"},
	SharedPhone:        {"shared_phone", .1, "households that have one phone for two: one signs out, the other signs in, in one sitting; half of the phones keep their cookie"},
	SecondHandComputer: {"second_hand_computer", .006, "people who sell their computer with its cookies still on it"},
	ShopKiosk:          {"shop_kiosk", .1, "people who order or look on the tablet of a large shop near them; nobody signs out there"},
	ClearedCookie:      {"cleared_cookie", .05, "visits to the site before which the browser lost its cookies; touches all visits of that browser"},
	HouseholdCard:      {"household_card", .22, "households of several people that use one loyalty card"},
	LentCard:           {"lent_card", .04, "tickets of people without a card of theirs at hand on which the card of a friend is scanned"},
	CashierCard:        {"cashier_card", .03, "the rest of these tickets, on which the cashier scans her own card"},
	HouseholdBankCard:  {"household_bank_card", .2, "households of several people that pay by one bank card"},
	RecycledPhone:      {"recycled_phone", .004, "people whose telephone number was somebody else's before, who still stands in the files with it"},
	HouseholdLandLine:  {"household_land_line", .12, "households that give the number of their land line"},
	GmailVariant:       {"gmail_variant", .25, "owners of a Gmail mailbox who spell it another way now and then: without its dots, or with a tag"},
	MisspeltAddress:    {"misspelt_address", .06, "e-mail addresses typed at a till that are typed wrong"},
	AnothersAddress:    {"anothers_address", .02, "e-mail addresses typed at a till that are somebody else's by mistake"},
	MadeUpAddress:      {"made_up_address", .06, "e-mail addresses typed at a till that the cashier made up for a customer who gave none"},
	FamilyAddress:      {"family_address", .05, "members of a household other than its head who give the head's e-mail address as theirs"},
	GuestCheckout:      {"guest_checkout", .15, "orders on the site by people with an account who do not sign in and order as guests"},
	SecondAddress:      {"second_address", .3, "people who have another e-mail address than the account's, and give that one when they order as guests"},
}

// AllCases lists the hard cases.
func AllCases() []Case {
	all := make([]Case, caseCount)
	for i := range all {
		all[i] = Case(i)
	}
	return all
}

// String is the name in truth files and flags.
func (c Case) String() string { return caseList[c].name }

// About says what the rate of the case is a share of.
func (c Case) About() string { return caseList[c].of }

// ParseCase reads a name.
func ParseCase(name string) (Case, error) {
	names := make([]string, caseCount)
	for i, c := range caseList {
		if c.name == name {
			return Case(i), nil
		}
		names[i] = c.name
	}
	return 0, fmt.Errorf("simulate: %q is no hard case: use %s", name, strings.Join(names, ", "))
}

// Rates has for every hard case how often it happens, from 0 to 1, as a share of what [Case.About] says.
type Rates [caseCount]float64

// DefaultRates are guesses at a usual retailer; none is measured on a real one.
func DefaultRates() (r Rates) {
	for i, c := range caseList {
		r[i] = c.rate
	}
	return r
}

// Only are the default rates of the given cases and none of the others.
func Only(cases ...Case) (r Rates) {
	for _, c := range cases {
		r[c] = caseList[c].rate
	}
	return r
}

func (r Rates) validate() error {
	for i, rate := range r {
		if rate < 0 || rate > 1 || math.IsNaN(rate) {
			return fmt.Errorf("simulate: rate of %s is %g, want 0 to 1", Case(i), rate)
		}
	}
	return nil
}

// Cases is a set of hard cases.
type Cases uint32

// With adds a case.
func (s Cases) With(c Case) Cases { return s | 1<<c }

// Has tells whether the case is one of them.
func (s Cases) Has(c Case) bool { return s&(1<<c) != 0 }

// List has the cases in their order.
func (s Cases) List() []Case {
	return slices.DeleteFunc(AllCases(), func(c Case) bool { return !s.Has(c) })
}

// names are what a truth file says; nil for none.
func (s Cases) names() []string {
	var names []string
	for _, c := range s.List() {
		names = append(names, c.String())
	}
	return names
}

// rate is the probability of a hard case under the configured trouble.
func (s *Simulation) rate(c Case) float64 { return min(s.cfg.Rates[c]*s.cfg.Trouble, 1) }

// mark adds the cases that come with what the event shows, whatever the scene: a number, an address or a card that is
// not the person's alone.
func (c *scene) mark(e *Event, p *person) {
	email, phone, card, token := "", "", "", ""
	if t := e.Traits; t != nil {
		email, phone, card = t.Email, t.Phone, t.LoyaltyID
	}
	if r := e.Commerce.receipt(); r.Number != "" {
		email, phone, card, token = r.Email, r.Phone, r.Loyalty, r.Token
	}
	given := func(when bool, which Case) {
		if when {
			e.Cases = e.Cases.With(which)
		}
	}
	given(phone != "" && p.recycled, RecycledPhone)
	given(phone != "" && p.landLine, HouseholdLandLine)
	given(card != "" && card == p.card && !p.ownCard, HouseholdCard)
	given(token != "" && p.house.bankCard && p.index != p.house.head, HouseholdBankCard)
	given(email != "" && email == p.variant, GmailVariant)
	given(p.family && strings.EqualFold(strings.TrimSpace(email), p.email), FamilyAddress)
}
