package collector

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	f := func(change func(*Config), want string) {
		t.Helper()
		cfg := DefaultConfig()
		change(&cfg)
		err := cfg.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("got %v, want none", err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v, want %s", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	own := func(s *Source) { s.Name, s.WriteKey, s.Channel = "shop", "wk_s3cret_1", "web" }
	one := func(change func(*Source)) func(*Config) {
		return func(c *Config) {
			var s Source
			own(&s)
			change(&s)
			c.Sources = []Source{s}
		}
	}
	f(one(func(*Source) {}), "")
	for _, local := range []string{"127.0.0.1:0", "localhost:8080", "[::1]:8080", "127.9.9.9:1"} {
		f(func(c *Config) { c.Listen = local }, "")
	}
	for _, public := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "collect.example.fr:80"} {
		f(func(c *Config) { c.Listen = public }, "source web has a key that everybody knows")
		f(func(c *Config) { one(func(*Source) {})(c); c.Listen = public }, "")
	}
	f(func(c *Config) { c.Listen = "8080" }, "collector.listen")
	f(func(c *Config) { c.Sources = nil }, "collector.sources is empty")
	f(one(func(s *Source) { s.Name = "Shop 1" }), "collector.sources[0].name")
	f(one(func(s *Source) { s.WriteKey = "s3cret" }), "collector.sources[0].write_key")
	f(one(func(s *Source) { s.WriteKey = "s3cret s3cret" }), "collector.sources[0].write_key")
	f(one(func(s *Source) { s.Channel = "fax" }), "collector.sources[0].channel")
	for _, origin := range []string{"www.example.fr", "https://www.example.fr/", "https://WWW.example.fr", "https://*", "https://a.*.fr"} {
		f(one(func(s *Source) { s.AllowedOrigins = []string{origin} }), "allowed_origins")
	}
	f(one(func(s *Source) {
		s.AllowedOrigins = []string{"*", "http://localhost:3000", "https://*.example.fr"}
	}), "")
	f(one(func(s *Source) { s.Quota.EventsPerSecond = -1 }), "quota")
	f(func(c *Config) { c.Sources = append(c.Sources, c.Sources[0]) }, "used twice")
	f(func(c *Config) {
		c.Sources = append(c.Sources, Source{Name: "other", WriteKey: c.Sources[0].WriteKey, Channel: "web"})
	}, "the same key")
	f(func(c *Config) { c.PublicURL = "collect.example.fr" }, "collector.public_url")
	f(func(c *Config) { c.TrustedProxies = []string{"10.0.0.1"} }, "collector.trusted_proxies")
	f(func(c *Config) { c.Limits.Depth = 0 }, "collector.limits.depth")
	f(func(c *Config) { c.Limits.EventBytes = c.Limits.BodyBytes + 1 }, "collector.limits.event_bytes")
	f(func(c *Config) { c.Limits.BodyBytes, c.Limits.EventBytes = maxBodyBytes, maxEventBytes }, "")
	f(func(c *Config) { c.Limits.BodyBytes = 1 << 20 }, "collector.limits.body_bytes")
	f(func(c *Config) { c.Limits.EventBytes = 256 << 10 }, "collector.limits.event_bytes")
	f(func(c *Config) { c.Timeouts.Produce = 0 }, "collector.timeouts.produce")
	f(func(c *Config) { c.Timeouts.Read = time.Hour }, "collector.timeouts.read")
}
