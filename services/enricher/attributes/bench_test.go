package attributes

import (
	"context"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
)

func benchNode(n int) (id uuid.UUID) {
	binary.LittleEndian.PutUint64(id[:], uint64(n+1)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], uint64(n+1)*0xc2b2ae3d27d4eb4f)
	return id
}

// filled is a store of n customers with five facts each.
func filled(b *testing.B, n int) *instance {
	b.Helper()
	l := newTopics(b)
	o := l.options(b.TempDir())
	o.Config = DefaultConfig()
	i := l.open(b, o)
	b.Cleanup(func() { i.close(b) })
	for from := 0; from < n; from += 5000 {
		l.records[topicAttributes] = nil
		for at := from; at < min(from+5000, n); at++ {
			s := facts.For("default", facts.OfNode(benchNode(at)), facts.Self)
			s.Party, s.Purpose, s.UpdatedAt = facts.FirstParty, "analytics", 1
			for _, v := range [][2]string{{FactAddress, "FR/75011/75111"}, {FactBirthMonth, "1980-0" + strconv.Itoa(1+at%9)}, {FactGender, "female"}, {FactLoyaltyTier, "gold"}, {TraitPrefix + "segment", "A"}} {
				s.Values = append(s.Values, facts.Value{Name: v[0], Type: facts.String, Text: v[1], Source: "crm", At: schemas.Millis(1_700_000_000_000 + at)})
			}
			s.Orders, s.FirstOrderAt = []facts.Order{{Hash: int64(at) * 7919}}, schemas.Some(schemas.Millis(1))
			l.write(i.codec.Record(s))
		}
		i.read(b, topicAttributes, 5000)
	}
	if err := i.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return i
}

func benchOf(b *testing.B, i *instance, who func(n int) Who) {
	b.Helper()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := i.Of(who(n), 1); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkOf(b *testing.B) {
	const customers = 200_000
	i := filled(b, customers)
	b.Run("anonymous", func(b *testing.B) { benchOf(b, i, func(n int) Who { return alone(benchNode(customers + 1 + n)) }) })
	b.Run("warm", func(b *testing.B) { benchOf(b, i, func(n int) Who { return alone(benchNode(n % 1000)) }) })
	b.Run("cold", func(b *testing.B) {
		i.known.InvalidateAll()
		i.rows.InvalidateAll()
		benchOf(b, i, func(n int) Who {
			if n%customers == 0 {
				i.known.InvalidateAll()
			}
			return alone(benchNode(n * 7919 % customers))
		})
	})
}

func BenchmarkContribute(b *testing.B) {
	i := filled(b, 10_000)
	b.ReportAllocs()
	n := 0
	f := &Facts{}
	for b.Loop() {
		f.Reset("web", schemas.Millis(1_800_000_000_000+n))
		f.Add(FactLoyaltyTier, facts.String, "silver")
		if _, err := i.Contribute(alone(benchNode(n%10_000)), f); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkRows reads as many rows as PARCOURS_BENCH_ROWS says, and reports what one takes.
func BenchmarkRows(b *testing.B) {
	rows, err := strconv.Atoi(os.Getenv("PARCOURS_BENCH_ROWS"))
	if err != nil {
		b.Skip("set PARCOURS_BENCH_ROWS, for example to 1000000")
	}
	for b.Loop() {
		i := filled(b, rows)
		if err := i.db.Compact(context.Background(), []byte{0}, []byte{keyEnd}, false); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MB-heap")
		var disk int64
		err := filepath.WalkDir(i.options.Dir, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(e.Name()) == ".sst" {
				if info, statErr := e.Info(); statErr == nil {
					disk += info.Size()
				}
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(disk)/float64(rows), "B/row")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(rows), "us/row")
	}
}
