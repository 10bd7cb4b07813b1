package stream

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// What is held in memory of a consumer of ranges:
//
//   - RangeConsumer.BufferBytes of keys and values, waiting or in hand. Polls are sized so that it holds for records
//     of the size met so far; one planned range that alone is larger is gathered all the same, without company.
//   - of each broker one fetch, of fetchBytes as it is on the wire, which is unpacked: ten times as much is common
//     with compression. A single batch that is larger is fetched all the same.
//   - the pointers and headers of records: some 200 bytes a record.

// fetchBytes bounds one fetch of a broker. All of it may be of one partition: behind the log, a few partitions with
// large ranges come one after the other, instead of all with small ones.
func fetchBytes(buffer int) int32 { return int32(min(max(buffer/32, 1<<20), fetchMaxBytes)) }

// reckoned is the size of a record that a new buffer reckons with, until it has met a larger one.
func reckoned(buffer int) int64 { return int64(min(max(buffer/64, 1), 64<<10)) }

// pollMax bounds the records of a poll, so that workers hear of them soon.
const pollMax = 10_000

// poll fetches records while there is room for them, and hands them to their shares. It alone tells the client what to
// fetch and from where. No rebalance comes between a poll and AllowRebalance.
func (s *sharing) poll() error {
	for s.session.Err() == nil {
		changed, until := s.pause()
		n := s.room()
		if n == 0 {
			if s.crowded() {
				// It fetches nothing, but holds rebalances back.
				s.client.PollRecords(ended, 1)
				s.shed()
				s.client.AllowRebalance()
				continue
			}
			await(changed, until)
			continue
		}
		ctx, cancel := changed, context.CancelFunc(func() {})
		if !until.IsZero() {
			ctx, cancel = context.WithDeadline(changed, until)
		}
		err := s.take(s.client.PollRecords(ctx, n))
		cancel()
		s.client.AllowRebalance()
		if err != nil {
			return err
		}
	}
	return nil
}

// ended is a context that has ended.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// await waits until something changed or, unless it is zero, a time.
func await(changed context.Context, until time.Time) {
	if until.IsZero() {
		<-changed.Done()
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed.Done():
	case <-timer.C:
	}
}

// pause tells the client which partitions to fetch nothing of. It returns what ends when something changed, and when
// to ask again even so.
func (s *sharing) pause() (changed context.Context, until time.Time) {
	now := time.Now()
	paused := make(map[string][]int32)
	n := 0
	s.mu.Lock()
	for own := range s.all() {
		retry, rests := own.pausedUntil(now)
		if !rests && (s.alone == nil || s.alone == own) {
			continue
		}
		if rests && retry.After(now) && (until.IsZero() || retry.Before(until)) {
			until = retry
		}
		paused[own.topic] = append(paused[own.topic], own.partition)
		n++
	}
	changed = s.changed
	s.mu.Unlock()
	resume := make(map[string][]int32)
	for topic, partitions := range s.paused {
		for _, partition := range partitions {
			if !slices.Contains(paused[topic], partition) {
				resume[topic] = append(resume[topic], partition)
			}
		}
	}
	if len(paused) > 0 {
		s.client.PauseFetchPartitions(paused)
	}
	if len(resume) > 0 {
		s.client.ResumeFetchPartitions(resume)
	}
	s.paused = paused
	s.c.metrics.paused.WithLabelValues(s.conf.Group).Set(float64(n))
	return changed, until
}

// room is how many records may be polled.
func (s *sharing) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alone != nil {
		return int(min(max(s.alone.plan.To+1-s.alone.next, 0), pollMax))
	}
	n := min((int64(s.conf.BufferBytes)-s.held)/s.largest, pollMax)
	if n < 1 && s.held == 0 {
		return 1 // larger than the buffer, but it has to be read
	}
	return int(max(n, 0))
}

// full is whether no more may be polled. s.mu is held.
func (s *sharing) full() bool { return s.held > 0 && int64(s.conf.BufferBytes)-s.held < s.largest }

// hold counts bytes that are held, or let go. s.mu is held.
func (s *sharing) hold(bytes int64) {
	s.held += bytes
	s.c.metrics.bufferedBytes.WithLabelValues(s.conf.Group).Set(float64(s.held))
}

// wake lets those who wait look again. s.mu is held.
func (s *sharing) wake() {
	s.changes()
	s.changed, s.changes = context.WithCancel(s.session)
}

// all are the partitions that are ours. s.mu is held.
func (s *sharing) all() iter.Seq[*share] {
	return func(yield func(*share) bool) {
		for _, partitions := range s.shares {
			for _, own := range partitions {
				if !yield(own) {
					return
				}
			}
		}
	}
}

// take adds what was polled to the shares. What comes of a partition that is not ours, or not any more, is dropped.
func (s *sharing) take(fetches kgo.Fetches) error {
	if fetches.IsClientClosed() {
		return errStopped
	}
	lost := func(loss *kgo.ErrDataLoss) {
		s.c.lost(s.conf.Group, loss)
		s.restart(loss.Topic, loss.Partition, loss.ResetTo)
	}
	if err := fetchError(fetches, lost); err != nil {
		return fmt.Errorf("fetch for group %s: %w", s.conf.Group, err)
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		first := p.Records[0].Offset
		s.mu.Lock()
		own := s.shares[p.Topic][p.Partition]
		backwards := own != nil && first < own.next
		s.mu.Unlock()
		if backwards {
			// The log has ended before the offset and was written anew, or the topic was.
			lost(&kgo.ErrDataLoss{Topic: p.Topic, Partition: p.Partition, ConsumedTo: own.next, ResetTo: first})
		}
		s.add(p)
	})
	return nil
}

func (s *sharing) add(p kgo.FetchTopicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.shares[p.Topic][p.Partition]
	if own == nil {
		return
	}
	var size int64
	for _, record := range p.Records {
		size += recordBytes(record)
		s.largest = max(s.largest, recordBytes(record))
	}
	last := p.Records[len(p.Records)-1].Offset
	own.waiting = append(own.waiting, p.Records...)
	own.polls = append(own.polls, poll{last: last, at: time.Now()})
	own.bytes += size
	own.next = last + 1
	s.hold(size)
	s.c.metrics.lag(s.conf.Group, p.Topic, p.Partition, p.HighWatermark-last-1)
	s.wake()
}

// restart begins a partition anew at the offset where its log was cut, without what was read and planned of it. What it
// has read below and not committed is still in the log: then the plans and positions of all are read anew.
func (s *sharing) restart(topic string, partition int32, offset int64) {
	s.mu.Lock()
	own := s.shares[topic][partition]
	s.mu.Unlock()
	if own == nil {
		return
	}
	s.drop(topic, partition) // the position stands still only when its worker is out
	if own.position < offset {
		s.end(fmt.Errorf("%w: the log of %s/%d was cut at %d, and %d is not committed", errRejoin, topic, partition, offset, own.position))
		return
	}
	s.adopt(&share{topic: topic, partition: partition, member: own.member, position: offset, next: offset, epoch: -1, plan: Plan{To: -1}})
}

// crowded is whether shares hold memory that others need to go on: those that rest may have half of it while others do
// not; and when nothing is ready and nothing more fits, all there is are planned ranges that are not complete, of which
// one has to go on alone.
func (s *sharing) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.victims()) > 0
}

// victims are those to give memory back. s.mu is held.
func (s *sharing) victims() (victims []*share) {
	var (
		resting, partial []*share
		rests            int64
		others, ready    bool
	)
	for own := range s.all() {
		_, ever := own.readyAt(s.conf)
		switch {
		case own.busy:
			ready = true
		case own.rests:
			if size := own.bytes + own.handBytes; size > 0 && own.step != settle && own.position >= 0 {
				resting, rests = append(resting, own), rests+size
			}
			continue
		case ever || own.mayClose():
			ready = true
		case own.plan.Open() && own != s.alone:
			partial = append(partial, own)
		}
		others = true
	}
	if others && rests > int64(s.conf.BufferBytes)/2 {
		return resting
	}
	if !ready && s.alone == nil && len(partial) > 0 {
		return partial
	}
	return nil
}

// shed lets go of what victims hold; it is fetched again.
func (s *sharing) shed() {
	s.mu.Lock()
	victims := s.victims()
	var best *share
	for _, own := range victims {
		if !own.rests && (best == nil || own.bytes > best.bytes) {
			best = own
		}
	}
	s.alone = best
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for _, own := range victims {
		if own == best {
			continue
		}
		s.hold(-own.give())
		if offsets[own.topic] == nil {
			offsets[own.topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[own.topic][own.partition] = kgo.EpochOffset{Epoch: -1, Offset: own.next}
	}
	s.wake()
	s.mu.Unlock()
	s.client.SetOffsets(offsets)
	now := s.client.UncommittedOffsets()
	for topic, partitions := range offsets {
		for partition, offset := range partitions {
			if now[topic][partition].Offset != offset.Offset {
				s.end(fmt.Errorf("%w: cannot fetch %s/%d again", errRejoin, topic, partition))
			}
		}
	}
	s.c.log.Debug("partitions gave memory back", zap.String("group", s.conf.Group), zap.Int("partitions", len(victims)))
}
