package simulate

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Path is where a client sends the delivery to.
func (d *Delivery) Path() string {
	switch d.Source {
	case Web:
		return "/v1/" + d.Events[0].Type[:1]
	case App:
		return "/v1/b"
	}
	return "/v1/batch"
}

// AppendBody appends the body as the client writes it: sentAt is stamped with every attempt.
func (d *Delivery) AppendBody(dst []byte, writeKey string, now time.Time) []byte {
	w := writer{dst}
	sent := now.UnixMilli() + d.Clock
	if d.Browser() {
		w.open('{')
		w.event(d.Events[0])
		w.text("writeKey", writeKey)
		w.moment("sentAt", sent)
		w.raw(`"_metadata":{"bundled":["Segment.io"],"unbundled":[],"bundledIds":[]}`)
		return append(w.b, '}')
	}
	w.open('{')
	w.key("batch")
	w.open('[')
	for i, e := range d.Events {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.open('{')
		w.event(e)
		w.shut('}')
	}
	w.shut(']')
	w.comma()
	w.text("writeKey", writeKey)
	w.moment("sentAt", sent)
	return append(w.trim(), '}')
}

// writer appends JSON; every member is written with a comma after it, which shut takes back.
type writer struct{ b []byte }

func (w *writer) open(c byte) { w.b = append(w.b, c) }

func (w *writer) trim() []byte {
	if n := len(w.b); w.b[n-1] == ',' {
		w.b = w.b[:n-1]
	}
	return w.b
}

func (w *writer) shut(c byte)     { w.b = append(w.trim(), c) }
func (w *writer) comma()          { w.b = append(w.b, ',') }
func (w *writer) raw(text string) { w.b = append(w.b, text...) }

func (w *writer) key(name string) {
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

const hexDigits = "0123456789abcdef"

func (w *writer) quote(text string) {
	w.b = append(w.b, '"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			w.b = append(w.b, '\\', c)
		case c < 0x20:
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			w.b = append(w.b, c)
		default:
			_, n := utf8.DecodeRuneInString(text[i:])
			w.b = append(w.b, text[i:i+n]...)
			i += n - 1
		}
	}
	w.b = append(w.b, '"')
}

// text writes a member unless it is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.key(name)
		w.quote(value)
		w.comma()
	}
}

func (w *writer) number(name string, n int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
	w.comma()
}

func (w *writer) flag(name string, on bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, on)
	w.comma()
}

// amount writes cents with two places, as a number or, as tills do, as text.
func (w *writer) amount(name string, cents int, text bool) {
	w.key(name)
	if text {
		w.b = append(w.b, '"')
	}
	w.b = appendAmount(w.b, cents)
	if text {
		w.b = append(w.b, '"')
	}
	w.comma()
}

func appendAmount(b []byte, cents int) []byte {
	if cents < 0 {
		b, cents = append(b, '-'), -cents
	}
	b = strconv.AppendInt(b, int64(cents/100), 10)
	return append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

func (w *writer) moment(name string, ms int64) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = time.UnixMilli(ms).UTC().AppendFormat(w.b, "2006-01-02T15:04:05.000Z")
	w.b = append(w.b, '"', ',')
}

// event writes the members of an event, each with a comma after it.
func (w *writer) event(e *Event) {
	w.moment("timestamp", e.At+e.Clock)
	w.text("messageId", e.MessageID)
	w.text("type", e.Type)
	if e.Type == "track" {
		w.text("event", e.Name)
	} else {
		w.text("name", e.Name)
	}
	w.text("category", e.Category)
	w.text("userId", e.UserID)
	w.text("anonymousId", e.Anonymous)
	if e.Type == "identify" && e.Traits != nil {
		w.key("traits")
		w.traits(e.Traits)
	} else {
		w.key("properties")
		w.properties(e)
	}
	w.context(e)
	if e.Source == Web {
		w.raw(`"integrations":{},`)
	}
}

func (w *writer) traits(t *Traits) {
	w.open('{')
	w.text("email", t.Email)
	w.text("phone", t.Phone)
	w.text("loyalty_id", t.LoyaltyID)
	w.text("firstName", t.FirstName)
	w.text("lastName", t.LastName)
	w.text("gender", t.Gender)
	w.text("birthday", t.Birthday)
	w.text("preferred_store", t.Store)
	if t.Newsletter != nil {
		w.flag("newsletter", *t.Newsletter)
	}
	if t.City != "" {
		w.key("address")
		w.open('{')
		w.text("street", t.Street)
		w.text("postalCode", t.PostalCode)
		w.text("city", t.City)
		w.text("country", t.Country)
		w.shut('}')
		w.comma()
	}
	w.shut('}')
	w.comma()
}

func (w *writer) context(e *Event) {
	c := e.Context
	w.key("context")
	w.open('{')
	w.raw(`"library":{"name":`)
	w.quote(c.Library)
	w.raw(`,"version":`)
	w.quote(c.LibraryVersion)
	w.raw(`},`)
	if p := c.Page; p != nil {
		w.raw(`"page":{`)
		w.page(p)
		w.shut('}')
		w.comma()
	}
	if m := c.Campaign; m != nil {
		w.raw(`"campaign":{`)
		w.text("name", m.Name)
		w.text("source", m.Source)
		w.text("medium", m.Medium)
		w.text("term", m.Term)
		w.text("content", m.Content)
		w.shut('}')
		w.comma()
	}
	w.text("userAgent", c.UserAgent)
	w.text("locale", c.Locale)
	w.text("timezone", c.Timezone)
	if c.Width > 0 {
		w.raw(`"screen":{`)
		w.number("width", c.Width)
		w.number("height", c.Height)
		w.shut('}')
		w.comma()
	}
	w.hardware(e)
	if c.Store != "" {
		w.raw(`"store":{`)
		w.text("store_id", c.Store)
		w.shut('}')
		w.comma()
	}
	if c.Consent&consentAnswered != 0 {
		w.raw(`"consent":{"categoryPreferences":{`)
		w.flag("Analytics", c.Consent&consentAnalytics != 0)
		w.flag("Advertising", c.Consent&consentAdvertising != 0)
		w.flag("Personalization", c.Consent&consentPersonalization != 0)
		w.trim()
		w.raw(`}},`)
	}
	if e.Traits != nil && e.Type != "identify" {
		w.key("traits")
		w.traits(e.Traits)
	}
	w.shut('}')
	w.comma()
}

func (w *writer) hardware(e *Event) {
	h := e.Context.Device
	if h == nil {
		return
	}
	w.raw(`"app":{"name":"Lucioles","version":"` + e.Context.AppVersion + `","build":"8410","namespace":"example.lucioles.app"},"device":{`)
	w.text("id", e.DeviceID)
	w.text("type", h.os)
	w.text("manufacturer", h.manufacturer)
	w.text("model", h.model)
	w.shut('}')
	w.raw(`,"os":{`)
	w.text("name", systemNames[h.os])
	w.text("version", h.version)
	w.shut('}')
	w.comma()
}

func (w *writer) page(p *Page) {
	w.text("path", p.Path)
	w.text("referrer", p.Referrer)
	w.text("search", p.Search)
	w.text("title", p.Title)
	w.text("url", site+p.Path+p.Search)
}
