package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// benchEdge is one of a great many pairs, with the texts that a shop would have.
func benchEdge(rng *rand.Rand) *evidence.Edge {
	end := func(typ string) evidence.End {
		var node uuid.UUID
		for i := range node {
			node[i] = byte(rng.Uint32())
		}
		return evidence.End{Node: node, Type: typ}
	}
	a, b := end("anonymous_id"), end("email")
	if bytes.Compare(a.Node[:], b.Node[:]) > 0 {
		a, b = b, a
	}
	e := evidence.NewEdge("default", a, b)
	e.FirstSeen, e.Source, e.Normaliser = 1_790_000_000_000+rng.Int64N(1<<31), "web", 1
	for i := range e.Event {
		e.Event[i] = byte(rng.Uint32())
	}
	return &e
}

const fetch = 2000

func fill(b *testing.B, s *Store, pairs int) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < pairs; {
		batch := s.Begin()
		for range min(fetch, pairs-done) {
			e := benchEdge(rng)
			batch.Put(e)
			done++
		}
		if err := batch.Commit(s.Position()+fetch, evidence.Sums{}, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPut is of one pair, in batches of 2,000, on disk.
func BenchmarkPut(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Workspace: "default", Topic: "t"})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	fill(b, s, b.N)
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMillion reads a million pairs, and takes and restores a snapshot of them.
func BenchmarkMillion(b *testing.B) {
	const pairs = 1_000_000
	dir := b.TempDir()
	s := mustOpen(b, Options{Dir: filepath.Join(dir, "store"), Workspace: "default", Topic: "t"})
	fill(b, s, pairs)
	flush(b, s)
	b.Logf("%d bytes a pair before compaction", s.Size()/pairs)
	compact(b, s)
	b.Run("records", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range s.Records() {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != pairs {
				b.Fatalf("%d pairs, want %d", n, pairs)
			}
		}
		b.ReportMetric(pairs*float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
		b.ReportMetric(float64(s.Size())/pairs, "bytes/pair")
	})
	b.Run("checkpoint", func(b *testing.B) {
		for b.Loop() {
			taken, err := s.Checkpoint(filepath.Join(dir, "snapshots"))
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := removeSnapshot(s.files, taken.Path); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	taken, err := s.Checkpoint(filepath.Join(dir, "kept"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("restore", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := Restore(taken.Path, filepath.Join(dir, fmt.Sprint("restored", i))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("edge", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			e := benchEdge(rng)
			if _, _, err := s.Edge("default", e.A.Node, e.B.Node); err != nil {
				b.Fatal(err)
			}
		}
	})
	mustClose(b, s)
}
