package simulate

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
)

// A purpose separates the random streams, so that a change to one leaves the others as they were.
type purpose uint64

const (
	forHousehold purpose = iota + 1
	forPerson
	forPlan
	forVisit
	forOrder
	forCookie
	forDevice
	forDelivery
	forBot
	forStaff
	forStreet
)

// dice is one random stream: a function of seed, purpose and numbers, whatever was thrown elsewhere.
type dice struct {
	rand.PCG
}

func mix(x uint64) uint64 { // the finaliser of SplitMix64
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func throw(seed uint64, p purpose, a, b int) *dice {
	d := &dice{}
	d.reset(seed, p, a, b)
	return d
}

func (d *dice) reset(seed uint64, p purpose, a, b int) {
	x := mix(seed ^ mix(uint64(p)))
	d.Seed(mix(x^uint64(a)), mix(mix(x^uint64(a))^uint64(b)))
}

// below returns a number in [0, n), n > 0.
func (d *dice) below(n int) int {
	return int((d.Uint64() >> 32) * uint64(n) >> 32)
}

// between returns a number in [low, high].
func (d *dice) between(low, high int) int { return low + d.below(high-low+1) }

func (d *dice) float() float64 { return float64(d.Uint64()>>11) / (1 << 53) }

// chance is true with probability p.
func (d *dice) chance(p float64) bool { return d.float() < p }

// poisson counts rare events with the given mean.
func (d *dice) poisson(mean float64) int {
	if mean > 50 { // normal approximation; only whole years get here
		return max(0, int(mean+math.Sqrt(mean)*d.normal()+0.5))
	}
	limit, product, n := math.Exp(-mean), d.float(), 0
	for product > limit {
		product *= d.float()
		n++
	}
	return n
}

func (d *dice) normal() float64 {
	return math.Sqrt(-2*math.Log(1-d.float())) * math.Cos(2*math.Pi*d.float())
}

// waiting is an exponential duration of the given mean, cut at six times the mean.
func (d *dice) waiting(mean float64) float64 {
	return min(-math.Log(1-d.float()), 6) * mean
}

// uuid is a version 4 identifier.
func (d *dice) uuid() string {
	var id [16]byte
	for i, word := range [2]uint64{d.Uint64(), d.Uint64()} {
		for j := range 8 {
			id[8*i+j] = byte(word >> (8 * j))
		}
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:8], id[:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:], id[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// weights draws an index in proportion to whole-number weights.
type weights []int // running totals

func newWeights[T any](list []T, weight func(*T) int) weights {
	total, w := 0, make(weights, len(list))
	for i := range list {
		total += weight(&list[i])
		w[i] = total
	}
	return w
}

func (w weights) draw(d *dice) int {
	at, low, high := d.below(w[len(w)-1]), 0, len(w)-1
	for low < high {
		if mid := (low + high) / 2; w[mid] > at {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

func pick[T any](d *dice, list []T) T { return list[d.below(len(list))] }
