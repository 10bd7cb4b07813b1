package stream

import (
	"context"
	"time"
)

// share is one partition while it is ours: from its assignment to its revocation. Its fields are guarded by
// sharing.mu, but those of the range in hand belong to the worker while busy is set.
type share struct {
	topic     string
	partition int32
	member    string // as whom we own it
	ctx       context.Context
	cancel    context.CancelFunc
	left      chan struct{} // closed when the partition is gone and its worker is out

	gone bool // taken away: no step of it may begin
	busy bool // a worker has it
	// rests is whether its last step failed: it waits to be tried again, or is tried again now.
	rests bool

	// What waits: records in ascending offsets, from position on or, when a range is in hand, behind it.
	waiting []*Record
	bytes   int64
	polls   []poll // when they were fetched
	next    int64  // the offset after the last record fetched

	position int64 // first offset that is not committed; -1 until the log's start is known
	epoch    int32 // leader epoch of the record before it
	plan     Plan  // found at assignment and still to be gathered

	hand      *Delivery // the range that was cut
	handBytes int64
	step      step
	attempt   int // failures of the present step
	// deliveries of the range in hand, also when it was gathered anew.
	deliveries int
	retry      time.Time
	due        time.Time // since when it could have been served
}

// poll says when the records up to an offset were fetched.
type poll struct {
	last int64
	at   time.Time
}

// step is what a worker does next with a share.
type step int

const (
	assign  step = iota // tell the handler of the partition
	gather              // wait for records; then cut and plan a range
	deliver             // hand the planned range over
	settle              // commit what was delivered
)

// readyAt is the time from which on a worker may take the share; never when it waits for records.
func (s *share) readyAt(conf RangeConsumer) (at time.Time, ever bool) {
	switch {
	case s.gone || s.busy:
		return time.Time{}, false
	case s.step != gather || s.hand != nil:
		return s.retry, true
	case s.plan.Open():
		return s.retry, s.next > s.plan.To
	case len(s.waiting) == 0:
		return time.Time{}, false
	case len(s.waiting) >= conf.MaxRecords || conf.MaxBytes > 0 && s.bytes >= int64(conf.MaxBytes):
		return s.retry, true
	default:
		return s.polls[0].at.Add(conf.MaxWait), true
	}
}

// mayClose is whether a range may be cut before it is large or old enough.
func (s *share) mayClose() bool {
	return !s.gone && !s.busy && s.step == gather && s.hand == nil && !s.plan.Open() && len(s.waiting) > 0
}

// pausedUntil is how long nothing of the share may be fetched; zero is until it changes. What is fetched while it rests
// would only be held.
func (s *share) pausedUntil(now time.Time) (until time.Time, paused bool) {
	switch {
	case !s.rests:
		return time.Time{}, false
	case s.busy:
		return time.Time{}, true
	case s.hand == nil && s.step != assign && !s.retry.After(now):
		return time.Time{}, false // it has to be gathered to be tried again
	default:
		return s.retry, true
	}
}

// give lets go of all that can be fetched again, and returns how much that was. A range that is planned stays planned,
// and is gathered anew; one that was delivered is kept for its commit.
func (s *share) give() (size int64) {
	size = s.bytes
	s.waiting, s.polls, s.bytes = nil, nil, 0
	switch {
	case s.hand == nil:
		s.next = s.position
	case s.step == settle:
		s.next = s.hand.Last() + 1
	default:
		if s.step == deliver {
			s.plan = Plan{Position: s.position, To: s.hand.Last(), At: s.hand.Planned}
		}
		size += s.handBytes
		s.hand, s.handBytes, s.step = nil, 0, gather
		s.next = s.position
	}
	return size
}

// cut takes the next range out of what waits: all of a plan that was found and nothing else, or as much as the
// consumer's bounds allow. It is nil when nothing is left of a planned range.
func (s *share) cut(conf RangeConsumer, now time.Time) {
	n, size := 0, int64(0)
	replayed := s.plan.Open()
	for _, record := range s.waiting {
		if replayed && record.Offset > s.plan.To {
			break
		}
		if !replayed && n > 0 && (n >= conf.MaxRecords || conf.MaxBytes > 0 && size >= int64(conf.MaxBytes)) {
			break
		}
		n++
		size += recordBytes(record)
	}
	planned := time.UnixMilli(now.UnixMilli())
	if replayed {
		planned = s.plan.At
	}
	s.plan = Plan{To: -1}
	if n == 0 {
		return
	}
	records := make([]*Record, n)
	copy(records, s.waiting)
	// Moved down, so that the array does not keep alive what is delivered.
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
	clear(s.waiting[len(s.waiting) : len(s.waiting)+n])
	s.bytes -= size
	for len(s.polls) > 0 && s.polls[0].last <= records[n-1].Offset {
		s.polls = s.polls[1:]
	}
	s.handBytes = size
	s.hand = &Delivery{Range: Range{Topic: s.topic, Partition: s.partition, Records: records}, Planned: planned, Replayed: replayed}
}

func recordBytes(record *Record) int64 { return int64(len(record.Key) + len(record.Value)) }
