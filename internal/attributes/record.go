package attributes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// Codec turns sets into records and back. It is safe for concurrent use.
type Codec struct {
	registry *registry.Registry
	schemaID int32

	mu       sync.Mutex
	decoders map[int32]*schemas.AttributesDecoder
}

// NewCodec registers the schema of the topic.
func NewCodec(ctx context.Context, reg *registry.Registry) (*Codec, error) {
	id, err := reg.Register(ctx, stream.Attributes, schemas.AttributeSetSchema())
	if err != nil {
		return nil, err
	}
	return &Codec{registry: reg, schemaID: id, decoders: map[int32]*schemas.AttributesDecoder{}}, nil
}

// Record is the record of a set.
func (c *Codec) Record(s *Set) *stream.Record {
	return &stream.Record{Topic: stream.Attributes, Key: KeyOf(s), Value: s.AppendAvro(schemas.AppendHeader(nil, c.schemaID))}
}

// Tombstone is the record that deletes the set of the key.
func Tombstone(key []byte) *stream.Record { return &stream.Record{Topic: stream.Attributes, Key: key} }

// ErrMalformed marks a record that cannot be read; another try does not help.
var ErrMalformed = errors.New("malformed attributes record")

// Parse reads a record, and keeps none of its bytes. The set is canonical; it is nil for a tombstone, of which the key tells the subject.
func (c *Codec) Parse(ctx context.Context, record *stream.Record) (*Set, error) {
	workspace, subject, provider, err := ParseKey(record.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if record.Value == nil {
		return nil, nil //nolint:nilnil // A record without a value says that there is no set.
	}
	id, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	decoder, err := c.decoder(ctx, id)
	if err != nil {
		return nil, err
	}
	set := new(Set)
	if err := decoder.Decode(bytes.Clone(body), set); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if set.Workspace != workspace || SubjectOf(set) != subject || set.Provider != provider {
		return nil, fmt.Errorf("%w: the key and the value are of different subjects", ErrMalformed)
	}
	return Canonical(set), nil
}

func (c *Codec) decoder(ctx context.Context, id int32) (*schemas.AttributesDecoder, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.decoders[id]; d != nil {
		return d, nil
	}
	text, err := c.registry.Schema(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := schemas.NewAttributesDecoder(text)
	if err != nil {
		return nil, fmt.Errorf("%w: schema %d: %w", ErrMalformed, id, err)
	}
	c.decoders[id] = d
	return d, nil
}
