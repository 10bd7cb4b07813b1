package traffic

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGroupsOfTheConfiguration(t *testing.T) {
	groups := []Group{
		{Name: "brand_search", When: []Condition{{Field: "group", Equals: PaidSearch}, {Field: "campaign", Regexp: `(?i)\bmarque\b`}}},
		{Name: "brand_search", When: []Condition{{Field: "referrer_class", Equals: ClassSearch}, {Field: "term", Contains: "Mode et Maison"}}},
		{Name: "retail_media", When: []Condition{{Field: "source", OneOf: []string{"Criteo", "LiveRamp"}}}},
		{Name: "loyalty", When: []Condition{{Field: "medium", Equals: "EMAIL"}, {Field: "campaign", Prefix: "fid-"}, {Field: "content", Equals: "test", Not: true}}},
		{Name: "untagged_ads", When: []Condition{{Field: "click_id", OneOf: []string{"", "fbclid"}, Not: true}, {Field: "campaign", OneOf: []string{""}}}},
		{Name: "press", When: []Condition{{Field: "referrer_host", Equals: "elle.fr"}}},
	}
	c := newClassifier(t, Config{Groups: groups})
	only := newClassifier(t, Config{Groups: groups, OwnGroupsOnly: true})
	if c.Version() == only.Version() || c.Version() == newClassifier(t, Config{}).Version() {
		t.Errorf("version %s does not tell the groups apart", c.Version())
	}
	f := func(query, referrer, want, wantOnly string) {
		t.Helper()
		visit := Visit{URL: "https://www.mode-et-maison.fr/" + query, Referrer: referrer}
		for classifier, want := range map[*Classifier]string{c: want, only: wantOnly} {
			if o, _ := classifier.Classify(visit); o.Group != want {
				t.Errorf("%s from %s: %s, want %s", query, referrer, o.Group, want)
			}
		}
	}
	f("?utm_source=google&utm_medium=cpc&utm_campaign=Marque+exacte", "", "brand_search", "brand_search")
	f("?utm_source=google&utm_medium=cpc&utm_campaign=remarque", "", PaidSearch, Unassigned)
	f("?utm_source=facebook&utm_medium=cpc&utm_campaign=marque", "", PaidSocial, Unassigned)
	f("", "https://www.bing.com/search?q=MODE+et+maison+lille", "brand_search", "brand_search")
	f("?utm_source=CRITEO&utm_medium=display", "", "retail_media", "retail_media")
	f("?utm_source=crm&utm_medium=email&utm_campaign=Fid-12", "", "loyalty", "loyalty")
	f("?utm_source=crm&utm_medium=email&utm_campaign=Fid-12&utm_content=test", "", Email, Unassigned)
	f("?utm_source=crm&utm_medium=email&utm_campaign=promo-fid-12", "", Email, Unassigned)
	f("?gclid=1", "https://www.google.fr/", "untagged_ads", "untagged_ads")
	f("?gclid=1&utm_campaign=x", "https://www.google.fr/", PaidSearch, Unassigned)
	f("", "https://www.elle.fr/Deco", "press", "press")
	f("", "", Direct, Unassigned)
}

func TestFaultsOfGroupsNameFieldValueAndWhatToDo(t *testing.T) {
	f := func(group Group, wants ...string) {
		t.Helper()
		err := Config{Groups: []Group{{Name: "right", When: []Condition{{Field: "source", Equals: "a"}}}, group}}.Validate()
		for _, want := range append(wants, "groups[1]") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want an error with %s", group, err, want)
			}
		}
	}
	one := func(c Condition) []Condition { return []Condition{{Field: "medium", Equals: "a"}, c} }
	f(Group{Name: "Brand Search", When: one(Condition{Field: "source", Equals: "a"})}, `name is "Brand Search"`, "small letters")
	f(Group{When: one(Condition{Field: "source", Equals: "a"})}, `name is ""`)
	f(Group{Name: "a"}, "when is empty", "give at least one")
	f(Group{Name: "a", When: one(Condition{Field: "referrer", Equals: "a"})}, `when[1].field is "referrer"`, "give one of source, medium")
	f(Group{Name: "a", When: one(Condition{Field: "source"})}, "when[1].field source has 0 comparisons", "give one of equals")
	f(Group{Name: "a", When: one(Condition{Field: "source", Equals: "a", Prefix: "b"})}, "2 comparisons (equals, prefix)")
	f(Group{Name: "a", When: one(Condition{Field: "source", Regexp: "("})}, `when[1].regexp is "("`, "Go's syntax")
	f(Group{Name: "a", When: one(Condition{Field: "referrer_class", Equals: "seo"})}, `compared with "seo"`, "give one of search")
	f(Group{Name: "a", When: one(Condition{Field: "group", OneOf: []string{Direct, "paid"}})}, `compared with "paid"`)
	if err := (Config{OwnGroupsOnly: true}).Validate(); err == nil || !strings.Contains(err.Error(), "own_groups_only") {
		t.Errorf("own_groups_only without groups: %v", err)
	}
}

// The comparisons by hand say what the published expressions say.
func TestMediumAndCampaignFollowThePublishedExpressions(t *testing.T) {
	medium := regexp.MustCompile(`(?s)^(.*cp.*|ppc|retargeting|paid.*)$`)
	shopping := regexp.MustCompile(`(?s)^(.*(([^a-df-z]|^)shop|shopping).*)$`)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"cp", "c", "p", "ppc", "paid", "retargeting", "shop", "ping", "e", "work", "-", "sho", "é", "1", "\n",
		}), 0, 5).Draw(t, "text"), "")
		if got, want := paidMedium(text), medium.MatchString(text); got != want {
			t.Fatalf("paidMedium(%q) = %v, the expression says %v", text, got, want)
		}
		if got, want := shoppingCampaign(text), shopping.MatchString(text); got != want {
			t.Fatalf("shoppingCampaign(%q) = %v, the expression says %v", text, got, want)
		}
	})
}
