package traffic

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/publicsuffix"
)

//go:embed tables/*.yml
var tables embed.FS

// Classes of a referrer, as they stand in the traffic section of an event.
const (
	ClassSearch   = "search"
	ClassSocial   = "social"
	ClassEmail    = "email"
	ClassAI       = "ai"
	ClassInternal = "internal"
	ClassOther    = "other"
	ClassNone     = "none"
)

// Kinds of sources which count in the channel groups only.
const (
	kindShopping = "shopping"
	kindVideo    = "video"
)

// site is an entry of a table.
type site struct {
	name, class string
	path        string // Only pages below it, when not empty.
	params      []string
	patterns    []*regexp.Regexp
}

// table finds the site of a host, and the sites that a campaign calls by name.
type table struct {
	hosts    map[string][]*site // By host or host pattern; entries with a path stand first.
	names    map[string]*site
	shopping map[string]bool
	video    map[string]bool
	sum      hash.Hash
}

// Sites are a list of sites of one class, as a file has them. They do not change.
type Sites struct {
	class   string
	text    []byte // What the checksum is of.
	entries []entry
}

// entry is a site with its addresses.
type entry struct {
	name string
	engine
	patterns []*regexp.Regexp
}

// Len is the number of entries.
func (s *Sites) Len() int { return len(s.entries) }

// loadTable enters the lists, which come first where they say something else, then those of the program.
func loadTable(lists []*Sites) (*table, error) {
	t := &table{
		hosts: map[string][]*site{}, names: map[string]*site{},
		shopping: map[string]bool{}, video: map[string]bool{}, sum: sha256.New(),
	}
	for _, list := range lists {
		t.add(list)
	}
	for _, class := range []string{ClassAI, ClassEmail, ClassSearch, ClassSocial, kindShopping, kindVideo} {
		text, err := tables.ReadFile("tables/" + class + ".yml")
		if err != nil {
			return nil, fmt.Errorf("read the embedded referrers: %w", err)
		}
		list, err := ReadSites(class, text)
		if err != nil {
			return nil, fmt.Errorf("read the embedded referrers: %s: %w", class, err)
		}
		t.add(list)
	}
	return t, nil
}

// version tells apart any two sets of tables.
func (t *table) version() string { return hex.EncodeToString(t.sum.Sum(nil))[:12] }

// engine is one entry of a list of search engines.
type engine struct {
	URLs     []string `yaml:"urls"`
	Params   []string `yaml:"params"`
	Hidden   []string `yaml:"hiddenkeyword"`
	Backlink string   `yaml:"backlink"`
	Charsets []string `yaml:"charsets"`
}

// ReadSites reads a list in the layout of Matomo: a map from a name to hosts, or to search engines.
func ReadSites(class string, text []byte) (*Sites, error) {
	var entries map[string][]yaml.Node
	if err := yaml.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("the file names no site")
	}
	sites := &Sites{class: class, text: bytes.Clone(text)}
	names := slices.Sorted(maps.Keys(entries)) // Where two claim one host, the answer must not depend on chance.
	for _, name := range names {
		nodes := entries[name]
		for i := range nodes {
			one := entry{name: strings.ToLower(name)}
			if nodes[i].Kind == yaml.ScalarNode {
				one.URLs = []string{nodes[i].Value}
			} else if err := nodes[i].Decode(&one.engine); err != nil {
				return nil, fmt.Errorf("entry %q: %w", name, err)
			}
			if err := one.compile(); err != nil {
				return nil, fmt.Errorf("entry %q: %w", name, err)
			}
			sites.entries = append(sites.entries, one)
		}
	}
	return sites, nil
}

// compile takes the expressions, which find the words in the path, out of the parameters.
func (e *entry) compile() error {
	var plain []string
	for _, parameter := range e.Params {
		if !strings.HasPrefix(parameter, "/") {
			plain = append(plain, parameter)
			continue
		}
		pattern, err := regexp.Compile(strings.ReplaceAll(strings.Trim(parameter, "/"), `\/`, "/"))
		if err != nil {
			return fmt.Errorf("pattern of the words: %w", err)
		}
		e.patterns = append(e.patterns, pattern)
	}
	e.Params = plain
	return nil
}

func (t *table) add(list *Sites) {
	fmt.Fprintf(t.sum, "%s %d\n", list.class, len(list.text))
	t.sum.Write(list.text)
	for _, one := range list.entries {
		t.enter(list.class, one)
	}
}

func (t *table) enter(class string, one entry) {
	name := one.name
	switch class {
	case kindShopping, kindVideo:
		kind := t.shopping
		if class == kindVideo {
			kind = t.video
		}
		kind[name] = true
		for _, host := range one.URLs {
			kind[strings.ToLower(host)] = true
		}
		return
	}
	entry := site{name: name, class: class, params: one.Params, patterns: one.patterns}
	if t.names[name] == nil {
		t.names[name] = &entry
	}
	for _, address := range one.URLs {
		host, path, _ := strings.Cut(strings.ToLower(address), "/")
		host = withoutWWW(host)
		if !strings.Contains(host, ".") { // A word that campaigns use.
			if t.names[host] == nil {
				t.names[host] = &entry
			}
			continue
		}
		own := entry
		if path == "" {
			t.hosts[host] = append(t.hosts[host], &own)
			continue
		}
		own.path = "/" + path
		t.hosts[host] = append([]*site{&own}, t.hosts[host]...)
	}
}

// find returns the site of an address, nil when no table has it.
func (t *table) find(a address) *site {
	host := withoutWWW(a.host)
	if found := t.at(host, a.path, true); found != nil {
		return found // Nearly always: the suffix is not needed then.
	}
	suffix, _ := publicsuffix.PublicSuffix(host)
	for whole, rest := true, host; ; whole = false {
		if found := t.at(rest, a.path, whole); found != nil {
			return found
		}
		if stem, ok := strings.CutSuffix(rest, "."+suffix); ok {
			if found := t.at(stem+".{}", a.path, whole); found != nil {
				return found
			}
		}
		first, parent, more := strings.Cut(rest, ".")
		if !more || parent == suffix {
			return nil
		}
		if whole && len(first) == 2 {
			if found := t.at("{}."+parent, a.path, true); found != nil {
				return found
			}
		}
		rest = parent
	}
}

// at looks one host up. A search engine has to be the whole host: docs.google.com does not search.
func (t *table) at(host, path string, whole bool) *site {
	for _, entry := range t.hosts[host] {
		if (whole || entry.class != ClassSearch) && strings.HasPrefix(path, entry.path) {
			return entry
		}
	}
	return nil
}

// named returns the site that a campaign's source calls by name or by host.
func (t *table) named(source string) *site {
	if found := t.names[source]; found != nil {
		return found
	}
	if !strings.Contains(source, ".") {
		return nil
	}
	return t.find(address{host: source})
}

// of reports whether a source, or the site that it names, is in a list of kinds.
func of(kind map[string]bool, source string, known *site) bool {
	if kind[source] || known != nil && kind[known.name] {
		return true
	}
	host := withoutWWW(source)
	if !strings.Contains(host, ".") {
		return false
	}
	for {
		if suffix, _ := publicsuffix.PublicSuffix(host); kind[host] || kind[strings.TrimSuffix(host, "."+suffix)+".{}"] {
			return true
		}
		_, parent, more := strings.Cut(host, ".")
		if !more {
			return false
		}
		host = parent
	}
}

// words returns what was searched, when the referrer still says it.
func (s *site) words(a address) string {
	for _, name := range s.params {
		if value := parameter(a.query, name); value != "" {
			return value
		}
	}
	for _, pattern := range s.patterns {
		if groups := pattern.FindStringSubmatch(a.path); len(groups) > 1 {
			return unescape(groups[1])
		}
	}
	return ""
}
