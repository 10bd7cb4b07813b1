package attributes

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

// The first byte of a key says what it holds.
const (
	keyMarker   = 0x00 // one row: whose database it is
	keyPosition = 0x01 // topic, partition -> offset after the last applied record, time
	keySet      = 0x02 // key of the record without the workspace -> body of the set
	keyRow      = 0x03 // node -> row of the identity map
	keyMember   = 0x04 // customer, node -> nothing; nodes that a set is of
	keyErased   = 0x05 // node -> nothing
	keyOwed     = 0x06 // key of the record without the workspace -> nothing; it has to be written again
	keyEnd      = 0x07
)

// format is of all that this package writes.
const format = 1

// marker tells whose database it is.
type marker struct {
	Format    int    `json:"format"`
	Workspace string `json:"workspace"`
	// Schema is a checksum of that of the sets.
	Schema string `json:"schema"`
	// Topics are the ids of those it was read from.
	Topics map[string]string `json:"topics"`
}

func newMarker(workspace string, topics map[string]string) marker {
	sum := sha256.Sum256([]byte(schemas.AttributeSetSchema()))
	return marker{Format: format, Workspace: workspace, Schema: hex.EncodeToString(sum[:8]), Topics: topics}
}

func (m marker) append() ([]byte, error) { return json.Marshal(m) }

// The topics, as keys have them.
const (
	topicAttributes = 0
	topicMap        = 1
)

func positionKey(topic byte, partition int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{keyPosition, topic}, uint32(partition))
}

func appendPosition(offset, written int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(offset)), uint64(written))
}

func parsePosition(value []byte) (offset, written int64, err error) {
	if len(value) != 16 {
		return 0, 0, fmt.Errorf("a position is of %d bytes: want 16", len(value))
	}
	return int64(binary.BigEndian.Uint64(value)), int64(binary.BigEndian.Uint64(value[8:])), nil
}

// setKey is the key of a set in the database: that of the record, without the workspace.
func setKey(s facts.Subject, provider string) []byte { return append(subjectKey(s), provider...) }

// subjectKey is what the keys of a subject's sets begin with.
func subjectKey(s facts.Subject) []byte {
	key := facts.AppendSubject(make([]byte, 0, 64), "", s) // The empty workspace leaves its length, where the kind of the row goes.
	key[0] = keySet
	return key
}

// recordKey is the key of the record that a key of the database stands for.
func recordKey(workspace string, key []byte) []byte {
	out := append([]byte{byte(len(workspace))}, workspace...)
	return append(out, key[1:]...)
}

// appendSet writes a set without what its key says.
func appendSet(dst []byte, s *facts.Set) []byte {
	short := *s
	short.Workspace, short.SubjectKind, short.Node, short.Code, short.Provider = "", "", uuid.Nil, "", ""
	return short.AppendAvro(dst)
}

// row is what the identity map says of a node.
type row struct {
	canonical uuid.UUID
	version   uint64
	// shared is true for a node that is no one person's; erased for one that was erased; found when the map has the node.
	shared, erased, found bool
}

const rowSize = 16 + 8 + 1

func (r row) append(dst []byte) []byte {
	dst = append(dst, r.canonical[:]...)
	dst = binary.BigEndian.AppendUint64(dst, r.version)
	if r.shared {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func parseRow(value []byte) (row, error) {
	if len(value) != rowSize {
		return row{}, errors.New("a row of the identity map is cut off")
	}
	return row{canonical: uuid.UUID(value), version: binary.BigEndian.Uint64(value[16:]), shared: value[24] != 0, found: true}, nil
}

func nodeKey(kind byte, node uuid.UUID) []byte { return append([]byte{kind}, node[:]...) }

func memberKey(customer, node uuid.UUID) []byte {
	return append(append([]byte{keyMember}, customer[:]...), node[:]...)
}

// after is the first key that does not begin with the prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return []byte{keyEnd}
}
