package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/parcours-cdp/parcours/services/sink"
)

type squashCommand struct {
	running
	Until     string        `help:"Rewrite the months that ended before this day (YYYY-MM-DD); at the latest those that ended --grace ago." placeholder:"DATE" xor:"which"`
	Partition string        `help:"Rewrite this month only (YYYYMM)." placeholder:"MONTH" xor:"which"`
	Grace     time.Duration `help:"How long after its end a month stays open, because late events still come in." default:"72h"`
	Settle    time.Duration `help:"How long the map keeps a row whatever happens: at least as long as Kafka keeps touchpoints, because an event that was resolved before the row may still be on its way." default:"192h"`
	DryRun    bool          `help:"Only count what would be rewritten and taken out."`
}

func (c squashCommand) Run(ctx context.Context, g globals, std streams) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	now := time.Now()
	until := now.Add(-c.Grace)
	if c.Until != "" {
		day, err := time.Parse(time.DateOnly, c.Until)
		if err != nil {
			return fmt.Errorf("squash: --until is %q: give a day as YYYY-MM-DD", c.Until)
		}
		if day.Before(until) {
			until = day
		}
	}
	if c.Grace < 0 || c.Settle < 0 {
		return fmt.Errorf("squash: --grace is %s and --settle is %s: neither can be negative", c.Grace, c.Settle)
	}
	var steps []sink.SquashStep
	squash := sink.Squash{
		ClickHouse: cfg.Sink.ClickHouse, Until: until, Partition: c.Partition, Settled: now.Add(-c.Settle), DryRun: c.DryRun,
		Report: func(step sink.SquashStep) error {
			steps = append(steps, step)
			_, err := fmt.Fprintf(std.err, "%s %s %s: %d rows in %.1f s\n", step.Step, step.Table, step.Partition, step.Rows, step.Seconds)
			return err
		},
	}
	if err := squash.Run(ctx); err != nil {
		return fmt.Errorf("squash: %w; what was done stays done, run it again", err)
	}
	if g.Output == "json" {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(steps)
	}
	rows := make([][]string, len(steps))
	for i, s := range steps {
		rows[i] = []string{s.Step, s.Table, s.Partition, strconv.FormatUint(s.Rows, 10), strconv.FormatUint(s.BytesBefore, 10), strconv.FormatUint(s.BytesAfter, 10)}
	}
	return table(std.out, g.Output, []string{"step", "table", "partition", "rows", "bytes before", "bytes after"}, rows)
}
