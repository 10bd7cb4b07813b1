package identifier

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/google/uuid"
)

// separator stands between type, value and generation; no normalised value contains it.
const separator = 0x1f

// firstGeneration is the generation of identifiers that were never erased.
const firstGeneration = "0"

// hasher computes nodes with one key. HMAC's keyed states are kept between calls: a call allocates
// nothing and hashes the key no more.
type hasher struct {
	pool sync.Pool
}

type keyed struct {
	mac   hash.Hash
	input []byte
	sum   []byte
}

func newHasher(key []byte) *hasher {
	h := &hasher{}
	h.pool.New = func() any {
		return &keyed{mac: hmac.New(sha256.New, key), input: make([]byte, 0, 128), sum: make([]byte, 0, sha256.Size)}
	}
	return h
}

// node is the first 128 bits of HMAC-SHA256(key, type 0x1F value 0x1F generation).
func (h *hasher) node(typ, value string) uuid.UUID {
	k := h.pool.Get().(*keyed)
	k.input = append(k.input[:0], typ...)
	k.input = append(k.input, separator)
	k.input = append(k.input, value...)
	k.input = append(k.input, separator)
	k.input = append(k.input, firstGeneration...)
	k.mac.Reset()
	k.mac.Write(k.input)
	k.sum = k.mac.Sum(k.sum[:0])
	node := uuid.UUID(k.sum[:16])
	clear(k.input)
	h.pool.Put(k)
	return node
}
