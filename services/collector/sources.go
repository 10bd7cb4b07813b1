package collector

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Source is a configured emitter of events.
type Source struct {
	// Name of the source, a column of every event: small letters, digits, - and _.
	Name string `koanf:"name"`
	// WriteKey is what the sender authenticates with: 8 to 128 letters, digits, -, _ and dots. Keys in web pages and apps are public.
	WriteKey string `koanf:"write_key" secret:"true"`
	// Channel of its events: web, app, store, call_center, email, sms, social, survey, crm or server.
	Channel string `koanf:"channel"`
	// Server is true for senders that are servers and hold the key in secret: they may state the visitor's
	// address (context.ip) and the channel (context.channel) themselves.
	Server bool `koanf:"server"`
	// AllowedOrigins are the web origins that may send from a browser, such as https://www.example.fr or
	// https://*.example.fr; empty allows all.
	AllowedOrigins []string `koanf:"allowed_origins"`
	// Quota bounds what the source may send.
	Quota Quota `koanf:"quota"`
	// Disabled switches the source off: its requests are answered 403.
	Disabled bool `koanf:"disabled"`
}

// channels an event may come through.
var channels = []string{"web", "app", "store", "call_center", "email", "sms", "social", "survey", "crm", "server"}

// devKeyPrefix marks write keys that everybody knows.
const devKeyPrefix = "wk_dev_"

// DefaultSources are those of a machine of one's own; their keys are refused outside loopback.
func DefaultSources() []Source {
	return []Source{
		devSource("web", "web", false),
		devSource("app", "app", false),
		devSource("server", "server", true),
		devSource("pos", "store", true),
		devSource("crm", "crm", true),
		devSource("care", "call_center", true),
		devSource("email", "email", true),
		devSource("survey", "survey", true),
	}
}

func devSource(name, channel string, server bool) Source {
	return Source{Name: name, WriteKey: devKeyPrefix + name, Channel: channel, Server: server}
}

var (
	sourceNameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	writeKeyForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{8,128}$`)
	originForm     = regexp.MustCompile(`^https?://(\*\.)?[a-z0-9.-]+(:[0-9]{1,5})?$`)
)

func (s Source) validate(field string) error {
	switch {
	case !sourceNameForm.MatchString(s.Name):
		return fmt.Errorf("%s.name is %q: use small letters, digits, - and _", field, s.Name)
	case !writeKeyForm.MatchString(s.WriteKey):
		return fmt.Errorf("%s.write_key of source %s is not a key: use 8 to 128 letters, digits, -, _ and dots", field, s.Name)
	case !slices.Contains(channels, s.Channel):
		return fmt.Errorf("%s.channel of source %s is %q: use one of %s", field, s.Name, s.Channel, strings.Join(channels, ", "))
	}
	for _, origin := range s.AllowedOrigins {
		if origin != anyOrigin && !originForm.MatchString(origin) {
			return fmt.Errorf("%s.allowed_origins of source %s has %q: give scheme and host as in https://www.example.fr, in small letters and without a path", field, s.Name, origin)
		}
	}
	return s.Quota.validate(field+".quota", s.Name)
}

func validateSources(sources []Source) error {
	if len(sources) == 0 {
		return errors.New("collector.sources is empty: give at least one source")
	}
	names, keys := make(map[string]bool), make(map[string]string)
	for i, s := range sources {
		field := fmt.Sprintf("collector.sources[%d]", i)
		if err := s.validate(field); err != nil {
			return err
		}
		if names[s.Name] {
			return fmt.Errorf("%s.name %s is used twice: give every source its own name", field, s.Name)
		}
		if other, used := keys[s.WriteKey]; used {
			return fmt.Errorf("%s.write_key: sources %s and %s have the same key: give every source its own", field, other, s.Name)
		}
		names[s.Name], keys[s.WriteKey] = true, s.Name
	}
	return nil
}

// source is a Source at work.
type source struct {
	Source
	origins  origins
	quota    *quota
	accepted map[string]prometheus.Counter // by type of event
}

// sources finds a source by its key.
type sources struct {
	byKey    map[string]*source
	anywhere bool // some source may send from any origin
	origins  origins
}

func openSources(configured []Source, m *metrics) *sources {
	all := &sources{byKey: make(map[string]*source, len(configured))}
	for _, cfg := range configured {
		s := &source{Source: cfg, origins: cfg.AllowedOrigins, quota: newQuota(cfg.Quota), accepted: make(map[string]prometheus.Counter)}
		for _, typ := range eventTypes {
			s.accepted[typ] = m.events.WithLabelValues(cfg.Name, typ)
		}
		all.byKey[cfg.WriteKey] = s
		if cfg.Disabled {
			continue
		}
		if len(cfg.AllowedOrigins) == 0 {
			all.anywhere = true
		}
		all.origins = append(all.origins, cfg.AllowedOrigins...)
	}
	return all
}

// allowOrigin says whether any source takes requests from the origin: what a preflight, which carries no
// key, can be answered with.
func (s *sources) allowOrigin(origin string) bool {
	return s.anywhere || s.origins.match(origin)
}

// origins are web origins, exact or with a leading *. for any host below a domain.
type origins []string

const anyOrigin = "*"

// allow says whether a browser on the origin may send; no list allows all.
func (o origins) allow(origin string) bool { return len(o) == 0 || o.match(origin) }

func (o origins) match(origin string) bool {
	for _, allowed := range o {
		if allowed == anyOrigin || allowed == origin {
			return true
		}
		scheme, domain, wild := strings.Cut(allowed, "*")
		if wild && strings.HasPrefix(origin, scheme) && strings.HasSuffix(origin, domain) && len(origin) > len(scheme)+len(domain) {
			return true
		}
	}
	return false
}
