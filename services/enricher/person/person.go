// Package person tells what the details that a person stated say of them, without repeating any: age, gender, household, and how surely an e-mail,
// a telephone number and an address reach somebody.
//
// It owns the rules, the lists of mail domains and a bounded cache of answers. It promises that an answer holds words of the package's own, numbers and
// keyed hashes, never a clear value of the question, that the answer depends on the question, the rules and the list of disposable domains alone, and that
// nothing of a question stays in memory but a hash under a key that the process draws. There is nothing to close.
package person

import (
	"fmt"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
)

// Version names the rules; it changes whenever an answer may change with the same list of domains.
const Version = "person-1"

// Config bounds the cache.
type Config struct {
	// CacheEntries is the number of distinct persons whose answers are kept; an entry takes about 0.5 KB and holds no clear value.
	CacheEntries int `koanf:"cache_entries"`
}

// DefaultConfig keeps the people whom a large retailer meets in some hours.
func DefaultConfig() Config { return Config{CacheEntries: 50_000} }

// Validate checks the bound.
func (c Config) Validate() error {
	if c.CacheEntries < 1 {
		return fmt.Errorf("cache_entries is %d: give at least 1", c.CacheEntries)
	}
	return nil
}

// Facts are what the person stated, as typed. Empty fields are unknown.
type Facts struct {
	Civility, FirstName, LastName, FullName, Gender string
	// BirthDate is midnight UTC of the day; zero when unknown.
	BirthDate                                 time.Time
	Email, Phone                              string
	Street, PostalCode, City, Region, Country string
	Company, Title                            string
	// Fit says whether postcode and town are known to belong together.
	Fit Fit
}

// Fit says whether postcode and town belong together.
type Fit uint8

// The answers of whoever knows the places.
const (
	FitUnknown Fit = iota
	FitSure
	FitDoubtful
)

// Profile is the answer. Empty texts and negative numbers are unknown.
type Profile struct {
	Age                                               int32
	AgeBand                                           string
	Gender, GenderBasis                               string
	Household, HouseholdID, Dwelling                  string
	EmailStatus, EmailClass, EmailSuggestion          string
	PhoneStatus, PhoneLine, PhoneCountry, PhoneRegion string
	AddressCompleteness, Contactability               int32
}

// unknown stands for a number that is not known.
const unknown = -1

// Describer is safe for concurrent use.
type Describer struct {
	// region is the country of the workspace.
	region string
	places *identifier.Identifiers
	mail   mailRules
	homes  *homes
	seeds  seeds
	cache  *otter.Cache[[2]uint64, Profile]
}

// New prepares the rules of a workspace. Domains is the list of disposable mail domains; nil leaves the package's own.
func New(cfg Config, ws workspace.Config, ids identifier.Config, domains *Domains) (*Describer, error) {
	key, err := ws.Key()
	if err != nil {
		return nil, err
	}
	ids.PhoneCache = 0 // numbers are answered out of this package's cache
	places, err := identifier.New(ids, ws)
	if err != nil {
		return nil, err
	}
	cache, err := otter.New(&otter.Options[[2]uint64, Profile]{MaximumSize: cfg.CacheEntries})
	if err != nil {
		return nil, fmt.Errorf("make the person cache: %w", err)
	}
	return &Describer{
		region: strings.ToUpper(ws.Region), places: places, mail: newMailRules(domains, ids.DisposableDomains, places),
		homes: newHomes(key), seeds: newSeeds(), cache: cache,
	}, nil
}

// Describe tells what the facts say on a day, which is midnight UTC of a local date. It keeps no reference to the memory of its argument.
func (d *Describer) Describe(f *Facts, day time.Time) Profile {
	key := d.seeds.key(f)
	profile, found := d.cache.GetIfPresent(key)
	if !found {
		profile = d.describe(f)
		d.cache.Set(key, profile)
	}
	profile.Age, profile.AgeBand = unknown, "" // The one thing that time changes is not remembered.
	if !f.BirthDate.IsZero() {
		profile.Age, profile.AgeBand = age(f.BirthDate, day)
	}
	return profile
}

// describe works everything out but the age.
func (d *Describer) describe(f *Facts) Profile {
	var p Profile
	f = shortened(f)
	country := d.country(f)
	names, home := namesOf(f), parseStreet(f.Street)
	home.place(f)

	p.Gender, p.GenderBasis = gender(f, names)
	p.Dwelling = home.dwelling(names, country)
	p.Household = household(names, home, p.Dwelling)
	p.HouseholdID = d.homes.id(f, names, home, country, p)
	mail := d.mail.judge(f.Email)
	p.EmailStatus, p.EmailClass, p.EmailSuggestion = mail.status, mail.class, mail.suggestion
	call := d.judgePhone(f.Phone, country)
	p.PhoneStatus, p.PhoneLine, p.PhoneCountry, p.PhoneRegion = call.status, call.line, call.country, call.region
	p.AddressCompleteness = home.completeness(f, country, p.Dwelling)
	p.Contactability = contactability(p)
	return p
}

// country of the address: what it says, else where the workspace is.
func (d *Describer) country(f *Facts) string {
	country := d.places.Region(strings.TrimSpace(f.Country), strings.TrimSpace(f.PostalCode))
	if country == "" && strings.TrimSpace(f.Country) == "" {
		return d.region
	}
	return country
}

// judgePhone reads a number as somebody writes it who lives there, else as somebody who was asked for it here.
func (d *Describer) judgePhone(raw, country string) call {
	if country == "" || country == d.region {
		return judgePhone(raw, d.region)
	}
	there := judgePhone(raw, country)
	if there.status == PhoneValid || there.status == "" {
		return there
	}
	if here := judgePhone(raw, d.region); here.status == PhoneValid {
		return here
	}
	return there
}

// longest bounds what is read of a value, in bytes; the longest that people write have some 200.
const longest = 512

// shortened leaves out values that are bodies which got lost.
func shortened(f *Facts) *Facts {
	g := *f
	for _, at := range []*string{
		&g.Civility, &g.FirstName, &g.LastName, &g.FullName, &g.Gender, &g.Street, &g.PostalCode, &g.City, &g.Region, &g.Country, &g.Company, &g.Title,
	} {
		if len(*at) > longest {
			*at = ""
		}
	}
	return &g
}

// Given tells whether anything is stated that an answer can be made of.
func (f *Facts) Given() bool {
	return f.Civility != "" || f.FirstName != "" || f.LastName != "" || f.FullName != "" || f.Gender != "" || !f.BirthDate.IsZero() ||
		f.Email != "" || f.Phone != "" || f.Street != "" || f.PostalCode != "" || f.City != "" || f.Company != "" || f.Title != ""
}
