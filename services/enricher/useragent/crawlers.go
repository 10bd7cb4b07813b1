package useragent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Crawlers is the public list of crawlers (npm crawler-user-agents, MIT): an expression for each, with what it is for. It is immutable.
//
// Trying its 1,500 expressions on a user agent would take as long as all other rules together. Each is therefore kept under one run of three
// bytes of a text that its matches hold, and only those are tried whose run the user agent has.
type Crawlers struct {
	all    []crawler
	byGram [gramWords * 64][]uint16
	// always are those of whose matches no text is known.
	always []uint16
}

type crawler struct {
	pattern *regexp.Regexp
	clauses clauses
	kind    string
}

// listed is an entry of the file.
type listed struct {
	Pattern   string   `json:"pattern"`
	Instances []string `json:"instances"`
	Tags      []string `json:"tags"`
}

// kindOfTag translates the tags of the list. The first that an entry has in this order counts.
var kindOfTag = []struct{ tag, kind string }{
	{"ai-crawler", KindAI},
	{"advertising", KindAdvertising},
	{"social-preview", KindPreview},
	{"search-engine", KindSearch},
	{"feed-reader", KindFeed},
	{"monitoring", KindMonitor},
	{"archiver", KindArchive},
	{"http-library", KindTool},
	{"browser-automation", KindTool},
	{"scanner", KindTool},
}

// people are expressions of the list that people's programs match too; a customer who is taken for a bot is lost, a bot that is
// taken for a customer is one visit too many.
var people = map[string]bool{
	`AP3A\.240617\.008`: true, // A build of Android 15 that several makers sell telephones with.
	`MetaIAB Facebook`:  true, // The browser inside of Facebook.
	`Notion\/`:          true, // Programs for desks that show pages, built on Electron.
	`Code\/1\.`:         true,
	`Trae\/`:            true,
	`Fluid`:             true, // Makes a program of a site.
}

// most bounds the list, whose positions are kept in 16 bits.
const most = 1 << 16

// ReadCrawlers reads the list in its publisher's JSON. It refuses an expression that Go does not understand.
func ReadCrawlers(text []byte) (*Crawlers, error) {
	var entries []listed
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	if len(entries) == 0 || len(entries) >= most {
		return nil, fmt.Errorf("the list has %d crawlers: give 1 to %d", len(entries), most-1)
	}
	c := &Crawlers{all: make([]crawler, 0, len(entries))}
	for i, entry := range entries {
		if entry.Pattern == "" {
			return nil, fmt.Errorf("entry %d: pattern is empty, which would match everybody", i)
		}
		if people[entry.Pattern] {
			continue
		}
		pattern, err := regexp.Compile(entry.Pattern)
		if err != nil {
			return nil, fmt.Errorf("entry %d: pattern %q: %w", i, entry.Pattern, err)
		}
		if pattern.MatchString("") {
			return nil, fmt.Errorf("entry %d: pattern %q matches everybody", i, entry.Pattern)
		}
		one := crawler{pattern: pattern, clauses: clausesOf("", entry.Pattern), kind: kindOf(entry.Tags)}
		c.index(uint16(len(c.all)), one.clauses)
		c.all = append(c.all, one)
	}
	return c, nil
}

// Len is the number of crawlers on the list.
func (c *Crawlers) Len() int { return len(c.all) }

func kindOf(tags []string) string {
	for _, known := range kindOfTag {
		for _, tag := range tags {
			if tag == known.tag {
				return known.kind
			}
		}
	}
	return KindOther
}

// index enters an expression under one run of each text of the clause whose shortest text is the longest.
func (c *Crawlers) index(position uint16, all clauses) {
	var best pieces
	length := 0
	for _, clause := range all {
		least := len(clause[0].text)
		for _, p := range clause {
			least = min(least, len(p.text))
		}
		if least > length {
			best, length = clause, least
		}
	}
	if length < 3 {
		c.always = append(c.always, position)
		return
	}
	for _, p := range best {
		// Of the runs of the text the one under which the fewest stand: "bot" and "://" are in every other expression.
		rare := p.grams[0]
		for _, g := range p.grams {
			if len(c.byGram[g]) < len(c.byGram[rare]) {
				rare = g
			}
		}
		c.byGram[rare] = append(c.byGram[rare], position)
	}
}

// find returns the first crawler of the list that the line is; the name is the text that the expression found.
func (c *Crawlers) find(l line) (bot, bool) {
	if c == nil {
		return bot{}, false
	}
	position := c.first(l)
	if position < 0 {
		return bot{}, false
	}
	name := strings.Trim(c.all[position].pattern.FindString(l.text), " /()[]{};:,+-_^$'\"")
	if len(name) > longestName {
		name = "" // A whole line, not a name.
	}
	return bot{name, c.all[position].kind}, true
}

// first returns the position of the first crawler whose expression matches, -1 when none does.
func (c *Crawlers) first(l line) int {
	first := most
	try := func(position uint16) {
		if int(position) < first && c.all[position].clauses.maybeIn(l) && c.all[position].pattern.MatchString(l.text) {
			first = int(position)
		}
	}
	l.eachGram(func(g int) {
		for _, position := range c.byGram[g] {
			try(position)
		}
	})
	for _, position := range c.always {
		try(position)
	}
	if first == most {
		return -1
	}
	return first
}
