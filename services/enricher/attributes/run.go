package attributes

import (
	"context"
	"errors"
	"fmt"
	"time"

	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/stream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// watchEvery is how often the lag is looked at.
	watchEvery = 10 * time.Second
	// usualPatience is how long no record may come until Wait looks whether compaction removed what it waits for.
	usualPatience = 5 * time.Second
	// stall is after how many times its patience Wait goes on although the broker does not say whether there are records: one that lost the end of a
	// log must not stop everything for ever.
	stall = 12
)

// Run follows the topics until ctx ends, and writes again what is owed.
func (s *Store) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for topic, name := range topicNames {
		group.Go(func() error {
			return s.o.Kafka.FollowFromAll(ctx, name, s.positionsOf(byte(topic)), func(ctx context.Context, records []*stream.Record) error {
				return s.apply(ctx, byte(topic), records)
			})
		})
	}
	group.Go(func() error { return s.settle(ctx) })
	group.Go(func() error { return s.watch(ctx) })
	err := group.Wait()
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil //nolint:nilerr // It was told to stop, which is no fault.
	}
	return fmt.Errorf("follow what is known of people: %w", err)
}

func (s *Store) positionsOf(topic byte) map[int32]int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := map[int32]int64{}
	for at, offset := range s.positions {
		if at.topic == topic {
			from[at.partition] = offset
		}
	}
	return from
}

// Wait returns nil once what stood in the topics at the call is applied; tell, which may be nil, is told now and then how many records are missing.
func (s *Store) Wait(ctx context.Context, tell func(missing int64)) error {
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	looked := began
	for {
		s.mu.RLock()
		missing, moved, heard := s.missing(ends), s.moved, s.heard
		s.mu.RUnlock()
		if missing == 0 {
			return nil
		}
		if tell != nil {
			tell(missing)
		}
		if heard.After(began) {
			began, looked = heard, heard
		}
		quiet := time.NewTimer(s.o.patience - time.Since(looked))
		select {
		case <-moved:
			quiet.Stop()
		case <-quiet.C:
			there, err := s.there(ctx, ends)
			looked = time.Now()
			if there || (err != nil && looked.Sub(began) < stall*s.o.patience) {
				continue // The broker is slow; or it does not say.
			}
			s.o.Log.Warn("no more records come, the last ones of the topics are taken for compacted", zap.Int64("missing", missing), zap.Error(err))
			return nil
		case <-ctx.Done():
			quiet.Stop()
			return fmt.Errorf("wait for what is known of people, %d records are missing: %w", missing, context.Cause(ctx))
		}
	}
}

var errThere = errors.New("there is a record")

// there looks whether the topics have a record between what was applied and the ends. An error says that this is not known.
func (s *Store) there(ctx context.Context, ends map[topicPartition]int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.patience)
	defer cancel()
	for at, end := range ends {
		from := s.positionsOf(at.topic)[at.partition]
		err := s.o.Kafka.ReadBack(ctx, topicNames[at.topic], at.partition, from, end, func(context.Context, []*stream.Record) error { return errThere })
		if errors.Is(err, errThere) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// ends are where the topics end now.
func (s *Store) ends(ctx context.Context) (map[topicPartition]int64, error) {
	all := map[topicPartition]int64{}
	for topic, name := range topicNames {
		ends, err := s.o.Kafka.EndOffsets(ctx, name)
		if err != nil {
			return nil, err
		}
		for partition, end := range ends {
			all[topicPartition{byte(topic), partition}] = end
		}
	}
	return all, nil
}

// missing is how many offsets the store is before the ends. The caller holds the lock.
func (s *Store) missing(ends map[topicPartition]int64) (missing int64) {
	for at, end := range ends {
		missing += max(end-s.positions[at], 0)
	}
	return missing
}

// settle writes again what is owed, from when on the store knows all that the topics had: before that, what lacks something may be followed by what has it.
func (s *Store) settle(ctx context.Context) error {
	if err := s.Wait(ctx, nil); err != nil {
		return err
	}
	for {
		s.mu.RLock()
		moved := s.moved
		s.mu.RUnlock()
		if err := s.payOff(ctx); err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil
		}
	}
}

// payOff writes what is owed and was not written yet. It stays owed until it is read back: a crash repeats it.
func (s *Store) payOff(ctx context.Context) error {
	records, err := s.owing()
	if err != nil || len(records) == 0 {
		return err
	}
	if err := s.o.Kafka.Produce(ctx, records...); err != nil {
		return fmt.Errorf("write again what is known: %w", err)
	}
	s.metrics.rewritten.Add(float64(len(records)))
	return nil
}

// owing makes the records that are owed.
func (s *Store) owing() ([]*stream.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []*stream.Record
	for key, written := range s.owed {
		if written {
			continue
		}
		set, err := s.set(s.db, []byte(key))
		if err != nil {
			return nil, err
		}
		record := facts.Tombstone(recordKey(s.name, []byte(key)))
		if set != nil {
			record = s.codec.Record(set)
		}
		records = append(records, record)
		s.owed[key] = true
	}
	return records, nil
}

// watch measures, and keeps a store awake that has nothing else to do.
func (s *Store) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		ends, err := s.ends(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Warn("the ends of the topics are not known", zap.Error(err))
			}
			continue
		}
		if err := s.measure(ends); err != nil {
			return err
		}
	}
}

var errMorePartitions = errors.New("has more partitions than when this instance began; it is read anew with them")

func (s *Store) measure(ends map[topicPartition]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.now()
	w := &writer{s: s, batch: s.db.NewIndexedBatch()}
	lag := [len(topicNames)]int64{}
	for at, end := range ends {
		have, known := s.positions[at]
		if !known {
			return errors.Join(fmt.Errorf("topic %s %w", topicNames[at.topic], errMorePartitions), w.batch.Close())
		}
		lag[at.topic] += max(end-have, 0)
		if have >= end { // It is up to date, however long ago the last record was.
			w.put(positionKey(at.topic, at.partition), appendPosition(have, now.UnixMilli()))
		}
	}
	for topic, name := range topicNames {
		behind := 0.0
		if last := s.lastRecord[topic].Load(); lag[topic] > 0 && last > 0 {
			behind = max(now.Sub(time.UnixMilli(last)).Seconds(), 0)
		}
		s.metrics.lag.WithLabelValues(name).Set(float64(lag[topic]))
		s.metrics.behind.WithLabelValues(name).Set(behind)
	}
	if now.Sub(s.flushed) >= flushAfter {
		s.flushed = now
		if _, err := s.db.AsyncFlush(); err != nil {
			w.fail(err)
		}
	}
	return errors.Join(w.commit(), w.batch.Close())
}
