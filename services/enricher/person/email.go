package person

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// What an e-mail address is.
const (
	EmailValid      = "valid"
	EmailInvalid    = "invalid"
	EmailDisposable = "disposable"
	EmailTypo       = "typo"

	ClassPersonal     = "personal"
	ClassProfessional = "professional"
	ClassRole         = "role"
	ClassDisposable   = "disposable"
)

// Bounds of RFC 5321, in bytes.
const (
	longestAddress = 254
	longestLocal   = 64
)

// lookup maps domain names as those do who look them up.
var lookup = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(true))

// mail is the answer for one address. Of the address it has a domain at most, and only one of the package's own.
type mail struct{ status, class, suggestion string }

// mailRules are the lists of domains.
type mailRules struct {
	// domains is the published list; own are those of the configuration and the embedded ones.
	domains *Domains
	own     set
	ids     *identifier.Identifiers
}

func newMailRules(domains *Domains, configured []string, ids *identifier.Identifiers) mailRules {
	own := setOf(disposableMail)
	for _, domain := range configured {
		own[strings.ToLower(domain)] = struct{}{}
	}
	return mailRules{domains: domains, own: own, ids: ids}
}

// judge tells what an address is; it answers nothing for an empty one.
func (m mailRules) judge(raw string) mail {
	address := strings.TrimSpace(raw)
	if address == "" {
		return mail{}
	}
	if len(address) > longest || !utf8.ValidString(address) {
		return mail{status: EmailInvalid}
	}
	address = bare(address)
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at+1 == len(address) {
		return mail{status: EmailInvalid}
	}
	local, typed := address[:at], strings.ToLower(address[at+1:])
	if !localPart(local) {
		return mail{status: EmailInvalid}
	}
	domain, ok := hostName(typed)
	if ok && len(local)+1+len(domain) > longestAddress {
		return mail{status: EmailInvalid}
	}
	if ok {
		if _, reason := m.ids.Normalise(identifier.Email, local+"@"+domain); reason == identifier.Blocked {
			return mail{status: EmailInvalid} // pasdemail@gmail.com: an address that says there is none
		}
		if !misspelledMail.has(domain) && m.disposable(domain) {
			return mail{status: EmailDisposable, class: ClassDisposable}
		}
	}
	if suggestion := suggest(typed, domain, ok); suggestion != "" {
		return mail{status: EmailTypo, class: classOf(local, suggestion), suggestion: suggestion}
	}
	if !ok || !isASCII(local) && freeMail.has(domain) {
		return mail{status: EmailInvalid} // the big providers give nobody an accent
	}
	return mail{status: EmailValid, class: classOf(local, domain)}
}

// bare takes an address out of a display name with angle brackets, or a link.
func bare(address string) string {
	if open := strings.LastIndexByte(address, '<'); open >= 0 && strings.HasSuffix(address, ">") {
		address = address[open+1 : len(address)-1]
	}
	if len(address) > 7 && strings.EqualFold(address[:7], "mailto:") {
		address = address[7:]
	}
	return strings.TrimSpace(address)
}

// disposable looks for the domain, then for those above it.
func (m mailRules) disposable(domain string) bool {
	for strings.Contains(domain, ".") {
		if m.own.has(domain) || m.domains.has(domain) {
			return true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return false
}

// classOf tells offices from people, by what stands before the @, and providers for everybody from domains of one's own.
func classOf(local, domain string) string {
	switch {
	case isRole(local):
		return ClassRole
	case freeMail.has(domain):
		return ClassPersonal
	}
	return ClassProfessional
}

// isRole compares without a tag, separators and the number behind.
func isRole(local string) bool {
	if tag := strings.IndexByte(local, '+'); tag > 0 {
		local = local[:tag]
	}
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r == '"' {
			return -1
		}
		return r
	}, strings.ToLower(local))
	return roles.has(name) || roles.has(strings.TrimRight(name, "0123456789"))
}

// localPart holds what may stand before the @: atoms parted by single dots, in any script, or a quoted text.
func localPart(s string) bool {
	if len(s) > longestLocal || !utf8.ValidString(s) {
		return false
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return quoted(s[1 : len(s)-1])
	}
	dot := true // as if one stood before
	for _, r := range s {
		if r == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		dot = false
		if r < utf8.RuneSelf && !atomByte(byte(r)) || r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) {
			return false
		}
	}
	return !dot
}

func atomByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+/=?^_`{|}~-", c) >= 0
}

// quoted holds the text between the quotes: printable ASCII, with a backslash before quotes and backslashes.
func quoted(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return false
			}
		case c < ' ' || c > '~' || c == '"':
			return false
		}
	}
	return s != ""
}

// Bounds of the DNS.
const (
	longestLabel  = 63
	longestDomain = 253
)

// hostName writes a domain as it is looked up; ok is false for what cannot be one: bad form, an address in numbers, a top level that there is not.
func hostName(typed string) (domain string, ok bool) {
	domain = typed
	if !isASCII(typed) || strings.Contains(typed, "xn--") {
		ascii, err := lookup.ToASCII(typed)
		if err != nil {
			return "", false
		}
		domain = ascii
	}
	if len(domain) > longestDomain || !strings.Contains(domain, ".") {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > longestLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return "", false
			}
		}
	}
	return domain, realTop(domain)
}

// realTop tells whether the top level of a domain is one that is given out.
func realTop(domain string) bool {
	suffix, official := publicsuffix.PublicSuffix(domain)
	return (official || strings.Contains(suffix, ".")) && suffix != domain
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
