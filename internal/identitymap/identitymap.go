// Package identitymap knows the bytes of the topics that tell readers what identity decided: identity.map, which
// customer a node belongs to, and identity.audit, what was seen, refused and ruled. It promises that what [Append],
// [AppendAudit] and their keys write, [Parse] and [ParseAudit] read, and that an older reader refuses a newer layout
// instead of misreading it.
package identitymap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Reason why a row of the map was written.
type Reason uint8

// The reasons there are; readers must bear others.
const (
	// Joined: the node's customer became one with another whose best member goes before.
	Joined Reason = 1
	// Renamed: the customer's own best member changed, by an earlier first sight or a better rank.
	Renamed Reason = 2
	// Split: evidence made the customer fall apart, by a limit or the cap; or an erasure took a member out of it.
	Split Reason = 3
	// Cut: an operator said that two nodes are never one customer.
	Cut Reason = 4
	// Lifted: a cut or a block was taken back, or a hub ceased to be one.
	Lifted Reason = 5
	// Blocked: the node carries no links, by an operator or by the rules.
	Blocked Reason = 6
	// Hub: the node has too many neighbours to carry links.
	Hub Reason = 7
	// Neighbour: a node beside it became shared, and this one stands for it where both were seen.
	Neighbour Reason = 8
	// Erased: the node was erased; a record without a value follows.
	Erased Reason = 9
	// Rules: the rules changed.
	Rules Reason = 10
)

var reasons = [...]string{
	Joined: "joined", Renamed: "renamed", Split: "split", Cut: "cut", Lifted: "lifted", Blocked: "blocked", Hub: "hub",
	Neighbour: "neighbour", Erased: "erased", Rules: "rules",
}

func (r Reason) String() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return reasons[r]
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// Row says that Node belongs to the customer Canonical from Version on.
type Row struct {
	Workspace string
	Node      uuid.UUID
	// Type of the node's identifier.
	Type      string
	Canonical uuid.UUID
	// Version is the evidence position it was decided at; it only grows for a node.
	Version uint64
	Reason  Reason
	// Previous is the customer before.
	Previous uuid.UUID
	// Shared is true for a hub or a blocked node: it stands for nobody, and a reader takes the event's next identifier.
	Shared bool
	// Event is the touchpoint whose evidence caused the row; zero if none did.
	Event uuid.UUID
	// At is the time of the evidence record in Kafka, in milliseconds since 1970.
	At int64
}

const (
	layout  = 1
	rowSize = 1 + 16 + 8 + 1 + 16 + 1 + 16 + 8
	// MaxWorkspace is the longest workspace name a key can hold, in bytes.
	MaxWorkspace = 255
)

// AppendKey appends the record's key: length and name of the workspace, then the node.
func AppendKey(dst []byte, row *Row) []byte { return appendKey(dst, row.Workspace, row.Node) }

// Append appends the record's value: layout, canonical, version, reason, previous, shared, event, time, type.
func Append(dst []byte, row *Row) []byte {
	dst = append(dst, layout)
	dst = append(dst, row.Canonical[:]...)
	dst = binary.BigEndian.AppendUint64(dst, row.Version)
	dst = append(dst, byte(row.Reason))
	dst = append(dst, row.Previous[:]...)
	dst = appendBool(dst, row.Shared)
	dst = append(dst, row.Event[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(row.At))
	return appendText(dst, row.Type)
}

// Parse reads a record of the map. Bytes after the known ones are left to later layouts that only add. A record
// without a value, a tombstone, is an error: readers skip them first.
func Parse(key, value []byte) (Row, error) {
	workspace, node, err := parseKey(key)
	if err != nil {
		return Row{}, fmt.Errorf("parse identity map key: %w", err)
	}
	if err := checkLayout(value, rowSize); err != nil {
		return Row{}, fmt.Errorf("parse identity map value: %w", err)
	}
	row := Row{
		Workspace: workspace,
		Node:      node,
		Canonical: uuid.UUID(value[1:17]),
		Version:   binary.BigEndian.Uint64(value[17:25]),
		Reason:    Reason(value[25]),
		Previous:  uuid.UUID(value[26:42]),
		Shared:    value[42] != 0,
		Event:     uuid.UUID(value[43:59]),
		At:        int64(binary.BigEndian.Uint64(value[59:rowSize])),
	}
	if row.Type, _, err = parseText(value[rowSize:]); err != nil {
		return Row{}, fmt.Errorf("parse identity map value: type: %w", err)
	}
	return row, nil
}

// ParseKey reads the key of a record of the map: what is known of one without a value.
func ParseKey(key []byte) (Key, error) {
	workspace, node, err := parseKey(key)
	if err != nil {
		return Key{}, fmt.Errorf("parse identity map key: %w", err)
	}
	return Key{Workspace: workspace, Node: node}, nil
}

// Key is whose row a record of the map is.
type Key struct {
	Workspace string
	Node      uuid.UUID
}

func appendKey(dst []byte, workspace string, node uuid.UUID) []byte {
	dst = append(dst, byte(len(workspace)))
	dst = append(dst, workspace...)
	return append(dst, node[:]...)
}

func parseKey(key []byte) (workspace string, node uuid.UUID, err error) {
	if len(key) == 0 || len(key) != 1+int(key[0])+16 {
		return "", uuid.UUID{}, fmt.Errorf("%d bytes do not hold a workspace and a node", len(key))
	}
	name := 1 + int(key[0])
	return string(key[1:name]), uuid.UUID(key[name:]), nil
}

// checkLayout refuses values that are of another layout or shorter than its fixed part.
func checkLayout(value []byte, size int) error {
	switch {
	case len(value) == 0:
		return errors.New("it is empty")
	case value[0] != layout:
		return fmt.Errorf("layout %d is not known here: update this service", value[0])
	case len(value) < size:
		return fmt.Errorf("%d bytes, want at least %d", len(value), size)
	}
	return nil
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func parseText(value []byte) (text string, rest []byte, err error) {
	length, n := binary.Uvarint(value)
	if n <= 0 || length > uint64(len(value)-n) {
		return "", nil, errors.New("its text is cut off")
	}
	end := n + int(length)
	return string(value[n:end]), value[end:], nil
}
