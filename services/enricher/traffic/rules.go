package traffic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Group is a channel group of the configuration. A visit belongs to the first whose conditions all hold.
type Group struct {
	// Name of the group, as it stands in channel_group: small letters, digits and underscores.
	Name string `koanf:"name"`
	// When are the conditions; all have to hold. Several groups may have one name, which says "or".
	When []Condition `koanf:"when"`
}

// Condition compares one field of the visit. One of the comparisons is given; capitals do not count, except in regexp.
type Condition struct {
	// Field is source, medium, campaign, term, content, click_id, referrer_host, referrer_class, or group: what the rules of the program say.
	Field string `koanf:"field"`
	// Equals holds for exactly this text.
	Equals string `koanf:"equals"`
	// OneOf holds for each of these texts; an empty text among them holds where nothing is known.
	OneOf []string `koanf:"one_of"`
	// Prefix holds for what begins with this text.
	Prefix string `koanf:"prefix"`
	// Contains holds for what has this text in it.
	Contains string `koanf:"contains"`
	// Regexp holds for what this expression, in Go's syntax, finds something in.
	Regexp string `koanf:"regexp"`
	// Not turns the condition round.
	Not bool `koanf:"not"`
}

// fieldsOfRules are what a condition may ask for.
var fieldsOfRules = []string{"source", "medium", "campaign", "term", "content", "click_id", "referrer_host", "referrer_class", "group"}

// value returns a field of fieldsOfRules. A function for each would let every origin escape to the heap.
func (o *Origin) value(field string) string {
	switch field {
	case "source":
		return o.Source
	case "medium":
		return o.Medium
	case "campaign":
		return o.Campaign
	case "term":
		return o.Term
	case "content":
		return o.Content
	case "click_id":
		return o.ClickID
	case "referrer_host":
		return o.ReferrerHost
	case "referrer_class":
		return o.ReferrerClass
	}
	return o.Group
}

// valuesOf are those that a field can have; a condition that asks for another would never hold.
var valuesOf = map[string][]string{
	"referrer_class": {ClassSearch, ClassSocial, ClassEmail, ClassAI, ClassInternal, ClassOther, ClassNone},
	"group": {
		Direct, Internal, CrossNetwork, PaidShopping, PaidSearch, PaidSocial, PaidVideo, Display, PaidOther, AIAssistant, OrganicShopping,
		OrganicSocial, OrganicVideo, OrganicSearch, Email, Affiliates, Referral, Audio, SMS, MobilePush, Unassigned,
	},
}

var groupName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// rule is a group ready to be asked.
type rule struct {
	name  string
	tests []test
}

type test struct {
	field string
	holds func(value string) bool
	not   bool
}

// compile checks the groups and makes them ready. It reports all faults at once.
func compile(groups []Group) ([]rule, error) {
	var rules []rule
	var faults []error
	for i, group := range groups {
		where := fmt.Sprintf("groups[%d]", i)
		if !groupName.MatchString(group.Name) {
			faults = append(faults, fmt.Errorf("%s.name is %q: give small letters, digits and underscores, a letter first, 64 at most", where, group.Name))
		}
		if len(group.When) == 0 {
			faults = append(faults, fmt.Errorf("%s.when is empty: give at least one condition; for what no rule names there is unassigned", where))
		}
		one := rule{name: group.Name}
		for j, condition := range group.When {
			made, err := condition.compile()
			if err != nil {
				faults = append(faults, fmt.Errorf("%s.when[%d].%w", where, j, err))
				continue
			}
			one.tests = append(one.tests, made)
		}
		rules = append(rules, one)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return rules, nil
}

// compile makes a condition ready; its errors begin with the field of the configuration that is at fault.
func (c Condition) compile() (test, error) {
	if !slices.Contains(fieldsOfRules, c.Field) {
		return test{}, fmt.Errorf("field is %q: give one of %s", c.Field, strings.Join(fieldsOfRules, ", "))
	}
	var given []string
	made := test{field: c.Field, not: c.Not}
	if c.Equals != "" {
		given = append(given, "equals")
		made.holds = func(value string) bool { return strings.EqualFold(value, c.Equals) }
	}
	if len(c.OneOf) > 0 {
		given = append(given, "one_of")
		words := lowered(c.OneOf)
		made.holds = func(value string) bool { return slices.Contains(words, strings.ToLower(value)) }
	}
	if c.Prefix != "" {
		given = append(given, "prefix")
		prefix := strings.ToLower(c.Prefix)
		made.holds = func(value string) bool { return strings.HasPrefix(strings.ToLower(value), prefix) }
	}
	if c.Contains != "" {
		given = append(given, "contains")
		part := strings.ToLower(c.Contains)
		made.holds = func(value string) bool { return strings.Contains(strings.ToLower(value), part) }
	}
	if c.Regexp != "" {
		given = append(given, "regexp")
		pattern, err := regexp.Compile(c.Regexp)
		if err != nil {
			return test{}, fmt.Errorf("regexp is %q: %w: give an expression in Go's syntax, (?i) at its beginning for any case", c.Regexp, err)
		}
		made.holds = pattern.MatchString
	}
	if len(given) != 1 {
		return test{}, fmt.Errorf("field %s has %d comparisons (%s): give one of equals, one_of, prefix, contains, regexp", c.Field, len(given), strings.Join(given, ", "))
	}
	return made, c.possible()
}

// possible refuses values that the field never has.
func (c Condition) possible() error {
	values, limited := valuesOf[c.Field]
	if !limited {
		return nil
	}
	for _, asked := range append(slices.Clone(c.OneOf), c.Equals) {
		if asked != "" && !slices.Contains(values, strings.ToLower(asked)) {
			return fmt.Errorf("field %s is compared with %q, which it never is: give one of %s", c.Field, asked, strings.Join(values, ", "))
		}
	}
	return nil
}

func lowered(words []string) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = strings.ToLower(word)
	}
	return all
}

// regroup puts the group of the configuration in the place of the program's, when one of its rules holds.
func (c *Classifier) regroup(o *Origin) {
	for i := range c.rules {
		if c.rules[i].holds(o) {
			o.Group = c.rules[i].name
			return
		}
	}
	if c.ownOnly {
		o.Group = Unassigned
	}
}

func (r *rule) holds(o *Origin) bool {
	for i := range r.tests {
		t := &r.tests[i]
		if t.holds(o.value(t.field)) == t.not {
			return false
		}
	}
	return true
}
