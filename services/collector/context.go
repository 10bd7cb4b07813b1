package collector

import (
	"math"
	"net/netip"
	"slices"
	"strconv"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

var pageFields = table(pageKeys)

var pageKeys = map[string]field[schemas.Page]{
	"url":      text(func(p *schemas.Page) *string { return &p.URL }),
	"path":     text(func(p *schemas.Page) *string { return &p.Path }),
	"title":    text(func(p *schemas.Page) *string { return &p.Title }),
	"referrer": text(func(p *schemas.Page) *string { return &p.Referrer }),
	"search":   text(func(p *schemas.Page) *string { return &p.Search }),
}

var campaignFields = table(map[string]field[schemas.Campaign]{
	"name":    text(func(c *schemas.Campaign) *string { return &c.Name }),
	"source":  text(func(c *schemas.Campaign) *string { return &c.Source }),
	"medium":  text(func(c *schemas.Campaign) *string { return &c.Medium }),
	"term":    text(func(c *schemas.Campaign) *string { return &c.Term }),
	"content": text(func(c *schemas.Campaign) *string { return &c.Content }),
	"id":      text(func(c *schemas.Campaign) *string { return &c.ID }),
})

var hintFields = table(map[string]field[schemas.ClientHints]{
	"mobile":          truth(func(h *schemas.ClientHints) *schemas.Optional[bool] { return &h.Mobile }),
	"platform":        text(func(h *schemas.ClientHints) *string { return &h.Platform }),
	"platformversion": text(func(h *schemas.ClientHints) *string { return &h.PlatformVersion }),
	"model":           text(func(h *schemas.ClientHints) *string { return &h.Model }),
})

var appFields = table(map[string]field[schemas.App]{
	"name":      text(func(a *schemas.App) *string { return &a.Name }),
	"version":   text(func(a *schemas.App) *string { return &a.Version }),
	"build":     text(func(a *schemas.App) *string { return &a.Build }),
	"namespace": text(func(a *schemas.App) *string { return &a.Namespace }),
})

var libraryFields = table(map[string]field[schemas.Library]{
	"name":    text(func(l *schemas.Library) *string { return &l.Name }),
	"version": text(func(l *schemas.Library) *string { return &l.Version }),
})

var deviceFields = table(map[string]field[schemas.DeviceContext]{
	"type":         text(func(d *schemas.DeviceContext) *string { return &d.Type }),
	"manufacturer": text(func(d *schemas.DeviceContext) *string { return &d.Manufacturer }),
	"model":        text(func(d *schemas.DeviceContext) *string { return &d.Model }),
	"name":         text(func(d *schemas.DeviceContext) *string { return &d.Name }),
})

var osFields = table(map[string]field[schemas.OperatingSystem]{
	"name":    text(func(o *schemas.OperatingSystem) *string { return &o.Name }),
	"version": text(func(o *schemas.OperatingSystem) *string { return &o.Version }),
})

// contextStoreFields are those of context.store, where the names may be short.
var contextStoreFields = table(map[string]field[schemas.Store]{
	"id":         storeKeys["storeid"],
	"storeid":    storeKeys["storeid"],
	"registerid": storeKeys["registerid"],
	"receiptid":  storeKeys["receiptid"],
	"cashierid":  storeKeys["cashierid"],
})

// liftContext moves the typed members of the context into the touchpoint; the others stay, to be kept
// with the properties.
func (d *draft) liftContext(context jsonindex.Value, a *arrival) {
	c := &d.touchpoint.Context
	var ip string
	direct := false
	for m := context.Members(); m.More(); m = m.Next() {
		v := m.Value()
		switch m.Key() {
		case "page":
			liftInside(pageFields, m, &c.Page)
		case "campaign":
			liftInside(campaignFields, m, &c.Campaign)
		case "app":
			liftInside(appFields, m, &c.App)
		case "library":
			liftInside(libraryFields, m, &c.Library)
		case "os":
			liftInside(osFields, m, &c.OS)
		case "store":
			liftInside(contextStoreFields, m, &c.Store)
		case "device":
			d.liftDevice(m)
		case "screen":
			liftScreen(m, &c.Screen)
		case "userAgentData":
			d.liftHints(m)
		case "userAgent":
			liftText(m, &c.UserAgent)
		case "locale":
			liftText(m, &c.Locale)
		case "timezone":
			liftText(m, &c.Timezone)
		case "sessionId", "session_id":
			liftText(m, &c.SessionID)
		case "groupId":
			liftText(m, &c.GroupID)
		case "ip":
			liftText(m, &ip)
		case "direct":
			direct = v.Kind() == jsonindex.True
			m.Lift()
		case "channel":
			d.liftChannel(m, a.source)
		case "consent":
			d.liftConsent(m)
		case "externalIds":
			d.liftExternalIDs(m)
		case "traits":
			if v.Kind() <= jsonindex.Null || v.Kind() == jsonindex.Object {
				m.Lift() // written with the traits
			}
		}
	}
	d.setClient(a, ip, direct)
}

// liftInside lifts members of a member that is an object.
func liftInside[T any](known *fields[T], m jsonindex.Member, into *T) {
	if took, _, _ := known.lift(m.Value(), into, false); took {
		m.Touch()
	}
}

func liftText(m jsonindex.Member, into *string) {
	if setText(into, m.Value()) == taken {
		m.Lift()
	}
}

// setClient fills in what HTTP shows of a visitor. From a client-side source the address is that of the
// connection, because anyone can write another one into the body; the exception is 0.0.0.0, by which a
// site asks for no address to be kept. A server speaks for its visitors and says their address itself.
func (d *draft) setClient(a *arrival, ip string, direct bool) {
	c := &d.touchpoint.Context
	stated, err := netip.ParseAddr(ip)
	switch {
	case err == nil && stated.IsUnspecified():
	case direct || !a.source.Server:
		c.IP = a.client.ip
	case err == nil:
		c.IP = ip
	}
	if a.source.Server {
		return
	}
	if c.UserAgent == "" {
		c.UserAgent = a.client.userAgent
	}
	if c.ClientHints == (schemas.ClientHints{}) {
		c.ClientHints = a.client.hints
	}
}

// liftChannel lets a server, which speaks for many places, say where the event happened.
func (d *draft) liftChannel(m jsonindex.Member, source *source) {
	if channel := plain(m.Value()); source.Server && slices.Contains(channels, channel) {
		d.touchpoint.Channel = channel
		m.Lift()
	}
}

// liftDevice takes the device's ids as identifiers. The push token is a means to reach the device and is
// not kept; nor is an iPhone's name, which is often its owner's.
func (d *draft) liftDevice(m jsonindex.Member) {
	device := &d.touchpoint.Context.Device
	liftInside(deviceFields, m, device)
	if device.Type == "ios" || device.Manufacturer == "Apple" {
		if !slices.Contains(appleModels, device.Name) {
			device.Name = ""
		}
	}
	for inner := m.Value().Members(); inner.More(); inner = inner.Next() {
		switch inner.Key() {
		case "id", "advertisingId":
			d.identify(deviceIDType, plain(inner.Value()))
		case "token":
		default:
			continue
		}
		inner.Lift()
		m.Touch()
	}
}

var appleModels = []string{"iPhone", "iPad", "iPod touch", "Apple Watch", "Apple TV"}

func liftScreen(m jsonindex.Member, into *schemas.Screen) {
	for inner := m.Value().Members(); inner.More(); inner = inner.Next() {
		sent, ok := numeral(inner.Value())
		if !ok {
			continue
		}
		number, err := strconv.ParseFloat(sent, 64)
		if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
			continue
		}
		pixels := int32(math.Round(min(max(number, 0), math.MaxInt32)))
		switch inner.Key() {
		case "width":
			into.Width = pixels
		case "height":
			into.Height = pixels
		case "density":
			into.Density = schemas.Some(number)
		default:
			continue
		}
		inner.Lift()
		m.Touch()
	}
}

// liftHints takes navigator.userAgentData; the brands are written as browsers write them in Sec-CH-UA.
func (d *draft) liftHints(m jsonindex.Member) {
	hints := &d.touchpoint.Context.ClientHints
	liftInside(hintFields, m, hints)
	for inner := m.Value().Members(); inner.More(); inner = inner.Next() {
		if inner.Key() != "brands" || inner.Value().Kind() != jsonindex.Array {
			continue
		}
		for i := inner.Value().Items(); i.More(); i = i.Next() {
			if len(d.brands) > 0 {
				d.brands = append(d.brands, ", "...)
			}
			d.brands = appendQuoted(d.brands, plain(i.Value().Get("brand")))
			d.brands = append(d.brands, ";v="...)
			d.brands = appendQuoted(d.brands, plain(i.Value().Get("version")))
		}
		hints.Brands = alias(d.brands)
		inner.Lift()
		m.Touch()
	}
}

// appendQuoted writes a string of a structured header.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// denyAll stands among the refused purposes for every purpose there is.
const denyAll = "*"

// liftConsent takes what the consent tool noted. Only true grants; no category at all refuses all.
func (d *draft) liftConsent(m jsonindex.Member) {
	consent := &d.touchpoint.Consent
	for inner := m.Value().Members(); inner.More(); inner = inner.Next() {
		switch inner.Key() {
		case "categoryPreferences":
			if inner.Value().Kind() != jsonindex.Object {
				continue
			}
			consent.Valid = true
			consent.Value.Source = "context.consent"
			for category := inner.Value().Members(); category.More(); category = category.Next() {
				if category.Value().Kind() == jsonindex.True {
					consent.Value.Granted = append(consent.Value.Granted, category.Key())
				} else {
					consent.Value.Denied = append(consent.Value.Denied, category.Key())
				}
			}
			if inner.Value().Len() == 0 {
				consent.Value.Denied = append(consent.Value.Denied, denyAll)
			}
		case "version":
			if setText(&consent.Value.Version, inner.Value()) != taken {
				continue
			}
		default:
			continue
		}
		inner.Lift()
		m.Touch()
	}
}

// liftExternalIDs takes identifiers of types of the sender's own. Those of accounts are not a person's,
// and a hashed value is of another type than a clear one.
func (d *draft) liftExternalIDs(m jsonindex.Member) {
	if m.Value().Kind() != jsonindex.Array {
		return
	}
	for i := m.Value().Items(); i.More(); i = i.Next() {
		v := i.Value()
		typ, value := plain(v.Get("type")), plain(v.Get("id"))
		if collection := plain(v.Get("collection")); collection != "" && collection != "users" {
			continue
		}
		if typ == "" || value == "" || len(typ) > maxCustomType {
			d.reject(ReasonInvalidType, "context.externalIds")
			return
		}
		if encoding := plain(v.Get("encoding")); encoding != "" && encoding != "none" {
			typ += "." + encoding
		}
		if own, ok := ownTypes[typ]; ok {
			typ = own
		}
		d.identify(typ, value)
	}
	m.Lift()
}

// ownTypes are Segment's names of types that have one of ours.
var ownTypes = map[string]string{
	"ios.id": deviceIDType, "android.id": deviceIDType, "ios.idfa": deviceIDType, "android.idfa": deviceIDType,
}
