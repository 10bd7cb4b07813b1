package simulate

import (
	"net/url"
	"strconv"
)

const (
	site       = "https://www.lucioles.example"
	siteTitle  = " | Lucioles"
	ajsLibrary = "analytics.js"
	ajsVersion = "npm:next-1.84.3"
)

// landing is where a visit came from: a referrer, a campaign, an advertiser's click id.
type landing struct {
	referrer string
	campaign *Campaign
	clickID  string
}

var (
	searchEngines = []string{
		"https://www.google.com/", "https://www.google.com/", "https://www.google.com/", "https://www.google.fr/",
		"https://www.bing.com/", "https://www.ecosia.org/", "https://www.qwant.com/", "https://duckduckgo.com/",
	}
	socialSites = []string{"https://www.instagram.com/", "https://l.facebook.com/", "https://www.pinterest.fr/", "https://www.tiktok.com/"}
	blogs       = []string{"https://www.deco-du-dimanche.example/", "https://jardin-et-balcon.example/", "https://lesbonsplans.example/"}
	words       = []string{
		"bougie", "plaid laine", "housse de couette lin", "cadeau naissance", "lampe", "cocotte", "pull marin",
		"carnet", "chaise jardin", "coffret bain", "vase", "marinière", "théière", "guirlande", "idée cadeau",
	}
)

func (c *scene) arrival() landing {
	switch c.v.landing {
	case organic:
		return landing{referrer: pick(c.d, searchEngines)}
	case paidSearch:
		term := pick(c.d, words)
		return landing{
			referrer: "https://www.google.com/", clickID: "gclid",
			campaign: &Campaign{Name: pick(c.d, []string{"marque", "deco-generique", "shopping-maison"}), Source: "google", Medium: "cpc", Term: term},
		}
	case social:
		at := pick(c.d, socialSites)
		l := landing{referrer: at}
		if c.d.chance(.45) {
			l.clickID = "fbclid"
			l.campaign = &Campaign{Name: "automne-cosy", Source: "meta", Medium: "paid_social", Content: pick(c.d, []string{"video", "carrousel"})}
		}
		return l
	case affiliate:
		return landing{referrer: "https://lesbonsplans.example/", campaign: &Campaign{Name: "bons-plans", Source: "lesbonsplans", Medium: "affiliate"}}
	case assistant:
		return landing{referrer: pick(c.d, []string{"https://chatgpt.com/", "https://www.perplexity.ai/", "https://copilot.microsoft.com/"})}
	case referral:
		return landing{referrer: pick(c.d, blogs)}
	case newsletter:
		m := c.s.mailings[c.v.campaign]
		return landing{campaign: &Campaign{Name: m.name, Source: "newsletter", Medium: "email", Content: m.content}}
	}
	return landing{}
}

// search writes the query string of the landing address.
func (l landing) search(d *dice) string {
	q := url.Values{}
	if m := l.campaign; m != nil {
		q.Set("utm_campaign", m.Name)
		q.Set("utm_source", m.Source)
		q.Set("utm_medium", m.Medium)
		if m.Term != "" {
			q.Set("utm_term", m.Term)
		}
		if m.Content != "" {
			q.Set("utm_content", m.Content)
		}
	}
	if l.clickID != "" {
		q.Set(l.clickID, "Cj"+strconv.FormatUint(d.Uint64(), 36))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// open sets up the browser of the visit.
func (c *scene) open() *device {
	v := c.p.devices[c.v.slot]
	c.browser = v
	c.source, c.prefix = Web, "ajs-next-"
	c.anon = c.s.cookie(v, int(c.v.generation))
	zone := c.p.house.town.zone.String()
	c.ctx = &Context{
		Library: ajsLibrary, LibraryVersion: ajsVersion, UserAgent: v.agent.userAgent, Locale: "fr-FR", Timezone: zone,
		Width: v.agent.width, Height: v.agent.height, Consent: c.p.consent,
	}
	if c.d.chance(.04) {
		c.ctx.Locale = pick(c.d, []string{"en-US", "en-GB", "pt-PT", "es-ES", "de-DE"})
	}
	c.clock = c.clockOf(v)
	switch v.slot {
	case tablet, lentPhone, usedLaptop, kiosk:
		c.cases = c.cases.With([...]Case{tablet: FamilyTablet, lentPhone: LentPhone, usedLaptop: SecondHandComputer, kiosk: ShopKiosk}[v.slot])
	}
	c.shared()
	return v
}

// clockOf is the error of a device's clock: most keep time within two seconds, some are minutes or hours wrong.
func (c *scene) clockOf(v *device) int64 {
	d := throw(c.s.cfg.Seed, forDevice, v.owner, 100+v.slot)
	switch x := d.float(); {
	case x < .955:
		return int64(d.between(-2000, 2000))
	case x < .985:
		return int64(d.between(-9, 9)) * minute
	}
	return int64(d.between(-30, 30)) * hour
}

func (c *scene) page(path, title, category string) *Event {
	next := &Page{Path: path, Title: title + siteTitle}
	if before := c.ctx.Page; before != nil {
		next.Referrer = site + before.Path + before.Search
	}
	c.enter(next)
	e := c.emit("page", title)
	e.Category = category
	return e
}

// enter gives the following events a context of their own, with another page.
func (c *scene) enter(p *Page) {
	ctx := *c.ctx
	ctx.Page = p
	c.ctx = &ctx
}

func (c *scene) web() {
	c.open()
	if c.v.lent {
		c.user = c.lender()
		c.cases = c.cases.With(OpenAccount)
	}
	if c.v.loggedIn {
		c.user = c.p.userID
	}
	c.land()
	switch c.v.aim {
	case toBounce:
		return
	case toSubscribe:
		c.browse(c.d.between(0, 2))
		c.subscribe()
		return
	}
	if c.v.logsIn && c.v.aim != toBuy {
		c.logIn()
	}
	c.browse(c.d.between(1, 4))
	switch c.v.aim {
	case toAbandon:
		o := c.order(c.v)
		c.fill(&o)
		if c.d.chance(.4) {
			c.wait(20*second, 2*minute)
			c.page("/panier", "Mon panier", "Panier")
			c.checkoutStarted(&o)
		}
	case toBuy:
		o := c.order(c.v)
		c.fill(&o)
		c.checkOut(&o)
	}
	if c.v.handsOver {
		c.handOver(func() { c.look(Line{Product: c.product(), Quantity: 1}) })
	}
}

// shared adds the cases that come with the cookie of the visit.
func (c *scene) shared() {
	if c.v.handsOver {
		c.cases = c.cases.With(SharedPhone)
	} else if c.v.cleared {
		c.cases = c.cases.With(ClearedCookie)
	}
}

// handOver lets the person sign out and the second member of the household sign in, look at something, and sign out.
func (c *scene) handOver(look func()) {
	c.signOut(1)
	first, who, events := c.p, c.who, len(c.events)
	var second person
	c.s.person(first.index+1, &second)
	c.p, c.who = &second, second.index
	c.logIn()
	for range c.d.between(1, 4) {
		look()
	}
	c.signOut(2)
	for _, e := range c.events[events:] {
		c.mark(e, &second)
	}
	c.p, c.who = first, who
}

// signOut ends the account; where the site then gives another cookie, it is the given number of generations later.
func (c *scene) signOut(generations int) {
	c.wait(4*second, 40*second)
	c.emit("track", "Signed Out")
	c.user = ""
	if c.v.resets {
		c.anon = c.s.cookie(c.browser, int(c.v.generation)+generations)
	}
}

// lender is the account that was left open on the household's tablet: that of its head, when there is one.
func (c *scene) lender() string {
	var head person
	c.s.person(c.p.house.head, &head)
	return head.userID
}

func (c *scene) land() {
	from := c.arrival()
	path, title, category := "/", "Accueil", ""
	if c.d.chance(.55) {
		p := c.product()
		path, title, category = "/c/"+slug(p.category), p.category, "Rayon"
	}
	c.enter(&Page{Path: path, Title: title + siteTitle, Referrer: from.referrer, Search: from.search(c.d)})
	c.ctx.Campaign = from.campaign
	e := c.emit("page", title)
	e.Category = category
	if c.d.chance(.06) {
		c.wait(second, 4*second)
		e := c.emit("track", "Promotion Viewed")
		e.Commerce = &Commerce{Promotion: "bandeau-automne"}
		e.Extra = []Property{{Key: "creative", Text: "hero"}, {Key: "name", Text: "Automne cosy"}, {Key: "position", Text: "top"}}
	}
}

func (c *scene) product() *product {
	return &c.s.lists.products[c.s.lists.productWeights.draw(c.d)]
}

func (c *scene) browse(looks int) {
	if c.d.chance(.25) {
		c.wait(3*second, 40*second)
		q := pick(c.d, words)
		c.page("/recherche", "Recherche", "Recherche").Context.Page.Search = "?q=" + url.QueryEscape(q)
		c.emit("track", "Products Searched").Commerce = &Commerce{Query: q}
	}
	if c.d.chance(.3) {
		c.wait(5*second, 50*second)
		p := c.product()
		c.page("/c/"+slug(p.category), p.category, "Rayon")
		list := &Commerce{ListID: slug(p.category), Category: p.category}
		for i := range 4 {
			list.Lines = append(list.Lines, Line{Product: c.product(), Quantity: 1, Position: i + 1})
		}
		c.emit("track", "Product List Viewed").Commerce = list
	}
	for range looks {
		c.look(Line{Product: c.product(), Quantity: 1})
	}
}

func (c *scene) look(l Line) {
	c.wait(8*second, 90*second)
	c.page("/p/"+l.Product.slug+"-"+l.Product.id, l.Product.name, l.Product.category)
	c.wait(50, 400)
	c.emit("track", "Product Viewed").Commerce = &Commerce{Lines: []Line{l}, Single: true, Value: l.Product.price, Stated: statedValue}
	if c.d.chance(.03) {
		c.wait(2*second, 20*second)
		e := c.emit("track", "Product Added to Wishlist")
		e.Commerce = &Commerce{Lines: []Line{l}, Single: true}
		e.Extra = []Property{{Key: "wishlist_name", Text: "Mes envies"}}
	}
}

// fill puts the goods of an order into the cart.
func (c *scene) fill(o *order) {
	for _, l := range o.lines {
		if c.d.chance(.7) {
			c.look(l)
		}
		c.wait(4*second, 40*second)
		c.emit("track", "Product Added").Commerce = &Commerce{CartID: o.cart, Lines: []Line{l}, Single: true}
	}
	if c.d.chance(.12) {
		l := Line{Product: c.product(), Quantity: 1}
		c.wait(4*second, 20*second)
		c.emit("track", "Product Added").Commerce = &Commerce{CartID: o.cart, Lines: []Line{l}, Single: true}
		c.wait(4*second, 20*second)
		c.emit("track", "Product Removed").Commerce = &Commerce{CartID: o.cart, Lines: []Line{l}, Single: true}
	}
	c.wait(4*second, 30*second)
	c.emit("track", "Cart Viewed").Commerce = &Commerce{CartID: o.cart, Lines: o.lines}
}

func (c *scene) checkoutStarted(o *order) {
	checkout := o.commerce()
	checkout.Coupon, checkout.CartID = "", o.cart
	checkout.Value, checkout.Stated = o.total, statedTotals|statedValue
	c.emit("track", "Checkout Started").Commerce = checkout
}

func (c *scene) checkOut(o *order) {
	c.wait(5*second, 40*second)
	c.page("/commande", "Commande", "Commande")
	c.checkoutStarted(o)
	switch {
	case c.p.userID != "" && !c.v.loggedIn && !c.v.lent && !c.v.asGuest:
		c.logIn()
	case c.p.userID == "" || c.v.asGuest: // a guest types an e-mail address, without an account
		c.wait(20*second, 90*second)
		email := c.p.email
		switch {
		case c.v.asGuest:
			email = c.guestAddress()
		case c.p.variant != "" && c.d.chance(.5):
			email = c.p.variant
		}
		e := c.emit("identify", "")
		e.Traits = c.traits(email)
		e.Traits.Phone = c.spoken(c.p.phone)
		e.Traits.Street, e.Traits.PostalCode, e.Traits.City, e.Traits.Country = c.p.house.street, c.p.house.town.postcode, c.p.house.town.city, "FR"
	}
	step := func(name string, n int) {
		c.wait(6*second, 60*second)
		c.emit("track", name).Commerce = &Commerce{CheckoutID: o.checkout, OrderID: o.id, Step: n, Shipping: o.shipping, Payment: o.payment}
	}
	step("Checkout Step Completed", 1)
	if o.coupon != "" {
		c.wait(5*second, 20*second)
		c.emit("track", "Coupon Applied").Commerce = &Commerce{OrderID: o.id, CartID: o.cart, Coupon: o.coupon, Discount: o.discount}
	}
	step("Payment Info Entered", 2)
	c.wait(15*second, 90*second)
	c.page("/commande/merci", "Merci", "Commande")
	c.wait(100, 900)
	c.emit("track", "Order Completed").Commerce = o.commerce()
	if c.v.slot == kiosk { // the next visitor logs in on top: nobody logs out here
		c.user = ""
	}
}

func (c *scene) logIn() {
	c.wait(6*second, 40*second)
	c.user = c.p.userID
	e := c.emit("identify", "")
	e.Traits = c.traits(c.p.email)
	if c.p.ownCard && c.d.chance(.8) {
		e.Traits.LoyaltyID = c.p.card
	}
	c.wait(100, 900)
	c.emit("track", "Signed In").Extra = []Property{{Key: "method", Text: pick(c.d, []string{"password", "password", "passkey", "google"})}}
}

func (c *scene) subscribe() {
	c.wait(10*second, 60*second)
	email := c.p.email
	if c.p.variant != "" && c.d.chance(.5) {
		email = c.p.variant
	}
	e := c.emit("identify", "")
	e.Traits = &Traits{Email: email}
	yes := true
	e.Traits.Newsletter = &yes
	c.wait(200, 900)
	c.emit("track", "Newsletter Subscribed").Extra = []Property{{Key: "form", Text: "pied-de-page"}}
}
