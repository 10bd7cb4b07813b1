package enricher

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
)

// Reasons of traffic.
const (
	reasonOfflineChannel = "offline_channel"
	reasonNoPage         = "no_page"
)

// origin fills in the traffic.
type origin struct {
	classifier  *traffic.Classifier
	description Description
}

func newTraffic(p parts) (Enrichment, error) {
	var lists []*traffic.Sites
	for _, name := range traffic.DatasetNames {
		if list, ok := reference.Table[*traffic.Sites](p.data, name); ok {
			lists = append(lists, list)
		}
	}
	classifier, err := traffic.New(p.cfg.Traffic, lists...)
	if err != nil {
		return nil, err
	}
	return &origin{classifier: classifier, description: Description{
		Name: Traffic, Version: classifier.Version() + p.data.Suffix(traffic.DatasetNames...), Purpose: purposeAnalytics,
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
