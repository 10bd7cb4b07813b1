package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say how a simulation is sent.
type Options struct {
	// Target is http://host:port of a collector, or kafka://host:port?registry=http://host:port.
	Target string
	// Keys are the write keys by source; by default those of parcours up.
	Keys map[string]string
	// Workers is how many requests are under way at once.
	Workers int
	// Rate bounds the events sent in a second; 0 is as fast as the target answers.
	Rate float64
	// Patience is how long one delivery is tried again, as long as the target is overloaded or away.
	Patience time.Duration
	// Truth and Ledger are written to when set.
	Truth, Ledger io.Writer
	// Workspace names the tenant and HashKey its secret, for a Kafka target, where no collector computes keys.
	Workspace, HashKey string
	// Progress is called a few times a second.
	Progress func(Progress)
}

// Progress is how far a simulation has come.
type Progress struct {
	At           time.Time // simulated
	Fraction     float64   // of the simulated time, or of the events asked for
	Sent         int64
	Acknowledged int64
	Retries      int64
	Elapsed      time.Duration
}

// Result sums up what was sent. Events are counted once, however often they were delivered.
type Result struct {
	Events       int64 // distinct
	Acknowledged int64 // distinct, by a 2xx or by Kafka
	Refused      int64 // events in requests that were answered by an error that no retry can mend
	Lost         int64 // events given up
	Repeats      int64 // events of deliveries that were repeated on purpose
	Wrong        int64 // distinct events that are wrong on purpose
	Requests     int64 // answered
	Retries      int64 // attempts beyond the first
	Bytes        int64 // of bodies, as sent
	Elapsed      time.Duration
}

// EventsPerSecond is the rate of the whole run, deliveries repeated on purpose included.
func (r Result) EventsPerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Acknowledged+r.Repeats) / r.Elapsed.Seconds()
}

// DevelopmentKeys are the write keys of parcours up.
func DevelopmentKeys() map[string]string {
	keys := make(map[string]string, len(sources))
	for _, s := range sources {
		keys[s] = "wk_dev_" + s
	}
	return keys
}

var sources = [...]string{Web, App, Server, POS, CRM, Care, Email, Survey}

func (o Options) withDefaults() Options {
	if o.Keys == nil {
		o.Keys = DevelopmentKeys()
	}
	if o.Workers < 1 {
		o.Workers = 8
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Workspace == "" {
		o.Workspace = "default"
	}
	return o
}

// carrier takes deliveries to the target. One is used by one worker at a time.
type carrier interface {
	// carry sends a delivery and returns after it was acknowledged, refused or given up.
	carry(ctx context.Context, d *Delivery) error
	// rest is called when there is nothing left to carry.
	rest(ctx context.Context) error
}

// counters are shared by the workers.
type counters struct {
	acknowledged, refused, lost, repeats, requests, retries, bytes atomic.Int64
}

// settle counts the outcome of a delivery.
func (c *counters) settle(d *Delivery, status int) {
	n := int64(len(d.Events))
	switch {
	case status == 0:
		c.lost.Add(n)
	case status >= 300:
		c.refused.Add(n)
	case d.Repeat:
		c.repeats.Add(n)
	default:
		c.acknowledged.Add(n)
	}
}

// Send lives the simulation's days and sends what happens. The deliveries of one sender stay in order. It returns what
// was sent also when it ends early, by ctx or by an error of the truth, the ledger or Kafka.
func Send(ctx context.Context, s *Simulation, opts Options) (Result, error) {
	opts = opts.withDefaults()
	target, err := url.Parse(opts.Target)
	if err != nil {
		return Result{}, fmt.Errorf("simulate: target: %w", err)
	}
	c := &counters{}
	book := newLedger(opts.Ledger)
	var open func() (carrier, error)
	var shut func()
	switch {
	case (target.Scheme == "http" || target.Scheme == "https") && target.Host != "":
		open, shut = httpCarriers(target, opts, c, book)
	case target.Scheme == "kafka" && target.Host != "":
		if open, shut, err = kafkaCarriers(ctx, target, opts, c, book); err != nil {
			return Result{}, err
		}
	default:
		return Result{}, fmt.Errorf("simulate: target is %q: want http://host:port or kafka://host:port?registry=http://host:port", opts.Target)
	}
	defer shut()
	d := &dispatch{s: s, opts: opts, counters: c, start: time.Now()}
	err = d.run(ctx, open)
	return d.result(), err
}

// dispatch hands deliveries to the workers.
type dispatch struct {
	s        *Simulation
	opts     Options
	counters *counters
	start    time.Time
	sent     atomic.Int64
	wrong    int64
	shown    time.Time
}

// laneDepth is how many deliveries wait for a worker.
const laneDepth = 32

func (d *dispatch) run(ctx context.Context, open func() (carrier, error)) error {
	lanes := make([]chan *Delivery, d.opts.Workers)
	group, inner := errgroup.WithContext(ctx)
	for i := range lanes {
		lanes[i] = make(chan *Delivery, laneDepth)
		worker, err := open()
		if err != nil {
			return err
		}
		group.Go(func() error {
			for delivery := range lanes[i] {
				if err := worker.carry(inner, delivery); err != nil {
					return err
				}
			}
			return worker.rest(inner)
		})
	}
	err := d.feed(inner, lanes)
	for _, l := range lanes {
		close(l)
	}
	return errors.Join(group.Wait(), err)
}

func (d *dispatch) feed(ctx context.Context, lanes []chan *Delivery) error {
	var truth *truthWriter
	if d.opts.Truth != nil {
		truth = newTruthWriter(d.s, d.opts.Truth)
	}
	var failed error
	for delivery := range d.s.Deliveries() {
		if truth != nil {
			if failed = truth.delivery(delivery); failed != nil {
				break
			}
		}
		if failed = d.pace(ctx); failed != nil {
			break
		}
		select {
		case lanes[delivery.Lane%uint64(len(lanes))] <- delivery:
		case <-ctx.Done():
			failed = ctx.Err()
		}
		if failed != nil {
			break
		}
		d.count(delivery)
	}
	if truth != nil {
		failed = errors.Join(failed, truth.flush())
	}
	return failed
}

// pace waits until the next event is due.
func (d *dispatch) pace(ctx context.Context) error {
	if d.opts.Rate <= 0 {
		return ctx.Err()
	}
	due := d.start.Add(time.Duration(float64(d.sent.Load()) / d.opts.Rate * float64(time.Second)))
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shownEvery bounds how often progress is told.
const shownEvery = 100 * time.Millisecond

func (d *dispatch) count(delivery *Delivery) {
	if !delivery.Repeat {
		d.sent.Add(int64(len(delivery.Events)))
		for _, e := range delivery.Events {
			if e.Wrong != "" {
				d.wrong++
			}
		}
	}
	if d.opts.Progress == nil || time.Since(d.shown) < shownEvery {
		return
	}
	d.shown = time.Now()
	d.opts.Progress(d.progress(delivery.At))
}

func (d *dispatch) progress(at int64) Progress {
	cfg := d.s.cfg
	begin, end := cfg.Start.UnixMilli(), cfg.Start.AddDate(0, 0, cfg.Days).UnixMilli()
	p := Progress{
		At: time.UnixMilli(at).In(paris), Sent: d.sent.Load(), Acknowledged: d.counters.acknowledged.Load(),
		Retries: d.counters.retries.Load(), Elapsed: time.Since(d.start),
	}
	p.Fraction = min(max(float64(at-begin)/float64(end-begin), 0), 1)
	if cfg.Events > 0 {
		p.Fraction = max(p.Fraction, float64(p.Sent)/float64(cfg.Events))
	}
	return p
}

func (d *dispatch) result() Result {
	c := d.counters
	return Result{
		Events: d.sent.Load(), Wrong: d.wrong, Acknowledged: c.acknowledged.Load(), Refused: c.refused.Load(), Lost: c.lost.Load(),
		Repeats: c.repeats.Load(), Requests: c.requests.Load(), Retries: c.retries.Load(), Bytes: c.bytes.Load(), Elapsed: time.Since(d.start),
	}
}
