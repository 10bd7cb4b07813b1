package useragent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/ua-parser/uap-go/uaparser"
	"go.yaml.in/yaml/v3"
)

// rules are the expressions of uap-core, tried in their order as that project specifies. Trying all 1,200 of them takes milliseconds, and
// whoever sends a new user agent with each event would stop the stage; so an expression is tried only if the pieces of text that every
// match of it holds are there.
type rules struct {
	definitions *uaparser.RegexDefinitions
	agents      []clauses
	systems     []clauses
	devices     []clauses
	checksum    string
}

// Rules are the expressions of uap-core, compiled. They are immutable.
type Rules = rules

// embedded are the rules that the program carries; compiling them takes a moment, so it is done once.
var embedded = sync.OnceValues(func() (*rules, error) { return ReadRules(uaparser.DefinitionYaml) })

// ReadRules reads a file regexes.yaml of uap-core.
func ReadRules(text []byte) (*Rules, error) {
	var definitions uaparser.RegexDefinitions
	if err := yaml.Unmarshal(text, &definitions); err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	sum := sha256.Sum256(text)
	r := &rules{definitions: &definitions, checksum: hex.EncodeToString(sum[:])[:12]}
	var faults []error
	add := func(list *[]clauses, flags, expression string) {
		if err := compiles(flags, expression); err != nil { // The library panics at what does not compile.
			faults = append(faults, err)
			return
		}
		*list = append(*list, clausesOf(flags, expression))
	}
	for _, rule := range definitions.UA {
		if rule == nil {
			return nil, fmt.Errorf("user_agent_parsers: an entry is empty")
		}
		add(&r.agents, rule.Flags, rule.Expr)
	}
	for _, rule := range definitions.OS {
		if rule == nil {
			return nil, fmt.Errorf("os_parsers: an entry is empty")
		}
		add(&r.systems, rule.Flags, rule.Expr)
	}
	for _, rule := range definitions.Device {
		if rule == nil {
			return nil, fmt.Errorf("device_parsers: an entry is empty")
		}
		add(&r.devices, rule.Flags, rule.Expr)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(r.agents) == 0 || len(r.systems) == 0 || len(r.devices) == 0 {
		return nil, fmt.Errorf("the file has %d user_agent_parsers, %d os_parsers, %d device_parsers: it needs all three", len(r.agents), len(r.systems), len(r.devices))
	}
	if _, err := uaparser.New(uaparser.WithCacheSize(1), uaparser.WithRegexDefinitions(definitions)); err != nil { // Compiles them.
		return nil, fmt.Errorf("compile the expressions: %w", err)
	}
	return r, nil
}

// Len is the number of expressions.
func (r *rules) Len() int { return len(r.agents) + len(r.systems) + len(r.devices) }

func compiles(flags, expression string) error {
	if expression == "" {
		return fmt.Errorf("an entry has no regex")
	}
	if flags != "" {
		expression = "(?" + flags + ")" + expression
	}
	if _, err := regexp.Compile(expression); err != nil {
		return fmt.Errorf("regex %q: %w", expression, err)
	}
	return nil
}

// agent, system and device return what the first expression that matches says; "Other" when there is none.

func (r *rules) agent(l line) uaparser.UserAgent {
	var found uaparser.UserAgent
	for i, rule := range r.definitions.UA {
		if r.agents[i].maybeIn(l) {
			if rule.Match(l.text, &found); found.Family != "" {
				return found
			}
		}
	}
	return uaparser.UserAgent{Family: other}
}

func (r *rules) system(l line) uaparser.Os {
	var found uaparser.Os
	for i, rule := range r.definitions.OS {
		if r.systems[i].maybeIn(l) {
			if rule.Match(l.text, &found); found.Family != "" {
				return found
			}
		}
	}
	return uaparser.Os{Family: other}
}

func (r *rules) device(l line) uaparser.Device {
	var found uaparser.Device
	for i, rule := range r.definitions.Device {
		if r.devices[i].maybeIn(l) {
			if rule.Match(l.text, &found); found.Family != "" {
				return found
			}
		}
	}
	return uaparser.Device{Family: other}
}

// line is a user agent ready to be searched.
type line struct {
	text, lower string
	// grams has a bit for each run of three bytes of lower; a piece whose bits are not all set cannot be there.
	grams *[gramWords]uint64
}

const gramWords = 64

func gram(a, b, c byte) uint32 {
	return (uint32(a)*0x9E3779B1 ^ uint32(b)*0x85EBCA6B ^ uint32(c)*0xC2B2AE35) >> 20 // 12 bits: 64 words of 64.
}

func lineOf(text string) line {
	l := line{text: text, lower: fold(text), grams: new([gramWords]uint64)}
	for i := 0; i+2 < len(l.lower); i++ {
		g := gram(l.lower[i], l.lower[i+1], l.lower[i+2])
		l.grams[g/64] |= 1 << (g % 64)
	}
	return l
}

// eachGram calls visit for each run that the line has.
func (l line) eachGram(visit func(gram int)) {
	for i, word := range l.grams {
		for ; word != 0; word &= word - 1 {
			visit(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// fold lowers a text as an expression without regard to case sees it: the Kelvin sign and the long s are a k and an s to it.
func fold(text string) string {
	text = strings.ToLower(text)
	if strings.Contains(text, "ſ") {
		text = strings.ReplaceAll(text, "ſ", "s")
	}
	return text
}

// piece is a text with the positions of its runs of three bytes in line.grams.
type piece struct {
	text  string
	grams []uint32
}

func pieceOf(text string) piece {
	p := piece{text: text}
	for i := 0; i+2 < len(text); i++ {
		p.grams = append(p.grams, gram(text[i], text[i+1], text[i+2]))
	}
	return p
}

// pieces are texts of which every match of an expression holds one.
type pieces []piece

// clauses are pieces that all have to be there. None means that nothing is known, so that the expression has to be tried.
type clauses []pieces

func (c clauses) maybeIn(l line) bool {
	for _, p := range c {
		if !p.maybeIn(l) {
			return false
		}
	}
	return true
}

func (p pieces) maybeIn(l line) bool {
	for i := range p {
		if p[i].maybeIn(l) {
			return true
		}
	}
	return false
}

func (p *piece) maybeIn(l line) bool {
	for _, g := range p.grams {
		if l.grams[g/64]&(1<<(g%64)) == 0 {
			return false
		}
	}
	return strings.Contains(l.lower, p.text)
}

func clausesOf(flags, expression string) clauses {
	if flags != "" {
		expression = "(?" + flags + ")" + expression
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	var all clauses
	for _, texts := range required(parsed) {
		var clause pieces
		for _, text := range texts {
			clause = append(clause, pieceOf(text))
		}
		all = append(all, clause)
	}
	return all
}

// required returns sets of texts, folded: each match of the expression holds at least one text of each set.
func required(re *syntax.Regexp) [][]string {
	switch re.Op {
	case syntax.OpLiteral:
		if text := fold(string(re.Rune)); len(text) >= 2 {
			return [][]string{{text}}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var all [][]string
		for _, sub := range re.Sub {
			all = append(all, required(sub)...)
		}
		return all
	case syntax.OpAlternate:
		var either []string
		for _, sub := range re.Sub {
			sets := required(sub)
			if len(sets) == 0 {
				return nil // This branch may match without any text that we know.
			}
			either = append(either, rarest(sets)...)
		}
		return [][]string{either}
	}
	return nil
}

// rarest picks the set whose shortest text is the longest.
func rarest(sets [][]string) []string {
	best := sets[0]
	for _, set := range sets[1:] {
		if shortest(set) > shortest(best) {
			best = set
		}
	}
	return best
}

func shortest(texts []string) int {
	least := len(texts[0])
	for _, text := range texts {
		least = min(least, len(text))
	}
	return least
}
