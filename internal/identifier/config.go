package identifier

import (
	"fmt"
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

// CustomRank is the rank of types that are not ours, unless the configuration gives one; WeakRank is
// added to the rank of a value that is weak (a land line, a role mailbox), so that no weak value goes
// before a strong one.
const (
	CustomRank = 8
	WeakRank   = 16
	// NoRank is the rank of a type that is not configured.
	NoRank = 255
)

// TypeConfig describes one type of identifier.
type TypeConfig struct {
	// Rank decides which identifier names a customer and anchors an event: 0 first, 15 last.
	Rank int `koanf:"rank"`
	// Class is 0 authenticated, 1 verified, 2 typed or 3 inferred.
	Class int `koanf:"class"`
	// Normaliser is exact, device, card, email, email_canon or phone.
	Normaliser string `koanf:"normaliser"`
	// Length is the number of digits of a card scheme, to restore leading zeros; 0 leaves them.
	Length int `koanf:"length"`
	// Check is the check digit of a card scheme: empty, luhn or ean13.
	Check string `koanf:"check"`
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
	// Types by name. Those of DefaultConfig are always there and may be changed.
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
			UserID:           {Rank: 0, Class: 0, Normaliser: "exact"},
			LoyaltyCard:      {Rank: 1, Class: 1, Normaliser: "card"},
			Email:            {Rank: 2, Class: 2, Normaliser: "email"},
			Phone:            {Rank: 3, Class: 2, Normaliser: "phone"},
			PaymentReference: {Rank: 4, Class: 1, Normaliser: "exact"},
			DeviceID:         {Rank: 5, Class: 0, Normaliser: "device"},
			AnonymousID:      {Rank: 6, Class: 0, Normaliser: "exact"},
			TillRecord:       {Rank: 7, Class: 0, Normaliser: "exact"},
			EmailCanon:       {Rank: 9, Class: 3, Normaliser: "email_canon"},
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
	for name, t := range c.Types {
		field := "identifiers.types." + name
		switch {
		case name == "" || len(name) > 64 || strings.ContainsFunc(name, notPlain):
			return fmt.Errorf("identifiers.types: type %q: use 1 to 64 letters, digits, '_', '-' or '.'", name)
		case t.Rank < 0 || t.Rank >= WeakRank:
			return fmt.Errorf("%s.rank is %d: give 0 to %d", field, t.Rank, WeakRank-1)
		case t.Class < int(Authenticated) || t.Class > int(Inferred):
			return fmt.Errorf("%s.class is %d: give 0 to 3", field, t.Class)
		case !slices.Contains(normaliserNames(), t.Normaliser):
			return fmt.Errorf("%s.normaliser is %q: use one of %s", field, t.Normaliser, strings.Join(normaliserNames(), ", "))
		case t.Length < 0 || t.Length > 64:
			return fmt.Errorf("%s.length is %d: give 0 to 64", field, t.Length)
		case t.Check != "" && t.Check != "luhn" && t.Check != "ean13":
			return fmt.Errorf("%s.check is %q: use luhn, ean13 or leave it empty", field, t.Check)
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

func notPlain(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}
