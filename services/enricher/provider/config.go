package provider

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/internal/attributes"
)

// Config is one provider of bought data in the list enricher.providers.
type Config struct {
	// Name is how events, metrics and the topic attributes call it: small letters, digits and _.
	Name string `koanf:"name"`
	// URL is asked, with ${...} where the subject belongs: ${email_sha256}, ${postcode}; never in the host.
	URL string `koanf:"url"`
	// Method is GET or POST; GET when left out.
	Method string `koanf:"method"`
	// Headers go with each request.
	Headers []Header `koanf:"headers"`
	// Body of a POST, with ${...} where the subject belongs.
	Body string `koanf:"body"`
	// ContentType of the body: application/json (when left out) or application/x-www-form-urlencoded.
	ContentType string `koanf:"content_type"`
	// Subject is what is asked for: email, phone, loyalty_card, user_id, postcode or commune.
	Subject string `koanf:"subject"`
	// Clear lets the clear value of a person's identifier leave the house: without it only ${..._sha256} and ${..._md5} are taken.
	Clear bool `koanf:"clear"`
	// Attributes are taken from the answer.
	Attributes []Attribute `koanf:"attributes"`
	// Purpose that the person's consent has to cover, for example profiling; one of enricher.purposes.
	Purpose string `koanf:"purpose"`
	// Party is second or third: whose data it is. Third when left out.
	Party string `koanf:"party"`
	// Licence of the data, written beside it.
	Licence string `koanf:"licence"`
	// Timeout of one request, from dialling to the last byte; 1s when left out.
	Timeout time.Duration `koanf:"timeout"`
	// MaxWait is how long one batch of events waits for its answers at most; those that come later serve later events. 2s when left out.
	MaxWait time.Duration `koanf:"max_wait"`
	// Concurrency is how many requests are under way at most; 8 when left out.
	Concurrency int `koanf:"concurrency"`
	// Retries is how often a request that failed is sent again; 0 when left out.
	Retries int `koanf:"retries"`
	// MaxAnswer is how many bytes of an answer are read at most; 65536 when left out.
	MaxAnswer int `koanf:"max_answer"`
	// Cache remembers answers, in the memory of each instance.
	Cache CacheConfig `koanf:"cache"`
	// Breaker stops asking a provider that fails.
	Breaker BreakerConfig `koanf:"breaker"`
	// CostPerRequest is what a request costs, a decimal in a currency of your own; it is counted.
	CostPerRequest string `koanf:"cost_per_request"`
	// BudgetPerDay is what the requests of one instance may cost in a day (UTC); without it there is no limit.
	BudgetPerDay string `koanf:"budget_per_day"`
	// Allow are addresses and networks (10.1.2.3, 10.1.0.0/16) outside of the public internet that may be asked.
	Allow []string `koanf:"allow"`
	// CAFile holds the authorities of the provider's certificate; the system's when left out.
	CAFile string `koanf:"ca_file"`
	// DoNotStore keeps the answers out of the topic attributes: they are then known to one instance only, and to the events it enriched.
	DoNotStore bool `koanf:"do_not_store"`
}

// Header is a header of each request.
type Header struct {
	// Name of the header.
	Name string `koanf:"name"`
	// Value of it.
	Value string `koanf:"value" secret:"true"`
	// ValueFile names a file that holds the value instead, read at the start.
	ValueFile string `koanf:"value_file"`
}

// Attribute is one value of an answer.
type Attribute struct {
	// Name of the attribute.
	Name string `koanf:"name"`
	// Type is string, number, boolean or date.
	Type string `koanf:"type"`
	// Path in the JSON answer, for example household.members[0].age; the name when left out.
	Path string `koanf:"path"`
	// Required makes an answer without it a bad one.
	Required bool `koanf:"required"`
}

// CacheConfig bounds what is remembered.
type CacheConfig struct {
	// Entries is how many answers are kept; 100000 when left out.
	Entries int `koanf:"entries"`
	// TTL is how long an answer holds; 720h when left out. It is the valid_until of what is stored.
	TTL time.Duration `koanf:"ttl"`
	// NegativeTTL is how long it is remembered that the provider knows nothing; 24h when left out.
	NegativeTTL time.Duration `koanf:"negative_ttl"`
}

// BreakerConfig says when a provider is left alone.
type BreakerConfig struct {
	// Failures in a row open the breaker; 5 when left out.
	Failures int `koanf:"failures"`
	// OpenFor is how long nothing is asked then, before one request tries again; 30s when left out.
	OpenFor time.Duration `koanf:"open_for"`
}

// WithDefaults fills in what was left out.
func (c Config) WithDefaults() Config {
	orElse(&c.Method, http.MethodGet)
	orElse(&c.ContentType, typeJSON)
	orElse(&c.Party, attributes.ThirdParty)
	orElse(&c.Timeout, time.Second)
	orElse(&c.MaxWait, 2*time.Second)
	orElse(&c.Concurrency, 8)
	orElse(&c.MaxAnswer, 64<<10)
	orElse(&c.Cache.Entries, 100_000)
	orElse(&c.Cache.TTL, 30*24*time.Hour)
	orElse(&c.Cache.NegativeTTL, 24*time.Hour)
	orElse(&c.Breaker.Failures, 5)
	orElse(&c.Breaker.OpenFor, 30*time.Second)
	c.Attributes = slices.Clone(c.Attributes)
	for i := range c.Attributes {
		orElse(&c.Attributes[i].Path, c.Attributes[i].Name)
	}
	return c
}

func orElse[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	decimalForm = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,9})?$`)
	headerForm  = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)
)

// Validate names the field that is wrong, its value and what to do. It needs no WithDefaults before.
func (c Config) Validate() error {
	c = c.WithDefaults()
	switch {
	case !nameForm.MatchString(c.Name) || c.Name == attributes.Self:
		return fmt.Errorf("name is %q: use small letters, digits and _, another one than %s", c.Name, attributes.Self)
	case c.Method != http.MethodGet && c.Method != http.MethodPost:
		return fmt.Errorf("method is %q: give GET or POST", c.Method)
	case c.Method == http.MethodGet && c.Body != "":
		return errors.New("body is given with method GET: make the method POST")
	case !slices.Contains(Subjects(), c.Subject):
		return fmt.Errorf("subject is %q: give one of %s", c.Subject, strings.Join(Subjects(), ", "))
	case c.Purpose == "":
		return errors.New("purpose is empty: name the one of enricher.purposes that the data is used for, for example profiling")
	case c.Party != attributes.SecondParty && c.Party != attributes.ThirdParty:
		return fmt.Errorf("party is %q: give second or third", c.Party)
	case c.Licence == "":
		return errors.New("licence is empty: say by what right the data is used; it stands beside it")
	}
	if err := c.validateBounds(); err != nil {
		return err
	}
	if _, err := c.budget(); err != nil {
		return err
	}
	if _, err := c.networks(); err != nil {
		return err
	}
	if err := validateAttributes(c.Attributes); err != nil {
		return err
	}
	for i, header := range c.Headers {
		if err := header.validate(); err != nil {
			return fmt.Errorf("headers[%d].%w", i, err)
		}
	}
	_, err := compileRequest(c)
	return err
}

func (c Config) validateBounds() error {
	for _, d := range []struct {
		name            string
		value, min, max time.Duration
	}{
		{"timeout", c.Timeout, time.Millisecond, time.Minute},
		{"max_wait", c.MaxWait, time.Millisecond, 30 * time.Second},
		{"cache.ttl", c.Cache.TTL, time.Second, 10 * 365 * 24 * time.Hour},
		{"cache.negative_ttl", c.Cache.NegativeTTL, time.Second, 10 * 365 * 24 * time.Hour},
		{"breaker.open_for", c.Breaker.OpenFor, 100 * time.Millisecond, 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("%s is %s: give %s to %s", d.name, d.value, d.min, d.max)
		}
	}
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"concurrency", c.Concurrency, 1, 1000},
		{"retries", c.Retries, 0, 10},
		{"max_answer", c.MaxAnswer, 1, 16 << 20},
		{"cache.entries", c.Cache.Entries, 1, 100_000_000},
		{"breaker.failures", c.Breaker.Failures, 1, 10_000},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("%s is %d: give %d to %d", n.name, n.value, n.min, n.max)
		}
	}
	return nil
}

func validateAttributes(declared []Attribute) error {
	if len(declared) == 0 {
		return errors.New("attributes is empty: declare what is taken from the answer")
	}
	var seen []string
	for i, a := range declared {
		if err := attributes.ValidName(a.Name); err != nil {
			return fmt.Errorf("attributes[%d].%w", i, err)
		}
		if slices.Contains(seen, a.Name) {
			return fmt.Errorf("attributes[%d].name is %q, which is in the list already: name it once", i, a.Name)
		}
		if err := attributes.ValidType(a.Type); err != nil {
			return fmt.Errorf("attributes[%d].%w", i, err)
		}
		if _, err := parsePath(a.Path); err != nil {
			return fmt.Errorf("attributes[%d].path is %q: %w", i, a.Path, err)
		}
		seen = append(seen, a.Name)
	}
	return nil
}

func (h Header) validate() error {
	switch {
	case !headerForm.MatchString(h.Name):
		return fmt.Errorf("name is %q: give the name of an HTTP header", h.Name)
	case strings.EqualFold(h.Name, "host"), strings.EqualFold(h.Name, "content-length"), strings.EqualFold(h.Name, "transfer-encoding"):
		return fmt.Errorf("name is %q: the client sets it itself", h.Name)
	case (h.Value == "") == (h.ValueFile == ""):
		return errors.New("value: give either value or value_file")
	case strings.ContainsAny(h.Value, "\r\n\x00"):
		return errors.New("value holds a line break: write it on one line")
	}
	return nil
}

// text is the value of the header.
func (h Header) text() (string, error) {
	if h.ValueFile == "" {
		return h.Value, nil
	}
	secret, err := os.ReadFile(h.ValueFile)
	if err != nil {
		return "", fmt.Errorf("read the secret that value_file of header %s names: %w", h.Name, err)
	}
	h.Value, h.ValueFile = strings.TrimRight(string(secret), "\r\n"), ""
	if err := h.validate(); err != nil {
		return "", fmt.Errorf("read the secret of header %s: %w", h.Name, err)
	}
	return h.Value, nil
}

// budget is how many requests a day may have; negative when there is no limit.
func (c Config) budget() (int64, error) {
	for _, amount := range []struct{ name, value string }{{"cost_per_request", c.CostPerRequest}, {"budget_per_day", c.BudgetPerDay}} {
		if amount.value != "" && !decimalForm.MatchString(amount.value) {
			return 0, fmt.Errorf("%s is %q: give a decimal such as 0.002, in quotes", amount.name, amount.value)
		}
	}
	if c.BudgetPerDay == "" {
		return -1, nil
	}
	cost, _ := new(big.Rat).SetString(c.CostPerRequest) // both have the form of a decimal
	limit, _ := new(big.Rat).SetString(c.BudgetPerDay)
	if cost == nil || cost.Sign() == 0 {
		return 0, fmt.Errorf("budget_per_day is %q without cost_per_request: say what a request costs", c.BudgetPerDay)
	}
	requests := new(big.Rat).Quo(limit, cost)
	whole := new(big.Int).Quo(requests.Num(), requests.Denom())
	if !whole.IsInt64() {
		return -1, nil
	}
	return whole.Int64(), nil
}

// networks are what Allow names.
func (c Config) networks() ([]netip.Prefix, error) {
	var allowed []netip.Prefix
	for i, text := range c.Allow {
		if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
			allowed = append(allowed, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("allow[%d] is %q: give an address such as 10.1.2.3 or a network such as 10.1.0.0/16; a name can be made to mean any machine", i, text)
		}
		allowed = append(allowed, network.Masked())
	}
	return allowed, nil
}
