package simulate

import (
	"fmt"
	"strings"
	"time"
)

// receiptOf is the ticket of a visit to a till: a function of person and visit.
func (c *scene) receiptOf(v *visit) Receipt {
	d := throw(c.s.cfg.Seed, forOrder, c.who, -1-v.number)
	shop := &c.s.lists.stores[v.shop]
	register := d.between(1, shop.registers)
	return Receipt{
		Store: shop.id, Register: fmt.Sprintf("%02d", register), Date: time.UnixMilli(v.at).In(shop.zone).Format(time.DateOnly),
		Number:  fmt.Sprintf("%s%010d", time.UnixMilli(v.at).In(shop.zone).Format("060102"), c.who*numberStride+v.number),
		Cashier: fmt.Sprintf("%s-%d", shop.id, 10+(register*3+int(v.at/(8*hour)))%(2*shop.registers)),
		Offline: c.s.offline(int(v.shop), register, c.s.zone(shop.zone).dayOf(v.at)),
	}
}

// offline tells whether the line of a till is cut that day: its tickets come at night.
func (s *Simulation) offline(shop, register, day int) bool {
	return throw(s.cfg.Seed, forStaff, shop*100+register, 1000+day).chance(.03)
}

func (c *scene) receiptOrder(v *visit) string {
	r := c.receiptOf(v)
	return r.Store + "-" + r.Register + "-" + r.Number
}

// till plays a purchase at a till, or goods brought back.
func (c *scene) till() {
	r := c.receiptOf(c.v)
	c.source = POS
	c.clock = c.s.tillClock(int(c.v.shop))
	c.ctx = &Context{Library: "lucioles-caisse", LibraryVersion: "5.12"}
	bought := c.v
	if c.v.kind == tillRefund {
		bought = c.origin()
	}
	o := c.order(bought)
	commerce := o.commerce()
	commerce.Shipping, commerce.CheckoutID, commerce.Payment, commerce.Text = "", "", "", true
	r.Tender = pick(c.d, []string{"card", "card", "card", "card", "card", "cash", "cash", "voucher"})
	if r.Tender == "card" {
		r.Token = c.p.bank
	}
	commerce.Receipt = &r
	c.customer(&r)
	name := "Order Completed"
	if c.v.kind == tillRefund {
		name = "Order Refunded"
		commerce.Reason = pick(c.d, []string{"taille", "défaut", "ne convient pas", "cadeau en double"})
		commerce.Coupon = ""
		if len(o.lines) > 1 && c.d.chance(.6) { // one article of several
			l := o.lines[0]
			commerce.Lines, commerce.Discount = []Line{l}, 0
			commerce.Total = l.Quantity * l.Product.price
			commerce.Tax = (commerce.Total*20 + 60) / 120
			commerce.Subtotal = commerce.Total - commerce.Tax
		}
	}
	e := c.emit("track", name)
	e.MessageID = r.Store + "/" + r.Register + "/" + r.Number
	e.Commerce = commerce
}

// customer is what the cashier learns of the shopper.
func (c *scene) customer(r *Receipt) {
	p := c.p
	switch {
	case p.card != "" && c.d.chance(.82):
		r.Loyalty = p.card
	case c.d.chance(c.s.rate(LentCard)):
		if r.Loyalty = c.friendsCard(); r.Loyalty != "" {
			c.cases = c.cases.With(LentCard)
		}
	case c.d.chance(c.s.rate(CashierCard)):
		// No card at hand: the cashier scans one from the drawer and keeps the points.
		r.Loyalty = c.s.cashierCard(int(c.v.shop))
		c.cases = c.cases.With(CashierCard)
	}
	if p.persona == visitor || c.v.kind == tillRefund || !c.d.chance(.35) {
		return
	}
	// An electronic ticket: the address is said aloud and typed by the cashier.
	r.Email = p.email
	switch x := c.d.float(); {
	case x < c.s.rate(MisspeltAddress):
		r.Email = misspelt(c.d, p.email)
		c.cases = c.cases.With(MisspeltAddress)
	case x < c.s.rate(MisspeltAddress)+c.s.rate(MadeUpAddress):
		r.Email = pick(c.d, testMailboxes)
		c.cases = c.cases.With(MadeUpAddress)
	case x < c.s.rate(MisspeltAddress)+c.s.rate(MadeUpAddress)+c.s.rate(AnothersAddress):
		r.Email = c.neighbour(12).email
		c.cases = c.cases.With(AnothersAddress)
	case p.variant != "" && c.d.chance(.5):
		r.Email = p.variant
	case x > .8:
		r.Email = strings.ToUpper(p.email[:1]) + p.email[1:] + " "
	}
	if c.d.chance(.2) {
		r.Phone = c.spoken(p.phone)
	}
}

// neighbour is the person some way off in index, who lives elsewhere.
func (c *scene) neighbour(distance int) *person {
	other := c.p.index + distance
	if other >= c.s.cfg.Customers {
		other = max(c.p.index-distance, 0)
	}
	var p person
	c.s.person(other, &p)
	return &p
}

// friendsCard is the card of somebody of another household, or "" when none of the few friends has one.
func (c *scene) friendsCard() string {
	for distance := 8; distance < 40; distance += 8 {
		if friend := c.neighbour(distance); friend.ownCard && friend.house.head != c.p.house.head {
			return friend.card
		}
	}
	return ""
}

// testMailboxes are what cashiers type to be rid of the question. The normaliser knows two of them.
var testMailboxes = []string{"test@magasin.fr", "client@lucioles.example", "nonrenseigne@gmail.com", "test@test.fr", "pasdemail@lucioles.example"}

func (s *Simulation) cashierCard(shop int) string {
	return cardNumber(50_000_000 + shop)
}

// tillClock is the error of the clock of a shop's tills: one shop in ten never sets it.
func (s *Simulation) tillClock(shop int) int64 {
	d := throw(s.cfg.Seed, forStaff, shop, 0)
	if d.chance(.1) {
		return int64(d.between(-40, 40)) * minute
	}
	return int64(d.between(-3000, 3000))
}

// misspelt makes one of the mistakes that fingers make.
func misspelt(d *dice, address string) string {
	local, host, _ := strings.Cut(address, "@")
	n := 1 + d.below(len(local)-2)
	switch d.below(5) {
	case 0: // two letters exchanged, which are not the same
		for n < len(local)-1 && local[n] == local[n+1] {
			n++
		}
		if n == len(local)-1 {
			return local + local[n:] + "@" + host
		}
		return local[:n] + local[n+1:n+2] + local[n:n+1] + local[n+2:] + "@" + host
	case 1: // one left out
		return local[:n] + local[n+1:] + "@" + host
	case 2: // one doubled
		return local[:n] + local[n:n+1] + local[n:] + "@" + host
	case 3: // the country
		if strings.HasSuffix(host, ".fr") {
			return local + "@" + strings.TrimSuffix(host, ".fr") + ".com"
		}
		return local + "@" + strings.TrimSuffix(host, ".com") + ".fr"
	}
	return local + "@" + host[:1] + host[2:]
}
