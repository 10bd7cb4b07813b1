package simulate

import "time"

// Sources of the default workspace.
const (
	Web    = "web"
	App    = "app"
	Server = "server"
	POS    = "pos"
	CRM    = "crm"
	Care   = "care"
	Email  = "email"
	Survey = "survey"
)

// An Identifier is a type and a value, as sent.
type Identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Event is one touchpoint before it is put into a request.
type Event struct {
	MessageID string
	Source    string
	Type      string // identify, track, page, screen
	Name      string
	Category  string
	At        int64 // milliseconds since 1970, true time
	Clock     int64 // error of the sender's clock, milliseconds
	Person    int   // index of who did it; negative for bots
	UserID    string
	Anonymous string
	DeviceID  string
	Traits    *Traits
	Context   *Context
	Commerce  *Commerce
	Feedback  *Feedback
	Extra     []Property
	Wrong     string // what is wrong on purpose, else ""
	Cases     Cases  // the hard cases that touch this event
}

// Traits are what an identify call or a ticket says of a person; empty fields are left out.
type Traits struct {
	Email, Phone, LoyaltyID, FirstName, LastName, Gender, Birthday string
	Street, PostalCode, City, Country, Store                       string
	Newsletter                                                     *bool
}

// Context is shared by the events of one visit.
type Context struct {
	Library, LibraryVersion       string
	Page                          *Page
	Campaign                      *Campaign
	UserAgent, Locale, Timezone   string
	Width, Height                 int
	AppVersion                    string
	Device                        *handset
	Store, Register, Receipt, Who string
	Consent                       uint8
}

// Page is where a browser was.
type Page struct {
	Path, Title, Referrer, Search string
}

// Campaign is what the landing address named.
type Campaign struct {
	Name, Source, Medium, Term, Content string
}

// Commerce is the e-commerce part; amounts are cents.
type Commerce struct {
	OrderID, CartID, CheckoutID, Coupon, Query, ListID, Category string
	Payment, Shipping, Reason, Promotion                         string
	Total, Subtotal, Tax, Fee, Discount, Value                   int
	Stated                                                       uint8 // which amounts are stated
	Step                                                         int
	Lines                                                        []Line
	Single                                                       bool // one product, inline
	Receipt                                                      *Receipt
	Text                                                         bool // amounts as JSON strings
}

// Bits of Commerce.Stated.
const (
	statedTotals = 1 << iota
	statedValue
)

// Receipt is what only a till knows.
type Receipt struct {
	Store, Register, Number, Cashier, Date string
	Loyalty, Email, Phone                  string
	Offline                                bool
	Tender                                 string
	Token                                  string
}

// Line is one product line.
type Line struct {
	Product  *product
	Variant  int
	Quantity int
	Position int
}

// Feedback is an answer to a survey.
type Feedback struct {
	ID, Kind, Question, Comment string
	Score, Scale                int
}

// Property is any other property; Number is used when Text is empty.
type Property struct {
	Key, Text string
	Number    int
}

// Identifiers lists what the event tells of who it was, strongest first.
func (e *Event) Identifiers() []Identifier {
	ids := make([]Identifier, 0, 6)
	add := func(kind, value string) {
		if value != "" {
			ids = append(ids, Identifier{Type: kind, Value: value})
		}
	}
	add("user_id", e.UserID)
	if t := e.Traits; t != nil {
		add("loyalty_card", t.LoyaltyID)
		add("email", t.Email)
		add("phone", t.Phone)
	}
	if c := e.Commerce; c != nil && c.Receipt != nil {
		r := c.Receipt
		add("loyalty_card", r.Loyalty)
		add("email", r.Email)
		add("phone", r.Phone)
		add("payment_reference", r.Token)
	}
	add("device_id", e.DeviceID)
	add("anonymous_id", e.Anonymous)
	if c := e.Commerce; c != nil && c.Receipt != nil && len(ids) == 0 { // the ticket stands in for a shopper nobody knows
		add("till_record", c.Receipt.Store+"/"+c.Receipt.Register+"/"+c.Receipt.Number)
	}
	return ids
}

// Occurred is the true time of the event.
func (e *Event) Occurred() time.Time { return time.UnixMilli(e.At).UTC() }
