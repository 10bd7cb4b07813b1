package provider

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesTheField(t *testing.T) {
	if err := config("https://data.example.com").Validate(); err != nil {
		t.Fatal(err)
	}
	f := func(want string, spoil func(c *Config)) {
		t.Helper()
		c := config("https://data.example.com")
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f(`name is "Acme"`, func(c *Config) { c.Name = "Acme" })
	f(`name is "self"`, func(c *Config) { c.Name = "self" })
	f(`url: its scheme is "ftp"`, func(c *Config) { c.URL = "ftp://a/${email_md5}" })
	f(`url: its scheme is "file"`, func(c *Config) { c.URL = "file://a/${email_md5}" })
	f("url: with http everybody", func(c *Config) { c.Allow, c.URL = nil, "http://a/${email_md5}" })
	f("url: it holds a user name", func(c *Config) { c.URL = "https://u:p@a/${email_md5}" })
	f("url: it names no host", func(c *Config) { c.URL = "https:///x/${email_md5}" })
	f("url: a place stands before the path", func(c *Config) { c.URL = "https://${email_md5}.example.com/" })
	f("url: a place stands before the path", func(c *Config) { c.URL = "https://example.com:${email_md5}/" })
	f("url: a place stands before the path", func(c *Config) { c.URL = "${email_md5}" })
	f("url: a place stands behind #", func(c *Config) { c.URL = "https://a/#${email_md5}" })
	f("url: ${phone} is nothing that is known of the subject email", func(c *Config) { c.URL = "https://a/${phone}" })
	f("url: ${email} would send clear personal data", func(c *Config) { c.URL = "https://a/${email}" })
	f("url: neither it nor the body", func(c *Config) { c.URL = "https://a/" })
	f("url: the place that begins with", func(c *Config) { c.URL = "https://a/${email_md5" })
	f("url: ${postcode_md5}", func(c *Config) { c.Subject, c.URL = Postcode, "https://a/${postcode_md5}" })
	f("method is", func(c *Config) { c.Method = "PUT" })
	f("body is given with method GET", func(c *Config) { c.Body = "{}" })
	f("body: it is no JSON", func(c *Config) { c.Method, c.Body = "POST", `{"e": ${email_md5}}` })
	f("body: content_type", func(c *Config) { c.Method, c.Body, c.ContentType = "POST", `x`, "text/xml" })
	f("subject is", func(c *Config) { c.Subject = "name" })
	f("purpose is empty", func(c *Config) { c.Purpose = "" })
	f("party is", func(c *Config) { c.Party = "first" })
	f("licence is empty", func(c *Config) { c.Licence = "" })
	f("timeout is", func(c *Config) { c.Timeout = time.Hour })
	f("max_wait is", func(c *Config) { c.MaxWait = time.Hour })
	f("concurrency is", func(c *Config) { c.Concurrency = -1 })
	f("retries is", func(c *Config) { c.Retries = 100 })
	f("cache.ttl is", func(c *Config) { c.Cache.TTL = -1 })
	f("breaker.failures is", func(c *Config) { c.Breaker.Failures = -1 })
	f("cost_per_request is", func(c *Config) { c.CostPerRequest = "1e3" })
	f("budget_per_day is \"5\" without", func(c *Config) { c.BudgetPerDay = "5" })
	f("allow[0] is \"intranet\"", func(c *Config) { c.Allow = []string{"intranet"} })
	f("attributes is empty", func(c *Config) { c.Attributes = nil })
	f("attributes[0].name is", func(c *Config) { c.Attributes = []Attribute{{Name: "<x>", Type: "string", Path: "x"}} })
	f("attributes[0].type is", func(c *Config) { c.Attributes = []Attribute{{Name: "x", Type: "money"}} })
	f("attributes[0].path is", func(c *Config) { c.Attributes = []Attribute{{Name: "x", Type: "string", Path: "a[b]"}} })
	f("attributes[1].name is \"x\", which", func(c *Config) { c.Attributes = []Attribute{{Name: "x", Type: "string"}, {Name: "x", Type: "string"}} })
	f("headers[0].name is", func(c *Config) { c.Headers = []Header{{Name: "a b", Value: "x"}} })
	f("headers[0].value: give either", func(c *Config) { c.Headers = []Header{{Name: "A"}} })
	f("headers[0].value holds a line break", func(c *Config) { c.Headers = []Header{{Name: "A", Value: "x\r\nB: y"}} })
}
