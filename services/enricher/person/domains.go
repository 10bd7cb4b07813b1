package person

import (
	"fmt"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// DisposableDomains is the name of the data set.
const DisposableDomains = "disposable_domains"

// Domains is a list of mail domains. It does not change and is safe for concurrent use.
type Domains struct{ all set }

// has tells whether a domain, in lower case and as it is looked up, is in the list. A nil list is empty.
func (d *Domains) has(domain string) bool { return d != nil && d.all.has(domain) }

// Len is the number of domains.
func (d *Domains) Len() int { return len(d.all) }

// Dataset is the published list of disposable mail domains.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name:      DisposableDomains,
		What:      "domains of mailboxes that last minutes or days",
		Publisher: "disposable-email-domains",
		Licence:   "CC0-1.0",
		Where: "Take disposable_email_blocklist.conf from github.com/disposable-email-domains/disposable-email-domains. " +
			"Without it a short list of the most common ones is used.",
		Files: []string{"disposable_email_blocklist*.conf", "disposable_email_blocklist*.txt"},
		Least: 1000,
		Load: reference.OneText(func(text []byte) (any, int, error) {
			domains, err := readDomains(text)
			if err != nil {
				return nil, 0, err
			}
			return domains, domains.Len(), nil
		}),
	}
}

// readDomains reads a text with one domain a line; lines that begin with # are remarks.
func readDomains(text []byte) (*Domains, error) {
	d := &Domains{all: set{}}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		domain, ok, err := domainLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if ok {
			d.all[domain] = struct{}{}
		}
	}
	return d, nil
}

// domainLine reads one line; ok is false for a remark. A line that is no domain says that the file is something else.
func domainLine(line string) (domain string, ok bool, err error) {
	line = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")))
	if line == "" || line[0] == '#' || strings.HasPrefix(line, "//") {
		return "", false, nil
	}
	domain = strings.TrimPrefix(strings.TrimPrefix(line, "*."), "@")
	if !isASCII(domain) {
		if domain, err = lookup.ToASCII(domain); err != nil {
			return "", false, fmt.Errorf("no domain stands there; give a file with one domain a line")
		}
	}
	if !strings.Contains(domain, ".") || strings.ContainsAny(domain, " \t,;<>{}\"'/") || len(domain) > longestDomain {
		return "", false, fmt.Errorf("no domain stands there; give a file with one domain a line")
	}
	return strings.Clone(domain), true, nil
}
