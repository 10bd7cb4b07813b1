package dedup

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// partition is what is in memory of one. It is for one goroutine at a time.
type partition struct {
	name
	state
	// position is where the caller is. While applied is not there, something went wrong before, and nothing is answered
	// until what is missing was read back.
	position int64
	// generation of the database that the state and the filters speak of; 0 for none.
	generation uint64
	// hold is the offset up to which the floor is not raised again: what was read back to lower it is to serve.
	hold int64
	// hours are in the order of time.
	hours []*hours
	// repeats were found in the range that is under way.
	repeats    int
	duplicates prometheus.Counter

	// What is below is reused from call to call.
	hashes []uint64
	slots  []int32
	late   []Entry
	key    [idKeyLength]byte
}

// forget drops the filters.
func (x *Index) forget(p *partition) {
	for _, h := range p.hours {
		x.metrics.filterBytes.Sub(float64(h.bytes()))
	}
	p.hours, p.generation = nil, 0
}

// find answers where the bucket is among the partition's, or would be.
func (p *partition) find(number int32) (int, bool) {
	return slices.BinarySearchFunc(p.hours, number, func(h *hours, n int32) int {
		switch {
		case h.number < n:
			return -1
		case h.number > n:
			return 1
		}
		return 0
	})
}

// hoursOf answers the bucket, and makes it if need be.
func (x *Index) hoursOf(p *partition, number int32) *hours {
	at, found := p.find(number)
	if found {
		return p.hours[at]
	}
	before := 0
	if at > 0 && p.hours[at-1].number == number-1 {
		before = p.hours[at-1].ids()
	}
	h := newHours(number, before)
	p.hours = slices.Insert(p.hours, at, h)
	x.metrics.filterBytes.Add(float64(h.bytes()))
	return h
}

// hash keeps the hashes of the ids. They are seeded: nobody can make ids that meet in one line of a filter.
func (x *Index) hash(p *partition, entries []Entry) {
	p.hashes = p.hashes[:0]
	for i := range entries {
		p.hashes = append(p.hashes, maphash.Bytes(x.seed, entries[i].ID[:]))
	}
}

// load reads the state of the partition, and makes its filters from what the disk has.
func (x *Index) load(p *partition) (found bool, err error) {
	x.forget(p)
	value, closer, err := x.db.Get(stateKey(p.topic, p.partition))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return false, nil
	case err != nil:
		return false, x.failed("read the state of a partition", err)
	}
	p.state, err = parseState(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return false, x.failed("read the state of a partition", err)
	}
	from, to := keysOf(p.short)
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return false, x.failed("read ids", err)
	}
	if err := errors.Join(x.scan(p, it), it.Close()); err != nil {
		return false, x.failed("read ids", err)
	}
	p.generation = x.generation
	return true, nil
}

func (x *Index) scan(p *partition, it *pebble.Iterator) error {
	// The ids of six hours are gathered, so that they get one filter of their size.
	var hashes []uint64
	last := int32(0)
	build := func() {
		if len(hashes) == 0 {
			return
		}
		h := newHours(last, len(hashes))
		for _, hash := range hashes {
			h.add(hash)
		}
		p.hours = append(p.hours, h)
		x.metrics.filterBytes.Add(float64(h.bytes()))
		hashes = hashes[:0]
	}
	for ok := it.First(); ok; ok = it.Next() {
		number, id, err := parseIDKey(it.Key())
		if err != nil {
			return err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if _, err := timeOf(number, value); err != nil {
			return err
		}
		if number != last {
			build()
			last = number
		}
		hashes = append(hashes, maphash.Bytes(x.seed, id[:]))
	}
	build()
	return it.Error()
}

// restart takes everything of the partition away, on the disk as well, and begins at the state.
func (x *Index) restart(p *partition, at state) error {
	x.forget(p)
	from, to := keysOf(at.short)
	b := x.db.NewBatch()
	err := errors.Join(b.DeleteRange(from, to, nil), b.Set(stateKey(p.topic, p.partition), at.append(nil), nil))
	if err != nil {
		return errors.Join(fmt.Errorf("begin a partition: %w", err), b.Close())
	}
	if err := x.commit(b); err != nil {
		return fmt.Errorf("begin a partition: %w", err)
	}
	p.state, p.hold, p.generation = at, 0, x.generation
	return nil
}

// commit takes in and closes a batch. It does not wait for the disk: what a crash takes, the log has.
func (x *Index) commit(b *pebble.Batch) error {
	err := x.db.Apply(b, pebble.NoSync)
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	return x.said.failure()
}
