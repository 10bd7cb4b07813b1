package dedup

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"
)

// peek is how many offsets are looked at for the time at a position.
const peek = 64

// Assign brings the index of the partition to the position: everything below it is known then, as far as the
// records from it on can ask. What it is behind is read back; one that is ahead has seen what the group has not
// committed, and is thrown away. It may be called again, after an error or at another position.
func (x *Index) Assign(ctx context.Context, topic string, number int32, position int64) error {
	if err := x.enter(); err != nil {
		return fmt.Errorf("assign dedup index of %s/%d: %w", topic, number, err)
	}
	defer x.leave()
	x.mu.Lock()
	p := x.partitions[name{topic, number}]
	if p == nil {
		p = &partition{name: name{topic, number}, duplicates: x.metrics.duplicates.WithLabelValues(topic)}
		x.partitions[p.name] = p
	}
	x.mu.Unlock()
	p.position, p.repeats = position, 0
	if err := x.bring(ctx, p, position); err != nil {
		return fmt.Errorf("assign dedup index of %s/%d at offset %d: %w", topic, number, position, err)
	}
	return nil
}

// bring reads back what lies between the index and the position.
func (x *Index) bring(ctx context.Context, p *partition, position int64) error {
	known := p.generation == x.generation
	if !known {
		var err error
		if known, err = x.load(p); err != nil {
			return err
		}
		if !known {
			x.mu.Lock()
			p.state = state{short: x.names}
			x.names++
			x.mu.Unlock()
		}
	}
	if known && p.applied == position {
		return nil
	}
	if known && p.applied > position {
		x.logger.Warn("dedup index is ahead of the group and is read back from the log", zap.String("topic", p.topic),
			zap.Int32("partition", p.partition), zap.Int64("applied", p.applied), zap.Int64("position", position))
		x.metrics.resets.WithLabelValues("ahead").Inc()
		known = false
	}
	begin, cut, err := x.cold(ctx, p, position)
	if err != nil {
		return err
	}
	if known && p.applied >= begin.applied {
		cut = false
	} else if err := x.restart(p, begin); err != nil {
		return err
	}
	if cut {
		x.cut(p, begin.applied, position)
	}
	return x.catchUp(ctx, p, position)
}

// cold is where an index that knows nothing begins for the position: no record below its offset can matter to one at
// the position, or is there to be read. Cut says that some which could have mattered are gone.
func (x *Index) cold(ctx context.Context, p *partition, position int64) (begin state, cut bool, err error) {
	end, err := x.log.OffsetAt(ctx, p.topic, p.partition, time.UnixMilli(math.MaxInt64))
	if err != nil {
		return state{}, false, fmt.Errorf("ask for the end of the log: %w", err)
	}
	at, witness, err := x.timeAt(ctx, p, position, end)
	if err != nil {
		return state{}, false, err
	}
	floor := within(at) - x.window - slack.Milliseconds()
	from, start, err := x.firstSince(ctx, p, floor, witness)
	if err != nil {
		return state{}, false, err
	}
	begin = state{short: p.short, applied: min(from, position), floor: floor}
	if from <= start {
		begin.floor = beginning
	}
	return begin, from == start && start > 0 && start < end, nil
}

// timeAt is the least time of the records at the position, now when there are none yet. Witness is the offset of one that
// has no lesser time, past all offsets when there is none.
func (x *Index) timeAt(ctx context.Context, p *partition, position, end int64) (at, witness int64, err error) {
	at, witness = x.now().UnixMilli(), math.MaxInt64
	if position >= end {
		return at, witness, nil
	}
	err = x.log.ReadBack(ctx, p.topic, p.partition, position, min(position+peek, end), func(entries []Entry) error {
		for i := range entries {
			at, witness = min(at, entries[i].At), entries[i].Offset
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read the time at the position: %w", err)
	}
	return at, witness, nil
}

// firstSince is the first offset that can be read and below which every record is older than the floor. One that is not
// older is known to stand below or at the witness.
func (x *Index) firstSince(ctx context.Context, p *partition, floor, witness int64) (from, start int64, err error) {
	if start, err = x.log.Start(ctx, p.topic, p.partition); err != nil {
		return 0, 0, fmt.Errorf("ask for the start of the log: %w", err)
	}
	// Times before 1970 mean something else to Kafka.
	if floor < 0 {
		return start, start, nil
	}
	if from, err = x.log.OffsetAt(ctx, p.topic, p.partition, time.UnixMilli(floor)); err != nil {
		return 0, 0, fmt.Errorf("ask for the offset of a time: %w", err)
	}
	if from > witness {
		// A broker looks into one segment only: when the records that it would find there were deleted from below, it
		// says that there are none at all.
		from = start
	}
	return max(from, start), start, nil
}

func (x *Index) cut(p *partition, start, position int64) {
	x.metrics.truncated.Inc()
	x.logger.Warn("the log begins later than the window of duplicates: copies in what was cut cannot be told; keep the topic longer than the lag and the window together",
		zap.String("topic", p.topic), zap.Int32("partition", p.partition), zap.Int64("start", start), zap.Int64("position", position))
}

// catchUp reads the records from applied to the position. A crash or an error leaves what was read so far.
func (x *Index) catchUp(ctx context.Context, p *partition, position int64) error {
	if p.applied == position {
		return nil
	}
	err := x.log.ReadBack(ctx, p.topic, p.partition, p.applied, position, func(entries []Entry) error {
		if len(entries) == 0 {
			return nil
		}
		x.metrics.readBack.Add(float64(len(entries)))
		next := p.state
		next.applied = entries[len(entries)-1].Offset + 1
		return x.write(p, entries, next, true)
	})
	if err != nil {
		return fmt.Errorf("read back from offset %d: %w", p.applied, err)
	}
	next := p.state
	next.applied = position
	return x.write(p, nil, next, false)
}

// extend lowers the floor to what the entries ask for: it reads back the records that were never read, or have gone.
func (x *Index) extend(ctx context.Context, p *partition, lowest int64, entries []Entry) error {
	floor := lowest - slack.Milliseconds()
	from, start, err := x.firstSince(ctx, p, floor, entries[len(entries)-1].Offset)
	if err != nil {
		return err
	}
	if from <= start {
		floor = beginning
		if start > 0 {
			x.cut(p, start, p.applied)
		}
	}
	x.metrics.extends.Inc()
	if from < p.applied {
		x.logger.Info("a record is older than what the dedup index keeps: more of the log is read back", zap.String("topic", p.topic),
			zap.Int32("partition", p.partition), zap.Int64("from", from), zap.Int64("applied", p.applied))
		err := x.log.ReadBack(ctx, p.topic, p.partition, from, p.applied, func(entries []Entry) error {
			// The others are known. Until the floor is lowered in the end, what is added is more than was promised.
			p.late = p.late[:0]
			for i := range entries {
				if within(entries[i].At) < p.floor {
					p.late = append(p.late, entries[i])
				}
			}
			x.metrics.readBack.Add(float64(len(entries)))
			return x.write(p, p.late, p.state, false)
		})
		if err != nil {
			return fmt.Errorf("read back from offset %d: %w", from, err)
		}
		p.hold = p.applied + (p.applied - from)
	}
	next := p.state
	next.floor = floor
	return x.write(p, nil, next, false)
}
