// Package provider asks bought data over HTTP, one configured provider at a time.
//
// It owns the templates of requests, the guard that keeps them on the public internet, the breaker, the budget and the cache of answers. It
// promises that asking never blocks whoever asks for longer than max_wait of a batch, that an answer is taken whole or not at all, that one
// subject is asked once for however many events, and that no subject and no answer gets into a log, a metric or an error. Workers live in Run;
// whoever called New ends them by ending its context.
package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Key of a subject: a node, or the code of an area in zeros.
type Key [16]byte

// AreaKey is the key of a code; false for one that is longer than any code is.
func AreaKey(code string) (key Key, ok bool) {
	if code == "" || len(code) > len(key) {
		return key, false
	}
	copy(key[:], code)
	return key, true
}

// Subject is who or what is asked for.
type Subject struct {
	Key Key
	// Value is the normalised identifier or the code. It is clear personal data, goes into the request and nowhere else.
	Value string
}

// Answer is what the provider said of a subject. It does not change.
type Answer struct {
	// Values in the order of their names; none when the provider knows nothing, or failed.
	Values []schemas.AttributeValue
	// JSON is an object of them.
	JSON string
	// At is when it was given, Until when it stops to hold.
	At, Until time.Time
	// Reason why there is no answer; empty when there is one.
	Reason string
}

// Stored is an answer that others should know as well.
type Stored struct {
	Key    Key
	Answer *Answer
}

// Provider asks one provider. It is safe for concurrent use; rounds are of one goroutine.
type Provider struct {
	cfg       Config
	version   string
	transport *transport
	caller    failsafe.Executor[*Answer]
	breaker   circuitbreaker.CircuitBreaker[*Answer]
	cache     *otter.Cache[Key, *Answer]
	metrics   metrics
	log       *zap.Logger
	now       func() time.Time
	budget    budget
	queue     chan task
	probing   atomic.Bool
	// resting is until when the provider asked to be left alone, in nanoseconds since 1970.
	resting atomic.Int64

	mu     sync.Mutex
	round  round
	stored []Stored
}

// task is a subject to ask for, in the name of a round; a probe is of none.
type task struct {
	subject Subject
	round   uint64
	probe   bool
}

// Options are what a provider runs on.
type Options struct {
	Log     *zap.Logger
	Metrics *Metrics
	// Now is the clock; the system's when nil.
	Now func() time.Time
	// Resolver of host names; the system's when nil.
	Resolver resolver
}

// queued is how many subjects wait at most; a batch has fewer.
const queued = 16_384

// New makes a provider; nothing is sent before Run.
func New(cfg Config, o Options) (*Provider, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	transport, err := newTransport(cfg, o.Resolver)
	if err != nil {
		return nil, err
	}
	limit, err := cfg.budget()
	if err != nil {
		return nil, err
	}
	cache, err := otter.New(&otter.Options[Key, *Answer]{
		MaximumSize: cfg.Cache.Entries,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[Key, *Answer]) time.Duration {
			return max(e.Value.Until.Sub(e.Value.At), time.Second)
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	p := &Provider{
		cfg: cfg, version: versionOf(cfg), transport: transport, cache: cache, metrics: o.Metrics.of(cfg), log: o.Log, now: o.Now,
		budget: budget{limit: limit}, queue: make(chan task, queued),
	}
	p.round.begin()
	p.breaker = circuitbreaker.NewBuilder[*Answer]().
		HandleIf(func(_ *Answer, err error) bool { return countsAgainst(err) }).
		WithFailureThreshold(uint(cfg.Breaker.Failures)).WithSuccessThreshold(1).WithDelay(cfg.Breaker.OpenFor).
		OnStateChanged(p.stateChanged).Build()
	p.caller = failsafe.With[*Answer](
		retrypolicy.NewBuilder[*Answer]().
			HandleIf(func(_ *Answer, err error) bool { return passes(err) }).
			WithMaxRetries(cfg.Retries).WithBackoff(50*time.Millisecond, 2*time.Second).WithJitterFactor(0.2).ReturnLastFailure().Build(),
		p.breaker)
	return p, nil
}

// versionOf names what decides about the values: where they come from and how they are read, not how they are asked for.
func versionOf(c Config) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q", c.Name, c.URL, c.Body, c.Subject, c.Purpose)
	for _, a := range c.Attributes {
		fmt.Fprintf(h, " %q %q %q %t", a.Name, a.Type, a.Path, a.Required)
	}
	return "provider-1+" + hex.EncodeToString(h.Sum(nil))[:12]
}

// Config in force.
func (p *Provider) Config() Config { return p.cfg }

// Version of the provider's declaration.
func (p *Provider) Version() string { return p.version }

func (p *Provider) stateChanged(e circuitbreaker.StateChangedEvent) {
	p.metrics.open.Set(0)
	if e.NewState != circuitbreaker.ClosedState {
		p.metrics.open.Set(1)
	}
	switch e.NewState {
	case circuitbreaker.OpenState:
		p.log.Warn("provider left alone", zap.String("provider", p.cfg.Name), zap.Duration("for", p.cfg.Breaker.OpenFor))
	case circuitbreaker.ClosedState:
		p.log.Info("provider answers again", zap.String("provider", p.cfg.Name))
	}
}

// Run asks for what is queued until ctx ends. Requests that are under way then are given up.
func (p *Provider) Run(ctx context.Context) error {
	var workers errgroup.Group
	for range p.cfg.Concurrency {
		workers.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case t := <-p.queue:
					p.work(ctx, t)
				}
			}
		})
	}
	err := workers.Wait()
	p.transport.close()
	return err
}

func (p *Provider) work(ctx context.Context, t task) {
	if t.probe {
		defer p.probing.Store(false)
	} else if !p.wanted(t) {
		return
	}
	answer := p.Fetch(ctx, t.subject)
	p.settle(t.subject.Key, answer)
}

// Fetch asks now, whoever waits: breaker, retries and budget hold, the cache is left alone. It never returns nil.
func (p *Provider) Fetch(ctx context.Context, s Subject) *Answer {
	if p.atRest() {
		return &Answer{Reason: ReasonRateLimited}
	}
	answer, err := p.caller.WithContext(ctx).Get(func() (*Answer, error) {
		if !p.budget.take(p.now()) {
			return nil, &failure{reason: ReasonBudget}
		}
		began := p.now()
		values, err := p.transport.ask(ctx, s.Value)
		result := reasonOf(err)
		p.metrics.seconds.Observe(p.now().Sub(began).Seconds())
		p.metrics.requested(resultOf(result, len(values) > 0))
		if err != nil {
			p.rest(err)
			return nil, err
		}
		return p.answer(values), nil
	})
	if err != nil {
		return &Answer{Reason: reasonOf(err)}
	}
	return answer
}

func resultOf(reason string, found bool) string {
	switch {
	case reason != "":
		return reason
	case found:
		return "found"
	}
	return "unknown"
}

func (p *Provider) answer(values []schemas.AttributeValue) *Answer {
	at := p.now()
	for i := range values {
		values[i].At = schemas.MillisOf(at)
	}
	holds := p.cfg.Cache.TTL
	if len(values) == 0 {
		holds = p.cfg.Cache.NegativeTTL
	}
	return &Answer{Values: values, JSON: string(AppendObject(nil, values)), At: at, Until: at.Add(holds)}
}

// longestRest bounds what a Retry-After can ask for.
const longestRest = time.Hour

// rest leaves the provider alone for as long as it asked for.
func (p *Provider) rest(err error) {
	if f := failureOf(err); f != nil && f.rest > 0 {
		p.resting.Store(p.now().Add(min(f.rest, longestRest)).UnixNano())
	}
}

func (p *Provider) atRest() bool {
	until := p.resting.Load()
	return until != 0 && p.now().UnixNano() < until
}

// Set is the record of the topic attributes for an answer with values.
func (p *Provider) Set(workspace string, s Stored) *attributes.Set {
	set := attributes.For(workspace, p.subject(s.Key), p.cfg.Name)
	set.Party, set.Licence, set.Purpose = p.cfg.Party, p.cfg.Licence, p.cfg.Purpose
	set.ValidUntil, set.UpdatedAt = schemas.Some(schemas.MillisOf(s.Answer.Until)), schemas.MillisOf(s.Answer.At)
	set.Values = s.Answer.Values
	return set
}

func (p *Provider) subject(key Key) attributes.Subject {
	if OfPerson(p.cfg.Subject) {
		return attributes.OfNode(uuid.UUID(key))
	}
	return attributes.Subject{Kind: attributes.SubjectKind(p.cfg.Subject), Code: strings.TrimRight(string(key[:]), "\x00")}
}

// budget counts the requests of a day.
type budget struct {
	mu    sync.Mutex
	limit int64
	day   int64
	used  int64
}

const secondsOfDay = 24 * 60 * 60

func (b *budget) take(now time.Time) bool {
	if b.limit < 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := now.Unix() / secondsOfDay; day != b.day {
		b.day, b.used = day, 0
	}
	if b.used >= b.limit {
		return false
	}
	b.used++
	return true
}

func (b *budget) spent(now time.Time) bool {
	if b.limit < 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used >= b.limit && now.Unix()/secondsOfDay == b.day
}

func inOrder(values []schemas.AttributeValue) []schemas.AttributeValue {
	slices.SortFunc(values, func(a, b schemas.AttributeValue) int { return strings.Compare(a.Name, b.Name) })
	return values
}
