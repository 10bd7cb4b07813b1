package identifier

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strconv"
	"sync"

	"github.com/google/uuid"
)

// separator stands between type, value and generation; no normalised value contains it.
const separator = 0x1f

// suppressionLabel separates the key of suppressions from that of nodes.
const suppressionLabel = "parcours suppression 1"

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

// node is the first 128 bits of HMAC-SHA256(key, type 0x1F value 0x1F generation). The generation is 0 but
// for identifiers that were erased and came again.
func (h *hasher) node(typ, value string, generation int) uuid.UUID {
	k := h.pool.Get().(*keyed)
	k.input = append(k.input[:0], typ...)
	k.input = append(k.input, separator)
	k.input = append(k.input, value...)
	k.input = append(k.input, separator)
	k.input = strconv.AppendInt(k.input, int64(generation), 10)
	return h.finish(k)
}

// again is the first 128 bits of HMAC-SHA256(key, node).
func (h *hasher) again(node uuid.UUID) [16]byte {
	k := h.pool.Get().(*keyed)
	k.input = append(k.input[:0], node[:]...)
	return h.finish(k)
}

// finish hashes the input, forgets it and gives k back.
func (h *hasher) finish(k *keyed) [16]byte {
	k.mac.Reset()
	k.mac.Write(k.input)
	k.sum = k.mac.Sum(k.sum[:0])
	sum := [16]byte(k.sum[:16])
	clear(k.input)
	h.pool.Put(k)
	return sum
}

// suppressionKey is the key of suppressions, which is of no use for nodes.
func suppressionKey(key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(suppressionLabel))
	return mac.Sum(nil)
}
