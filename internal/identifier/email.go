package identifier

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	maxEmail  = 254
	maxLocal  = 64
	maxLabel  = 63
	maxDomain = 253
)

// domains maps international domain names as a browser would look them up.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(true))

// mailRules are what the configuration says about domains.
type mailRules struct {
	providers  map[string]MailProvider
	disposable map[string]struct{}
}

func newMailRules(cfg Config) mailRules {
	rules := mailRules{providers: make(map[string]MailProvider), disposable: make(map[string]struct{})}
	for _, provider := range cfg.MailProviders {
		for _, domain := range provider.Domains {
			rules.providers[strings.ToLower(domain)] = provider
		}
	}
	for _, domain := range cfg.DisposableDomains {
		rules.disposable[strings.ToLower(domain)] = struct{}{}
	}
	return rules
}

// email writes an address in its one spelling. Dots and plus tags stay: they are part of the address
// that mail is sent to and that is suppressed.
func email(raw string) (string, string) {
	at, ok := plainEmail(raw)
	value := raw
	if !ok {
		if value, ok = repairEmail(raw); !ok {
			return "", Invalid
		}
		at = strings.LastIndexByte(value, '@')
	}
	if testMailbox(value[:at], value[at+1:]) {
		return "", Blocked
	}
	return value, ""
}

// weak tells mailboxes of a role and mailboxes of a day.
func (m mailRules) weak(email string) bool {
	at := strings.LastIndexByte(email, '@')
	if roleMailbox(email[:at]) {
		return true
	}
	_, disposable := m.disposable[email[at+1:]]
	return disposable
}

// canon is the mailbox behind an address, for providers that say how they spell; empty for all others.
func (m mailRules) canon(email string) string {
	at := strings.LastIndexByte(email, '@')
	provider, known := m.providers[email[at+1:]]
	if !known {
		return ""
	}
	local, domain := email[:at], email[at+1:]
	if tag := strings.IndexByte(local, '+'); tag > 0 {
		local = local[:tag]
	}
	if provider.IgnoreDots {
		local = strings.ReplaceAll(local, ".", "")
	}
	if provider.Domain != "" {
		domain = provider.Domain
	}
	if local == "" {
		return ""
	}
	return local + "@" + domain
}

// plainEmail reports where the @ is in an address that is already in its one spelling. It allocates
// nothing: this is the way of most e-mails.
func plainEmail(s string) (at int, ok bool) {
	at = strings.IndexByte(s, '@')
	if at <= 0 || at > maxLocal || len(s) > maxEmail {
		return 0, false
	}
	for i := range at {
		if !localByte(s[i]) {
			return 0, false
		}
	}
	if strings.IndexByte(edges, s[0]) >= 0 {
		return 0, false
	}
	return at, plainDomain(s[at+1:]) && !strings.Contains(s[at+1:], "xn--")
}

// edges are characters that come with an address out of a text, a header or a spreadsheet.
const edges = `<>()[]{}"'` + "`,;: \t"

func localByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) >= 0
}

// plainDomain holds a lower-case ASCII host name of at least two labels.
func plainDomain(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	labels, began, letters := 1, 0, false
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			c := s[i]
			switch {
			case c >= 'a' && c <= 'z':
				letters = true
			case c >= '0' && c <= '9', c == '-':
			default:
				return false
			}
			continue
		}
		if i == began || i-began > maxLabel || s[began] == '-' || s[i-1] == '-' {
			return false
		}
		if i < len(s) {
			labels, began, letters = labels+1, i+1, false
		}
	}
	return labels >= 2 && letters && len(s)-began >= 2
}

// repairEmail takes an address out of what surrounds it. The steps are repeated until nothing changes,
// so that the result is its own normal form.
func repairEmail(raw string) (string, bool) {
	value, ok := clean(raw)
	if !ok {
		return "", false
	}
	value = norm.NFC.String(strings.ToLower(value))
	for {
		before := value
		value = unwrap(value)
		if value == before {
			break
		}
	}
	at := strings.LastIndexByte(value, '@')
	if at <= 0 || at > maxLocal {
		return "", false
	}
	local, domain := value[:at], value[at+1:]
	if !localText(local) {
		return "", false
	}
	domain = strings.TrimSuffix(domain, ".")
	if !plainDomain(domain) || strings.Contains(domain, "xn--") {
		ascii, err := domains.ToASCII(domain)
		if err != nil || !plainDomain(ascii) {
			return "", false
		}
		domain = ascii
	}
	value = local + "@" + domain
	return value, len(value) <= maxEmail
}

// unwrap takes off one layer: a display name with brackets, quotes, mailto: and its parameters.
func unwrap(value string) string {
	if open := strings.LastIndexByte(value, '<'); open >= 0 {
		if end := strings.IndexByte(value[open:], '>'); end > 0 {
			value = value[open+1 : open+end]
		}
	}
	value = strings.Trim(strings.TrimFunc(value, unicode.IsSpace), edges)
	if rest, found := strings.CutPrefix(value, "mailto:"); found {
		value, _, _ = strings.Cut(rest, "?")
	}
	return value
}

// localText holds what may stand before the @, in any script; quoted local parts are not in use.
func localText(local string) bool {
	if r, _ := utf8.DecodeRuneInString(local); strings.ContainsRune(edges, r) {
		return false
	}
	for _, r := range local {
		if r < 0x80 && !localByte(byte(r)) {
			return false
		}
		if r >= 0x80 && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) {
			return false
		}
	}
	return true
}
