package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// The first byte of a key says what it holds. Numbers behind it are big-endian, so that keys are in their
// order.
const (
	keyState  = 0x00 // one row: position, time, sums; with a 1 behind, another: where the outbox begins
	keyOutbox = 0x01 // offset, place within the offset -> message
	keyRecord = 0x02 // key of the evidence -> value of the evidence
	keyEnd    = 0x03
)

// outboxFromKey has the offset from which on the outbox has all messages.
var outboxFromKey = []byte{keyState, 1}

const (
	stateLayout = 1
	stateSize   = 1 + 8 + 8 + 32
)

// state is the row that is written with every batch.
type state struct {
	// position is an offset plus one: all before it is in the store.
	position int64
	written  time.Time
	sums     evidence.Sums
}

func (s state) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, stateLayout), uint64(s.position))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.written.UnixMilli()))
	return s.sums.Append(dst)
}

func parseState(value []byte) (state, error) {
	if len(value) == 0 || value[0] != stateLayout {
		return state{}, errors.New("its state has a layout that is not known here")
	}
	if len(value) != stateSize {
		return state{}, fmt.Errorf("its state is of %d bytes: want %d", len(value), stateSize)
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64(value[1+8*i:]) }
	s := state{
		position: int64(number(0)), written: time.UnixMilli(int64(number(1))).UTC(),
		sums: evidence.Sums{Map: number(2), Evidence: number(3), Nodes: number(4), Pairs: number(5)},
	}
	if s.position < 0 || number(1) > evidence.MaxTime {
		return state{}, fmt.Errorf("its state is of position %d at %d ms: neither can be", s.position, int64(number(1)))
	}
	return s, nil
}

func appendOutboxKey(dst []byte, offset int64, place uint32) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, keyOutbox), uint64(offset))
	return binary.BigEndian.AppendUint32(dst, place)
}

const outboxKeySize = 1 + 8 + 4

// Message is to be produced for a record of the log.
type Message struct {
	Topic string
	// Partition is -1 where the key decides.
	Partition int32
	// Value is nil for a tombstone.
	Key, Value []byte
}

// Queued is a message with the offset of the evidence that it follows from.
type Queued struct {
	Offset int64
	Message
}

const flagTombstone = 1 << 0

func appendMessage(dst []byte, m *Message) []byte {
	var flags byte
	if m.Value == nil {
		flags |= flagTombstone
	}
	dst = binary.BigEndian.AppendUint32(append(dst, flags), uint32(m.Partition))
	dst = append(binary.AppendUvarint(dst, uint64(len(m.Topic))), m.Topic...)
	dst = append(binary.AppendUvarint(dst, uint64(len(m.Key))), m.Key...)
	return append(dst, m.Value...)
}

// parseQueued copies what it answers.
func parseQueued(key, value []byte) (Queued, error) {
	if len(key) != outboxKeySize || len(value) < 5 {
		return Queued{}, fmt.Errorf("a message under a key of %d bytes is of %d bytes", len(key), len(value))
	}
	q := Queued{Offset: int64(binary.BigEndian.Uint64(key[1:]))}
	q.Partition = int32(binary.BigEndian.Uint32(value[1:]))
	topic, rest, ok := cutText(value[5:])
	if !ok {
		return Queued{}, errors.New("a message ends in its topic")
	}
	body, rest, ok := cutText(rest)
	if !ok {
		return Queued{}, errors.New("a message ends in its key")
	}
	q.Topic, q.Key = string(topic), append([]byte{}, body...)
	if value[0]&flagTombstone == 0 {
		q.Value = append([]byte{}, rest...)
	}
	return q, nil
}

func cutText(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}
