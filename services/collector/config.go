package collector

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// Config of the collector.
type Config struct {
	// Listen is the public address, host:port; port 0 takes a free one.
	Listen string `koanf:"listen"`
	// PublicURL is how browsers reach the collector, such as https://collect.example.fr; empty takes the
	// Host of each request.
	PublicURL string `koanf:"public_url"`
	// TrustedProxies are the CIDRs of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// Sources that may send.
	Sources []Source `koanf:"sources"`
	// StoreRegions say for stores outside workspace.region where their customers' telephone numbers are noted:
	// ISO 3166 codes by store id, such as RE for one of La Reunion. A customer's own address goes before it.
	StoreRegions map[string]string `koanf:"store_regions"`
	// Limits bound what one request may carry and cost.
	Limits Limits `koanf:"limits"`
	// Timeouts bound how long a client and Kafka may take.
	Timeouts Timeouts `koanf:"timeouts"`
	// OnListen, if set, is told the address that the collector listens on.
	OnListen func(address string) `koanf:"-"`
}

// Limits bound what one request may carry and cost.
type Limits struct {
	// CompressedBytes of a body as it is received, when it is compressed.
	CompressedBytes int `koanf:"compressed_bytes"`
	// BodyBytes of a body after decompression.
	BodyBytes int `koanf:"body_bytes"`
	// EventBytes of one event's JSON, with the context of its batch.
	EventBytes int `koanf:"event_bytes"`
	// BatchEvents of one batch.
	BatchEvents int `koanf:"batch_events"`
	// Depth of arrays and objects inside each other in one event.
	Depth int `koanf:"depth"`
	// Keys of one event, over all its objects.
	Keys int `koanf:"keys"`
	// HeaderBytes of one request.
	HeaderBytes int `koanf:"header_bytes"`
	// InFlightBytes of bodies held at once; a request past it is answered 503.
	InFlightBytes int64 `koanf:"in_flight_bytes"`
	// ConnectionsPerIP that one address may hold open, trusted proxies excepted; 0 is no bound.
	ConnectionsPerIP int `koanf:"connections_per_ip"`
}

// Timeouts bound how long a client and Kafka may take.
type Timeouts struct {
	// Header is how long a client may take to send its headers.
	Header time.Duration `koanf:"header"`
	// Read is how long it may take to send the whole request.
	Read time.Duration `koanf:"read"`
	// Idle is how long a connection may wait for its next request.
	Idle time.Duration `koanf:"idle"`
	// Produce is how long Kafka may take to acknowledge; past it the answer is 503.
	Produce time.Duration `koanf:"produce"`
	// Stop is how long requests in hand may take after a stop was asked for.
	Stop time.Duration `koanf:"stop"`
}

// DefaultConfig is right for a machine of one's own: it listens on loopback with well-known keys.
func DefaultConfig() Config {
	return Config{
		Listen:  "127.0.0.1:8080",
		Sources: DefaultSources(),
		Limits: Limits{
			CompressedBytes:  512 << 10,
			BodyBytes:        512 << 10,
			EventBytes:       32 << 10,
			BatchEvents:      2500,
			Depth:            20,
			Keys:             2000,
			HeaderBytes:      16 << 10,
			InFlightBytes:    64 << 20,
			ConnectionsPerIP: 1024,
		},
		Timeouts: Timeouts{
			Header:  5 * time.Second,
			Read:    15 * time.Second,
			Idle:    60 * time.Second,
			Produce: 8 * time.Second, // SDKs give up after ten
			Stop:    15 * time.Second,
		},
	}
}

// Validate names the field that is wrong, its value (never a key's) and what to do.
func (c Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("collector.listen is %q: give host:port", c.Listen)
	}
	if err := validateSources(c.Sources); err != nil {
		return err
	}
	if !isLoopback(host) {
		for _, s := range c.Sources {
			if strings.HasPrefix(s.WriteKey, devKeyPrefix) {
				return fmt.Errorf("collector.listen is %q, which others can reach, and source %s has a key that everybody knows (%s...): give it a key of its own, or listen on 127.0.0.1", c.Listen, s.Name, devKeyPrefix)
			}
		}
	}
	if _, err := publicURL(c.PublicURL); err != nil {
		return err
	}
	if _, err := parsePrefixes(c.TrustedProxies); err != nil {
		return err
	}
	for _, store := range slices.Sorted(maps.Keys(c.StoreRegions)) {
		if region := c.StoreRegions[store]; !identifier.KnownRegion(region) {
			return fmt.Errorf("collector.store_regions.%s is %q: give an ISO 3166 code such as RE", store, region)
		}
	}
	if err := c.Limits.validate(); err != nil {
		return err
	}
	return c.Timeouts.validate()
}

// The records of a request stay below the million bytes that any Kafka takes as one message, or the request
// would be answered 503 for ever: a body is quarantined whole, and the record of an event may be several times
// as long as its JSON.
const (
	maxBodyBytes  = 896 << 10
	maxEventBytes = 128 << 10
)

func (l Limits) validate() error {
	for _, limit := range []struct {
		name          string
		value, lo, hi int64
	}{
		{"compressed_bytes", int64(l.CompressedBytes), 1 << 10, maxBodyBytes},
		{"body_bytes", int64(l.BodyBytes), 1 << 10, maxBodyBytes},
		{"event_bytes", int64(l.EventBytes), 1 << 10, int64(min(l.BodyBytes, maxEventBytes))},
		{"batch_events", int64(l.BatchEvents), 1, 100_000},
		{"depth", int64(l.Depth), 4, 1000},
		{"keys", int64(l.Keys), 16, 100_000},
		{"header_bytes", int64(l.HeaderBytes), 4 << 10, 1 << 20},
		{"in_flight_bytes", l.InFlightBytes, int64(l.BodyBytes), 1 << 40},
		{"connections_per_ip", int64(l.ConnectionsPerIP), 0, 1 << 20},
	} {
		if limit.value < limit.lo || limit.value > limit.hi {
			return fmt.Errorf("collector.limits.%s is %d: give %d to %d", limit.name, limit.value, limit.lo, limit.hi)
		}
	}
	return nil
}

func (t Timeouts) validate() error {
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{{"header", t.Header}, {"read", t.Read}, {"idle", t.Idle}, {"produce", t.Produce}, {"stop", t.Stop}} {
		if timeout.value < 10*time.Millisecond || timeout.value > 10*time.Minute {
			return fmt.Errorf("collector.timeouts.%s is %s: give 10ms to 10m", timeout.name, timeout.value)
		}
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// publicURL checks an address of ours; nil is for the Host of each request.
func publicURL(configured string) (*url.URL, error) {
	if configured == "" {
		return nil, nil
	}
	address, err := url.Parse(configured)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return nil, errors.New("collector.public_url is not an address such as https://collect.example.fr: correct it, or leave it empty")
	}
	return address, nil
}

func parsePrefixes(configured []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(configured))
	for _, cidr := range configured {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("collector.trusted_proxies has %q: give networks such as 10.0.0.0/8", cidr)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
