package simulate

import (
	"cmp"
	"slices"
)

// kind is what a visit is.
type kind uint8

const (
	webVisit kind = iota + 1
	appVisit
	tillVisit
	pickUp      // click and collect, handed over
	tillRefund  // goods brought back to a shop
	webRefund   // refunded by the back office
	mailing     // a newsletter delivered
	opening     // a newsletter opened, perhaps with a click
	surveyReply // an answer to the survey after an order
	phoneCall
	profile // the nightly export of the customer file
	botVisit
)

// purpose of a visit to the site or app.
const (
	toBounce = iota
	toBrowse
	toAbandon // leaves a cart behind
	toBuy
	toSubscribe // to the newsletter
)

// visit is one stay, one ticket, one letter. number, not the place in the plan, seeds it and names its order.
type visit struct {
	at         int64
	number     int
	origin     int // number of the visit it follows from, or -1
	kind       kind
	aim        uint8
	slot       uint8
	generation uint16
	campaign   int16 // index of the mailing, or -1
	landing    uint8 // how the visitor came
	loggedIn   bool  // the account's cookie is there from the start
	logsIn     bool
	lent       bool // under somebody else's account
	asGuest    bool // orders without signing in, though there is an account
	handsOver  bool // signs out for the second member of the household, who signs in
	resets     bool // whose signing out gives the browser another cookie
	cleared    bool // with one of several cookies of a browser that lost them
	shop       int16
}

// How a visitor came.
const (
	direct = iota
	organic
	paidSearch
	social
	affiliate
	assistant
	referral
	newsletter
)

var landingWeights = weights{36, 64, 76, 87, 90, 95, 100}

// habits are events of a persona in a week.
type habits struct {
	web, app, till, calls     float64
	buyWeb, pickUp, subscribe float64 // shares of web visits
}

var weekly = [personas]habits{
	fullWeb:      {web: 4.2, app: 3.4, calls: .04, buyWeb: .17, pickUp: .05, subscribe: .01},
	fullStore:    {web: .12, app: 1, till: 1.25, calls: .01},
	multichannel: {web: 3.3, app: 3, till: .8, calls: .03, buyWeb: .12, pickUp: .5, subscribe: .01},
	reader:       {web: 1.1, app: 1, till: .15, buyWeb: .05, subscribe: .06},
	oneTime:      {web: 1.2},
	guest:        {web: 2.2, till: .1, buyWeb: .22, calls: .02},
	visitor:      {web: 2.0, subscribe: .01},
}

// plan writes all visits of a person, in the order of time, to into.
func (s *Simulation) plan(p *person, into []visit) []visit {
	d := throw(s.cfg.Seed, forPlan, p.index, 0)
	b := &planner{s: s, p: p, d: d, z: s.zone(p.house.town.zone), visits: into[:0], weeks: float64(s.cfg.Days) / 7, h: weekly[p.persona]}
	b.online()
	b.shops()
	b.letters()
	b.others()
	slices.SortFunc(b.visits, func(x, y visit) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.number, y.number)) })
	b.accounts()
	return b.visits
}

type planner struct {
	s      *Simulation
	p      *person
	d      *dice
	z      *days
	h      habits
	weeks  float64
	visits []visit
}

func (b *planner) add(v visit) *visit {
	v.number = len(b.visits)
	b.visits = append(b.visits, v)
	return &b.visits[len(b.visits)-1]
}

// follow adds a visit that follows from another by the given wait, if the simulated time is long enough for it.
func (b *planner) follow(from visit, k kind, wait int64) {
	if from.at+wait >= b.z.midnight[b.s.cfg.Days]-2*hour {
		return
	}
	b.add(visit{kind: k, at: from.at + wait, origin: from.number, campaign: -1, slot: from.slot, shop: from.shop})
}

func (b *planner) online() {
	for range b.d.poisson(b.h.web * b.weeks) {
		b.webVisit(b.z.online(b.d, 0, b.s.cfg.Days), b.aim())
	}
	if b.p.persona == oneTime && b.d.chance(.5) {
		b.webVisit(b.z.online(b.d, 0, b.s.cfg.Days), toBuy)
	}
	if b.p.app {
		for range b.d.poisson(b.h.app * b.weeks) {
			aim := b.aim()
			if aim == toSubscribe {
				aim = toBrowse
			}
			v := b.add(visit{kind: appVisit, at: b.z.online(b.d, 0, b.s.cfg.Days), origin: -1, campaign: -1, slot: app, aim: aim})
			b.afterWeb(*v)
		}
	}
	if b.p.devices[kiosk] != nil && b.d.chance(b.s.rate(ShopKiosk)) {
		b.kiosk()
	}
}

// kiosk adds a visit on the shop's tablet: most order, signed in or as guests, and the others look.
func (b *planner) kiosk() {
	aim := uint8(toBuy)
	if b.p.persona == visitor || b.d.chance(.3) {
		aim = toBrowse
	}
	if at, ok := b.inShop(b.p.store, 0, b.s.cfg.Days); ok {
		b.add(visit{kind: webVisit, at: at, origin: -1, campaign: -1, slot: kiosk, aim: aim, shop: int16(b.p.store)})
	}
}

func (b *planner) aim() uint8 {
	switch x := b.d.float(); {
	case x < b.h.buyWeb:
		return toBuy
	case x < b.h.buyWeb+b.h.subscribe:
		return toSubscribe
	case x < b.h.buyWeb+b.h.subscribe+.13:
		return toAbandon
	case x < b.h.buyWeb+b.h.subscribe+.36:
		return toBounce
	}
	return toBrowse
}

func (b *planner) webVisit(at int64, aim uint8) {
	v := b.add(visit{kind: webVisit, at: at, origin: -1, campaign: -1, aim: aim, slot: b.browser(at), landing: uint8(landingWeights.draw(b.d)), shop: int16(b.p.store)})
	b.afterWeb(*v)
}

// afterWeb adds what an order or a look leads to: the hand-over in the shop, the survey, the goods brought back, and
// for those who look online and buy in the shop, the ticket.
func (b *planner) afterWeb(v visit) {
	if v.aim == toBuy {
		v.shop = int16(b.p.store)
		collected := false
		if b.d.chance(b.h.pickUp) {
			if at, ok := b.inShop(b.p.store, b.tomorrow(v.at), b.s.cfg.Days); ok && at > v.at+3*hour {
				b.add(visit{kind: pickUp, at: at, origin: v.number, campaign: -1, shop: v.shop})
				collected = true
			}
		}
		if b.d.chance(.3) {
			b.follow(v, surveyReply, 20*hour+int64(b.d.waiting(float64(20*hour))))
		}
		if !collected && b.d.chance(.06) {
			b.follow(v, webRefund, 2*day+int64(b.d.waiting(float64(2*day))))
		}
		return
	}
	if b.p.persona == multichannel && v.aim != toBounce && b.d.chance(.16) {
		today := b.z.dayOf(v.at)
		if at, ok := b.inShop(b.p.store, today, min(today+3, b.s.cfg.Days)); ok && at > v.at {
			b.ticket(at, v.number)
		}
	}
}

// browser draws the device of a web visit.
func (b *planner) browser(at int64) uint8 {
	half := b.z.midnight[0] + int64(b.s.cfg.Days)*day/2
	for range 20 {
		slot, p := laptop, b.p
		switch x := b.d.float(); {
		case x < .5:
			slot = phone
		case x < .62:
			slot = tablet
		case x < .68:
			slot = lentPhone
		case x < .72:
			slot = usedLaptop
		}
		sold := p.sells && slot == laptop && at > half || slot == usedLaptop && at < half
		if p.devices[slot] != nil && !sold {
			return uint8(slot)
		}
	}
	if b.p.devices[phone] != nil {
		return phone
	}
	return laptop
}

func (b *planner) store(i int) *store { return &b.s.lists.stores[i] }

// inShop draws a moment when the shop is open, by the shop's own clock.
func (b *planner) inShop(shop, from, to int) (int64, bool) {
	at := b.store(shop)
	return b.s.zone(at.zone).inShop(b.d, at, from, to)
}

func (b *planner) tomorrow(at int64) int { return min(b.z.dayOf(at)+1, b.s.cfg.Days-1) }

func (b *planner) shops() {
	n := b.d.poisson(b.h.till * b.weeks)
	if b.p.persona == oneTime && len(b.visits) == 0 || b.p.persona == fullStore && n == 0 && b.d.chance(.4) {
		n = 1
	}
	for range n {
		if at, ok := b.inShop(b.p.store, 0, b.s.cfg.Days); ok {
			b.ticket(at, -1)
		}
	}
}

func (b *planner) ticket(at int64, origin int) {
	shop := b.p.store
	if b.d.chance(.03) { // away from home, when the shop there is open as well
		if other := b.s.lists.storeWeights.draw(b.d); b.store(other).zone == b.store(shop).zone {
			z := b.s.zone(b.store(other).zone)
			if n := z.dayOf(at); !b.store(other).open(z.weekday[n], int((at-z.midnight[n])/hour)) {
				other = shop
			}
			shop = other
		}
	}
	v := *b.add(visit{kind: tillVisit, at: at, origin: origin, campaign: -1, shop: int16(shop)})
	if b.d.chance(.05) {
		if at, ok := b.inShop(shop, b.tomorrow(v.at), b.s.cfg.Days); ok && at > v.at+hour {
			b.add(visit{kind: tillRefund, at: at, origin: v.number, campaign: -1, shop: int16(shop)})
		}
	}
	if b.p.email != "" && b.d.chance(.07) {
		b.follow(v, surveyReply, 24*hour+int64(b.d.waiting(float64(12*hour))))
	}
}

// letters: every mailing reaches its subscribers; some open it, some come to the site.
func (b *planner) letters() {
	if !b.p.letters {
		return
	}
	opens, clicks := .34, .25
	if b.p.persona == reader {
		opens, clicks = .6, .3
	}
	for i := range b.s.mailings {
		m := &b.s.mailings[i]
		sent := *b.add(visit{kind: mailing, at: m.at + int64(b.d.below(int(40*minute))), origin: -1, campaign: int16(i)})
		at := sent.at + 3*minute + int64(b.d.waiting(float64(5*hour)))
		if !b.d.chance(opens) || at >= b.z.midnight[b.s.cfg.Days]-2*hour {
			continue
		}
		opened := b.add(visit{kind: opening, at: at, origin: sent.number, campaign: int16(i), aim: toBounce})
		if b.d.chance(clicks) {
			opened.aim = toBrowse
			at += 20 * second
			b.add(visit{kind: webVisit, at: at, origin: sent.number, campaign: int16(i), aim: b.aim(), slot: b.browser(at), landing: newsletter, shop: int16(b.p.store)})
		}
	}
}

func (b *planner) others() {
	for range b.d.poisson(b.h.calls * b.weeks) {
		n := b.d.below(b.s.cfg.Days)
		if b.z.weekday[n] < 6 {
			b.add(visit{kind: phoneCall, at: b.z.midnight[n] + 9*hour + int64(b.d.below(int(9*hour))), origin: -1, campaign: -1})
		}
	}
	// The customer file is exported to the pipeline whole over the simulated time, a part every night.
	if (b.p.userID != "" || b.p.ownCard) && b.d.chance(.55) {
		n := b.d.below(b.s.cfg.Days)
		b.add(visit{kind: profile, at: b.s.zone(paris).midnight[n] + 2*hour + int64(b.d.below(int(20*minute))), origin: -1, campaign: -1})
	}
}

// accounts goes through the visits in the order of time: cookies are lost, people log in and stay logged in, and
// somebody else's account is left open on a shared device.
func (b *planner) accounts() {
	var generation [slots]uint16
	var in, cleared [slots]bool
	swaps := b.swaps()
	for i := range b.visits {
		v := &b.visits[i]
		if v.kind != webVisit && v.kind != appVisit {
			continue
		}
		device := b.p.devices[v.slot]
		if !device.keeps && b.d.chance(b.s.rate(ClearedCookie)) {
			generation[v.slot]++
			in[v.slot], cleared[v.slot] = false, true
		}
		v.generation = generation[v.slot]
		b.account(v, &in[v.slot])
		if swaps && (v.slot == phone || v.slot == app) && (v.loggedIn || v.logsIn) && v.aim != toBounce && v.aim != toSubscribe && b.d.chance(.4) {
			v.handsOver, v.resets = true, b.resets()
			in[v.slot] = false
			if v.resets { // both people's signing out
				generation[v.slot] += 2
			}
		}
	}
	for i := range b.visits {
		if v := &b.visits[i]; v.kind == webVisit {
			v.cleared = cleared[v.slot]
		}
	}
}

// account decides under whose account a visit is; in tells whether the person is still signed in on the device.
func (b *planner) account(v *visit, in *bool) {
	v.loggedIn = *in && v.slot != kiosk
	if b.p.userID == "" {
		v.lent = v.slot == tablet && b.d.chance(b.s.rate(OpenAccount))
		return
	}
	if v.slot == tablet && b.p.index != b.p.house.head && b.d.chance(b.s.rate(OpenAccount)) {
		v.lent, v.loggedIn = true, false
		return
	}
	if v.loggedIn {
		return
	}
	if v.kind == webVisit && v.aim == toBuy && b.d.chance(b.s.rate(GuestCheckout)) {
		v.asGuest = true
		return
	}
	v.logsIn = v.aim == toBuy || v.kind == appVisit || v.aim != toBounce && b.d.chance(.22)
	*in = v.logsIn
}

// swaps tells whether somebody else in the household has an account and no phone of their own.
func (b *planner) swaps() bool {
	if !b.p.house.sharedPhone || b.p.index != b.p.house.head || b.p.userID == "" || b.p.index+1 >= b.s.cfg.Customers {
		return false
	}
	var second person
	b.s.person(b.p.index+1, &second)
	return second.userID != ""
}

// resets tells whether the household's phone gets another cookie when somebody signs out.
func (b *planner) resets() bool { return mix(uint64(b.p.house.head)^b.s.cfg.Seed)%2 == 0 }
