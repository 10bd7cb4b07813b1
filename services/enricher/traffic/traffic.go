// Package traffic tells where a visit came from: campaign, advertiser's click id, referrer, and the channel group of them all.
//
// It owns the tables of search engines, social networks, webmails and assistants, and the order of the grouping rules, which follow
// Google Analytics 4 so that analysts find the groups they know. It is a pure function of the page, the campaign and the tables.
package traffic

import (
	"errors"
	"fmt"
	"strings"
)

// version names the grouping rules; it changes whenever an answer may change with the same tables.
const version = "groups-2"

// Config says what is the workspace's own.
type Config struct {
	// InternalDomains are hosts whose visitors come back rather than arrive: payment pages, other brands of the house. Subdomains count.
	InternalDomains []string `koanf:"internal_domains"`
	// Groups are channel groups of your own, asked from first to last before those of the program.
	Groups []Group `koanf:"groups"`
	// OwnGroupsOnly leaves unassigned what no group of your own holds for, instead of asking those of the program.
	OwnGroupsOnly bool `koanf:"own_groups_only"`
}

// Validate reports every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	if _, err := compile(c.Groups); err != nil {
		faults = append(faults, err)
	}
	if c.OwnGroupsOnly && len(c.Groups) == 0 {
		faults = append(faults, fmt.Errorf("own_groups_only is true and groups is empty, so that every visit would be unassigned: give groups"))
	}
	for i, domain := range c.InternalDomains {
		if !strings.Contains(domain, ".") || strings.ContainsAny(domain, "/: *") {
			faults = append(faults, fmt.Errorf("internal_domains[%d]: %q is not a host such as pay.example.com", i, domain))
		}
	}
	return errors.Join(faults...)
}

// Visit is what an event says about the page.
type Visit struct {
	URL, Search, Referrer string
	Campaign              Campaign
}

// Campaign is a campaign as the sender names it.
type Campaign struct {
	Name, Source, Medium, Term, Content, ID string
}

func (c Campaign) stated() bool {
	return c.Name != "" || c.Source != "" || c.Medium != "" || c.ID != ""
}

// Origin is where a visit came from. Empty fields are unknown.
type Origin struct {
	Source, Medium, Campaign, Term, Content string
	ClickID                                 string
	ReferrerHost, ReferrerClass, Group      string
}

// Classifier holds the tables. It is safe for concurrent use and never changes.
type Classifier struct {
	sites    *table
	internal []string
	rules    []rule
	ownOnly  bool
}

// New enters the lists, the first before the others, and then the tables of the program.
func New(cfg Config, lists ...*Sites) (*Classifier, error) {
	sites, err := loadTable(lists)
	if err != nil {
		return nil, err
	}
	rules, err := compile(cfg.Groups)
	if err != nil {
		return nil, err
	}
	internal := make([]string, len(cfg.InternalDomains))
	for i, domain := range cfg.InternalDomains {
		internal[i] = strings.ToLower(domain)
	}
	fmt.Fprintf(sites.sum, "internal %q\n", internal)
	if len(cfg.Groups) > 0 {
		fmt.Fprintf(sites.sum, "groups %#v %v\n", cfg.Groups, cfg.OwnGroupsOnly)
	}
	return &Classifier{sites: sites, internal: internal, rules: rules, ownOnly: cfg.OwnGroupsOnly}, nil
}

// Version names the rules, and the content of the tables by a checksum.
func (c *Classifier) Version() string { return version + "+" + c.sites.version() }

// Classify tells where a visit came from; false when the event speaks of no page, referrer or campaign at all.
func (c *Classifier) Classify(v Visit) (Origin, bool) {
	if v.URL == "" && v.Search == "" && v.Referrer == "" && !v.Campaign.stated() {
		return Origin{}, false
	}
	page := cut(v.URL)
	if page.query == "" {
		page.query = v.Search
	}
	campaign := v.Campaign
	tagged, click := scan(page.query)
	if !campaign.stated() {
		campaign = tagged
	}
	o := Origin{
		Source: campaign.Source, Medium: campaign.Medium, Campaign: campaign.Name,
		Term: campaign.Term, Content: campaign.Content, ReferrerClass: ClassNone,
	}
	if o.Campaign == "" {
		o.Campaign = campaign.ID
	}
	if click != nil {
		o.ClickID = click.name
	}
	from := cut(v.Referrer)
	site := c.referrer(&o, page, from)
	c.source(&o, click, site, from)
	o.Group = c.group(&o)
	if len(c.rules) > 0 {
		c.regroup(&o)
	}
	return o, true
}

// referrer fills in the host and the class of the referring page.
func (c *Classifier) referrer(o *Origin, page, from address) *site {
	if from.host == "" {
		return nil
	}
	o.ReferrerHost = withoutWWW(from.host)
	if sameSite(page.host, from.host) || c.ours(from.host) {
		o.ReferrerClass = ClassInternal
		return nil
	}
	o.ReferrerClass = ClassOther
	site := c.sites.find(from)
	if site != nil {
		o.ReferrerClass = site.class
	}
	return site
}

func (c *Classifier) ours(host string) bool {
	for _, domain := range c.internal {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// media names the medium of a visit that no campaign explains.
var media = map[string]string{ClassSearch: "organic", ClassSocial: "social", ClassEmail: "email", ClassAI: "ai", ClassOther: "referral"}

// source decides, in this order: the campaign as tagged, the advertiser that left a click id, the referrer.
func (c *Classifier) source(o *Origin, click *clickID, site *site, from address) {
	if click != nil && !click.paid && (o.ReferrerClass != ClassNone && o.ReferrerClass != ClassSocial) {
		click = nil // The address was copied from the network that marked it, and is found somewhere else now.
	}
	tagged := o.Source != "" || o.Medium != "" || o.Campaign != ""
	switch {
	case click != nil && o.Source == "" && o.Medium == "":
		o.Source, o.Medium = click.source, click.medium
		if !click.paid && site != nil { // One network marks the links of others of its house: the referrer knows which one it was.
			o.Source = site.name
		}
	case click != nil && click.paid && o.Medium == "":
		o.Medium = click.medium
	case !tagged && o.ReferrerClass != ClassInternal && o.ReferrerClass != ClassNone:
		o.Source, o.Medium = o.ReferrerHost, media[o.ReferrerClass]
		if site != nil {
			o.Source = site.name
			if c.sites.video[site.name] {
				o.Medium = "video"
			}
		}
	}
	if site != nil && site.class == ClassSearch && o.Term == "" {
		o.Term = site.words(from)
	}
}
