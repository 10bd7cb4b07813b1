package enricher

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// Reasons of user_agent.
const (
	reasonNoUserAgent   = "no_user_agent"
	reasonServerLibrary = "server_library"
)

// userAgent fills in the device.
type userAgent struct {
	parser      *useragent.Parser
	description Description
}

func newUserAgent(p parts) (Enrichment, error) {
	var lists useragent.Lists
	lists.Rules, _ = reference.Table[*useragent.Rules](p.data, useragent.RulesDataset)
	lists.Crawlers, _ = reference.Table[*useragent.Crawlers](p.data, useragent.CrawlersDataset)
	parser, err := useragent.New(p.cfg.UserAgent, lists)
	if err != nil {
		return nil, err
	}
	return &userAgent{parser: parser, description: Description{
		Name: UserAgent, Version: parser.Version() + p.data.Suffix(useragent.CrawlersDataset, useragent.RulesDataset), Purpose: purposeAnalytics,
		Reads: []string{
			"channel", "context.user_agent", "context.client_hints", "context.device", "context.os", "context.app", "context.screen",
		},
		Writes: []string{"device"},
	}}, nil
}

func (u *userAgent) Describe() Description { return u.description }

func (u *userAgent) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	agent, app := agentOf(&event.Context), appOf(&event.Context)
	var d useragent.Device
	switch {
	case agent.UserAgent == "" && !agent.Hints.Given() && !app.Given():
		return Skipped(reasonNoUserAgent)
	case event.Channel != channelWeb && !app.Given() && useragent.IsLibrary(agent.UserAgent):
		return Skipped(reasonServerLibrary) // The shop's own server, application or till software; no device is known.
	case app.Given() && (event.Channel != channelWeb || agent.UserAgent == ""):
		d = useragent.FromApp(app) // An SDK asks the system; the user agent of an application tells less.
	default:
		d = u.parser.Parse(agent)
	}
	if event.Channel == channelStore && (!d.Bot || d.BotKind == useragent.KindOther) {
		// Software of tills calls itself what it likes; only a program that is known for something is taken for one there.
		d.Class, d.Bot, d.BotName, d.BotKind = useragent.Till, false, "", ""
	}
	added.Device = schemas.Some(schemas.Device{
		Class: d.Class, Brand: d.Brand, Model: d.Model, OS: d.OS, OSVersion: d.OSVersion,
		Browser: d.Browser, BrowserVersion: d.BrowserVersion, IsBot: d.Bot, BotName: d.BotName, BotKind: d.BotKind,
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
