package traffic

import "strings"

// clickID is a parameter that an advertiser puts into the addresses it links to.
type clickID struct {
	name, source, medium string
	// paid is false when the parameter marks every link, bought or not.
	paid bool
}

// clickIDs stands in the order in which one wins over another in the same address.
var clickIDs = []clickID{
	{"gclid", "google", "cpc", true},
	{"gbraid", "google", "cpc", true},
	{"wbraid", "google", "cpc", true},
	{"dclid", "google", "display", true},
	{"msclkid", "bing", "cpc", true},
	{"ttclid", "tiktok", "cpc", true},
	{"li_fat_id", "linkedin", "cpc", true},
	{"twclid", "twitter", "cpc", true},
	{"yclid", "yandex", "cpc", true},
	{"epik", "pinterest", "cpc", true},
	{"sccid", "snapchat", "cpc", true}, // Its house writes ScCid.
	{"rdt_cid", "reddit", "cpc", true},
	{"awc", "awin", "affiliate", true},
	{"irclickid", "impact", "affiliate", true},
	{"cjevent", "cj", "affiliate", true},
	{"tduid", "tradedoubler", "affiliate", true},
	{"fbclid", "facebook", "social", false},
}

// rankOf returns the position of a parameter in the list, or -1. Case does not count: links pass through programs that change it.
func rankOf(name string) int {
	for i := range clickIDs {
		if known := clickIDs[i].name; len(known) == len(name) && strings.EqualFold(known, name) {
			return i
		}
	}
	return -1
}

// scan reads campaign and click id out of a query string in one pass. The first value of a parameter counts.
func scan(query string) (Campaign, *clickID) {
	var c Campaign
	var click *clickID
	best := len(clickIDs)
	parameters(query, func(key, value string) bool {
		if len(key) > 4 && key[:4] == "utm_" {
			if field := c.field(key[4:]); field != nil && *field == "" {
				*field = unescape(value)
			}
			return true
		}
		if rank := rankOf(key); rank >= 0 && rank < best && value != "" {
			best = rank
			click = &clickIDs[rank]
		}
		return true
	})
	return c, click
}

func (c *Campaign) field(name string) *string {
	switch name {
	case "source":
		return &c.Source
	case "medium":
		return &c.Medium
	case "campaign":
		return &c.Name
	case "term":
		return &c.Term
	case "content":
		return &c.Content
	case "id":
		return &c.ID
	}
	return nil
}
