package identifier

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Types every workspace has.
const (
	UserID           = "user_id"
	LoyaltyCard      = "loyalty_card"
	Email            = "email"
	EmailCanon       = "email_canon"
	Phone            = "phone"
	PaymentReference = "payment_reference"
	DeviceID         = "device_id"
	AnonymousID      = "anonymous_id"
	TillRecord       = "till_record"
)

// Class says how far an identifier can be believed to be the person's own; a pair has the weaker class
// of its two.
type Class uint8

// The classes, best first.
const (
	Authenticated Class = iota // signed in, or observed by the machine itself
	Verified                   // card scanned, double opt-in
	Typed                      // typed by somebody
	Inferred                   // shared by a household, a role or a rule of ours
)

// classNames are the classes as the configuration writes them.
var classNames = []string{Authenticated: "authenticated", Verified: "verified", Typed: "typed", Inferred: "inferred"}

// ParseClass reads a class as the configuration writes it.
func ParseClass(name string) (Class, error) {
	if i := slices.Index(classNames, name); i >= 0 {
		return Class(i), nil
	}
	return 0, fmt.Errorf("class is %q: use one of %s", name, strings.Join(classNames, ", "))
}

// Ranks run from 1, the strongest, to maxRank.
const (
	maxRank = 15
	// CustomRank is the rank of types that are not ours, unless the configuration gives one.
	CustomRank = 9
	// WeakRank is added to the rank of a value that is weak (a land line, a role mailbox), so that no weak
	// value goes before a strong one.
	WeakRank = 16
	// NoRank is the rank of a type that is not configured.
	NoRank = 255
)

// TypeConfig describes one type of identifier. What is left out is as in [DefaultConfig], or for a type of
// one's own: rank 9, typed, exact.
type TypeConfig struct {
	// Rank decides which identifier names a customer and anchors an event: 1 first, 15 last.
	Rank int `koanf:"rank"`
	// Class is authenticated, verified, typed or inferred.
	Class string `koanf:"class"`
	// Normaliser is exact, device, card, email, email_canon, phone, payment, name_fr or address_fr. Values of
	// the last two are weak, whatever the class.
	Normaliser string `koanf:"normaliser"`
	// Length is the number of digits of a card scheme, to restore leading zeros; 0 leaves them.
	Length int `koanf:"length"`
	// Check is the check digit of a card scheme: empty, luhn or ean13.
	Check string `koanf:"check"`
	// Limit is how many identifiers of this type one customer has at most; a pair that would bring more is
	// refused. 0 is the default of the type, which for a type of one's own is no limit.
	Limit int `koanf:"limit"`
	// Hubs has, for other types, how many of them can be seen with one value of this type: a value seen with
	// more is shared (a shop's tablet) and links nobody. 0 switches a default off.
	Hubs map[string]int `koanf:"hubs"`
}

// over lays what is given over what is the default.
func (t TypeConfig) over(base TypeConfig) TypeConfig {
	return TypeConfig{
		Rank:       cmp.Or(t.Rank, base.Rank),
		Class:      cmp.Or(t.Class, base.Class),
		Normaliser: cmp.Or(t.Normaliser, base.Normaliser),
		Length:     cmp.Or(t.Length, base.Length),
		Check:      cmp.Or(t.Check, base.Check),
		Limit:      cmp.Or(t.Limit, base.Limit),
		Hubs:       t.hubsOver(base),
	}
}

// hubsOver lays the hubs that are given over those that are the default, and drops what is switched off.
func (t TypeConfig) hubsOver(base TypeConfig) map[string]int {
	all := make(map[string]int, len(base.Hubs)+len(t.Hubs))
	maps.Copy(all, base.Hubs)
	maps.Copy(all, t.Hubs)
	maps.DeleteFunc(all, func(_ string, most int) bool { return most == 0 })
	if len(all) == 0 {
		return nil
	}
	return all
}

// types are all types with all they need.
func (c Config) types() map[string]TypeConfig {
	all := DefaultConfig().Types
	for name, given := range c.Types {
		base, ours := all[name]
		if !ours {
			base = TypeConfig{Rank: CustomRank, Class: "typed", Normaliser: "exact"}
		}
		all[name] = given.over(base)
	}
	return all
}

// MailProvider says how a provider treats spellings of one mailbox.
type MailProvider struct {
	// Domains are the provider's, in lower case.
	Domains []string `koanf:"domains"`
	// Domain, if set, replaces them: they are one set of mailboxes.
	Domain string `koanf:"domain"`
	// IgnoreDots is true when dots before the @ do not count.
	IgnoreDots bool `koanf:"ignore_dots"`
}

// Config says which identifiers a workspace knows and which values are nobody's.
type Config struct {
	// Types by name. The built-in ones are always there; what is given goes over them.
	Types map[string]TypeConfig `koanf:"types"`
	// Blocked values are ignored whatever their type, besides the built-in ones; any spelling will do.
	Blocked []string `koanf:"blocked"`
	// MailProviders get an email_canon beside the e-mail; plus tags are dropped in it.
	MailProviders []MailProvider `koanf:"mail_providers"`
	// DisposableDomains have mailboxes that are nobody's for long: their e-mails are weak.
	DisposableDomains []string `koanf:"disposable_domains"`
	// PhoneCache is how many parsed phone numbers are kept in memory.
	PhoneCache int `koanf:"phone_cache"`
}

// DefaultConfig is right for a French retailer.
func DefaultConfig() Config {
	return Config{
		Types: map[string]TypeConfig{
			UserID:           {Rank: 1, Class: "authenticated", Normaliser: "exact", Limit: 1},
			LoyaltyCard:      {Rank: 2, Class: "verified", Normaliser: "card", Limit: 2, Hubs: map[string]int{UserID: 2}},
			Email:            {Rank: 3, Class: "typed", Normaliser: "email", Limit: 5, Hubs: map[string]int{UserID: 4}},
			Phone:            {Rank: 4, Class: "typed", Normaliser: "phone", Limit: 5, Hubs: map[string]int{UserID: 4}},
			PaymentReference: {Rank: 5, Class: "verified", Normaliser: "payment", Limit: 10},
			DeviceID:         {Rank: 6, Class: "authenticated", Normaliser: "device", Limit: 20, Hubs: map[string]int{UserID: 3}},
			AnonymousID:      {Rank: 7, Class: "authenticated", Normaliser: "exact", Limit: 200, Hubs: map[string]int{UserID: 3}},
			TillRecord:       {Rank: 8, Class: "authenticated", Normaliser: "exact", Limit: 20},
			EmailCanon:       {Rank: 10, Class: "inferred", Normaliser: "email_canon"},
		},
		MailProviders: []MailProvider{
			{Domains: []string{"gmail.com", "googlemail.com"}, Domain: "gmail.com", IgnoreDots: true},
			{Domains: []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"}, Domain: "proton.me", IgnoreDots: true},
			{Domains: []string{"outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "live.com", "live.fr", "msn.com"}},
			{Domains: []string{"icloud.com", "me.com", "mac.com"}, Domain: "icloud.com"},
			{Domains: []string{"fastmail.com", "fastmail.fm"}},
		},
		DisposableDomains: []string{
			"yopmail.com", "yopmail.fr", "yopmail.net", "jetable.org", "mailinator.com", "guerrillamail.com",
			"10minutemail.com", "temp-mail.org", "tempmail.com", "trashmail.com", "maildrop.cc", "throwawaymail.com",
			"mail-temporaire.fr", "mailcatch.com", "getnada.com", "sharklasers.com",
		},
		PhoneCache: 65_536,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	all := c.types()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		if err := t.validate(name); err != nil {
			return fmt.Errorf("identifiers.types.%s%w", name, err)
		}
		for _, other := range slices.Sorted(maps.Keys(t.Hubs)) {
			if _, known := all[other]; !known {
				return fmt.Errorf("identifiers.types.%s.hubs.%s: no such type: use one of %s, or configure it", name, other, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
			}
			if most := t.Hubs[other]; most < 0 {
				return fmt.Errorf("identifiers.types.%s.hubs.%s is %d: give 1 or more, or 0 for no hubs", name, other, most)
			}
		}
	}
	for i, value := range c.Blocked {
		if isNobody(value) {
			return fmt.Errorf("identifiers.blocked[%d] is %q: leave it out, it is blocked anyway", i, value)
		}
	}
	if c.PhoneCache < 0 {
		return fmt.Errorf("identifiers.phone_cache is %d: give 0 or more", c.PhoneCache)
	}
	for i, provider := range c.MailProviders {
		if len(provider.Domains) == 0 {
			return fmt.Errorf("identifiers.mail_providers[%d].domains is empty: give the provider's domains", i)
		}
	}
	return nil
}

func (t TypeConfig) validate(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, notPlain) {
		return errors.New(": name a type with 1 to 64 letters, digits, '_', '-' or '.'")
	}
	if _, err := ParseClass(t.Class); err != nil {
		return fmt.Errorf(".%w", err)
	}
	switch {
	case t.Rank < 1 || t.Rank > maxRank:
		return fmt.Errorf(".rank is %d: give 1 to %d", t.Rank, maxRank)
	case !slices.Contains(normaliserNames(), t.Normaliser):
		return fmt.Errorf(".normaliser is %q: use one of %s", t.Normaliser, strings.Join(normaliserNames(), ", "))
	case t.Length < 0 || t.Length > 64:
		return fmt.Errorf(".length is %d: give 0 to 64", t.Length)
	case t.Check != "" && t.Check != "luhn" && t.Check != "ean13":
		return fmt.Errorf(".check is %q: use luhn, ean13 or leave it empty", t.Check)
	case t.Limit < 0:
		return fmt.Errorf(".limit is %d: give 1 or more, or 0 for the default of the type", t.Limit)
	}
	return nil
}

func notPlain(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}
