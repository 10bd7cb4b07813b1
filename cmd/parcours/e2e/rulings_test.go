package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// operate runs `parcours identity` as an operator does, against the running pipeline.
func (p *pipeline) operate(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"identity"}, args...)
	command := exec.CommandContext(t.Context(), program(t), append(args, "--admin", p.Admin, "--data-dir", p.dataDir)...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("parcours %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// TestCustomersFollowRulings joins a customer of a cookie, an address, a card and an account, cuts the cookie off, allows it
// again and erases the customer; ClickHouse follows each time, for events of the past too.
func TestCustomersFollowRulings(t *testing.T) {
	p := start(t)
	at := func(minutes int) string {
		return time.Now().Add(time.Duration(minutes-600) * time.Minute).UTC().Format(time.RFC3339)
	}
	track := func(message string, minutes int, ids, properties string) {
		p.accept(t, "wk_dev_web", "/v1/track", fmt.Sprintf(`{"messageId":%q,"timestamp":%q,"event":"Product Viewed",%s,"properties":{%s}}`, message, at(minutes), ids, properties))
	}
	track("seen", 0, `"anonymousId":"ruling-cookie"`, ``)
	track("seen-again", 1, `"anonymousId":"ruling-cookie"`, ``)
	track("address", 2, `"anonymousId":"ruling-cookie"`, `"email":"ruling@free.fr"`)
	track("card", 3, `"anonymousId":"ruling-till"`, `"email":"ruling@free.fr","loyalty_id":"2990000000499"`)
	track("account", 4, `"anonymousId":"ruling-till","userId":"ruling-user"`, `"loyalty_id":"2990000000499"`)
	p.accept(t, "wk_dev_web", "/v1/identify", fmt.Sprintf(`{"messageId":"who","timestamp":%q,"userId":"ruling-user","traits":{"email":"ruling@free.fr","firstName":"Régine"}}`, at(5)))

	const events = `SELECT message_id, toString(customer_id) FROM parcours.customer_events ORDER BY message_id`
	const customers = `SELECT count(), sum(events) FROM parcours.customers`
	p.eventually(t, "1\t6", customers)
	together := p.query(t, events)

	if said := p.operate(t, "explain", "anonymous_id:ruling-cookie", "user_id:ruling-user"); !strings.Contains(said, "one customer") {
		t.Errorf("explain says\n%s", said)
	}
	began := time.Now()
	p.operate(t, "cut", "anonymous_id:ruling-cookie", "email:ruling@free.fr", "--reason", "a visitor at the shop's computer")
	p.eventually(t, "2\t6", customers)
	t.Logf("customers followed the cut after %s", time.Since(began).Round(time.Millisecond))
	p.eventually(t, "seen\nseen-again", `SELECT message_id FROM parcours.customer_events WHERE customer_id NOT IN
		(SELECT customer_id FROM parcours.customer_events WHERE message_id = 'account') ORDER BY message_id`)
	if said := p.operate(t, "explain", "anonymous_id:ruling-cookie", "user_id:ruling-user"); !strings.Contains(said, "cut") {
		t.Errorf("after the cut, explain says\n%s", said)
	}

	p.operate(t, "allow", "anonymous_id:ruling-cookie", "email:ruling@free.fr", "--reason", "it was she")
	p.eventually(t, together, events)
	p.eventually(t, "1\t6", customers)

	// Blocked, the address joins nobody: the cookie and the account's card part, and an event whose best identifier it is goes on to the next.
	p.operate(t, "block", "email:ruling@free.fr", "--reason", "everybody's address")
	p.eventually(t, "address\nseen\nseen-again", `SELECT message_id FROM parcours.customer_events WHERE customer_id IN
		(SELECT customer_id FROM parcours.customer_events WHERE message_id = 'seen') ORDER BY message_id`)
	p.operate(t, "allow", "email:ruling@free.fr", "--reason", "it is hers")
	p.eventually(t, together, events)

	p.operate(t, "erase", "user_id:ruling-user", "--whole-customer", "--yes", "--reason", "asked for it")
	p.eventually(t, "0", `SELECT count() FROM parcours.contacts`)
	track("late", 6, `"anonymousId":"ruling-cookie"`, `"email":"ruling@free.fr"`)
	p.accept(t, "wk_dev_web", "/v1/track", `{"messageId":"returned","event":"Product Viewed","anonymousId":"ruling-cookie","properties":{"email":"ruling@free.fr"}}`)
	p.eventually(t, "1", `SELECT count() FROM parcours.customer_events WHERE message_id = 'returned'`)
	if got := p.query(t, `SELECT count() FROM parcours.events WHERE message_id = 'late'`); got != "0" {
		t.Errorf("an event from before the erasure came back as %s rows", got)
	}
	p.eventually(t, "0", `SELECT count() FROM parcours.customer_events WHERE message_id != 'returned' AND customer_id IN
		(SELECT customer_id FROM parcours.customer_events WHERE message_id = 'returned')`)
}
