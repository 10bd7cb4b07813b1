package simulate

const appVersion = "8.4.1"

// app plays a visit in the mobile application; its SDK sends batches.
func (c *scene) app() {
	v := c.p.devices[app]
	c.browser = v
	c.source = App
	c.anon, c.device = c.s.cookie(v, int(c.v.generation)), c.s.installation(v)
	library := map[string]string{"ios": "analytics-swift", "android": "analytics-kotlin"}[v.handset.os]
	c.ctx = &Context{
		Library: library, LibraryVersion: "1.21.0", UserAgent: v.handset.userAgent(), Locale: "fr-FR", Timezone: c.p.house.town.zone.String(), Width: v.handset.width,
		Height: v.handset.height, AppVersion: appVersion, Device: v.handset, Consent: c.p.consent,
	}
	c.clock = c.clockOf(v)
	c.shared()
	if c.v.loggedIn {
		c.user = c.p.userID
	}
	c.emit("track", "Application Opened").Extra = []Property{{Key: "from_background", Text: pick(c.d, []string{"true", "false"})}, {Key: "version", Text: appVersion}}
	c.screen("Accueil")
	if c.v.logsIn {
		c.logIn()
	}
	if c.v.aim == toBounce {
		return
	}
	c.stroll()
	if c.v.handsOver {
		c.handOver(func() { c.glance(Line{Product: c.product(), Quantity: 1}) })
	}
}

// stroll looks around in the app, and fills a cart or buys.
func (c *scene) stroll() {
	for range c.d.between(1, 4) {
		c.glance(Line{Product: c.product(), Quantity: 1})
	}
	if c.p.ownCard && c.d.chance(.2) {
		c.screen("Ma carte")
	}
	if c.v.aim != toBuy && c.v.aim != toAbandon {
		return
	}
	o := c.order(c.v)
	for _, l := range o.lines {
		c.glance(l)
		c.wait(3*second, 20*second)
		c.emit("track", "Product Added").Commerce = &Commerce{CartID: o.cart, Lines: []Line{l}, Single: true}
	}
	if c.v.aim == toAbandon {
		return
	}
	c.screen("Paiement")
	c.checkoutStarted(&o)
	c.wait(20*second, 90*second)
	c.emit("track", "Order Completed").Commerce = o.commerce()
	c.screen("Merci")
}

// userAgent is what the system's own HTTP client says of itself.
func (h *handset) userAgent() string {
	if h.os == "ios" {
		return "Lucioles/" + appVersion + " CFNetwork/1568.300.101 Darwin/24.6.0"
	}
	return "Dalvik/2.1.0 (Linux; U; Android " + h.version + "; " + h.model + ")"
}

func (c *scene) screen(name string) {
	c.wait(second, 20*second)
	c.emit("screen", name)
}

func (c *scene) glance(l Line) {
	c.screen("Produit")
	c.wait(20, 200)
	c.emit("track", "Product Viewed").Commerce = &Commerce{Lines: []Line{l}, Single: true, Value: l.Product.price, Stated: statedValue}
}
