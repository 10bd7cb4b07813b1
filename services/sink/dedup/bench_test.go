package dedup

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
)

// BenchmarkIndex is of one entry, asked for and taken in: 50,000 at a time, of a partition which has the given number
// in two days, one in a hundred a repetition of one of the last thousand. What two days before hold is there already.
func BenchmarkIndex(b *testing.B) {
	for _, ids := range []int{1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(ids), func(b *testing.B) { benchIndex(b, ids) })
	}
}

type producer struct {
	rng     *rand.Rand
	entries []Entry
	recent  [1024]uuid.UUID
	offset  int64
	now     float64
	// step is the time between two entries, in milliseconds.
	step float64
}

func (p *producer) next() []Entry {
	for i := range p.entries {
		e := &p.entries[i]
		if p.offset > 1024 && p.rng.IntN(100) == 0 {
			e.ID = p.recent[p.rng.IntN(len(p.recent))]
		} else {
			binary.LittleEndian.PutUint64(e.ID[:8], p.rng.Uint64())
			binary.LittleEndian.PutUint64(e.ID[8:], p.rng.Uint64())
		}
		p.recent[p.offset%1024] = e.ID
		e.Offset, e.At = p.offset, int64(p.now)
		p.offset++
		p.now += p.step
	}
	return p.entries
}

func benchIndex(b *testing.B, ids int) {
	dir := b.TempDir()
	x, err := Open(Config{Dir: dir, Window: 48 * time.Hour, CacheBytes: 64 << 20}, &fakeLog{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	if err := x.Assign(b.Context(), testTopic, 0, 0); err != nil {
		b.Fatal(err)
	}
	p := &producer{
		rng: rand.New(rand.NewPCG(1, 2)), entries: make([]Entry, 50_000), now: 1_790_000_000_000,
		step: float64((48 * time.Hour).Milliseconds()) / float64(ids),
	}
	var into []bool
	var spent time.Duration
	round := func(measured bool) {
		entries := p.next()
		began := time.Now()
		if into, err = x.Duplicates(context.Background(), testTopic, 0, entries, into); err != nil {
			b.Fatal(err)
		}
		if err := x.Apply(testTopic, 0, entries, p.offset); err != nil {
			b.Fatal(err)
		}
		if measured {
			spent += time.Since(began)
		}
	}
	for p.offset < int64(ids) {
		round(false)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	measured := 0
	for b.Loop() {
		round(true)
		measured += len(p.entries)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(spent.Nanoseconds())/float64(measured), "ns/entry")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(measured), "allocs/entry")
	b.ReportMetric(0, "ns/op")
	held := 0
	for _, h := range x.partitions[name{testTopic, 0}].hours {
		held += h.ids()
	}
	b.ReportMetric(testutil.ToFloat64(x.metrics.filterBytes)/float64(held), "filter-B/entry")
	b.ReportMetric(testutil.ToFloat64(x.metrics.falseHits)/float64(p.offset), "false/entry")
	mustClose(b, x)
	b.ReportMetric(sizeOf(b, dir)/float64(held), "disk-B/entry")
	b.ReportMetric(float64(held), "held")
}

func sizeOf(b *testing.B, dir string) (size float64) {
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += float64(info.Size())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
