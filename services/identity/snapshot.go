package identity

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/services/identity/store"
)

// keptSnapshots is how many snapshots stay: should the newest be broken, the tail behind an older one is
// longer, and still short.
const keptSnapshots = 3

// snapshot copies the store every now and then, when it moved, until ctx ends.
func (r *replica) snapshot(ctx context.Context, dir string, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := int64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// Who slept for so long cannot go on with them anyway.
		if err := store.Expire(dir, r.workspace, time.Now().Add(-maxSleep)); err != nil {
			r.log.Error("old snapshots stay; check identity.snapshot_dir", zap.String("dir", dir), zap.Error(err))
		}
		if r.position() == last {
			continue
		}
		began := time.Now()
		made, err := r.store.Checkpoint(dir)
		err = errors.Join(err, store.Prune(dir, r.workspace, keptSnapshots))
		if err != nil {
			r.metrics.snapshots.WithLabelValues("failed").Inc()
			r.log.Error("the snapshot is not made; check identity.snapshot_dir", zap.String("dir", dir), zap.Error(err))
			continue
		}
		last = made.Position
		r.metrics.snapshots.WithLabelValues("made").Inc()
		r.log.Info("snapshot made", zap.String("path", made.Path), zap.Int64("position", made.Position), zap.Duration("took", time.Since(began)))
	}
}

// touchEvery is how often a store that has nothing to do notes that it is up to date.
const touchEvery = 10 * time.Minute

// touch notes the time in the store: one that stands at the end of a quiet log does not sleep.
func (r *replica) touch(now time.Time) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if now.Sub(r.store.LastWritten()) < touchEvery {
		return nil
	}
	return r.store.Begin().Commit(r.position(), r.newest().sums, now)
}
