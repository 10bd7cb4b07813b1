package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
)

type refreshCommand struct{ running }

// Run refreshes and shows what the view refreshes says afterwards.
func (c refreshCommand) Run(ctx context.Context, g globals, std streams) (err error) {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	// A view of a large warehouse takes longer than an insert may.
	cfg.Sink.ClickHouse.Timeout = max(cfg.Sink.ClickHouse.Timeout, time.Hour)
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		return fmt.Errorf("sink refresh: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := sink.RefreshViews(ctx, db); err != nil {
		return fmt.Errorf("sink refresh: %w", err)
	}
	done, err := db.Query(ctx, "SELECT * FROM refreshes ORDER BY view")
	if err != nil {
		return fmt.Errorf("sink refresh: %w", err)
	}
	return table(std.out, g.Output, done.Columns, done.Rows)
}
