package simulate

// backOffice plays what the retailer's own programs report: goods handed over, money given back.
func (c *scene) backOffice() {
	bought := c.origin()
	o := c.order(bought)
	c.source, c.prefix = Server, "node-next-"
	user, email := c.buyer(bought)
	c.user = user
	c.ctx = &Context{Library: "@segment/analytics-node", LibraryVersion: "3.1.0"}
	name := "Order Refunded"
	commerce := o.commerce()
	if c.v.kind == pickUp {
		name = "Order Picked Up"
		commerce = nil
		c.ctx.Store = c.s.lists.stores[c.v.shop].id
	} else {
		commerce.Reason = pick(c.d, []string{"rétractation", "défaut", "article manquant"})
		commerce.Fee, commerce.Coupon = 0, ""
		commerce.Total = commerce.Subtotal + commerce.Tax
	}
	e := c.emit("track", name)
	e.Commerce = commerce
	if c.v.kind == pickUp { // not in the vocabulary of e-commerce: all of it is the sender's own
		e.Extra = []Property{{Key: "order_id", Text: o.id}, {Key: "shipping_method", Text: o.shipping}}
	}
	e.Traits = &Traits{Email: email}
}

// buyer is whom the back office takes for the buyer of an order made on the web or in the app.
func (c *scene) buyer(bought *visit) (user, email string) {
	switch {
	case bought.lent: // ordered under somebody else's account
		c.cases = c.cases.With(OpenAccount)
		return c.lender(), c.p.email
	case bought.asGuest:
		return "", c.guestAddress()
	}
	return c.p.userID, c.p.email
}

// guestAddress is the address that a person with an account gives when ordering as a guest.
func (c *scene) guestAddress() string {
	c.cases = c.cases.With(GuestCheckout)
	if c.p.second == "" {
		return c.p.email
	}
	c.cases = c.cases.With(SecondAddress)
	return c.p.second
}

// letter plays a newsletter's life at the mailing provider, which knows people by address alone.
func (c *scene) letter() {
	m := c.s.mailings[c.v.campaign]
	c.source = Email
	c.ctx = &Context{Library: "lucioles-mailing", LibraryVersion: "2.3", Campaign: &Campaign{Name: m.name, Source: "newsletter", Medium: "email", Content: m.content}}
	say := func(name string) {
		e := c.emit("track", name)
		e.Traits = &Traits{Email: c.p.email}
		e.Extra = []Property{{Key: "email_id", Text: m.name}, {Key: "email_subject", Text: m.subject}}
	}
	if c.v.kind == mailing {
		say(pick(c.d, deliveries[:]))
		return
	}
	say("Email Opened")
	if c.v.aim == toBrowse {
		c.wait(4*second, 19*second)
		say("Email Link Clicked")
	} else if c.d.chance(.008) {
		c.wait(4*second, 19*second)
		say("Unsubscribed")
	}
}

// One letter in fifty does not arrive.
var deliveries = outcome("Email Delivered", "Email Bounced")

func outcome(usual, rare string) (all [50]string) {
	for i := range all {
		all[i] = usual
	}
	all[0] = rare
	return all
}

var comments = map[bool][]string{
	true:  {"Très bon accueil.", "Livraison rapide, merci !", "Beaux produits, je reviendrai.", "", "", "Parfait", "Conseils utiles en magasin."},
	false: {"Trop d'attente en caisse.", "Colis abîmé.", "Article manquant, service client injoignable.", "", "Déçue de la qualité.", ""},
}

func (c *scene) survey() {
	bought := c.origin()
	o := c.order(bought)
	c.source = Survey
	c.ctx = &Context{Library: "lucioles-enquete", LibraryVersion: "1.4"}
	user, email := c.p.userID, c.p.email
	if bought.asGuest {
		user, email = c.buyer(bought)
	}
	e := c.emit("track", "Survey Answered")
	e.UserID, e.Traits = user, &Traits{Email: email}
	score := 10 - min(int(c.d.waiting(2)), 10)
	f := &Feedback{ID: "nps-apres-achat", Kind: "nps", Question: "Recommanderiez-vous Lucioles à vos proches ?", Score: score, Scale: 10}
	if c.d.chance(.4) {
		f.Comment = pick(c.d, comments[score >= 7])
	}
	e.Feedback = f
	e.Extra = []Property{{Key: "order_id", Text: o.id}}
}

var topics = []string{"livraison", "livraison", "retour", "carte de fidélité", "disponibilité en magasin", "compte"}

func (c *scene) call() {
	c.source = Care
	c.ctx = &Context{Library: "lucioles-standard", LibraryVersion: "3.0"}
	c.user = c.p.userID
	traits := &Traits{Phone: c.spoken(c.p.phone), LastName: c.p.house.last}
	topic := pick(c.d, topics)
	e := c.emit("track", "Call Received")
	e.Traits, e.Extra = traits, []Property{{Key: "topic", Text: topic}, {Key: "wait_seconds", Number: c.d.between(5, 600)}}
	c.wait(2*minute, 14*minute)
	e = c.emit("track", "Call Ended")
	e.Traits, e.Extra = traits, []Property{{Key: "topic", Text: topic}, {Key: "resolved", Text: pick(c.d, []string{"true", "true", "true", "false"})}}
}

// profile plays one line of the nightly export of the customer file.
func (c *scene) profile() {
	c.source = CRM
	c.ctx = &Context{Library: "lucioles-crm", LibraryVersion: "11.2", Consent: c.p.consent}
	c.user = c.p.userID
	c.emit("identify", "").Traits = c.fullTraits()
}

// botPlan is the visits of a crawler that runs scripts.
func (s *Simulation) botPlan(n int, into []visit) []visit {
	d, into := throw(s.cfg.Seed, forBot, n, 0), into[:0]
	z := s.zone(paris)
	for i := range s.cfg.Days * 2 {
		into = append(into, visit{kind: botVisit, number: i, origin: -1, campaign: -1, at: z.midnight[i/2] + int64(i%2)*12*hour + int64(d.below(int(11*hour)))})
	}
	return into
}

func (c *scene) bot() {
	d := throw(c.s.cfg.Seed, forBot, -1-c.who, 1)
	a := c.s.browser(d, "bot")
	c.source, c.prefix = Web, "ajs-next-"
	c.anon = c.d.uuid() // a crawler keeps no cookie
	c.ctx = &Context{Library: ajsLibrary, LibraryVersion: ajsVersion, UserAgent: a.userAgent, Locale: "en-US", Timezone: "UTC", Width: a.width, Height: a.height}
	for range c.d.between(2, 9) {
		p := c.product()
		c.page("/p/"+p.slug+"-"+p.id, p.name, p.category)
		c.wait(second, 9*second)
	}
}

// mistake adds, rarely, an event that the collector has to refuse.
func (c *scene) mistake() {
	if len(c.events) == 0 || !c.d.chance(.012) {
		return
	}
	last := c.events[len(c.events)-1]
	c.wait(100, 900)
	c.cases = 0
	e := c.emit("track", "Product Viewed")
	switch {
	case c.source == POS:
		e.Name, e.MessageID = "Order Completed", last.MessageID+"/2"
		e.Commerce = &Commerce{}
		*e.Commerce = *last.Commerce
		e.Commerce.OrderID += "-2"
		e.Wrong = "amount"
	case c.source == Web && c.d.chance(.5):
		e.Name, e.Wrong = "", "event"
	case c.source == App:
		e.Type, e.Wrong = "purchase", "type"
	default:
		e.UserID, e.Anonymous, e.DeviceID, e.Traits, e.Wrong = "", "", "", nil, "ids"
		e.Name = "Stock Alert Sent"
	}
}
