package dedup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Duplicates says of each entry whether it repeats an earlier one, in the log below or among the entries themselves.
// Their offsets ascend, and all are at or after what was applied. Into is used for the answer; nothing changes but
// that more of the log may be read back.
func (x *Index) Duplicates(ctx context.Context, topic string, number int32, entries []Entry, into []bool) ([]bool, error) {
	into = slices.Grow(into[:0], len(entries))[:len(entries)]
	clear(into)
	if err := x.duplicates(ctx, name{topic, number}, entries, into); err != nil {
		return nil, fmt.Errorf("ask dedup index of %s/%d: %w", topic, number, err)
	}
	return into, nil
}

func (x *Index) duplicates(ctx context.Context, of name, entries []Entry, into []bool) error {
	if err := x.enter(); err != nil {
		return err
	}
	defer x.leave()
	p, err := x.of(of)
	if err != nil {
		return err
	}
	if p.generation != x.generation || p.applied != p.position {
		// The database was replaced, or reading back was broken off.
		if err := x.bring(ctx, p, p.position); err != nil {
			return err
		}
	}
	p.repeats = 0
	if len(entries) == 0 {
		return nil
	}
	if entries[0].Offset < p.applied {
		return fmt.Errorf("offset %d is in the index, which is at %d: a record would repeat itself", entries[0].Offset, p.applied)
	}
	lowest := lowestOf(entries) - x.window
	if lowest < p.floor {
		if err := x.extend(ctx, p, lowest, entries); err != nil {
			return err
		}
	}
	x.hash(p, entries)
	x.repeated(p, entries, into)
	if err := x.known(p, entries, into, bucketOf(lowest)); err != nil {
		return err
	}
	for _, repeats := range into {
		if repeats {
			p.repeats++
		}
	}
	return nil
}

func lowestOf(entries []Entry) int64 {
	lowest := latest
	for i := range entries {
		lowest = min(lowest, within(entries[i].At))
	}
	return lowest
}

// repeated marks entries that repeat one before them among the entries.
func (x *Index) repeated(p *partition, entries []Entry, into []bool) {
	size := 16
	for size < 2*len(entries) {
		size *= 2
	}
	p.slots = slices.Grow(p.slots[:0], size)[:size]
	clear(p.slots)
	mask := uint64(size - 1)
	for i := range entries {
		e := &entries[i]
		at := p.hashes[i] & mask
		for p.slots[at] != 0 && entries[p.slots[at]-1].ID != e.ID {
			at = (at + 1) & mask
		}
		// A slot has the copy with the latest time, by its number from 1.
		if p.slots[at] == 0 {
			p.slots[at] = int32(i + 1)
			continue
		}
		last := within(entries[p.slots[at]-1].At)
		into[i] = last >= within(e.At)-x.window
		if within(e.At) > last {
			p.slots[at] = int32(i + 1)
		}
	}
}

// known marks entries that repeat one that was applied. Bucket by bucket, so that the reads of a filter do not wait for
// each other; the latest first, where a repetition mostly is.
func (x *Index) known(p *partition, entries []Entry, into []bool, oldest int32) error {
	falseHits := 0
	for at := len(p.hours) - 1; at >= 0 && p.hours[at].number >= oldest; at-- {
		h := p.hours[at]
		for i := range entries {
			if !h.has(p.hashes[i]) || into[i] {
				continue
			}
			since := within(entries[i].At) - x.window
			if h.number < bucketOf(since) {
				continue
			}
			last, found, err := x.last(p, h.number, &entries[i])
			if err != nil {
				return err
			}
			if !found {
				falseHits++
			}
			into[i] = found && last >= since
		}
	}
	x.metrics.falseHits.Add(float64(falseHits))
	return nil
}

// last is the latest time of the entry's id within the bucket.
func (x *Index) last(p *partition, number int32, e *Entry) (at int64, found bool, err error) {
	putIDKey(p.key[:], p.short, number, &e.ID)
	value, closer, err := x.db.Get(p.key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, x.failed("read an id", err)
	}
	at, err = timeOf(number, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return 0, false, x.failed("read an id", err)
	}
	return at, true, nil
}
