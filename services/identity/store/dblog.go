package store

import (
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// dbLog takes what the database says, and remembers what it cannot go on after. The database would have the
// process ended there; here the next write says so, and the owner closes the store.
type dbLog struct {
	log   *zap.Logger
	fatal atomic.Pointer[error]
}

func (l *dbLog) Infof(format string, args ...any) {
	if l.log.Core().Enabled(zap.DebugLevel) {
		l.log.Debug("identity store", zap.String("message", fmt.Sprintf(format, args...)))
	}
}

func (l *dbLog) Errorf(format string, args ...any) { l.Infof(format, args...) }

func (l *dbLog) Fatalf(format string, args ...any) {
	l.fail(fmt.Errorf("the store failed: "+format, args...))
}

func (l *dbLog) corruption(info pebble.DataCorruptionInfo) {
	l.fail(fmt.Errorf("%w: %s: %w", ErrUnusable, info.Path, info.Details))
}

func (l *dbLog) background(err error) {
	if pebble.IsCorruptionError(err) {
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	// It would try again for ever, and hold up commits when the memory for them is full.
	l.fail(fmt.Errorf("write the store's tables: %w", err))
}

func (l *dbLog) fail(err error) {
	if l.fatal.CompareAndSwap(nil, &err) {
		l.log.Error("identity store fails", zap.Error(err))
	}
}

// failure is the first thing that could not be gone on after.
func (l *dbLog) failure() error {
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}
