package identity

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// sumsKept is for how many records back this instance can compare its sums with another's.
const sumsKept = 8_192

// sumsAt are the sums of the graph at a position.
type sumsAt struct {
	position int64
	sums     evidence.Sums
}

// sumsRing has the sums after each of the last records, positions ascending.
type sumsRing struct {
	ring []sumsAt
	// first is the place of the oldest once the ring is full.
	first int
}

func (s *sumsRing) add(position int64, sums evidence.Sums) {
	if len(s.ring) < sumsKept {
		s.ring = append(s.ring, sumsAt{position, sums})
		return
	}
	s.ring[s.first] = sumsAt{position, sums}
	s.first = (s.first + 1) % len(s.ring)
}

func (s *sumsRing) at(i int) sumsAt { return s.ring[(s.first+i)%len(s.ring)] }

// find returns the sums at a position; records in between that are not ours change none.
func (s *sumsRing) find(position int64) (evidence.Sums, bool) {
	for i := len(s.ring) - 1; i >= 0; i-- {
		if entry := s.at(i); entry.position <= position {
			return entry.sums, true
		}
	}
	return evidence.Sums{}, false
}

// newest are the sums of the graph as it is, but for rules that are being evaluated.
func (r *replica) newest() sumsAt {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sums.at(len(r.sums.ring) - 1)
}

// errDisagree ends an instance whose graph is not that of another one at the same position.
var errDisagree = errors.New("the graph is not the one that another instance has at the same position of the evidence log: the store is thrown away and rebuilt")

// compare holds a digest of another instance, or an own one, against what this instance had there.
func (r *replica) compare(record *stream.Record, digest *evidence.Digest) error {
	if digest.Position <= r.silent {
		return nil
	}
	r.mu.RLock()
	sums, kept := r.sums.find(digest.Position)
	r.mu.RUnlock()
	if !kept {
		return nil // written long ago by an instance that was far behind
	}
	r.metrics.digests.Inc()
	if sums == digest.Sums {
		return nil
	}
	r.metrics.disagreements.Inc()
	r.log.Error("the sums of the graph differ from those of another instance",
		zap.Int64("position", digest.Position), zap.Int64("logged_at", record.Offset),
		zap.Any("ours", sums), zap.Any("theirs", digest.Sums), zap.Bool("ours_from_the_log", r.whole))
	return &disagreement{digest: evidence.Digest{Workspace: r.workspace, Position: digest.Position, Sums: sums}, whole: r.whole}
}

// disagreement carries what this instance had.
type disagreement struct {
	digest evidence.Digest
	whole  bool
}

func (*disagreement) Error() string { return errDisagree.Error() }
func (*disagreement) Unwrap() error { return errDisagree }

// contradictWait bounds how long an instance that ends tries to say why.
const contradictWait = 5 * time.Second

// contradict logs this instance's own sums, when they come from the log alone: then the other one is wrong
// and has to learn it. An instance that began with a store rebuilds first, and speaks up if it still
// disagrees.
func (s *stitcher) contradict(ctx context.Context, d *disagreement) {
	if !d.whole {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), contradictWait)
	defer cancel()
	if err := s.kafka.Produce(ctx, evidenceRecord(s.workspace, &d.digest)); err != nil {
		s.log.Warn("the other instance was not told that the sums differ", zap.Error(err))
	}
}

// digests makes the publisher log the sums of its graph, when there was news since the last time.
type digests struct {
	news atomic.Bool
}

// write logs digests until ctx ends.
func (d *digests) write(ctx context.Context, s *stitcher) error {
	ticker := time.NewTicker(s.cfg.DigestEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if !d.news.Swap(false) {
			continue
		}
		now := s.replica.newest()
		digest := evidence.Digest{Workspace: s.workspace, Position: now.position, Sums: now.sums}
		if err := s.kafka.Produce(ctx, evidenceRecord(s.workspace, &digest)); err != nil {
			d.news.Store(true)
			if ctx.Err() == nil {
				s.log.Warn("the digest is not logged and will be tried again", zap.Error(err))
			}
		}
	}
}
