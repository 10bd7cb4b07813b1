package enricher

import (
	"fmt"

	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// Names of the enrichments, as the configuration and the events have them.
const (
	UserAgent = "user_agent"
	Traffic   = "traffic"
	Calendar  = "calendar"
)

const purposeAnalytics = "analytics"

// Reasons why an enrichment has nothing to say about an event.
const (
	reasonNoUserAgent    = "no_user_agent"
	reasonServerLibrary  = "server_library"
	reasonOfflineChannel = "offline_channel"
	reasonNoPage         = "no_page"
	reasonNoTime         = "no_time"
)

// Channels that the enrichments treat on their own.
const (
	channelWeb        = "web"
	channelApp        = "app"
	channelStore      = "store"
	channelCallCenter = "call_center"
)

// build makes the enabled enrichments of the configuration, in its order.
func build(cfg Config, ws workspace.Config) ([]Link, error) {
	var links []Link
	for _, entry := range cfg.Enrichments {
		if !entry.Enabled {
			continue
		}
		enrichment, err := entry.build(cfg, ws)
		if err != nil {
			return nil, fmt.Errorf("make enrichment %s: %w", entry.Name, err)
		}
		links = append(links, Link{Enrichment: enrichment, Required: entry.Required})
	}
	return links, nil
}

func (e Entry) build(cfg Config, ws workspace.Config) (Enrichment, error) {
	switch e.Name {
	case UserAgent:
		return newUserAgent(cfg.UserAgent)
	case Traffic:
		return newTraffic(cfg.Traffic)
	case Calendar:
		return newCalendar(cfg.Calendar, ws)
	}
	return nil, fmt.Errorf("there is no such enrichment")
}

// userAgent fills in the device.
type userAgent struct {
	parser      *useragent.Parser
	description Description
}

func newUserAgent(cfg useragent.Config) (*userAgent, error) {
	parser, err := useragent.New(cfg)
	if err != nil {
		return nil, err
	}
	return &userAgent{parser: parser, description: Description{
		Name: UserAgent, Version: parser.Version(), Purpose: purposeAnalytics,
		Reads: []string{
			"channel", "context.user_agent", "context.client_hints", "context.device", "context.os", "context.app", "context.screen",
		},
		Writes: []string{"device"},
	}}, nil
}

func (u *userAgent) Describe() Description { return u.description }

func (u *userAgent) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	agent, app := agentOf(&event.Context), appOf(&event.Context)
	atHand := event.Channel == channelWeb || event.Channel == channelApp
	var d useragent.Device
	switch {
	case agent.UserAgent == "" && !agent.Hints.Given() && !app.Given():
		return Skipped(reasonNoUserAgent)
	case !atHand && !app.Given() && useragent.IsLibrary(agent.UserAgent):
		return Skipped(reasonServerLibrary) // The shop's own server or till software; no device is known.
	case app.Given() && (event.Channel != channelWeb || agent.UserAgent == ""):
		d = useragent.FromApp(app) // An SDK asks the system; the user agent of an application tells less.
	default:
		d = u.parser.Parse(agent)
	}
	if event.Channel == channelStore && !d.Bot {
		d.Class = useragent.Till
	}
	added.Device = schemas.Some(schemas.Device{
		Class: d.Class, Brand: d.Brand, Model: d.Model, OS: d.OS, OSVersion: d.OSVersion,
		Browser: d.Browser, BrowserVersion: d.BrowserVersion, IsBot: d.Bot,
	})
	return Applied()
}

func agentOf(c *schemas.Context) useragent.Agent {
	hints := useragent.Hints{
		Brands: c.ClientHints.Brands, Platform: c.ClientHints.Platform, PlatformVersion: c.ClientHints.PlatformVersion, Model: c.ClientHints.Model,
	}
	if c.ClientHints.Mobile.Valid {
		hints.Mobile = "0"
		if c.ClientHints.Mobile.Value {
			hints.Mobile = "1"
		}
	}
	return useragent.Agent{UserAgent: c.UserAgent, Hints: hints}
}

func appOf(c *schemas.Context) useragent.App {
	return useragent.App{
		Type: c.Device.Type, Manufacturer: c.Device.Manufacturer, Model: c.Device.Model,
		OS: c.OS.Name, OSVersion: c.OS.Version, Name: c.App.Name, Version: c.App.Version,
		Width: c.Screen.Width, Height: c.Screen.Height,
	}
}

// origin fills in the traffic.
type origin struct {
	classifier  *traffic.Classifier
	description Description
}

func newTraffic(cfg traffic.Config) (*origin, error) {
	classifier, err := traffic.New(cfg)
	if err != nil {
		return nil, err
	}
	return &origin{classifier: classifier, description: Description{
		Name: Traffic, Version: classifier.Version(), Purpose: purposeAnalytics,
		Reads:  []string{"channel", "context.page.url", "context.page.search", "context.page.referrer", "context.campaign"},
		Writes: []string{"traffic"},
	}}, nil
}

func (o *origin) Describe() Description { return o.description }

func (o *origin) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if event.Channel == channelStore || event.Channel == channelCallCenter {
		return Skipped(reasonOfflineChannel)
	}
	page, campaign := &event.Context.Page, &event.Context.Campaign
	from, ok := o.classifier.Classify(traffic.Visit{
		URL: page.URL, Search: page.Search, Referrer: page.Referrer,
		Campaign: traffic.Campaign{
			Name: campaign.Name, Source: campaign.Source, Medium: campaign.Medium,
			Term: campaign.Term, Content: campaign.Content, ID: campaign.ID,
		},
	})
	if !ok {
		return Skipped(reasonNoPage)
	}
	added.Traffic = schemas.Some(schemas.Traffic{
		Source: from.Source, Medium: from.Medium, Campaign: from.Campaign, Term: from.Term, Content: from.Content, ClickID: from.ClickID,
		ReferrerHost: from.ReferrerHost, ReferrerClass: from.ReferrerClass, ChannelGroup: from.Group,
	})
	return Applied()
}

// moment fills in the calendar.
type moment struct {
	calendar    *calendar.Calendar
	description Description
}

func newCalendar(cfg calendar.Config, ws workspace.Config) (*moment, error) {
	c, err := calendar.New(cfg, ws.Timezone, ws.Region)
	if err != nil {
		return nil, err
	}
	return &moment{calendar: c, description: Description{
		Name: Calendar, Version: calendar.Version, Purpose: purposeAnalytics,
		Reads:  []string{"occurred_at", "context.timezone", "context.store.store_id"},
		Writes: []string{"calendar"},
	}}, nil
}

func (m *moment) Describe() Description { return m.description }

func (m *moment) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if event.OccurredAt == 0 {
		return Failed(reasonNoTime)
	}
	at := m.calendar.At(event.OccurredAt.Time(), event.Context.Store.StoreID, event.Context.Timezone)
	added.Calendar = schemas.Some(schemas.Calendar{
		Timezone: at.Timezone, LocalDate: schemas.DateOf(at.Year, at.Month, at.Day), Hour: int32(at.Hour), Weekday: int32(at.Weekday),
		IsWeekend: at.Weekend, Holiday: at.Holiday,
	})
	return Applied()
}
