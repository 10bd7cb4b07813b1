package sink_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

type line struct {
	product  string
	quantity int
	price    schemas.Optional[schemas.Decimal]
}

func lines(e touch) []line {
	var all []line
	for _, i := range e.Commerce.Value.Items {
		l := line{product: i.ProductID, quantity: 1, price: i.Price}
		if l.product == "" {
			l.product = i.SKU
		}
		if i.Quantity.Valid {
			l.quantity = units(i.Quantity.Value)
		}
		if l.product != "" {
			all = append(all, l)
		}
	}
	return all
}

var stages = map[string]int{
	"Product Added": 1, "Product Removed": 1, "Cart Viewed": 1, "Checkout Started": 2, "Checkout Step Viewed": 2, "Checkout Step Completed": 2, "Payment Info Entered": 3,
}

func (c *recount) carts() [][]string {
	firsts := make(map[uuid.UUID]string) // the first confirmation of each order
	bought := make(map[uuid.UUID][]touch)
	for key, events := range c.placed {
		firsts[events[0].EventID] = key
		bought[events[0].customer] = append(bought[events[0].customer], events[0])
	}
	var rows [][]string
	for customer, events := range group(c.touches, func(e touch) uuid.UUID { return e.customer }) {
		// Of one millisecond, orders come last.
		slices.SortStableFunc(events, func(a, b touch) int {
			if a.at == b.at && (firsts[a.EventID] != "") != (firsts[b.EventID] != "") {
				if firsts[a.EventID] != "" {
					return 1
				}
				return -1
			}
			return byPosition(a, b)
		})
		open := make(map[string][]touch)
		finish := func(id string) {
			if len(open[id]) > 0 {
				if cart := c.cart(customer, id, open[id], bought[customer], firsts); cart != nil {
					rows = append(rows, cart)
				}
			}
			delete(open, id)
		}
		for _, e := range events {
			if firsts[e.EventID] != "" && e.Channel != "store" {
				for _, id := range slices.Collect(maps.Keys(open)) {
					finish(id)
				}
			}
			if stages[e.Name] == 0 || e.shared || e.Device.Value.IsBot {
				continue
			}
			id := e.Commerce.Value.CartID
			if before := open[id]; id == "" && len(before) > 0 && e.at-before[len(before)-1].at > day {
				finish(id)
			}
			open[id] = append(open[id], e)
		}
		for _, id := range slices.Collect(maps.Keys(open)) {
			finish(id)
		}
	}
	return sorted(rows)
}

func (c *recount) cart(customer uuid.UUID, id string, events, bought []touch, keys map[uuid.UUID]string) []string {
	quantity, price := make(map[string]int), make(map[string]schemas.Optional[schemas.Decimal])
	stage, currency := 0, ""
	for _, e := range events {
		stage = max(stage, stages[e.Name])
		all := lines(e)
		if len(all) == 0 {
			continue
		}
		currency = e.currency()
		if e.Name != "Product Added" && e.Name != "Product Removed" {
			clear(quantity)
			clear(price)
		}
		for _, l := range all {
			if e.Name == "Product Removed" {
				l.quantity = -l.quantity
			}
			quantity[l.product] += l.quantity
			if l.price.Valid {
				price[l.product] = l.price
			}
		}
	}
	var products []string
	sum, value, valued := 0, 0, false
	for _, p := range slices.Sorted(maps.Keys(quantity)) {
		if quantity[p] <= 0 {
			continue
		}
		products, sum = append(products, p), sum+quantity[p]
		if price[p].Valid {
			value, valued = value+quantity[p]*units(price[p].Value), true
		}
	}
	first, last := events[0], events[len(events)-1]
	if len(products) == 0 || int64(last.at) >= time.Now().Add(-time.Hour).UnixMilli() {
		return nil
	}
	var next *touch
	for _, o := range bought {
		if o.at >= last.at && (next == nil || o.at < next.at || o.at == next.at && keys[o.EventID] < keys[next.EventID]) {
			next = &o
		}
	}
	if next != nil && next.at-last.at <= hour {
		return nil
	}
	cells := row(first.EventID, customer, id, last.Channel, int64(first.at), int64(last.at), []string{"", "cart", "checkout", "payment"}[stage], len(events), len(products), sum, value, currency, products)
	if !valued {
		cells[10] = ""
	}
	if next != nil && next.at-last.at <= 7*day {
		return append(cells, row(true, keys[next.EventID], int64(next.at), next.Channel)...)
	}
	return append(cells, row(false, "", "", "")...)
}

// worth is what the test's configuration says of a source and a field.
func worth(e touch, field string) int {
	switch {
	case e.Source == "crm" && time.Since(e.OccurredAt.Time()) <= 60*24*time.Hour:
		return 5
	case e.Source == "old" && field == "email":
		return -1
	case e.Source == "old" && field == "tier":
		return 9
	}
	return 0
}

// golden is the value of the statement that is worth most, then of the newest.
func golden(events []touch, field string, value func(touch) string) string {
	best, found := touch{}, ""
	for _, e := range events {
		if v := value(e); v != "" && (found == "" || worth(e, field) > worth(best, field) || worth(e, field) == worth(best, field) && newer(e, best)) {
			best, found = e, v
		}
	}
	return found
}

// newer orders statements as their version does: by time, then by the last 22 bits of the id.
func newer(a, b touch) bool {
	low := func(e touch) int { return int(e.EventID[13]&0x3f)<<16 | int(e.EventID[14])<<8 | int(e.EventID[15]) }
	return a.at > b.at || a.at == b.at && low(a) > low(b)
}

func (c *recount) customers() [][]string {
	var rows [][]string
	for customer, events := range group(c.touches, func(e touch) uuid.UUID { return e.customer }) {
		shared := slices.ContainsFunc(events, func(e touch) bool { return e.shared })
		stated := slices.DeleteFunc(slices.Clone(events), func(e touch) bool { return !e.Person.Valid })
		of := func(field string, value func(schemas.Person) string) string {
			return golden(stated, field, func(e touch) string { return value(e.Person.Value) })
		}
		email := of("email", func(p schemas.Person) string { return p.Email })
		phone := of("phone", func(p schemas.Person) string { return p.Phone })
		first := of("first_name", func(p schemas.Person) string { return p.FirstName })
		last := of("last_name", func(p schemas.Person) string { return p.LastName })
		full := of("full_name", func(p schemas.Person) string { return p.FullName })
		born := of("birth_date", func(p schemas.Person) string {
			if p.BirthDate.Valid {
				return "born"
			}
			return ""
		})
		whole := of("address", func(p schemas.Person) string {
			if p.Street != "" && p.PostalCode != "" && p.City != "" {
				return "spc"
			}
			return ""
		})
		part := whole
		if whole == "" {
			part = of("address", func(p schemas.Person) string {
				parts := ""
				for letter, value := range map[string]string{"s": p.Street, "p": p.PostalCode, "c": p.City} {
					if value != "" {
						parts += letter
					}
				}
				return parts
			})
		}
		share := float64(len(part))
		for _, known := range []bool{email != "", phone != "", first != "" || full != "", last != "" || full != "", born != ""} {
			if known {
				share++
			}
		}
		refused := refusals(events)
		digits := notDigits.ReplaceAllString(phone, "")
		called := len(digits) >= 9 && len(digits) <= 15
		valid := map[string]bool{"email": mailForm.MatchString(email), "phone": called, "post": whole != "", "sms": called && !strings.HasPrefix(phone, "+33 1")}
		var open []string
		for _, way := range []string{"email", "phone", "post", "sms"} {
			if valid[way] && !slices.Contains(refused, way) && !shared {
				open = append(open, way)
			}
		}
		rows = append(rows, row(customer, shared, len(events), email != "", phone != "", full != "" || first != "" && last != "", whole != "", born != "", share/8, refused, open, tier(events)))
	}
	return sorted(rows)
}

// refusals follows what each statement of a customer says of each way, as the generator's statements mean it.
func refusals(events []touch) []string {
	state := make(map[string]bool) // refused
	for _, e := range events {
		say := func(refuse bool, ways ...string) {
			for _, way := range ways {
				state[way] = refuse
			}
		}
		switch e.Name {
		case "Unsubscribed", "Email Marked as Spam":
			say(true, "email")
		case "Newsletter Subscribed":
			say(false, "email")
		}
		switch e.Traits {
		case `{"newsletter":true}`:
			say(false, "email")
		case `{"newsletter":false}`:
			say(true, "email")
		case `{"sms_opt_in":"non"}`:
			say(true, "sms")
		}
		if !e.Consent.Valid {
			continue
		}
		granted, denied := strings.Join(e.Consent.Value.Granted, ","), strings.Join(e.Consent.Value.Denied, ",")
		switch {
		case denied == "*" || granted == "" && denied == "" || denied == "Direct Marketing":
			say(true, "email", "phone", "post", "sms")
		case granted == "E-mail":
			say(false, "email")
			say(true, "sms")
		case granted == "marketing":
			say(false, "email", "phone", "post", "sms")
		case granted == "sms,post":
			say(false, "sms", "post")
		}
	}
	var refused []string
	for _, way := range slices.Sorted(maps.Keys(state)) {
		if state[way] {
			refused = append(refused, way)
		}
	}
	return refused
}

func tier(events []touch) string {
	said := golden(events, "tier", func(e touch) string {
		switch {
		case strings.Contains(e.Traits, "gold"):
			return "gold"
		case strings.Contains(e.Traits, "silver"):
			return "silver"
		case strings.Contains(e.Traits, "null"):
			return "taken back"
		}
		return ""
	})
	return strings.ReplaceAll(said, "taken back", "")
}
