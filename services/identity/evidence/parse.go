package evidence

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The kinds of records: the first byte of the key. Numbers of kinds that went are not given again.
const (
	kindEdge = iota + 1
	kindCut
	kindVerdict
	kindErase
	kindSuppress
	kindRules
	kindEngine
	kindDigest
)

const (
	// MaxTime keeps times in 48 bits: the year 10889.
	MaxTime = 1<<48 - 1
	// MaxText is the longest name in a record (of a workspace, type, source, author, configuration), in
	// bytes.
	MaxText = 255
	// MaxReason is the longest reason of a ruling, in bytes.
	MaxReason = 1000
	// MaxErase is how many nodes one erasure can have: in one message of less than a megabyte, which is what
	// brokers take.
	MaxErase = 50_000

	fullScore = 100
)

// Check says what [Parse] would refuse in a record: to be asked before a record is appended whose parts
// come from people. Texts that are too long, for one, would be cut.
func Check(r Record) error {
	checked, ok := r.(checker)
	if !ok {
		return fmt.Errorf("check evidence: %T is no record of the log", r)
	}
	return checked.check()
}

// checker is what every record knows of itself; the errors do not name the record.
type checker interface {
	Record
	check() error
}

// content is a record whose value can be read.
type content interface {
	checker
	readKey(*reader)
	readValue(*reader)
}

// Workspace is that of the record with the key, whatever its kind. It is cheap, and false for bytes that
// are no key.
func Workspace(key []byte) (string, bool) {
	if len(key) < 3 || key[1] == 0 || len(key) < 2+int(key[1]) {
		return "", false
	}
	return string(key[2 : 2+int(key[1])]), true
}

// Parse reads a record of the log: a pointer to one of the kinds, a [Tombstone] where there is no value.
// It answers [ErrNewer] for what newer engines write, and another error for bytes that are no evidence at
// all. Bytes of a value after the known ones are left to layouts that only add. What it answers shares no
// memory with key and value.
func Parse(key, value []byte) (Record, error) {
	if len(key) == 0 {
		return nil, errors.New("parse evidence: the key is empty")
	}
	// Every kind, also one to come, names its workspace: what does not is no evidence and must stop nobody.
	workspace, ok := Workspace(key)
	if !ok {
		return nil, fmt.Errorf("parse evidence of kind %d: the key of %d bytes names no workspace", key[0], len(key))
	}
	record := blank(key[0])
	if record == nil {
		return nil, fmt.Errorf("parse evidence of kind %d: %w", key[0], ErrNewer)
	}
	about := reader{rest: key[2+len(workspace):], workspace: workspace}
	record.readKey(&about)
	if about.short || len(about.rest) > 0 {
		return nil, fmt.Errorf("parse evidence of kind %d: the key is of %d bytes, which is not what it is about", key[0], len(key))
	}
	if len(value) == 0 {
		return tombstone(workspace, record)
	}
	if value[0] != layout {
		return nil, fmt.Errorf("parse evidence of kind %d, layout %d: %w", key[0], value[0], ErrNewer)
	}
	body := reader{rest: value[1:]}
	record.readValue(&body)
	if body.short {
		return nil, fmt.Errorf("parse evidence of kind %d: the value of %d bytes ends too early", key[0], len(value))
	}
	if body.err != nil {
		return nil, fmt.Errorf("parse evidence of kind %d: %w", key[0], body.err)
	}
	if err := record.check(); err != nil {
		return nil, fmt.Errorf("parse evidence of kind %d: %w", key[0], err)
	}
	return record, nil
}

func blank(kind byte) content {
	switch kind {
	case kindEdge:
		return &Edge{}
	case kindCut:
		return &Cut{}
	case kindVerdict:
		return &Verdict{}
	case kindErase:
		return &Erase{}
	case kindSuppress:
		return &Suppress{}
	case kindRules:
		return &Rules{}
	case kindEngine:
		return &Engine{}
	case kindDigest:
		return &Digest{}
	}
	return nil
}

func tombstone(workspace string, of content) (*Tombstone, error) {
	t := &Tombstone{Workspace: workspace, Of: of}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("parse a tombstone of evidence: %w", err)
	}
	return t, nil
}

// reader takes a record apart. Past the end it answers zeros and remembers that it was short.
type reader struct {
	rest      []byte
	workspace string
	short     bool
	err       error
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || len(r.rest) < n {
		r.short, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// number reads n bytes, most significant first.
func (r *reader) number(n int) (v uint64) {
	for _, b := range r.bytes(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) byte() byte { return byte(r.number(1)) }

// text reads a text after its length in n bytes.
func (r *reader) text(n int) string { return string(r.bytes(int(r.number(n)))) }

func (r *reader) node() (node uuid.UUID) {
	copy(node[:], r.bytes(len(node)))
	return node
}
