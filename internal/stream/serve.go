package stream

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

// serve is one worker: it takes a share that is ready and does its next steps, until the session ends.
func (s *sharing) serve() error {
	for {
		own := s.next()
		if own == nil {
			return nil
		}
		err := s.advance(own)
		s.put(own, err)
	}
}

// next waits for a share that is ready and takes it: the one with the most bytes, but first of all those that have
// waited for long.
func (s *sharing) next() *share {
	for s.session.Err() == nil {
		s.mu.Lock()
		own, wait := s.pick(time.Now())
		if own != nil {
			own.busy = true
			s.mu.Unlock()
			return own
		}
		changed := s.changed
		s.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed.Done():
		}
		timer.Stop()
	}
	return nil
}

// pick is the share to serve now, or how long there is none. When the buffer is full and nothing is ready, what waits
// in the largest share makes room. s.mu is held.
func (s *sharing) pick(now time.Time) (best *share, wait time.Duration) {
	wait = time.Hour
	var largest *share
	for own := range s.all() {
		if own.mayClose() && (largest == nil || own.bytes > largest.bytes) {
			largest = own
		}
		at, ever := own.readyAt(s.conf)
		if !ever {
			continue
		}
		if left := at.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		if own.due.IsZero() {
			own.due = now
		}
		if best == nil || s.before(own, best, now) {
			best = own
		}
	}
	if best == nil && s.full() {
		best = largest
	}
	return best, wait
}

// before is whether a comes before b: by bytes, but none waits for larger ones for ever.
func (s *sharing) before(a, b *share, now time.Time) bool {
	patience := max(s.conf.MaxWait, time.Second)
	late, other := now.Sub(a.due) > patience, now.Sub(b.due) > patience
	switch {
	case late && other:
		return a.due.Before(b.due)
	case late != other:
		return late
	default:
		return a.bytes+a.handBytes > b.bytes+b.handBytes
	}
}

// advance does the steps of a share from where it stands, up to the end of one range.
func (s *sharing) advance(own *share) error {
	if own.step == assign {
		if err := s.assign(own); err != nil {
			return fmt.Errorf("assign: %w", err)
		}
		own.step, own.attempt = gather, 0
		return nil
	}
	if own.step == gather {
		if err := s.plan(own); err != nil || own.hand == nil {
			return err
		}
		own.step, own.attempt = deliver, 0
	}
	if own.step == deliver {
		own.deliveries++
		own.hand.Attempt = own.deliveries
		if err := s.handler.Deliver(own.ctx, *own.hand); err != nil {
			own.hand.Replayed = true
			return fmt.Errorf("deliver: %w", err)
		}
		own.step, own.attempt, own.deliveries = settle, 0, 0
	}
	return s.settle(own)
}

func (s *sharing) assign(own *share) error {
	if own.position < 0 {
		extent, err := s.c.Extent(own.ctx, own.topic, own.partition)
		if err != nil {
			return err
		}
		own.position = extent.Start
	}
	from := Plan{Position: own.position, To: own.position - 1}
	if own.plan.Open() {
		from = own.plan
	}
	return s.handler.Assign(own.ctx, own.topic, own.partition, from)
}

// plan is step 2. A range that was found planned is not planned again. Nothing is in hand afterwards when retention has
// deleted all of a range that was found.
func (s *sharing) plan(own *share) error {
	if own.hand == nil {
		s.mu.Lock()
		own.cut(s.conf, time.Now())
		if s.alone == own {
			s.alone = nil
			s.wake()
		}
		s.mu.Unlock()
		if own.hand == nil {
			return nil
		}
		s.c.metrics.cut(s.conf.Group, own.hand, own.handBytes)
		if own.hand.Replayed {
			return nil
		}
	}
	plan := Plan{Position: own.position, To: own.hand.Last(), At: own.hand.Planned}
	if err := own.commit(s.work, s.client, own.position, plan.text()); err != nil {
		s.c.metrics.refusedPlans.WithLabelValues(s.conf.Group, own.topic).Inc()
		return s.refused("plan", err)
	}
	if err := own.ctx.Err(); err != nil {
		return err // taken away meanwhile; the next owner delivers it
	}
	return nil
}

// settle is steps 4 and 5. A range that was delivered is committed also while its partition is being taken away: the
// callback waits for it.
func (s *sharing) settle(own *share) error {
	done := own.hand.Range
	last := done.Records[len(done.Records)-1]
	if err := own.commit(s.work, s.client, last.Offset+1, ""); err != nil {
		s.c.metrics.refusedCommits.WithLabelValues(s.conf.Group, own.topic).Inc()
		return s.refused("commit", err)
	}
	own.position, own.epoch = last.Offset+1, last.LeaderEpoch
	own.step, own.attempt = gather, 0
	s.c.metrics.consumedBatch(s.conf.Group, []Range{done})
	s.c.metrics.ranges.WithLabelValues(s.conf.Group, own.topic).Inc()
	s.mu.Lock()
	s.hold(-own.handBytes)
	own.hand, own.handBytes = nil, 0
	s.mu.Unlock()
	if err := s.handler.Committed(own.ctx, done); err != nil {
		own.step = assign
		return fmt.Errorf("tell of a committed range: %w", err)
	}
	return nil
}

// refused tells what a refused commit means.
func (s *sharing) refused(operation string, err error) error {
	switch {
	case disowned(err), errors.Is(err, context.DeadlineExceeded):
		// A request that was not answered may be obeyed late. It cannot be under the next generation.
		s.end(fmt.Errorf("%w: %s: %w", errRejoin, operation, err))
	case !passes(err):
		s.end(fmt.Errorf("%s for group %s: %w", operation, s.conf.Group, err))
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// put gives a share back; after an error it rests.
func (s *sharing) put(own *share, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own.busy, own.due = false, time.Time{}
	own.retry = time.Time{}
	if err != nil && own.ctx.Err() == nil {
		own.attempt++
		s.c.metrics.retries.WithLabelValues(s.conf.Group, own.topic).Inc()
		own.retry = time.Now().Add(pause(own.attempt, s.conf.RetryWait))
		if bits.OnesCount(uint(own.attempt)) == 1 {
			s.c.log.Warn("a range is tried again later", zap.String("group", s.conf.Group), zap.String("topic", own.topic),
				zap.Int32("partition", own.partition), zap.Int("attempt", own.attempt), zap.Error(err))
		}
	}
	own.rests = own.attempt > 0
	if own.gone {
		close(own.left)
	}
	s.wake()
}

// pause doubles from attempt to attempt up to a longest one, less up to half by chance.
func pause(attempt int, longest time.Duration) time.Duration {
	full := longest
	if shift := attempt - 1; shift < 20 {
		full = min(longest, retryFirst<<shift)
	}
	return full - rand.N(full/2+1)
}
