package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// enricherCommands run the service, or ask a provider again for what it missed.
type enricherCommands struct {
	Serve  enricherCommand       `cmd:"" default:"1" name:"run" help:"Run the enricher alone; what parcours enricher does without more words."`
	Replay enricherReplayCommand `cmd:"" help:"Ask a provider again for the events whose look-up failed, and write its answers to the topic attributes."`
}

type enricherReplayCommand struct {
	running
	Provider string  `help:"Provider to ask, one of enricher.providers." required:"" placeholder:"NAME"`
	From     string  `help:"Only events that came since: a duration back from now (36h), a day or a time." placeholder:"WHEN"`
	To       string  `help:"Only events that came before." placeholder:"WHEN"`
	Rate     float64 `help:"Ask for so many in a second at most; 0 for as many as the provider's concurrency allows." default:"0"`
	DryRun   bool    `help:"Say what would be asked, and ask nobody."`
}

func (c enricherReplayCommand) Run(ctx context.Context, g globals, std streams) error {
	if c.Rate < 0 {
		return fmt.Errorf("enricher replay: --rate is %v: give 0 or more", c.Rate)
	}
	from, err := when("--from", c.From, time.Now())
	if err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	to, err := when("--to", c.To, time.Now())
	if err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	ids, err := identifier.New(cfg.Identifiers, cfg.Workspace)
	if err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	reg, err := registry.New(cfg.Registry, zap.NewNop())
	if err != nil {
		return err
	}
	kafka, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := kafka.EnsureTopics(ctx, stream.Evidence); err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	erased, err := readErasures(ctx, kafka, cfg.Workspace.Name, ids)
	if err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	report, err := enricher.Replay{
		Config: cfg.Enricher, Workspace: cfg.Workspace, Identifiers: cfg.Identifiers, Kafka: kafka, Registry: reg,
		Provider: c.Provider, From: from, To: to, Rate: c.Rate, DryRun: c.DryRun,
		Erased: func(node uuid.UUID) bool {
			_, gone := erased.Suppressed(ids.SuppressionKey(node))
			return gone
		},
	}.Run(ctx)
	if err != nil {
		return fmt.Errorf("enricher replay: %w", err)
	}
	return printReplay(std, g.Output, report)
}

// printReplay ends with errDifferences, and so exit code 3, when some are still missing.
func printReplay(std streams, output string, r *enricher.ReplayReport) error {
	if output == "json" {
		if err := toJSON(std.out, r); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, row := range []struct {
			what string
			n    int64
		}{
			{"events read", r.Events},
			{"events whose look-up failed", r.Failed},
			{"their people or areas", r.Subjects},
			{"not asked for: consent refused since", r.Refused},
			{"not asked for: erased", r.Erased},
			{"not asked for: known meanwhile", r.Known},
			{"left to be asked", r.Left},
			{"asked", r.Asked},
			{"answered", r.Answered},
			{"unknown to the provider", r.Unknown},
		} {
			rows = append(rows, []string{row.what, strconv.FormatInt(row.n, 10)})
		}
		for _, reason := range slices.Sorted(maps.Keys(r.Missed)) {
			rows = append(rows, []string{"missed again: " + reason, strconv.FormatInt(r.Missed[reason], 10)})
		}
		if err := table(std.out, output, []string{"what", "number"}, rows); err != nil {
			return err
		}
	}
	if len(r.Missed) > 0 {
		fmt.Fprintln(std.err, "Some are still missing: run it again once the provider answers.")
		return errDifferences
	}
	return nil
}
