package traffic

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// address is a web address cut in the parts that count; it allocates nothing unless the host has capitals.
type address struct {
	host, path, query string
}

// cut splits what a browser calls a URL. The host is empty when there is none.
func cut(raw string) address {
	raw = strings.TrimSpace(raw)
	if i := strings.IndexByte(raw, '#'); i >= 0 {
		raw = raw[:i]
	}
	var a address
	if i := strings.IndexByte(raw, '?'); i >= 0 {
		raw, a.query = raw[:i], raw[i+1:]
	}
	i := strings.Index(raw, "//")
	if i < 0 || i > 0 && raw[i-1] != ':' || strings.ContainsAny(raw[:i], "/.@") {
		a.path = raw
		return a
	}
	authority := raw[i+2:]
	if slash := strings.IndexByte(authority, '/'); slash >= 0 {
		authority, a.path = authority[:slash], authority[slash:]
	}
	a.host = hostOf(authority)
	return a
}

// hostOf drops user, password and port, and lowers the rest.
func hostOf(authority string) string {
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if strings.HasPrefix(authority, "[") { // An IPv6 address.
		if end := strings.IndexByte(authority, ']'); end >= 0 {
			return strings.ToLower(authority[1:end])
		}
		return ""
	}
	if colon := strings.IndexByte(authority, ':'); colon >= 0 {
		authority = authority[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(authority, "."))
}

// withoutWWW drops the prefix that says nothing.
func withoutWWW(host string) string {
	if rest, ok := strings.CutPrefix(host, "www."); ok && strings.Contains(rest, ".") {
		return rest
	}
	return host
}

// sameSite tells whether two hosts belong to one registrable domain; addresses and local names must be equal.
func sameSite(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if a == b || withoutWWW(a) == withoutWWW(b) {
		return true
	}
	if lastLabels(a) != lastLabels(b) {
		return false // A registrable domain has two labels or more.
	}
	first, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	second, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && first == second
}

// lastLabels returns the last two labels of a host.
func lastLabels(host string) string {
	last := strings.LastIndexByte(host, '.')
	if last < 0 {
		return host
	}
	return host[strings.LastIndexByte(host[:last], '.')+1:]
}

// parameters calls found for each key=value of a query string, values still escaped, until found answers false.
func parameters(query string, found func(key, value string) bool) {
	query = strings.TrimPrefix(query, "?")
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key != "" && !found(key, value) {
			return
		}
	}
}

// parameter returns the first value of a key, unescaped.
func parameter(query, wanted string) string {
	var value string
	parameters(query, func(key, raw string) bool {
		if key == wanted {
			value = unescape(raw)
			return value == ""
		}
		return true
	})
	return value
}

// unescape decodes a value; one that is wrong is as good as none. Old French pages still escape in Latin-1.
func unescape(raw string) string {
	if strings.IndexByte(raw, '%') >= 0 || strings.IndexByte(raw, '+') >= 0 {
		decoded, err := url.QueryUnescape(raw)
		if err != nil {
			return ""
		}
		raw = decoded
	}
	if !utf8.ValidString(raw) {
		var latin strings.Builder
		for i := range len(raw) {
			latin.WriteRune(rune(raw[i]))
		}
		raw = latin.String()
	}
	return strings.TrimSpace(raw)
}
