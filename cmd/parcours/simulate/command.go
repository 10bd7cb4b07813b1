package simulate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Command is parcours simulate.
type Command struct {
	Seed      uint64             `help:"Chooses the population and all that happens to it: same seed and start, same events." default:"1"`
	Customers int                `help:"Number of people; by default 2000, or as many as make the --events." placeholder:"N"`
	Days      int                `help:"Length of the simulated time." default:"7"`
	Start     string             `help:"First simulated day, YYYY-MM-DD; by default such that the last one is yesterday." placeholder:"DAY"`
	Events    int                `help:"Stop after this many distinct events; 0 is all that the population makes." default:"0"`
	Trouble   float64            `help:"Share of hard cases (shared devices and cards, typing errors, kiosks); 1 is usual, 0 none." default:"1"`
	Case      map[string]float64 `help:"How often one hard case happens, such as shop_kiosk=0.5, from 0 to 1; a wrong name is answered with all of them." placeholder:"NAME=RATE"`

	Target   string        `help:"http://host:port of a collector, or kafka://host:port?registry=http://host:port for Avro straight to Kafka." default:"http://127.0.0.1:8080"`
	Keys     string        `help:"File of write keys, one \"source key\" a line; by default wk_dev_<source> as parcours up has them." placeholder:"FILE" type:"existingfile"`
	Workers  int           `help:"Requests under way at once." default:"32"`
	Rate     float64       `help:"Events a second; 0 is as fast as the target answers." default:"0"`
	Patience time.Duration `help:"How long a delivery is tried again while the target is overloaded or away." default:"2m"`
	Truth    string        `help:"Write to FILE, as NDJSON, who is really who." placeholder:"FILE" type:"path"`
	Shops    string        `help:"Write to FILE, as CSV, the shops, as the enricher reads them." placeholder:"FILE" type:"path"`
	Ledger   string        `help:"Write to FILE, as NDJSON, the answer to each message id." placeholder:"FILE" type:"path"`

	Workspace string `help:"Workspace of a Kafka target." default:"default"`
	HashKey   string `help:"Hash key of the workspace of a Kafka target." env:"PARCOURS_WORKSPACE_HASH_KEY" placeholder:"HEX"`
}

// Config is the population that the flags describe.
func (c *Command) Config() (Config, error) {
	cfg := Config{Seed: c.Seed, Customers: c.Customers, Days: c.Days, Events: c.Events, Trouble: c.Trouble}
	if cfg.Customers == 0 && cfg.Events > 0 && cfg.Days > 0 {
		cfg.Customers = CustomersFor(cfg.Events, cfg.Days)
	}
	if len(c.Case) > 0 {
		cfg.Rates = DefaultRates()
	}
	for name, rate := range c.Case {
		which, err := ParseCase(name)
		if err != nil {
			return cfg, err
		}
		cfg.Rates[which] = rate
	}
	if c.Start != "" {
		start, err := time.ParseInLocation(time.DateOnly, c.Start, paris)
		if err != nil {
			return cfg, fmt.Errorf("simulate: --start is %q, want YYYY-MM-DD", c.Start)
		}
		cfg.Start = start
	}
	return cfg, nil
}

// Run simulates, sends and prints the sums.
func (c *Command) Run(ctx context.Context) error {
	cfg, err := c.Config()
	if err != nil {
		return err
	}
	s, err := New(cfg)
	if err != nil {
		return err
	}
	opts := Options{Target: c.Target, Workers: c.Workers, Rate: c.Rate, Patience: c.Patience, Workspace: c.Workspace, HashKey: c.HashKey}
	if c.Keys != "" {
		if opts.Keys, err = readKeys(c.Keys); err != nil {
			return err
		}
	}
	if err := c.writeShops(); err != nil {
		return err
	}
	truth, err := create(c.Truth)
	if err != nil {
		return err
	}
	book, err := create(c.Ledger)
	if err != nil {
		return errors.Join(err, closeFile(truth))
	}
	if truth != nil {
		opts.Truth = truth
	}
	if book != nil {
		opts.Ledger = book
	}
	meter := NewMeter(os.Stderr)
	opts.Progress = meter.Show
	result, err := Send(ctx, s, opts)
	meter.Done()
	if err = errors.Join(err, closeFile(truth), closeFile(book)); err != nil && result.Events == 0 {
		return err
	}
	_, printed := io.WriteString(os.Stdout, result.Summary(s.Config()))
	return errors.Join(err, printed, result.Err())
}

func (c *Command) writeShops() error {
	f, err := create(c.Shops)
	if err != nil || f == nil {
		return err
	}
	return errors.Join(WriteShops(f), f.Close())
}

func create(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	return f, nil
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

func readKeys(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("simulate: keys: %w", err)
	}
	keys := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		field := strings.Fields(lines.Text())
		switch {
		case len(field) == 0 || strings.HasPrefix(field[0], "#"):
		case len(field) == 2:
			keys[field[0]] = field[1]
		default:
			return nil, errors.Join(fmt.Errorf("simulate: keys %s line %d: want a source and its key", name, n), f.Close())
		}
	}
	if err := errors.Join(lines.Err(), f.Close()); err != nil {
		return nil, fmt.Errorf("simulate: keys: %w", err)
	}
	for _, s := range sources {
		if keys[s] == "" {
			return nil, fmt.Errorf("simulate: keys %s names no key for source %s", name, s)
		}
	}
	return keys, nil
}

// Err is not nil when the target did not take everything.
func (r Result) Err() error {
	if r.Lost+r.Refused == 0 {
		return nil
	}
	return fmt.Errorf("simulate: %d events were refused and %d given up: look at the target and at its write keys", r.Refused, r.Lost)
}

// Summary is the sums in words.
func (r Result) Summary(cfg Config) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s "+format+"\n", append([]any{name}, args...)...)
	}
	line("population", "seed %d, %d people, %d days from %s", cfg.Seed, cfg.Customers, cfg.Days, cfg.Start.Format(time.DateOnly))
	line("events", "%d distinct, of which %d wrong on purpose; %d sent twice on purpose", r.Events, r.Wrong, r.Repeats)
	line("acknowledged", "%d", r.Acknowledged)
	line("retried", "%d", r.Retries)
	if r.Refused+r.Lost > 0 {
		line("not taken", "%d refused, %d given up", r.Refused, r.Lost)
	}
	line("requests", "%d, %.1f MB", r.Requests, float64(r.Bytes)/1e6)
	line("took", "%s, %.0f events/s", r.Elapsed.Round(10*time.Millisecond), r.EventsPerSecond())
	return b.String()
}

// Meter shows progress: a bar on a terminal, a line every few seconds elsewhere. Done ends it.
type Meter struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	shown time.Time
}

// NewMeter makes a meter on the given stream, usually standard error.
func NewMeter(out *os.File) *Meter {
	m := &Meter{out: out}
	if term.IsTerminal(int(out.Fd())) {
		m.bar = progressbar.NewOptions(meterSteps, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(28), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionThrottle(80*time.Millisecond))
	}
	return m
}

const (
	meterSteps = 1000
	lineEvery  = 5 * time.Second
)

// Show is called by Send.
func (m *Meter) Show(p Progress) {
	rate := float64(p.Acknowledged) / max(p.Elapsed.Seconds(), 0.001)
	what := fmt.Sprintf("%s  %d events, %.0f/s", p.At.Format("Mon 02 Jan 15:04"), p.Acknowledged, rate)
	if p.Retries > 0 {
		what += fmt.Sprintf(", %d retries", p.Retries)
	}
	if m.bar != nil {
		m.bar.Describe(what)
		_ = m.bar.Set(int(p.Fraction * meterSteps)) // a bar that cannot be drawn must not end the run
		return
	}
	if time.Since(m.shown) < lineEvery {
		return
	}
	m.shown = time.Now()
	fmt.Fprintf(m.out, "simulate: %s (%.0f %%)\n", what, p.Fraction*100)
}

// Done takes the bar away.
func (m *Meter) Done() {
	if m.bar != nil {
		_ = m.bar.Finish() // as above
	}
}
