// Package identitymap knows the bytes of a record of the topic identity.map: which customer a node
// belongs to. It promises that what [Append] and [AppendKey] write, [Parse] reads, and that an older
// reader refuses a newer layout instead of misreading it.
package identitymap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Reason why a node's customer changed.
type Reason uint8

// The reasons there are; readers must bear others.
const (
	// Joined: the node's customer became one with another whose best member goes before.
	Joined Reason = 1
	// Renamed: the customer's own best member changed, by an earlier first sight or a better rank.
	Renamed Reason = 2
)

func (r Reason) String() string {
	switch r {
	case Joined:
		return "joined"
	case Renamed:
		return "renamed"
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// Row says that Node belongs to the customer Canonical from Version on.
type Row struct {
	Workspace string
	Node      uuid.UUID
	Canonical uuid.UUID
	// Version is the evidence position it was decided at; it only grows for a node.
	Version uint64
	Reason  Reason
	// Previous is the customer before.
	Previous uuid.UUID
}

const (
	layout    = 1
	valueSize = 1 + 16 + 8 + 1 + 16
	// MaxWorkspace is the longest workspace name a key can hold, in bytes.
	MaxWorkspace = 255
)

// AppendKey appends the record's key: length and name of the workspace, then the node.
func AppendKey(dst []byte, row *Row) []byte {
	dst = append(dst, byte(len(row.Workspace)))
	dst = append(dst, row.Workspace...)
	return append(dst, row.Node[:]...)
}

// Append appends the record's value: layout, canonical, version, reason, previous.
func Append(dst []byte, row *Row) []byte {
	dst = append(dst, layout)
	dst = append(dst, row.Canonical[:]...)
	dst = binary.BigEndian.AppendUint64(dst, row.Version)
	dst = append(dst, byte(row.Reason))
	return append(dst, row.Previous[:]...)
}

// Parse reads a record. Bytes after the known ones are left to later layouts that only add.
func Parse(key, value []byte) (Row, error) {
	if len(key) == 0 || len(key) != 1+int(key[0])+16 {
		return Row{}, fmt.Errorf("parse identity map key: %d bytes do not hold a workspace and a node", len(key))
	}
	if len(value) == 0 {
		return Row{}, errors.New("parse identity map value: it is empty")
	}
	if value[0] != layout {
		return Row{}, fmt.Errorf("parse identity map value: layout %d is not known here: update this service", value[0])
	}
	if len(value) < valueSize {
		return Row{}, fmt.Errorf("parse identity map value: %d bytes, want %d", len(value), valueSize)
	}
	name := 1 + int(key[0])
	return Row{
		Workspace: string(key[1:name]),
		Node:      uuid.UUID(key[name:]),
		Canonical: uuid.UUID(value[1:17]),
		Version:   binary.BigEndian.Uint64(value[17:25]),
		Reason:    Reason(value[25]),
		Previous:  uuid.UUID(value[26:42]),
	}, nil
}
