package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
)

// truthOf writes truth lines by hand: "person message kind=value,... [!case ...]".
func truthOf(t *testing.T, lines ...string) *Truth {
	t.Helper()
	var text strings.Builder
	met := map[string]bool{}
	for _, line := range lines {
		event, noted, _ := strings.Cut(line, " !")
		cases := []string{}
		for _, name := range strings.Fields(noted) {
			cases = append(cases, strconv.Quote(name))
		}
		field := strings.Fields(event)
		if !met[field[0]] {
			met[field[0]] = true
			persona := "full_web"
			if strings.HasPrefix(field[0], "bot") {
				persona = "bot"
			}
			fmt.Fprintf(&text, `{"kind":"person","person":%q,"persona":%q}`+"\n", field[0], persona)
		}
		var ids []string
		for _, id := range strings.Split(field[2], ",") {
			kind, value, _ := strings.Cut(id, "=")
			ids = append(ids, fmt.Sprintf(`{"type":%q,"value":%q}`, kind, value))
		}
		wrong := ""
		if strings.HasPrefix(field[1], "wrong") {
			wrong = "ids"
		}
		fmt.Fprintf(&text, `{"kind":"event","person":%q,"message_id":%q,"ids":[%s],"cases":[%s],"wrong":%q}`+"\n", field[0], field[1], strings.Join(ids, ","), strings.Join(cases, ","), wrong)
	}
	truth, err := ReadTruth(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// TestMeasuresByHand: an example small enough to be counted on paper. Ann has four events, of which customer X holds
// three and Y one; Bob has two, both in X.
func TestMeasuresByHand(t *testing.T) {
	truth := truthOf(t,
		"ann a1 user_id=U-ann-1,anonymous_id=cookie-of-ann", "ann a2 anonymous_id=cookie-of-ann", "ann a3 user_id=U-ann-1", "ann a4 anonymous_id=another-cookie",
		"bob b1 anonymous_id=cookie-of-ann !family_tablet", "bob b2 anonymous_id=cookie-of-ann,user_id=U-bob-2",
		"bot-1 c1 anonymous_id=crawling-along", "ann wrong1 user_id=U-ann-1", "ann lost1 user_id=U-ann-1")
	q := truth.Compare(map[string]string{"a1": "X", "a2": "X", "a3": "X", "a4": "Y", "b1": "X", "b2": "X", "c1": "Z", "unheard-of": "X"})
	// Pairs: X says 10, of which 3 are Ann's and 1 is Bob's; Y says none. Ann really has 6, Bob 1.
	if !near(q.Pairwise.Precision, 4./10) || !near(q.Pairwise.Recall, 4./7) {
		t.Errorf("pairwise %+v, want precision 0.4 and recall 4/7", q.Pairwise)
	}
	if f1 := 2 * .4 * (4. / 7) / (.4 + 4./7); !near(q.Pairwise.F1, f1) {
		t.Errorf("F1 %v, want %v", q.Pairwise.F1, f1)
	}
	// B-cubed precision: three times 3/5, once 1/1, twice 2/5; recall: three times 3/4, once 1/4, twice 2/2.
	if !near(q.BCubed.Precision, (3*3./5+1+2*2./5)/6) || !near(q.BCubed.Recall, (3*3./4+1./4+2)/6) {
		t.Errorf("B-cubed %+v", q.BCubed)
	}
	if q.Events != 6 || q.People != 2 || q.Customers != 2 || q.Lost != 1 || q.Whole != 0 || q.Mixed != 1 {
		t.Errorf("counts %+v, want 6 events, 2 people, 2 customers, 1 lost, none whole, 1 mixed", q)
	}
	if diff := cmp.Diff([]Cause{{"family tablet", 6}}, q.Wrong); diff != "" {
		t.Errorf("wrong pairs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Cause{{"browser that never signed in", 3}}, q.Missed); diff != "" {
		t.Errorf("missed pairs (-want +got):\n%s", diff)
	}
	if q.Linkable.Recall != 1 || q.Linkable.Precision != q.Pairwise.Precision {
		t.Errorf("linkable %+v: no identifier ties the other cookie to Ann", q.Linkable)
	}
}

func TestCauses(t *testing.T) {
	f := func(wantWrong, wantMissed string, customers string, lines ...string) {
		t.Helper()
		customerOf := map[string]string{}
		for i, line := range lines {
			customerOf[strings.Fields(line)[1]] = customers[i : i+1]
		}
		q := truthOf(t, lines...).Compare(customerOf)
		name := func(causes []Cause) string {
			var names []string
			for _, c := range causes {
				names = append(names, fmt.Sprintf("%s %d", c.Name, c.Pairs))
			}
			return strings.Join(names, "; ")
		}
		if got := name(q.Wrong); got != wantWrong {
			t.Errorf("wrong pairs by %q, want %q", got, wantWrong)
		}
		if got := name(q.Missed); got != wantMissed {
			t.Errorf("missed pairs by %q, want %q", got, wantMissed)
		}
	}
	card, bank, cookie := "loyalty_card=2981000000024", "payment_reference=tok_1234567890", "anonymous_id=cookie-of-theirs"
	f("household card 1", "", "XX", "ann a1 "+card, "bob b1 "+card+" !household_card")
	f("cashier card 1", "", "XX", "ann a1 "+card+" !cashier_card", "bob b1 "+card+" !cashier_card")
	f("lent card 1", "", "XX", "ann a1 "+card, "bob b1 "+card+" !lent_card family_tablet")
	f("shop kiosk 3", "", "XXX", "ann a1 "+cookie+" !shop_kiosk", "bob b1 "+cookie+" !shop_kiosk", "eve e1 "+cookie+" !shop_kiosk")
	f("recycled phone 1", "", "XX", "ann a1 phone=0612345679", "bob b1 phone=0612345679 !recycled_phone")
	f("family address 1", "", "XX", "ann a1 email=ann.martin@orange.fr", "bob b1 email=ann.martin@orange.fr !family_address")
	// A case that does not put people together is not blamed for what a bank card did.
	f("one payment reference used by several people 1", "", "XX", "ann a1 "+bank+" !misspelt_address", "bob b1 "+bank)
	f("no identifier in common 1", "", "XX", "ann a1 user_id=U-1000", "bob b1 user_id=U-2000")
	// The pairs of a joint: two of Ann's and three of Bob's events over the cookie, then all five with Eve's over the card.
	f("family tablet 6; lent card 5", "", "XXXXXX", "ann a1 "+cookie+" !family_tablet", "ann a2 "+cookie+" !family_tablet", "bob b1 "+cookie+" !family_tablet",
		"bob b2 "+cookie+" !family_tablet", "bob b3 "+cookie+","+card+" !family_tablet", "eve e1 "+card+" !lent_card")
	f("", "ticket paid cash without card 1", "XY", "ann a1 user_id=U-1000", "ann a2 till_record=LIL01/01/77")
	f("", "telephone number never tied to the rest 1", "XY", "ann a1 user_id=U-1000", "ann a2 phone=0612345679")
	f("", "misspelt address 1", "XY", "ann a1 email=ann.martin@orange.fr", "ann a2 email=ann.matrin@orange.fr !misspelt_address")
	f("", "guest checkout 2", "XYY", "ann a1 user_id=U-1000,"+cookie, "ann a2 email=ann.martin@orange.fr !guest_checkout", "ann a3 email=ann.martin@orange.fr !guest_checkout")
	f("", "cleared cookie 1", "XY", "ann a1 user_id=U-1000", "ann a2 "+cookie+" !cleared_cookie")
	f("", "browser that never signed in 1", "XY", "ann a1 user_id=U-1000", "ann a2 "+cookie)
	// The part that is with somebody else is the odd one, whatever its size.
	f("family tablet 6", "family tablet: given to somebody else 2", "XYYYYY", "ann a1 user_id=U-1000,"+cookie, "ann a2 "+cookie+" !family_tablet", "ann a3 "+cookie+" !family_tablet",
		"bob b1 "+cookie+" !family_tablet", "bob b2 "+cookie+" !family_tablet", "bob b3 user_id=U-2000")
	f("", "gmail variant: link refused 1", "XY", "ann a1 email=ann.martin@gmail.com", "ann a2 email=annmartin@gmail.com !gmail_variant")
	// The same telephone number in two spellings is one: keeping these apart is the rules' doing.
	f("", "a link refused by the rules 1", "XY", "ann a1 phone=0612345679", "ann a2 phone=+33612345679")
	f("", "", "XX", "ann a1 phone=0612345679", "ann a2 phone=+33612345679")
}

// TestMeasuresAgreeWithCounting compares the contingency arithmetic with counting every pair, on random partitions;
// the causes have to account for exactly the wrong and the missed pairs.
func TestMeasuresAgreeWithCounting(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 2 + r.IntN(60)
		var lines []string
		customerOf, people, customers := map[string]string{}, make([]int, n), make([]int, n)
		for i := range n {
			people[i], customers[i] = r.IntN(6), r.IntN(6)
			line := fmt.Sprintf("p%d m%d anonymous_id=cookie-number-%d", people[i], i, r.IntN(20))
			if r.IntN(2) == 0 {
				line += fmt.Sprintf(" !%s %s", simulate.Case(r.IntN(20)), simulate.Case(r.IntN(20)))
			}
			lines = append(lines, line)
			customerOf[fmt.Sprintf("m%d", i)] = fmt.Sprint(customers[i])
		}
		var right, said, truly int64
		var precision, recall float64
		for i := range n {
			var both, mates, fellows float64
			for j := range n {
				if people[i] == people[j] {
					fellows++
				}
				if customers[i] == customers[j] {
					mates++
				}
				if people[i] == people[j] && customers[i] == customers[j] {
					both++
				}
			}
			precision, recall = precision+both/mates/float64(n), recall+both/fellows/float64(n)
			for j := range i {
				samePerson, sameCustomer := people[i] == people[j], customers[i] == customers[j]
				if sameCustomer {
					said++
				}
				if samePerson {
					truly++
				}
				if samePerson && sameCustomer {
					right++
				}
			}
		}
		truth := truthOf(t, lines...)
		q := truth.Compare(customerOf)
		if diff := cmp.Diff(q, truth.Compare(customerOf)); diff != "" {
			t.Errorf("seed %d: measured twice (-first +second):\n%s", seed, diff)
		}
		if !near(q.BCubed.Precision, precision) || !near(q.BCubed.Recall, recall) {
			t.Errorf("seed %d: B-cubed %+v, want %g and %g", seed, q.BCubed, precision, recall)
		}
		if !near(q.Pairwise.Precision, share(right, said)) || !near(q.Pairwise.Recall, share(right, truly)) {
			t.Errorf("seed %d: pairwise %+v, want %d of %d and %d of %d", seed, q.Pairwise, right, said, right, truly)
		}
		sum := func(causes []Cause) (total int64) {
			for _, c := range causes {
				total += c.Pairs
			}
			return total
		}
		if got := sum(q.Wrong); got != said-right {
			t.Errorf("seed %d: causes of %d wrong pairs, there are %d", seed, got, said-right)
		}
		if got := sum(q.Missed); got != truly-right {
			t.Errorf("seed %d: causes of %d missed pairs, there are %d", seed, got, truly-right)
		}
	}
}

// TestMergingKeepsRecall: taking everybody for one finds every pair, telling every event apart says no wrong one, and
// the people themselves are right in every way.
func TestMergingKeepsRecall(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		var lines []string
		one, each, people := map[string]string{}, map[string]string{}, map[string]string{}
		for i := range 2 + r.IntN(40) {
			who, message := fmt.Sprintf("p%d", r.IntN(5)), fmt.Sprintf("m%d", i)
			lines = append(lines, fmt.Sprintf("%s %s anonymous_id=cookie-number-%d !shop_kiosk", who, message, r.IntN(9)))
			one[message], each[message], people[message] = "X", message, who
		}
		truth := truthOf(t, lines...)
		if q := truth.Compare(one); !near(q.Pairwise.Recall, 1) || !near(q.BCubed.Recall, 1) || q.Linkable.Recall != 1 || len(q.Missed) > 0 {
			t.Errorf("seed %d: one customer: %+v", seed, q)
		}
		if q := truth.Compare(each); !near(q.Pairwise.Precision, 1) || !near(q.BCubed.Precision, 1) || len(q.Wrong) > 0 {
			t.Errorf("seed %d: a customer each: %+v", seed, q)
		}
		want := Score{1, 1, 1}
		q := truth.Compare(people)
		if !near(q.BCubed.F1, 1) || q.Pairwise != want || q.Linkable != want || len(q.Wrong)+len(q.Missed) > 0 || q.Whole != q.People || q.Mixed != 0 {
			t.Errorf("seed %d: the people themselves: %+v", seed, q)
		}
	}
}

func TestTruthWithAnUnknownCase(t *testing.T) {
	_, err := ReadTruth(strings.NewReader(`{"kind":"event","person":"p-1","message_id":"m1","cases":["alien"]}`))
	if err == nil || !strings.Contains(err.Error(), "alien") || !strings.Contains(err.Error(), "m1") {
		t.Errorf("error %v, want one that names the case and the event", err)
	}
}

func TestPerfectIsPerfect(t *testing.T) {
	q := truthOf(t, "ann a1 user_id=U-1000", "ann a2 user_id=U-1000", "bob b1 user_id=U-2000").Compare(map[string]string{"a1": "X", "a2": "X", "b1": "Y"})
	want := Score{1, 1, 1}
	if q.Pairwise != want || q.BCubed != want || q.Linkable != want || len(q.Wrong)+len(q.Missed) > 0 || q.Whole != 2 {
		t.Errorf("%+v", q)
	}
}
