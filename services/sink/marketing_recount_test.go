package sink_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A recount takes what is stored, and the orders and lines that have tests of their own, and counts in plain Go what a view should say.

type storedEvent struct {
	Customer string `json:"customer_id"`
	Anchor   string
	Shared   bool
	Event    string `json:"event_id"`
	At       int64
	Received int64
	Produced int64
	Ingested int64
	Type     string
	Name     string
	Channel  string
	Source   string
	Store    string `json:"store_id"`
	Order    string `json:"order_id"`
	Receipt  string `json:"receipt_id"`
	Bot      bool

	Group, Origin, Medium, Campaign string
	CampaignName, CampaignID        string
	PropertyName, PropertyID        string
	EmailID, PropertyOrder          string

	Products, Categories []string
	ListCategory         string
	Prices               []*float64
	Amount               *float64
	Currency             string

	Survey, Kind, Comment string
	Score, Scale          *float64

	IDs             int
	Ignored         []string
	Stated          bool
	Granted, Denied []string

	Home, Country, Commune, Area, AreaStatus, Age, Gender string
	Income                                                *int
	// What the enrichments did, in order: name, version, status, reason.
	Enriched [][4]string
}

const storedEvents = `SELECT customer_id, anchor AS Anchor, shared AS Shared, event_id, toUnixTimestamp64Milli(occurred_at) AS At, toUnixTimestamp64Milli(received_at) AS Received,
	toUnixTimestamp64Milli(_produced_at) AS Produced, toUnixTimestamp64Milli(_ingested_at) AS Ingested, type AS Type, name AS Name, channel AS Channel, source AS Source,
	store_id, order_id, receipt_id, device_is_bot AS Bot, traffic_channel_group AS Group, traffic_source AS Origin, traffic_medium AS Medium, traffic_campaign AS Campaign,
	campaign_name AS CampaignName, campaign_id AS CampaignID, ifNull(toString(properties.campaign_name), '') AS PropertyName, ifNull(toString(properties.campaign_id), '') AS PropertyID,
	ifNull(toString(properties.email_id), '') AS EmailID, ifNull(toString(properties.order_id), '') AS PropertyOrder, items.product_id AS Products, items.category AS Categories,
	list_category AS ListCategory, items.price AS Prices, coalesce(total, revenue, value, subtotal) AS Amount, currency AS Currency, survey_id AS Survey, feedback_kind AS Kind,
	feedback_comment AS Comment, feedback_score AS Score, feedback_scale AS Scale, length(identifiers.type) AS IDs, ignored_identifiers.reason AS Ignored,
	consent_stated AS Stated, consent_granted AS Granted, consent_denied AS Denied,
	home_basis AS Home, home_country AS Country, home_commune_code AS Commune, area_code AS Area, area_status AS AreaStatus, area_median_income AS Income,
	if(profile_age_band != '', profile_age_band, customer_age_band) AS Age, if(profile_gender != '', profile_gender, customer_gender) AS Gender,
	arrayMap((n, v, s, r) -> [n, v, s, r], enrichments.name, enrichments.version, enrichments.status, enrichments.reason) AS Enriched
	FROM customer_events WHERE workspace = %s`

type storedOrder struct {
	Key       string `json:"order_key"`
	ID        string `json:"order_id"`
	Customer  string `json:"customer_id"`
	At        int64
	OccurIn   string `json:"occurred_at"`
	Day       string `json:"local_date"`
	Channel   string
	Store     string `json:"store_id"`
	Status    string
	Total     int64 // amounts in ten-thousandths
	Net       int64
	Revenue   int64
	Refunded  int64
	Currency  string
	Lines     []storedLine `json:"-"`
	Cancelled bool         `json:"-"`
	Unseen    bool         `json:"-"` // a refund of an order that was never seen
}

const storedOrders = `SELECT order_key, order_id, customer_id, toUnixTimestamp64Milli(occurred_at) AS At, occurred_at, local_date, channel AS Channel, store_id, status AS Status,
	toInt64(total * 10000) AS Total, toInt64(net_total * 10000) AS Net, toInt64(net_revenue * 10000) AS Revenue, toInt64(refunded_total * 10000) AS Refunded, currency AS Currency
	FROM orders WHERE workspace = %s`

type storedLine struct {
	Key      string `json:"order_key"`
	Line     int
	At       int64
	Category string
	Product  string `json:"product_id"`
	Name     string
	Amount   int64
}

const storedLines = `SELECT order_key, line AS Line, toUnixTimestamp64Milli(occurred_at) AS At, category AS Category, product_id, name AS Name, toInt64(ifNull(amount, 0) * 10000) AS Amount
	FROM order_items WHERE workspace = %s`

// stock is what is stored.
type stock struct {
	events []storedEvent
	orders []storedOrder
}

func (r *rig) recount() {
	r.t.Helper()
	r.refreshed()
	s := stock{events: load[storedEvent](r, storedEvents), orders: load[storedOrder](r, storedOrders)}
	byKey := map[string]int{}
	for i := range s.orders {
		o := &s.orders[i]
		byKey[o.Key] = i
		o.Cancelled, o.Unseen = o.Status == "cancelled", o.Total == 0 && o.Refunded > 0
	}
	for _, l := range load[storedLine](r, storedLines) {
		o := &s.orders[byKey[l.Key]]
		o.Lines = append(o.Lines, l)
	}
	same(r, "campaign_performance", s.campaigns(r.workspace), func(c campaignRow) string { return c.Medium + c.ID })
	same(r, "first_last_touch", s.touches(r.workspace), func(c touchRow) string { return c.Key })
	same(r, "store_web_overlap", s.overlap(r.workspace), func(c overlapRow) string { return fmt.Sprintf("%q", c.OverlapKey) })
	same(r, "basket_pairs", s.pairs(r.workspace), func(c pairRow) string { return c.A + " " + c.B })
	same(r, "feedback_scores", s.feedback(r.workspace), func(c feedbackRow) string { return fmt.Sprint(c.Survey, c.Kind, c.Store, c.Channel, c.Month) })
	same(r, settledOutliers, s.outliers(r.workspace, time.Now().UTC()), func(c outlierRow) string { return c.Kind + c.Subject + c.At })
	r.health(s)
	r.quality(s)
	r.outcomes(s)
}

// later orders UUIDs as ClickHouse does: by their second half first.
func later(a, b string) int { return cmp.Or(cmp.Compare(a[19:], b[19:]), cmp.Compare(a[:18], b[:18])) }

const (
	dayMillis   = 24 * 3600 * 1000
	monthMillis = 30 * dayMillis
)

type campaignRow struct {
	Workspace, Medium     string
	ID                    string   `json:"campaign_id"`
	Name                  string   `json:"campaign_name"`
	First                 string   `json:"first_at"`
	Last                  string   `json:"last_at"`
	Sent                  int      `json:"sent"`
	SentCustomers         int      `json:"sent_customers"`
	Delivered             int      `json:"delivered"`
	DeliveredCustomers    int      `json:"delivered_customers"`
	Opened                int      `json:"opened"`
	OpenedCustomers       int      `json:"opened_customers"`
	Clicked               int      `json:"clicked"`
	ClickedCustomers      int      `json:"clicked_customers"`
	Bounced               int      `json:"bounced"`
	BouncedCustomers      int      `json:"bounced_customers"`
	Complained            int      `json:"complained"`
	ComplainedCustomers   int      `json:"complained_customers"`
	Unsubscribed          int      `json:"unsubscribed"`
	UnsubscribedCustomers int      `json:"unsubscribed_customers"`
	BounceRate            *float64 `json:"bounce_rate"`
	OpenRate              *float64 `json:"open_rate"`
	ClickRate             *float64 `json:"click_rate"`
	ClickToOpen           *float64 `json:"click_to_open_rate"`
	UnsubscribeRate       *float64 `json:"unsubscribe_rate"`
	ClickOrders           int      `json:"click_orders"`
	OpenOrders            int      `json:"open_orders"`
	Orders, Customers     int
	Total, Revenue        float64
	Currency              string
}

// clock writes milliseconds as ClickHouse does.
func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000") }

func share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	f := float64(part) / float64(whole)
	return &f
}

var campaignWords = map[string]string{
	"Email Sent": "sent", "SMS Sent": "sent", "Email Delivered": "delivered", "Email Opened": "opened", "Email Link Clicked": "clicked",
	"Push Notification Tapped": "clicked", "Email Bounced": "bounced", "Email Marked as Spam": "complained", "Unsubscribed": "unsubscribed",
}

func campaignOf(e *storedEvent) (medium, id, name string) {
	medium = "email"
	switch {
	case strings.HasPrefix(e.Name, "Email"):
	case strings.HasPrefix(e.Name, "SMS"):
		medium = "sms"
	case strings.HasPrefix(e.Name, "Push"):
		medium = "push"
	case e.Channel == "sms":
		medium = "sms"
	}
	name = cmp.Or(e.CampaignName, e.PropertyName)
	return medium, cmp.Or(e.CampaignID, e.PropertyID, name, e.EmailID), name
}

func (s *stock) campaigns(workspace string) []campaignRow {
	type key struct{ medium, id string }
	rows := map[key]*campaignRow{}
	people := map[key]map[string]map[string]bool{}
	events, buyers, money := map[key][]*storedEvent{}, map[key]map[string]bool{}, map[key]map[string]bool{}
	var touched []*storedEvent
	for i := range s.events {
		e := &s.events[i]
		what := campaignWords[e.Name]
		if what == "" {
			continue
		}
		medium, id, _ := campaignOf(e)
		k := key{medium, id}
		if rows[k] == nil {
			rows[k] = &campaignRow{Workspace: workspace, Medium: medium, ID: id}
			people[k], buyers[k], money[k] = map[string]map[string]bool{}, map[string]bool{}, map[string]bool{}
		}
		events[k] = append(events[k], e)
		row := rows[k]
		*map[string]*int{"sent": &row.Sent, "delivered": &row.Delivered, "opened": &row.Opened, "clicked": &row.Clicked, "bounced": &row.Bounced, "complained": &row.Complained, "unsubscribed": &row.Unsubscribed}[what]++
		if e.Shared {
			continue
		}
		if people[k][what] == nil {
			people[k][what] = map[string]bool{}
		}
		people[k][what][e.Customer] = true
		touched = append(touched, e)
	}
	byTime := func(a, b *storedEvent) int { return cmp.Or(cmp.Compare(a.At, b.At), later(a.Event, b.Event)) }
	slices.SortFunc(touched, byTime)
	for i := range s.orders {
		o := &s.orders[i]
		var click, opening *storedEvent
		for _, e := range touched {
			if e.Customer != o.Customer || e.At > o.At || e.At < o.At-7*dayMillis {
				continue
			}
			switch campaignWords[e.Name] {
			case "clicked":
				click = e
			case "opened":
				opening = e
			}
		}
		touch := click
		if touch == nil {
			touch = opening
		}
		if o.Cancelled || o.Unseen || touch == nil {
			continue
		}
		medium, id, _ := campaignOf(touch)
		k := key{medium, id}
		row := rows[k]
		row.Orders++
		if click != nil {
			row.ClickOrders++
		}
		row.Total += float64(o.Net) / 1e4
		row.Revenue += float64(o.Revenue) / 1e4
		buyers[k][o.Customer], money[k][o.Currency] = true, true
	}
	var all []campaignRow
	for k, row := range rows {
		slices.SortFunc(events[k], byTime)
		row.First, row.Last = clock(events[k][0].At), clock(events[k][len(events[k])-1].At)
		for _, e := range events[k] {
			if _, _, name := campaignOf(e); name != "" {
				row.Name = name
			}
		}
		n := func(what string) int { return len(people[k][what]) }
		row.SentCustomers, row.DeliveredCustomers, row.OpenedCustomers, row.ClickedCustomers = n("sent"), n("delivered"), n("opened"), n("clicked")
		row.BouncedCustomers, row.ComplainedCustomers, row.UnsubscribedCustomers = n("bounced"), n("complained"), n("unsubscribed")
		reached := row.SentCustomers
		if row.Delivered > 0 {
			reached = row.DeliveredCustomers
		}
		row.BounceRate, row.OpenRate, row.ClickRate = share(row.Bounced, row.Bounced+row.Delivered), share(row.OpenedCustomers, reached), share(row.ClickedCustomers, reached)
		row.ClickToOpen, row.UnsubscribeRate = share(row.ClickedCustomers, row.OpenedCustomers), share(row.UnsubscribedCustomers, reached)
		row.OpenOrders, row.Customers = row.Orders-row.ClickOrders, len(buyers[k])
		if currencies := slices.Collect(maps.Keys(money[k])); len(currencies) == 1 {
			row.Currency = currencies[0]
		}
		all = append(all, *row)
	}
	return all
}

type touchRow struct {
	Workspace   string
	ID          string `json:"order_id"`
	Key         string `json:"order_key"`
	Customer    string `json:"customer_id"`
	At          string `json:"occurred_at"`
	Channel     string
	Store       string `json:"store_id"`
	Status      string
	Revenue     float64
	Currency    string
	Touches     int
	FirstAt     *string `json:"first_touch_at"`
	FirstSource string  `json:"first_source"`
	FirstMedium string  `json:"first_medium"`
	FirstName   string  `json:"first_campaign"`
	FirstGroup  string  `json:"first_channel_group"`
	LastAt      *string `json:"last_touch_at"`
	LastSource  string  `json:"last_source"`
	LastMedium  string  `json:"last_medium"`
	LastName    string  `json:"last_campaign"`
	LastGroup   string  `json:"last_channel_group"`
	Direct      int     `json:"direct_visits"`
	Days        *int    `json:"days_from_first_touch"`
}

// runs are the touches of each customer, in order.
func (s *stock) runs() map[string][]*storedEvent {
	hits := map[string][]*storedEvent{}
	for i := range s.events {
		e := &s.events[i]
		visit := (e.Type == "page" || e.Type == "screen") && (e.Channel == "web" || e.Channel == "app") && e.Group != "" && e.Group != "internal"
		click := e.Type == "track" && campaignWords[e.Name] == "clicked"
		if click && e.Group == "" {
			e.Group = map[bool]string{true: "mobile_push", false: "email"}[strings.HasPrefix(e.Name, "Push")]
		}
		if !e.Shared && !e.Bot && (visit || click) {
			hits[e.Customer] = append(hits[e.Customer], e)
		}
	}
	runs := map[string][]*storedEvent{}
	for customer, all := range hits {
		slices.SortFunc(all, func(a, b *storedEvent) int { return cmp.Or(cmp.Compare(a.At, b.At), later(a.Event, b.Event)) })
		var last *storedEvent
		for _, e := range all {
			if last == nil || e.Group != last.Group || e.Origin != last.Origin || e.Medium != last.Medium || e.Campaign != last.Campaign || e.At > last.At+30*60*1000 {
				runs[customer] = append(runs[customer], e)
			}
			last = e
		}
	}
	return runs
}

func (s *stock) touches(workspace string) []touchRow {
	var all []touchRow
	runs := s.runs()
	for i := range s.orders {
		o := &s.orders[i]
		if o.Unseen {
			continue
		}
		row := touchRow{Workspace: workspace, ID: o.ID, Key: o.Key, Customer: o.Customer, At: o.OccurIn, Channel: o.Channel, Store: o.Store, Status: o.Status, Revenue: float64(o.Revenue) / 1e4, Currency: o.Currency}
		var direct, credited []*storedEvent
		for _, e := range runs[o.Customer] {
			switch {
			case e.At > o.At || e.At < o.At-monthMillis:
			case e.Group == "direct":
				direct = append(direct, e)
			default:
				credited = append(credited, e)
			}
		}
		row.Direct = len(direct)
		if len(credited) == 0 {
			credited = direct
		}
		if row.Touches = len(credited); row.Touches > 0 {
			first, last := credited[0], credited[row.Touches-1]
			from, to, days := clock(first.At), clock(last.At), int((o.At-first.At)/dayMillis)
			row.FirstAt, row.FirstSource, row.FirstMedium, row.FirstName, row.FirstGroup = &from, first.Origin, first.Medium, first.Campaign, first.Group
			row.LastAt, row.LastSource, row.LastMedium, row.LastName, row.LastGroup = &to, last.Origin, last.Medium, last.Campaign, last.Group
			row.Days = &days
		}
		all = append(all, row)
	}
	return all
}
