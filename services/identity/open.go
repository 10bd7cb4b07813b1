package identity

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// Reasons why a store or a snapshot is not used; the store's own are added to them.
const (
	unreadable    = "unreadable"
	aheadOfLog    = "ahead_of_log"
	behindLog     = "behind_log"
	asleepTooLong = "asleep_too_long"
	otherSums     = "sums"
	outboxGone    = "outbox"
	disagreed     = "digest"
)

// maxSleep is how long a store may stand still while the log goes on. Past it the log may have dropped
// records that take others back; a day is left for a log that is read slowly.
const maxSleep = stream.EvidenceTombstones - 24*time.Hour

// opening is what a replica begins with.
type opening struct {
	workspace   string
	dataDir     string
	snapshotDir string
	suppression func(uuid.UUID) evidence.SuppressionKey
	extent      stream.Extent
	// committed is the offset that the publisher's group has committed.
	committed int64
	log       *zap.Logger
	metrics   *metrics
}

// unusableError says why a store is not used.
type unusableError struct {
	reason string
	cause  error
}

func (e *unusableError) Error() string { return e.cause.Error() }
func (e *unusableError) Unwrap() error { return e.cause }

func unusable(reason, format string, args ...any) error {
	return &unusableError{reason: reason, cause: fmt.Errorf(format, args...)}
}

// openReplica begins with what this instance remembers, else with the newest snapshot that fits the log,
// else with nothing: then the log is read from its start.
func openReplica(ctx context.Context, o opening) (*replica, error) {
	dir := storeDir(o.dataDir, o.workspace)
	r, err := o.load(dir)
	if bad := (*unusableError)(nil); errors.As(err, &bad) {
		o.metrics.rebuilds.WithLabelValues(bad.reason).Inc()
		o.log.Error("the store is thrown away and rebuilt", zap.String("reason", bad.reason), zap.Error(bad.cause), zap.String("data_dir", dir))
		if err := store.Discard(dir); err != nil {
			return nil, fmt.Errorf("discard store: %w", err)
		}
		r, err = o.load(dir)
	}
	if err != nil {
		return nil, err
	}
	if r.next > 0 || o.snapshotDir == "" {
		return r, nil
	}
	return o.bootstrap(ctx, r)
}

// storeDir is the workspace's folder in a configured one; empty for a store in memory.
func storeDir(configured, workspace string) string {
	if configured == "" {
		return ""
	}
	return filepath.Join(configured, workspace)
}

// bootstrap replaces an empty replica by the newest snapshot that fits, if there is one.
func (o *opening) bootstrap(ctx context.Context, empty *replica) (*replica, error) {
	snapshots, err := store.Snapshots(o.snapshotDir, o.workspace)
	if err != nil {
		o.log.Warn("snapshots cannot be listed, the log is read from its start", zap.Error(err))
		return empty, nil
	}
	if len(snapshots) == 0 {
		return empty, nil
	}
	dir := storeDir(o.dataDir, o.workspace)
	if err := empty.store.Close(); err != nil {
		return nil, fmt.Errorf("close store: %w", err)
	}
	for _, snapshot := range snapshots {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := store.Discard(dir); err != nil {
			return nil, fmt.Errorf("discard store: %w", err)
		}
		r, err := o.restore(snapshot, dir)
		if err == nil {
			o.log.Info("began with a snapshot", zap.String("snapshot", snapshot.Path), zap.Int64("position", r.next))
			return r, nil
		}
		reason := unreadable
		if bad := (*unusableError)(nil); errors.As(err, &bad) {
			reason = bad.reason
		}
		o.metrics.refusedSnapshots.WithLabelValues(reason).Inc()
		o.log.Error("a snapshot is not used", zap.String("snapshot", snapshot.Path), zap.String("reason", reason), zap.Error(err))
	}
	if err := store.Discard(dir); err != nil {
		return nil, fmt.Errorf("discard store: %w", err)
	}
	return o.load(dir)
}

func (o *opening) restore(snapshot store.Snapshot, dir string) (*replica, error) {
	if err := store.Restore(snapshot.Path, dir); err != nil {
		return nil, err
	}
	return o.load(dir)
}

// load opens a store and makes the graph of it. It answers an unusableError for a store that does not
// belong to this log, or that is not what it says it is.
func (o *opening) load(dir string) (_ *replica, err error) {
	s, err := store.Open(store.Options{Dir: dir, Workspace: o.workspace, Topic: o.extent.TopicID})
	if errors.Is(err, store.ErrUnusable) {
		return nil, &unusableError{reason: unreadable, cause: err}
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	position := s.Position()
	if err := o.judge(s, position); err != nil {
		return nil, err
	}
	began := time.Now()
	g := graph.New(o.suppression)
	if err := g.Load(s.Records(), position); err != nil {
		return nil, unusable(unreadable, "load the graph from the store: %w", err)
	}
	sums := g.Sums()
	if position > 0 && sums != s.Sums() {
		return nil, unusable(otherSums, "the store's records have the sums %+v, kept with them were %+v", sums, s.Sums())
	}
	r := &replica{
		workspace: o.workspace, partition: stream.EvidencePartition(o.workspace), log: o.log, metrics: o.metrics,
		store: s, whole: position == 0, silent: o.extent.End, suppression: o.suppression,
		graph: g, next: position, moved: make(chan struct{}), outboxFrom: o.committed, ended: make(chan struct{}),
	}
	r.sums.add(position, sums)
	if err := s.Forget(o.committed); err != nil {
		return nil, fmt.Errorf("forget what is published: %w", err)
	}
	o.log.Info("store opened", zap.Int64("position", position), zap.Int64("log_end", o.extent.End),
		zap.Uint64("pairs", sums.Pairs), zap.Duration("took", time.Since(began)))
	return r, nil
}

// judge says whether the store can go on with this log.
func (o *opening) judge(s *store.Store, position int64) error {
	switch asleep := time.Since(s.LastWritten()); {
	case position == 0:
		return nil
	case position > o.extent.End:
		return unusable(aheadOfLog, "the store is at %d and the log ends at %d: it is of another log, or the log lost records", position, o.extent.End)
	case position < o.extent.Start:
		return unusable(behindLog, "the store is at %d and the log begins at %d", position, o.extent.Start)
	case position < o.extent.End && asleep > maxSleep:
		return unusable(asleepTooLong, "the store was written %s ago, the log keeps what takes records back for %s", asleep.Round(time.Minute), stream.EvidenceTombstones)
	case s.OutboxFrom() > o.committed:
		return unusable(outboxGone, "effects are kept from %d on, and the publisher's group was set back to %d", s.OutboxFrom(), o.committed)
	}
	return nil
}
