package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Apply takes in the entries of a range, duplicates included: everything below next is known now. After an error the
// partition is to be assigned again.
func (x *Index) Apply(topic string, number int32, entries []Entry, next int64) error {
	if err := x.apply(name{topic, number}, entries, next); err != nil {
		return fmt.Errorf("tell dedup index of %s/%d what is below offset %d: %w", topic, number, next, err)
	}
	return nil
}

func (x *Index) apply(to name, entries []Entry, next int64) error {
	if err := x.enter(); err != nil {
		return err
	}
	defer x.leave()
	p, err := x.of(to)
	switch {
	case err != nil:
		return err
	case p.generation != x.generation || p.applied != p.position:
		return errors.New("the index was opened again, or is behind: assign the partition first")
	case next < p.applied || len(entries) > 0 && (entries[0].Offset < p.applied || entries[len(entries)-1].Offset >= next):
		return fmt.Errorf("the index is at %d, and the entries do not lie between", p.applied)
	}
	after := p.state
	after.applied = next
	if err := x.write(p, entries, after, true); err != nil {
		return err
	}
	p.position = next
	p.duplicates.Add(float64(p.repeats))
	p.repeats = 0
	return x.age()
}

// write takes in entries and the state after them, both or neither. When it may, it lets go what is too old to be asked for.
func (x *Index) write(p *partition, entries []Entry, after state, expire bool) error {
	b := x.db.NewBatchWithSize(64 + len(entries)*(idKeyLength+timeLength+8))
	err := x.fill(b, p, entries, &after, expire)
	if err != nil {
		err = errors.Join(err, b.Close())
	} else {
		err = x.commit(b)
	}
	if err != nil {
		// The filters may be ahead of the disk.
		x.forget(p)
		return err
	}
	p.state = after
	x.metrics.entries.Add(float64(len(entries)))
	return nil
}

func (x *Index) fill(b *pebble.Batch, p *partition, entries []Entry, after *state, expire bool) error {
	if expire && len(entries) > 0 {
		if err := x.expire(b, p, after, lowestOf(entries)); err != nil {
			return err
		}
	}
	x.hash(p, entries)
	var h *hours
	grown := int64(0)
	for i := range entries {
		at := within(entries[i].At)
		if number := bucketOf(at); h == nil || h.number != number {
			h = x.hoursOf(p, number)
		}
		var op *pebble.DeferredBatchOp
		if h.has(p.hashes[i]) {
			// Perhaps it is there: the later of the two times stays.
			op = b.MergeDeferred(idKeyLength, timeLength)
		} else {
			op = b.SetDeferred(idKeyLength, timeLength)
			grown += h.add(p.hashes[i])
		}
		putIDKey(op.Key, p.short, h.number, &entries[i].ID)
		binary.BigEndian.PutUint32(op.Value, uint32(at-startOf(h.number)))
		if err := op.Finish(); err != nil {
			return fmt.Errorf("take in an id: %w", err)
		}
	}
	x.metrics.filterBytes.Add(float64(grown))
	if err := b.Set(stateKey(p.topic, p.partition), after.append(nil), nil); err != nil {
		return fmt.Errorf("take in the state: %w", err)
	}
	return nil
}

// expire lets go the buckets that nothing asks for any longer, as far as one can tell from what comes in now, and raises
// the floor to say so. The least time of a range decides, not the latest time there ever was: one clock that is ahead
// would throw away what all the others still ask for. Who is later than that has it read back, and it is then kept for as
// many records as were read.
func (x *Index) expire(b *pebble.Batch, p *partition, after *state, lowest int64) error {
	first := bucketOf(lowest - x.window - slack.Milliseconds())
	if len(p.hours) == 0 || p.hours[0].number >= first || after.applied <= p.hold {
		return nil
	}
	count, _ := p.find(first)
	for _, h := range p.hours[:count] {
		x.metrics.filterBytes.Sub(float64(h.bytes()))
	}
	from, _ := keysOf(p.short)
	if err := b.DeleteRange(from, bucketKey(p.short, first), nil); err != nil {
		return fmt.Errorf("let old ids go: %w", err)
	}
	p.hours = append(p.hours[:0:0], p.hours[count:]...)
	after.floor = max(after.floor, startOf(first))
	return nil
}
