package provider

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// round is the asking for one batch of events: what it waits for, and what came of it.
type round struct {
	number  uint64
	waiting map[Key]struct{}
	settled map[Key]*Answer
	closed  bool
	// done is closed when nothing is waited for any more; nil while nobody waits.
	done chan struct{}
}

func (r *round) begin() {
	r.number++
	if r.waiting == nil {
		r.waiting, r.settled = map[Key]struct{}{}, map[Key]*Answer{}
	}
	clear(r.waiting)
	clear(r.settled)
	r.closed = false
}

// failed answers for all of their reason.
var failed = func() map[string]*Answer {
	all := map[string]*Answer{}
	for _, reason := range reasons {
		all[reason] = &Answer{Reason: reason}
	}
	return all
}()

// Begin starts a round. Requests of the one before that are under way go on; those that are only queued are dropped.
func (p *Provider) Begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round.begin()
}

// Find returns an answer that is remembered and holds; nil when there is none.
func (p *Provider) Find(key Key) *Answer {
	answer, ok := p.cache.GetIfPresent(key)
	if !ok || !p.now().Before(answer.Until) {
		p.metrics.misses.Inc()
		return nil
	}
	p.metrics.hits.Inc()
	return answer
}

// Closed tells why nothing can be asked for at the moment; nil when it can. It spares whoever asks the work of normalising a subject.
func (p *Provider) Closed(key Key) *Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer := p.round.settled[key]; answer != nil {
		return answer
	}
	switch {
	case p.round.closed:
		return failed[ReasonTooLate]
	case p.atRest():
		return failed[ReasonRateLimited]
	case p.breaker.IsOpen() && p.breaker.RemainingDelay() > 0:
		return failed[ReasonBreakerOpen]
	case p.budget.spent(p.now()):
		return failed[ReasonBudget]
	}
	return nil
}

// Ask queues a subject and returns nil: Wait, then look again. What it returns otherwise is final for the round. The subject must own its
// memory.
func (p *Provider) Ask(s Subject) *Answer {
	if answer := p.Closed(s.Key); answer != nil {
		return answer
	}
	if !p.breaker.IsClosed() {
		// One request tries whether the provider is back. No event waits for it.
		if p.probing.CompareAndSwap(false, true) {
			p.enqueue(task{subject: s, probe: true})
		}
		return failed[ReasonBreakerOpen]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, asked := p.round.waiting[s.Key]; asked {
		return nil
	}
	if !p.enqueue(task{subject: s, round: p.round.number}) {
		return failed[ReasonTooMany]
	}
	p.round.waiting[s.Key] = struct{}{}
	return nil
}

func (p *Provider) enqueue(t task) bool {
	select {
	case p.queue <- t:
		return true
	default:
		if t.probe {
			p.probing.Store(false)
		}
		return false
	}
}

// wanted says whether the round that a task was queued for still waits for it.
func (p *Provider) wanted(t task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waits := p.round.waiting[t.subject.Key]
	return waits && t.round == p.round.number && !p.round.closed
}

// settle remembers an answer and wakes who waits for it.
func (p *Provider) settle(key Key, answer *Answer) {
	if answer.Reason == "" {
		p.cache.Set(key, answer)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(answer.Values) > 0 && !p.cfg.DoNotStore {
		p.stored = append(p.stored, Stored{Key: key, Answer: answer})
	}
	if _, waits := p.round.waiting[key]; !waits {
		return
	}
	delete(p.round.waiting, key)
	if !p.round.closed {
		p.round.settled[key] = answer
	}
	if len(p.round.waiting) == 0 && p.round.done != nil {
		close(p.round.done)
		p.round.done = nil
	}
}

// Wait returns when all that was asked for in the round is settled, or after max_wait; what is not settled then has failed for the round.
func (p *Provider) Wait(ctx context.Context) {
	p.mu.Lock()
	if len(p.round.waiting) == 0 {
		p.round.closed = true
		p.mu.Unlock()
		return
	}
	done := make(chan struct{})
	p.round.done = done
	p.mu.Unlock()
	timer := time.NewTimer(p.cfg.MaxWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round.done = nil
	p.round.closed = true
	if late := len(p.round.waiting); late > 0 {
		p.metrics.late.Add(float64(late))
		p.log.Warn("provider was not waited for any longer", zap.String("provider", p.cfg.Name), zap.Int("subjects", late), zap.Duration("max_wait", p.cfg.MaxWait))
	}
}

// Asked is whether the round waits for something.
func (p *Provider) Asked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.round.waiting) > 0
}

// TakeStored hands over the answers that came since the last time and are to be stored.
func (p *Provider) TakeStored() []Stored {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.stored
	p.stored = nil
	return taken
}
