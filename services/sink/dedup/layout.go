package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
)

// What is in the database:
//
//	keyFormat                                   -> format
//	keyState | partition number | topic         -> state
//	keyID | short name | six hours | id         -> the latest time in them
//
// Numbers are big-endian, so that a partition's six hours lie in their order.
const (
	keyFormat byte = iota
	keyState
	keyID
)

// format is of all that is written; another one is thrown away and read back from the log.
const format = "parcours dedup 1"

const (
	// bucket is the unit of expiry. Shorter ones waste less disk, longer ones need fewer filters asked.
	bucket       = 6 * time.Hour
	bucketMillis = int64(bucket / time.Millisecond)
	idKeyLength  = 1 + 4 + 4 + 16
	idPrefix     = 1 + 4 + 4
	timeLength   = 4
	stateLength  = 4 + 8 + 8
	// beginning is the floor of a partition that was read from the start of its log: there is no more to know.
	beginning = math.MinInt64
	// latest bounds the times that are told apart; it is some million years away.
	latest = int64(math.MaxInt32) * bucketMillis
)

// state is what is promised of a partition.
type state struct {
	// short names the partition in the keys of its ids.
	short uint32
	// applied is the offset below which every record was seen.
	applied int64
	// floor is the time, in milliseconds, from which on every record that was seen is in the index.
	floor int64
}

func (s state) append(to []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, s.short)
	to = binary.BigEndian.AppendUint64(to, uint64(s.applied))
	return binary.BigEndian.AppendUint64(to, uint64(s.floor))
}

func parseState(body []byte) (state, error) {
	if len(body) != stateLength {
		return state{}, fmt.Errorf("the state of a partition has %d bytes, not %d", len(body), stateLength)
	}
	return state{
		short:   binary.BigEndian.Uint32(body),
		applied: int64(binary.BigEndian.Uint64(body[4:])),
		floor:   int64(binary.BigEndian.Uint64(body[12:])),
	}, nil
}

func stateKey(topic string, partition int32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{keyState}, uint32(partition)), topic...)
}

// within keeps a time to what can be told apart, for the log's and the asked alike.
func within(at int64) int64 { return min(max(at, -latest), latest) }

// bucketOf counts the six hours from 1970 on; earlier ones are negative.
func bucketOf(at int64) int32 {
	b := at / bucketMillis
	if at%bucketMillis < 0 {
		b--
	}
	// A threshold may lie a window before the earliest time.
	return int32(max(b, math.MinInt32))
}

func startOf(number int32) int64 { return int64(number) * bucketMillis }

// ordered maps a bucket to a number whose bytes lie in the order of time.
func ordered(number int32) uint32 { return uint32(number) ^ 1<<31 }

func putIDKey(key []byte, short uint32, number int32, id *uuid.UUID) {
	key[0] = keyID
	binary.BigEndian.PutUint32(key[1:], short)
	binary.BigEndian.PutUint32(key[5:], ordered(number))
	copy(key[idPrefix:], id[:])
}

// bucketKey is the first that the ids of these six hours may have.
func bucketKey(short uint32, number int32) []byte {
	key := binary.BigEndian.AppendUint32([]byte{keyID}, short)
	return binary.BigEndian.AppendUint32(key, ordered(number))
}

// keysOf bounds the ids of a partition.
func keysOf(short uint32) (from, to []byte) {
	return binary.BigEndian.AppendUint32([]byte{keyID}, short), binary.BigEndian.AppendUint32([]byte{keyID}, short+1)
}

func parseIDKey(key []byte) (number int32, id uuid.UUID, err error) {
	if len(key) != idKeyLength {
		return 0, id, fmt.Errorf("the key of an id has %d bytes, not %d", len(key), idKeyLength)
	}
	copy(id[:], key[idPrefix:])
	return int32(binary.BigEndian.Uint32(key[5:]) ^ 1<<31), id, nil
}

// timeOf reads the latest time of an id within the bucket.
func timeOf(number int32, value []byte) (int64, error) {
	if len(value) != timeLength {
		return 0, fmt.Errorf("the time of an id has %d bytes, not %d", len(value), timeLength)
	}
	return startOf(number) + int64(binary.BigEndian.Uint32(value)), nil
}

// latestTime has the database keep the larger of two times of one key. Nothing is read before it is written, and
// the order in which copies of an id come in does not matter.
var latestTime = &pebble.Merger{
	Name: "parcours.dedup.latest",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		m := &timeMerger{}
		return m, m.take(value)
	},
}

var errMerge = errors.New("a time of an id cannot be read")

type timeMerger struct{ time uint32 }

func (m *timeMerger) take(value []byte) error {
	if len(value) != timeLength {
		return fmt.Errorf("%w: it has %d bytes, not %d", errMerge, len(value), timeLength)
	}
	m.time = max(m.time, binary.BigEndian.Uint32(value))
	return nil
}

func (m *timeMerger) MergeNewer(value []byte) error { return m.take(value) }
func (m *timeMerger) MergeOlder(value []byte) error { return m.take(value) }

func (m *timeMerger) Finish(bool) ([]byte, io.Closer, error) {
	return binary.BigEndian.AppendUint32(nil, m.time), nil, nil
}
