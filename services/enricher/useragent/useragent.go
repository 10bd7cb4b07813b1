// Package useragent tells which device, system and browser an event came from, and whether a machine sent it.
//
// It owns the rules (those of uap-core, as the uap-go module carries them, and a few of ours), the reading of client hints and of what
// application SDKs say, and a bounded cache, because the same few thousand user agents come again and again. The answer depends on the
// input and the rules alone.
package useragent

import (
	"fmt"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
)

// answers names our own rules; it changes whenever an answer may change with the same rules of uap-core.
const answers = "agents-2"

// longest bounds what is read of a user agent; the longest of real applications have 500 bytes.
const longest = 1024

// other is what uap-core says when it does not know.
const other = "Other"

// Classes of a device, as they stand in the device section of an event.
const (
	Desktop = "desktop"
	Mobile  = "mobile"
	Tablet  = "tablet"
	TV      = "tv"
	Console = "console"
	Bot     = "bot"
	Till    = "till"
	Unknown = "other"
)

// Config bounds the cache.
type Config struct {
	// CacheEntries is the number of distinct user agents kept; an entry takes about 1 KB.
	CacheEntries int `koanf:"cache_entries"`
}

// DefaultConfig keeps more user agents than a large shop sees in a day.
func DefaultConfig() Config { return Config{CacheEntries: 50_000} }

// Validate checks the bound.
func (c Config) Validate() error {
	if c.CacheEntries < 1 {
		return fmt.Errorf("cache_entries is %d: give at least 1", c.CacheEntries)
	}
	return nil
}

// Agent is what a browser says of itself. It is the key of the cache.
type Agent struct {
	UserAgent string
	Hints     Hints
}

// Device is what is known of the device. Empty fields are unknown.
type Device struct {
	Class, Brand, Model     string
	OS, OSVersion           string
	Browser, BrowserVersion string
	Bot                     bool
	// BotName and BotKind tell which bot it is and what for. The name of a bot that gives none is empty, its kind never.
	BotName, BotKind string
}

// Parser is safe for concurrent use.
type Parser struct {
	rules    *rules
	crawlers *Crawlers // Nil when there is no list.
	cache    *otter.Cache[Agent, Device]
}

// Lists are what is read from files; each may be nil. Without Rules those in the program count, without Crawlers our own words alone.
type Lists struct {
	Rules    *Rules
	Crawlers *Crawlers
}

// New returns a parser with an empty cache. Compiling the rules of the program takes a moment, once.
func New(cfg Config, lists Lists) (*Parser, error) {
	rules := lists.Rules
	if rules == nil {
		var err error
		if rules, err = embedded(); err != nil {
			return nil, fmt.Errorf("read the user agent rules: %w", err)
		}
	}
	cache, err := otter.New(&otter.Options[Agent, Device]{MaximumSize: cfg.CacheEntries, StatsRecorder: stats.NewCounter()})
	if err != nil {
		return nil, fmt.Errorf("make the user agent cache: %w", err)
	}
	return &Parser{rules: rules, crawlers: lists.Crawlers, cache: cache}, nil
}

// Version names our rules, and those of uap-core by the checksum of their file.
func (p *Parser) Version() string { return answers + "+uap-" + p.rules.checksum }

// CacheUse is the state of the cache since the start.
type CacheUse struct {
	Entries      int
	Hits, Misses uint64
}

// CacheUse reads the counters of the cache.
func (p *Parser) CacheUse() CacheUse {
	use := p.cache.Stats()
	return CacheUse{Entries: p.cache.EstimatedSize(), Hits: use.Hits, Misses: use.Misses}
}

// Parse tells what the user agent and the hints say. It keeps no reference to its argument's memory.
func (p *Parser) Parse(a Agent) Device {
	if len(a.UserAgent) > longest {
		a.UserAgent = a.UserAgent[:longest]
	}
	if device, ok := p.cache.GetIfPresent(a); ok {
		return device
	}
	a = a.clone()
	device := p.parse(a)
	p.cache.Set(a, device)
	return device
}

func (a Agent) clone() Agent {
	a.UserAgent = strings.Clone(a.UserAgent)
	a.Hints = a.Hints.clone()
	return a
}

func (p *Parser) parse(a Agent) Device {
	l := lineOf(a.UserAgent)
	var d Device
	if a.UserAgent != "" {
		d = p.fromLine(l)
	}
	p.applyHints(&d, l, a.Hints)
	if d.Bot {
		d.Class = Bot
	}
	return d
}

// fromLine reads the user agent alone.
func (p *Parser) fromLine(l line) Device {
	agent, system, device := p.rules.agent(l), p.rules.system(l), p.rules.device(l)
	d := Device{
		Browser:        known(agent.Family),
		BrowserVersion: dotted(agent.Major, agent.Minor, agent.Patch),
		OS:             systemName(system.Family),
		OSVersion:      dotted(system.Major, system.Minor, system.Patch),
		Brand:          known(device.Brand),
		Model:          known(device.Model),
	}
	d.dropGeneric()
	if d.OS == "Android" {
		d.androidModel(androidModel(l.text))
	}
	if d.OS == "macOS" && (d.OSVersion == "10.15.7" || d.OSVersion == "10.15") {
		d.OSVersion = "" // Browsers have frozen it there since macOS 11.
	}
	if found, ok := p.botOf(l, device.Family == "Spider", agent.Family, d.OS); ok {
		d.Bot, d.BotName, d.BotKind = true, found.name, found.kind
	}
	d.Class = classOf(l.lower, d.OS)
	if d.Class == Desktop {
		d.desktopModel()
	}
	return d
}

// known turns the words for nothing into nothing.
func known(name string) string {
	if name == other {
		return ""
	}
	return name
}

// dropGeneric removes what uap-core says of a device it does not know, and the K that Chrome puts in the place of the model.
func (d *Device) dropGeneric() {
	if strings.HasPrefix(d.Brand, "Generic") || d.Brand == "Spider" {
		d.Brand, d.Model = "", ""
	}
	if d.Model == "K" {
		d.Model = ""
	}
}

// androidModel prefers the model as the device writes it to the rules' idea of it, and names the maker where the rules know none.
func (d *Device) androidModel(model string) {
	if model == "" {
		if d.Brand == "" || d.Model == "Browser" {
			d.Model = ""
		}
		return
	}
	d.Model = model
	if d.Brand == "" {
		d.Brand = maker(model)
	}
}

// desktopModel keeps a brand only where it is one: any PC may run Windows or Linux.
func (d *Device) desktopModel() {
	if d.Brand != "Apple" {
		d.Brand, d.Model = "", ""
	}
}

// systemName keeps one name for a system, whoever names it.
func systemName(name string) string {
	switch name {
	case other, "":
		return ""
	case "Mac OS X", "MacOS", "macos", "Mac OS", "macOS":
		return "macOS"
	case "ATV OS X", "tvos":
		return "tvOS"
	case "ios", "iPhone OS", "iOS":
		return "iOS"
	case "iPadOS", "ipados":
		return "iPadOS"
	case "android", "Android":
		return "Android"
	case "windows":
		return "Windows"
	case "Chromium OS", "chromeos", "ChromeOS":
		return "Chrome OS"
	}
	return name
}

// dotted joins the parts of a version that are there.
func dotted(parts ...string) string {
	n := 0
	for n < len(parts) && parts[n] != "" {
		n++
	}
	return strings.Join(parts[:n], ".")
}

// brandOf asks who makes a model of Android, by a user agent that such a device could send.
func (p *Parser) brandOf(model string) string {
	d := Device{Brand: p.rules.device(lineOf("Mozilla/5.0 (Linux; Android 14; " + model + ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36")).Brand}
	d.dropGeneric()
	if known(d.Brand) == "" {
		return maker(model)
	}
	return d.Brand
}
