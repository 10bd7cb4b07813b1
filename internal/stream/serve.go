package stream

import (
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
		case <-changed:
		case <-s.session.Done():
		}
		timer.Stop()
	}
	return nil
}

// pick is the share to serve now, or how long there is none. s.mu is held.
func (s *sharing) pick(now time.Time) (best *share, wait time.Duration) {
	wait = time.Hour
	full := s.held >= int64(s.conf.BufferBytes)
	for _, partitions := range s.shares {
		for _, own := range partitions {
			at, ever := own.readyAt(s.conf, full)
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
		own.step = gather
		return nil
	}
	if own.step == gather {
		if err := s.plan(own); err != nil || own.hand == nil {
			return err
		}
		own.step, own.attempt = deliver, 0
	}
	if own.step == deliver {
		own.hand.Attempt++
		if err := s.handler.Deliver(own.ctx, *own.hand); err != nil {
			own.hand.Replayed = true
			return fmt.Errorf("deliver: %w", err)
		}
		own.step, own.attempt = settle, 0
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
	return s.handler.Assign(own.ctx, own.topic, own.partition, own.position)
}

// plan is step 2.
func (s *sharing) plan(own *share) error {
	if own.hand == nil {
		s.mu.Lock()
		own.cut(s.conf, time.Now())
		s.mu.Unlock()
		if own.hand == nil || own.hand.Replayed {
			return nil
		}
	}
	plan := Plan{Position: own.position, To: own.hand.Last(), At: own.hand.Planned}
	if err := own.commit(own.ctx, s.client, own.position, plan.text()); err != nil {
		return s.refused("plan", err)
	}
	return nil
}

// settle is steps 4 and 5. A range that was delivered is committed also while its partition is being taken away: the
// callback waits for it.
func (s *sharing) settle(own *share) error {
	done := own.hand.Range
	last := done.Records[len(done.Records)-1]
	own.epoch = last.LeaderEpoch
	if err := own.commit(s.work, s.client, last.Offset+1, ""); err != nil {
		return s.refused("commit", err)
	}
	own.step, own.position = gather, last.Offset+1
	s.c.metrics.consumedBatch(s.conf.Group, []Range{done})
	s.mu.Lock()
	s.held -= own.handBytes
	own.hand, own.handBytes = nil, 0
	s.mu.Unlock()
	if err := s.handler.Committed(own.ctx, done); err != nil {
		own.step = assign
		return fmt.Errorf("committed: %w", err)
	}
	return nil
}

// refused tells what a refused commit means.
func (s *sharing) refused(operation string, err error) error {
	switch {
	case disowned(err):
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
		own.retry = time.Now().Add(pause(own.attempt, s.conf.RetryWait))
		if bits.OnesCount(uint(own.attempt)) == 1 {
			s.c.log.Warn("a range is tried again later", zap.String("group", s.conf.Group), zap.String("topic", own.topic),
				zap.Int32("partition", own.partition), zap.Int("attempt", own.attempt), zap.Error(err))
		}
	}
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
