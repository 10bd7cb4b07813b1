package traffic

import "strings"

// Channel groups.
const (
	Direct          = "direct"
	Internal        = "internal"
	CrossNetwork    = "cross_network"
	PaidShopping    = "paid_shopping"
	PaidSearch      = "paid_search"
	PaidSocial      = "paid_social"
	PaidVideo       = "paid_video"
	Display         = "display"
	PaidOther       = "paid_other"
	AIAssistant     = "ai_assistant"
	OrganicShopping = "organic_shopping"
	OrganicSocial   = "organic_social"
	OrganicVideo    = "organic_video"
	OrganicSearch   = "organic_search"
	Email           = "email"
	Affiliates      = "affiliates"
	Referral        = "referral"
	Audio           = "audio"
	SMS             = "sms"
	MobilePush      = "mobile_push"
	Unassigned      = "unassigned"
)

// paidMedium is the expression ^(.*cp.*|ppc|retargeting|paid.*)$ of Google Analytics.
func paidMedium(medium string) bool {
	return strings.Contains(medium, "cp") || medium == "ppc" || medium == "retargeting" || strings.HasPrefix(medium, "paid")
}

// shoppingCampaign is the expression ^(.*(([^a-df-z]|^)shop|shopping).*)$ of Google Analytics: eshop, but not workshop.
func shoppingCampaign(campaign string) bool {
	for at := 0; ; {
		next := strings.Index(campaign[at:], "shop")
		if next < 0 {
			return false
		}
		at += next
		if at == 0 || campaign[at-1] == 'e' || campaign[at-1] < 'a' || campaign[at-1] > 'z' || strings.HasPrefix(campaign[at:], "shopping") {
			return true
		}
		at += len("shop")
	}
}

var (
	noMedium       = set("", "(none)", "none", "(not set)", "not set")
	directSource   = set("(direct)", "direct")
	displayMedium  = set("display", "banner", "expandable", "interstitial", "cpm")
	socialMedium   = set("social", "social-network", "social-media", "sm", "social network", "social media")
	emailMedium    = set("email", "e-mail", "e_mail", "e mail", "emailing", "e-mailing", "newsletter")
	affiliate      = set("affiliate", "affiliates", "affiliation")
	referralMedium = set("referral", "app", "link")
)

func set(words ...string) map[string]bool {
	all := make(map[string]bool, len(words))
	for _, word := range words {
		all[word] = true
	}
	return all
}

// group applies the rules of Google Analytics 4 from top to bottom; the first that holds names the group. Case does not count.
// Ours are: internal, ai_assistant, the French words for e-mail and affiliation, and e-mail before shopping.
func (c *Classifier) group(o *Origin) string {
	source, medium := strings.ToLower(o.Source), strings.ToLower(o.Medium)
	campaign := strings.ToLower(o.Campaign)
	if source == "" && medium == "" && campaign == "" {
		if o.ReferrerClass == ClassInternal {
			return Internal
		}
		return Direct
	}
	if directSource[source] && noMedium[medium] {
		return Direct
	}
	if strings.Contains(campaign, "cross-network") {
		return CrossNetwork
	}
	known := c.sites.named(source)
	class := ""
	if known != nil {
		class = known.class
	}
	shopping := of(c.sites.shopping, source, known) || shoppingCampaign(campaign)
	video := of(c.sites.video, source, known)
	if group := paid(medium, class, shopping, video); group != "" {
		return group
	}
	if group := organic(medium, class, shopping, video); group != "" {
		return group
	}
	return other(source, medium)
}

// paid covers bought traffic: the medium says so.
func paid(medium, class string, shopping, video bool) string {
	bought := paidMedium(medium)
	switch {
	case bought && shopping:
		return PaidShopping
	case bought && class == ClassSearch:
		return PaidSearch
	case bought && video: // Before social, because the sites of films are in that table too.
		return PaidVideo
	case bought && class == ClassSocial:
		return PaidSocial
	case displayMedium[medium]:
		return Display
	case bought:
		return PaidOther
	}
	return ""
}

// organic covers what came by itself from a kind of site.
func organic(medium, class string, shopping, video bool) string {
	switch {
	case emailMedium[medium] || class == ClassEmail: // A shopping newsletter is a newsletter: the medium is surer than the name.
		return Email
	case class == ClassAI:
		return AIAssistant
	case shopping:
		return OrganicShopping
	case class == ClassSocial && !video || socialMedium[medium]:
		return OrganicSocial
	case video || strings.Contains(medium, "video"):
		return OrganicVideo
	case class == ClassSearch || medium == "organic":
		return OrganicSearch
	}
	return ""
}

// other covers the rest, by the name of the medium or the source.
func other(source, medium string) string {
	switch {
	case affiliate[medium]:
		return Affiliates
	case referralMedium[medium]:
		return Referral
	case medium == "audio":
		return Audio
	case source == "sms" || medium == "sms":
		return SMS
	case strings.HasSuffix(medium, "push") || strings.Contains(medium, "mobile") || strings.Contains(medium, "notification") || source == "firebase":
		return MobilePush
	}
	return Unassigned
}
