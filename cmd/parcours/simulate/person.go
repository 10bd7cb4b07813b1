package simulate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// persona is how somebody shops.
type persona uint8

const (
	fullWeb persona = iota
	fullStore
	multichannel
	reader  // reads newsletters, buys rarely
	oneTime // one order, then silence
	guest   // orders without an account
	visitor // looks, never buys
	personas
	crawler // not a person
)

var personaNames = [...]string{
	"full_web", "full_store", "multichannel", "newsletter_reader", "one_time_buyer",
	"guest", "visitor", "", "bot",
}

func (p persona) String() string { return personaNames[p] }

var personaWeights = weights{21, 45, 70, 80, 88, 94, 100} // of 100, running

// The slots of a person's devices.
const (
	laptop = iota
	phone
	app
	tablet     // the household's
	lentPhone  // the partner's, logged in on without logging out
	usedLaptop // bought second-hand, cookies still on it
	kiosk      // in a shop
	slots
)

// device is one browser or app installation.
type device struct {
	slot    int
	owner   int // person, head of the household or store that the cookie belongs to
	keeps   bool
	agent   *agent
	handset *handset
}

// household is up to four neighbours in index who share a name and an address.
type household struct {
	head, size  int
	last        string
	town        *town
	street      string
	tablet      bool // a tablet for all
	card        bool // one loyalty card for all
	bankCard    bool // one bank card for all
	lentPhone   bool // the second member uses the head's phone as well
	sharedPhone bool // the head and the second member have one phone, and sign in and out
	landLine    bool // they give the number of their land line
	tabletAgent *agent
}

// person is one shopper. All of it is a function of seed and index.
type person struct {
	index   int
	persona persona
	house   household
	sex     byte
	first   string
	birth   time.Time
	email   string
	family  bool   // the address is that of the head of the household
	variant string // another spelling of the same mailbox, or ""
	second  string // another address of theirs, used by some as guests
	phone   string // national digits
	// recycled: the number was somebody else's before. landLine: it is the household's.
	recycled, landLine bool
	userID             string
	card               string // loyalty card shown at the till, or ""
	ownCard            bool   // the card is in this person's name
	bank               string // payment token
	store              int
	app                bool
	letters            bool // takes newsletters
	devices            [slots]*device
	store0             [slots]device
	sells              bool // sells the laptop, cookies included, in the middle of the period
	consent            uint8
}

// Bits of consent; none at all means that the banner was not answered.
const (
	consentAnswered = 1 << iota
	consentAnalytics
	consentAdvertising
	consentPersonalization
)

var households = [...][4]int{{1, 1, 1, 1}, {2, 2, 1, 1}, {1, 2, 2, 1}, {2, 2, 2, 2}, {3, 3, 3, 1}, {4, 4, 4, 4}}

var householdWeights = weights{30, 44, 56, 80, 91, 100}

var streets = [...]string{
	"rue Victor-Hugo", "rue de la République", "avenue Jean-Jaurès", "rue Pasteur",
	"boulevard Gambetta", "rue des Lilas", "place de l'Église", "chemin du Moulin", "allée des Tilleuls",
	"rue du Général-Leclerc", "impasse des Acacias", "rue Saint-Martin", "route de la Gare", "quai du Port",
	"rue Émile-Zola", "square des Cerisiers", "rue Neuve", "cours Mirabeau", "rue du 8-Mai-1945", "avenue de Verdun",
}

func (s *Simulation) household(index int) household {
	d := throw(s.cfg.Seed, forHousehold, index/4, 0)
	shape := households[householdWeights.draw(d)]
	head := index / 4 * 4
	for head+shape[head%4] <= index {
		head += shape[head%4]
	}
	h := household{head: head, size: shape[head%4]}
	d.reset(s.cfg.Seed, forHousehold, head, 1)
	h.last = pick(d, s.lists.lastNames)
	h.town = &s.lists.towns[s.lists.townWeights.draw(d)]
	h.street = strconv.Itoa(d.between(1, 140)) + pick(d, []string{"", "", "", "", "", "", " bis", " ter"}) + " " + pick(d, streets[:])
	if d.chance(.1) {
		h.street += ", bât. " + pick(d, []string{"A", "B", "C"})
	}
	if h.size > 1 {
		h.tablet, h.card = d.chance(s.rate(FamilyTablet)), d.chance(s.rate(HouseholdCard))
		h.bankCard, h.lentPhone = d.chance(s.rate(HouseholdBankCard)), d.chance(s.rate(LentPhone))
		h.sharedPhone = d.chance(s.rate(SharedPhone)) && !h.lentPhone
		list := s.lists.agents["tablet"]
		h.tabletAgent = &list[s.lists.agentWeights["tablet"].draw(d)]
	}
	h.landLine = h.town.overseas == "" && d.chance(s.rate(HouseholdLandLine))
	return h
}

// person fills p with the person of that index.
func (s *Simulation) person(index int, p *person) {
	*p = person{index: index, house: s.household(index)}
	d := throw(s.cfg.Seed, forPerson, index, 0)
	p.persona = persona(personaWeights.draw(d))
	p.birth = time.Date(d.between(1938, 2007), time.Month(d.between(1, 12)), d.between(1, 28), 0, 0, 0, 0, time.UTC)
	p.first, p.sex = s.firstName(d, p.birth.Year())
	p.email = s.address(d, p)
	if strings.HasSuffix(p.email, "@gmail.com") && d.chance(s.rate(GmailVariant)) {
		p.variant = gmailVariant(d, p.email)
	}
	if d.chance(s.rate(SecondAddress)) {
		p.second = plain(p.first) + "." + plain(p.house.last) + strconv.Itoa(index) + "@" + pick(d, employers)
	}
	if index != p.house.head && d.chance(s.rate(FamilyAddress)) {
		var head person
		s.person(p.house.head, &head)
		p.email, p.variant, p.family = head.email, "", true
	}
	p.phone = s.telephone(index, p.house.town.overseas)
	if index >= givenBack && d.chance(s.rate(RecycledPhone)) {
		p.phone, p.recycled = s.telephone(index-givenBack, s.household(index-givenBack).town.overseas), true
	}
	if p.house.landLine && d.chance(.6) {
		p.phone, p.recycled, p.landLine = s.landLine(&p.house), false, true
	}
	p.store = p.house.town.store
	if p.store < 0 {
		p.store = s.lists.storeWeights.draw(d)
		if p.persona == fullStore { // nothing near: shops online
			p.persona = fullWeb
		}
	}
	s.holdings(d, p)
	s.equip(d, p)
}

func (s *Simulation) firstName(d *dice, year int) (string, byte) {
	for range 40 {
		n := pick(d, s.lists.firstNames)
		if diff := n.peak - year; diff > -9 && diff < 9 || d.chance(.01) {
			return n.name, n.sex
		}
	}
	n := pick(d, s.lists.firstNames)
	return n.name, n.sex
}

var mailHosts = [...]string{
	"gmail.com", "orange.fr", "hotmail.fr", "free.fr", "outlook.fr", "wanadoo.fr", "yahoo.fr",
	"icloud.com", "laposte.net", "sfr.fr", "hotmail.com", "live.fr", "bbox.fr", "proton.me", "gmx.fr",
}

var mailWeights = weights{40, 53, 62, 69, 75, 80, 85, 89, 92, 95, 97, 98, 99, 100, 101}

// address makes an e-mail address that no other index has: the number in it is the index.
func (s *Simulation) address(d *dice, p *person) string {
	first, last, n := plain(p.first), plain(p.house.last), strconv.Itoa(p.index)
	local := first + "." + last + n
	switch d.below(5) {
	case 0:
		local = first[:1] + "." + last + n
	case 1:
		local = last + "." + first + n
	case 2:
		local = first + last + "." + n
	}
	return local + "@" + mailHosts[mailWeights.draw(d)]
}

func gmailVariant(d *dice, address string) string {
	local, _, _ := strings.Cut(address, "@")
	if d.chance(.5) {
		return local + "+lucioles@gmail.com"
	}
	return strings.ReplaceAll(local, ".", "") + "@gmail.com"
}

// telephone gives the national digits of a mobile number that no other index has, as far as the plan allows: the last
// digits are the index, mixed by a factor that shares no divisor with ten.
func (s *Simulation) telephone(index int, overseas string) string {
	const factor = 7_654_321
	switch overseas {
	case "971":
		return fmt.Sprintf("0690%06d", index*factor%1_000_000)
	case "972":
		return fmt.Sprintf("06964%05d", index*factor%100_000)
	case "973":
		return fmt.Sprintf("06942%05d", index*factor%100_000)
	case "974":
		return fmt.Sprintf("0692%06d", index*factor%1_000_000)
	case "976":
		return fmt.Sprintf("06392%05d", index*factor%100_000)
	}
	prefix := [...]string{"061", "062", "066", "067", "068", "076", "077"}[mix(uint64(index)^s.cfg.Seed)%7]
	digits := fmt.Sprintf("%07d", index*factor%10_000_000)
	if strings.Trim(digits, digits[:1]) == "" { // 06 22 22 22 22 looks made up, and is blocked as such
		prefix, digits = "064", string('0'+(digits[0]-'0'+1)%10)+digits[1:]
	}
	return prefix + digits
}

// landLine is the number of a household's telephone at home, none of those kept for films.
func (s *Simulation) landLine(h *household) string {
	const factor = 7_654_321
	zone := [...]string{"014", "024", "038", "047", "055"}[mix(uint64(h.head)^s.cfg.Seed)%5]
	digits := fmt.Sprintf("%07d", (h.head*factor+1)%10_000_000)
	if strings.Trim(digits, digits[:1]) == "" {
		digits = string('0'+(digits[0]-'0'+1)%10) + digits[1:]
	}
	return zone + digits
}

// givenBack is the distance in index to the person who had a recycled number before.
const givenBack = 7

var employers = []string{"mairie-des-lilas.example", "cabinet-duval.example", "transports-leroy.example", "lycee-jean-moulin.example", "ateliers-du-port.example"}

// holdings: account, loyalty card, bank card, newsletter, consent.
func (s *Simulation) holdings(d *dice, p *person) {
	account, card := [personas]float64{.95, .12, .85, .5, .2, 0, 0}, [personas]float64{.15, .72, .88, .3, .1, 0, 0}
	letters, apps := [personas]float64{.6, .25, .7, 1, .2, .1, 0}, [personas]float64{.25, .02, .4, .05, 0, 0, 0}
	if d.chance(account[p.persona]) {
		p.userID = fmt.Sprintf("LU%08d", 10_000_000+p.index)
	}
	if d.chance(card[p.persona]) {
		p.card, p.ownCard = cardNumber(p.index), true
	}
	if p.house.card && p.persona != visitor && p.persona != guest { // the card of the head serves all
		p.card, p.ownCard = cardNumber(p.house.head), p.index == p.house.head
	}
	bank := p.index
	if p.house.bankCard {
		bank = p.house.head
	}
	p.bank = fmt.Sprintf("tok_%016x", mix(uint64(bank)^mix(s.cfg.Seed^77)))
	p.letters = d.chance(letters[p.persona]) && !p.family
	p.app = p.userID != "" && d.chance(apps[p.persona])
	if d.chance(.9) {
		p.consent = consentAnswered
		if d.chance(.78) {
			p.consent |= consentAnalytics
		}
		if d.chance(.55) {
			p.consent |= consentAdvertising
		}
		// A throw of its own: a new question must not change the answers to those after it.
		if throw(s.cfg.Seed, forPerson, p.index, 1).chance(.85) {
			p.consent |= consentPersonalization
		}
	}
}

// cardNumber is an EAN-13 of the range that shops may use inside, with its check digit.
func cardNumber(index int) string {
	digits := fmt.Sprintf("298%09d", index+100_000_000)
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (1 + 2*(i%2))
	}
	return digits + strconv.Itoa((10-sum%10)%10)
}

func (s *Simulation) browser(d *dice, kind string) *agent {
	list := s.lists.agents[kind]
	return &list[s.lists.agentWeights[kind].draw(d)]
}

func (s *Simulation) equip(d *dice, p *person) {
	give := func(slot, owner int, keeps bool, a *agent) *device {
		p.store0[slot] = device{slot: slot, owner: owner, keeps: keeps, agent: a}
		p.devices[slot] = &p.store0[slot]
		return p.devices[slot]
	}
	p.sells = s.sells(p.index)
	if d.chance(.72) || p.sells {
		give(laptop, p.index, p.sells, s.browser(d, "desktop"))
	}
	lends := (p.house.lentPhone || p.house.sharedPhone) && p.index == p.house.head
	if d.chance(.85) || p.devices[laptop] == nil || lends {
		give(phone, p.index, lends, s.browser(d, "mobile"))
	}
	if p.app {
		give(app, p.index, true, nil).handset = &s.lists.handsets[s.lists.handsetWeights.draw(d)]
	}
	if p.house.tablet {
		give(tablet, p.house.head, true, p.house.tabletAgent)
	}
	if p.house.lentPhone && p.index == p.house.head+1 {
		give(lentPhone, p.house.head, true, s.browser(d, "mobile"))
	}
	if p.index >= soldTo && s.sells(p.index-soldTo) {
		give(usedLaptop, p.index-soldTo, true, s.browser(d, "desktop"))
	}
	if s.hasKiosk(p.store) {
		give(kiosk, p.store, true, &s.lists.agents["tablet"][2])
	}
}

// soldTo is the distance in index to the person who buys a used laptop.
const soldTo = 5

func (s *Simulation) sells(index int) bool {
	return throw(s.cfg.Seed, forDevice, index, 0).chance(s.rate(SecondHandComputer))
}

// hasKiosk: the four largest shops have a tablet for orders on the spot.
func (s *Simulation) hasKiosk(store int) bool {
	return s.rate(ShopKiosk) > 0 && s.lists.stores[store].weight >= 11
}

// cookie is the anonymous id of a device; a lost cookie comes back as the next generation.
func (s *Simulation) cookie(v *device, generation int) string {
	slot := v.slot
	switch slot {
	case lentPhone:
		slot = phone
	case usedLaptop:
		slot = laptop
	}
	return throw(s.cfg.Seed, forCookie, v.owner, slot<<16|generation).uuid()
}

// installation is the device id that the app reports.
func (s *Simulation) installation(v *device) string {
	return strings.ToUpper(throw(s.cfg.Seed, forDevice, v.owner, 1).uuid())
}
