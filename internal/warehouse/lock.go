package warehouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

// A holder repeats its claim this often; a claim not repeated for claimLife belongs to a holder that died.
const (
	claimEvery = 5 * time.Second
	claimLife  = 30 * time.Second
)

const createLocks = `CREATE TABLE IF NOT EXISTS ` + Database + `.migration_locks
(
    holder   String COMMENT 'Instance that claims the right to migrate.',
    at       DateTime64(3, 'UTC') COMMENT 'When it claimed it, by the server''s clock.',
    released Bool COMMENT 'Whether it gave the claim up.'
)
ENGINE = MergeTree
ORDER BY (holder, at)
TTL toDateTime(at) + INTERVAL 1 DAY
COMMENT 'Claims to migrate the database: one instance at a time.'`

// withLock runs work while no other instance does. ClickHouse has no locks, so this is the bakery's way: write a claim,
// then read all claims. Two instances that claim at once both see the other, withdraw, and try again at another time;
// one that sees its claim alone was first, because whoever comes later sees it. All times are the server's.
func (w *Warehouse) withLock(ctx context.Context, log *zap.Logger, work func(ctx context.Context) error) error {
	if err := w.Exec(ctx, createLocks); err != nil {
		return err
	}
	holder := uuid.NewString()
	for waited := false; ; {
		if err := w.claim(ctx, holder, false); err != nil {
			return err
		}
		alone, err := w.alone(ctx, holder)
		if err != nil {
			return errors.Join(err, w.release(ctx, holder))
		}
		if alone {
			break
		}
		if err := w.release(ctx, holder); err != nil {
			return err
		}
		if !waited {
			log.Info("waiting for another instance that migrates the database")
			waited = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100*time.Millisecond + rand.N(400*time.Millisecond)):
		}
	}
	held, lose := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keepClaim(held, holder, lose)
	}()
	err := work(held)
	lose(nil)
	<-kept
	return errors.Join(err, w.release(ctx, holder))
}

// keepClaim repeats the claim until the work is over; when it cannot, it stops the work, before others may start.
func (w *Warehouse) keepClaim(ctx context.Context, holder string, lose context.CancelCauseFunc) {
	tick := time.NewTicker(claimEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.claim(ctx, holder, false); err == nil {
			last = time.Now()
		} else if ctx.Err() == nil && time.Since(last) > claimLife/2 {
			lose(fmt.Errorf("keep the claim to migrate: %w", err))
			return
		}
	}
}

func (w *Warehouse) claim(ctx context.Context, holder string, released bool) error {
	statement := "INSERT INTO " + Database + ".migration_locks SELECT ?, now64(3), ?"
	if err := w.Exec(ctx, statement, holder, released); err != nil {
		return fmt.Errorf("claim the right to migrate: %w", err)
	}
	return nil
}

// release must reach the server although the caller's time may be up; else others wait for claimLife.
func (w *Warehouse) release(ctx context.Context, holder string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.DialTimeout)
	defer cancel()
	return w.claim(ctx, holder, true)
}

func (w *Warehouse) alone(ctx context.Context, holder string) (bool, error) {
	var others uint64
	query := `SELECT count() FROM
	(
	    SELECT holder, max(at) AS last, argMax(released, (at, released)) AS gone
	    FROM ` + w.everywhere("migration_locks") + ` GROUP BY holder
	)
	WHERE holder != ? AND NOT gone AND last > now64(3) - toIntervalSecond(?)`
	if err := w.ScanRow(ctx, []any{&others}, query, holder, int(claimLife.Seconds())); err != nil {
		return false, fmt.Errorf("read claims to migrate: %w", err)
	}
	return others == 0, nil
}
