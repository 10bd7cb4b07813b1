package collector

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Quota bounds what a source may send. A source that has sent nothing for a while may send a burst of
// ten seconds' worth at once.
type Quota struct {
	// EventsPerSecond that are taken in the long run; 0 is no bound.
	EventsPerSecond int `koanf:"events_per_second"`
	// BytesPerSecond of decompressed bodies that are taken in the long run; 0 is no bound.
	BytesPerSecond int `koanf:"bytes_per_second"`
}

func (q Quota) validate(field, source string) error {
	if q.EventsPerSecond < 0 || q.BytesPerSecond < 0 {
		return fmt.Errorf("%s of source %s is negative: give 0 for no bound, or a number per second", field, source)
	}
	return nil
}

// burst is how long a source may send at once what it saved up.
const burst = 10 * time.Second

// maxRetryAfter is as long as the most patient client waits on our word.
const maxRetryAfter = 300

// quota holds two token buckets. A request that finds a token in both is taken whole, however large: the
// bucket goes into debt and later requests wait. So the largest batch is never refused for ever.
type quota struct {
	mu     sync.Mutex
	events bucket
	bytes  bucket
	last   time.Time
}

type bucket struct {
	rate   float64 // a second; 0 is no bound
	tokens float64
}

// newQuota returns nil when there is no bound.
func newQuota(q Quota) *quota {
	if q == (Quota{}) {
		return nil
	}
	full := func(rate int) bucket { return bucket{rate: float64(rate), tokens: float64(rate) * burst.Seconds()} }
	return &quota{events: full(q.EventsPerSecond), bytes: full(q.BytesPerSecond)}
}

// take spends the quota and returns 0, or returns after how many seconds to try again.
func (q *quota) take(now time.Time, events, bytes int) int {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// A request whose body took long comes with a time that others have been credited past: going back to it
	// would credit that time twice.
	if now.After(q.last) {
		passed := now.Sub(q.last).Seconds()
		q.events.fill(passed)
		q.bytes.fill(passed)
		q.last = now
	}
	if wait := max(q.events.wait(), q.bytes.wait()); wait > 0 {
		return int(min(math.Ceil(wait), maxRetryAfter))
	}
	q.events.tokens -= float64(events)
	q.bytes.tokens -= float64(bytes)
	return 0
}

func (b *bucket) fill(seconds float64) {
	b.tokens = min(b.tokens+b.rate*seconds, b.rate*burst.Seconds())
}

// wait is how many seconds pass until the bucket holds a token; sums of fractions may miss it by a hair.
func (b *bucket) wait() float64 {
	if b.rate == 0 || b.tokens > 1-1e-6 {
		return 0
	}
	return (1 - b.tokens) / b.rate
}
