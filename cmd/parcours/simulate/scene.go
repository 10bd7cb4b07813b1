package simulate

import (
	"strconv"
	"time"
)

// numberStride separates the order numbers of people.
const numberStride = 4096

// scene plays one visit: it holds where the person is and what the clock says while events are made.
type scene struct {
	s       *Simulation
	p       *person
	d       *dice
	v       *visit
	visits  []visit
	who     int
	at      int64
	clock   int64
	user    string
	anon    string
	device  string
	browser *device // or app, that the visit is made on
	ctx     *Context
	source  string
	prefix  string // of message ids; "" gives a bare uuid
	cases   Cases  // that touch every event of the visit from here on
	events  []*Event
}

func (c *scene) play(s *Simulation, p *person, visits []visit, i, who int, out *outbox) {
	v := &visits[i]
	*c = scene{s: s, p: p, v: v, visits: visits, who: who, at: v.at, d: throw(s.cfg.Seed, forVisit, who, v.number), events: c.events[:0]}
	switch v.kind {
	case webVisit:
		c.web()
	case appVisit:
		c.app()
	case tillVisit, tillRefund:
		c.till()
	case pickUp, webRefund:
		c.backOffice()
	case mailing, opening:
		c.letter()
	case surveyReply:
		c.survey()
	case phoneCall:
		c.call()
	case profile:
		c.profile()
	case botVisit:
		c.bot()
	}
	if who >= 0 {
		for _, e := range c.events {
			if e.Person == who { // the others are marked where they are made
				c.mark(e, p)
			}
		}
	}
	c.mistake()
	out.take(c)
}

// emit adds an event; the caller fills in what it is about.
func (c *scene) emit(call, name string) *Event {
	e := &Event{
		MessageID: c.message(), Source: c.source, Type: call, Name: name, At: c.at, Clock: c.clock, Person: c.who,
		UserID: c.user, Anonymous: c.anon, DeviceID: c.device, Context: c.ctx, Cases: c.cases,
	}
	c.events = append(c.events, e)
	return e
}

func (c *scene) message() string {
	if c.prefix == "" {
		return c.d.uuid()
	}
	return c.prefix + strconv.FormatInt(c.at+c.clock, 10) + "-" + c.d.uuid()
}

// wait lets between low and high milliseconds go by.
func (c *scene) wait(low, high int64) { c.at += low + int64(c.d.below(int(high-low))) }

// origin is the visit that this one follows from, or nil.
func (c *scene) origin() *visit {
	for i := range c.visits {
		if c.visits[i].number == c.v.origin {
			return &c.visits[i]
		}
	}
	return nil
}

// order is what was bought in a visit: a function of person and visit, so that the hand-over, the refund and the
// survey days later speak of the same goods.
type order struct {
	id, cart, checkout, coupon, payment, shipping string
	lines                                         []Line
	subtotal, discount, fee, total, tax           int
}

func (c *scene) order(v *visit) order {
	d := throw(c.s.cfg.Seed, forOrder, c.who, v.number)
	n := c.who*numberStride + v.number
	o := order{id: "W" + strconv.Itoa(100_000_000+n), cart: "C" + strconv.Itoa(100_000_000+n), checkout: "K" + strconv.Itoa(100_000_000+n)}
	goods := 0
	for i := range min(1+d.poisson(1.1), 8) {
		p := &c.s.lists.products[c.s.lists.productWeights.draw(d)]
		q := 1
		if p.price < 2000 && d.chance(.3) {
			q = d.between(2, 4)
		}
		o.lines = append(o.lines, Line{Product: p, Variant: d.below(len(p.variants)), Quantity: q, Position: i + 1})
		goods += q * p.price
	}
	if d.chance(.12) {
		o.coupon, o.discount = "BIENVENUE10", goods/10
		if d.chance(.6) {
			o.coupon, o.discount = "CARTE5", goods/20
		}
	}
	o.shipping, o.fee = "home", 490
	switch x := d.float(); {
	case c.collected(v):
		o.shipping, o.fee = "click_and_collect", 0
	case x < .45:
		o.shipping, o.fee = "pick_up_point", 390
	}
	if v.kind == tillVisit || goods-o.discount >= 6000 {
		o.fee = 0
	}
	if v.kind == tillVisit {
		o.id = c.receiptOrder(v)
	}
	gross := goods - o.discount
	o.total = gross + o.fee
	o.tax = (gross*20 + 60) / 120 // 20 % VAT inside the price
	o.subtotal = gross - o.tax
	o.payment = pick(d, []string{"card", "card", "card", "card", "paypal", "apple_pay", "gift_card"})
	return o
}

// collected tells whether the order of that visit is handed over in a shop.
func (c *scene) collected(v *visit) bool {
	for i := range c.visits {
		if c.visits[i].kind == pickUp && c.visits[i].origin == v.number {
			return true
		}
	}
	return false
}

// commerce turns an order into the part of an event.
func (o *order) commerce() *Commerce {
	return &Commerce{
		OrderID: o.id, CheckoutID: o.checkout, Coupon: o.coupon, Payment: o.payment, Shipping: o.shipping,
		Total: o.total, Subtotal: o.subtotal, Tax: o.tax, Fee: o.fee, Discount: o.discount, Stated: statedTotals, Lines: o.lines,
	}
}

func (c *scene) traits(email string) *Traits {
	p := c.p
	return &Traits{Email: email, FirstName: p.first, LastName: p.house.last}
}

// fullTraits are those of the customer file.
func (c *scene) fullTraits() *Traits {
	p := c.p
	t := c.traits(p.email)
	t.Phone, t.Birthday = c.spoken(p.phone), p.birth.Format(time.DateOnly)
	t.Street, t.PostalCode, t.City, t.Country = p.house.street, p.house.town.postcode, p.house.town.city, "FR"
	t.Gender = map[byte]string{'f': "female", 'm': "male"}[p.sex]
	t.Store = c.s.lists.stores[p.store].id
	letters := p.letters
	t.Newsletter = &letters
	if p.ownCard {
		t.LoyaltyID = p.card
	}
	return t
}

// spoken is a telephone number as people write it. Overseas numbers keep their national form: the postcode tells the rest.
func (c *scene) spoken(national string) string {
	pairs := national[:2] + " " + national[2:4] + " " + national[4:6] + " " + national[6:8] + " " + national[8:]
	code, overseas := countryCodes[national[:4]]
	switch {
	case overseas && c.d.chance(.5):
		return code + national[1:]
	case overseas:
		return pairs
	}
	switch c.d.below(4) {
	case 0:
		return national
	case 1:
		return "+33" + national[1:]
	case 2:
		return "+33 " + pairs[1:]
	}
	return pairs
}

var countryCodes = map[string]string{"0690": "+590", "0696": "+596", "0694": "+594", "0692": "+262", "0639": "+262"}
