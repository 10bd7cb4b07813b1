package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/demo"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

type demoCommand struct {
	Customers int      `help:"People in the simulation." default:"2000"`
	Days      int      `help:"Simulated days." default:"7"`
	Seed      uint64   `help:"Seed of the simulation." default:"1"`
	Reference []string `help:"Folder of reference data, such as INSEE's files; may be repeated." placeholder:"DIR" type:"path" sep:"none"`
	DataDir   string   `help:"Keep topics and tables in this folder instead of a temporary one." placeholder:"DIR" type:"path"`
	Stay      bool     `help:"Stay up after the tables, for questions of your own."`
	SQL       bool     `name:"sql" help:"Print the SQL of each table."`
}

func (c demoCommand) Run(ctx context.Context, g globals, std streams) (err error) {
	cfg, err := up.Load(g.source())
	if err != nil {
		return err
	}
	cfg.AutoPorts()
	cfg.Embedded.DataDir = c.DataDir
	// What is thrown away need not survive a power cut.
	cfg.Embedded.Sync = cfg.Embedded.Sync && c.DataDir != ""
	if c.DataDir == "" {
		dir, failed := os.MkdirTemp("", "parcours-demo-")
		if failed != nil {
			return fmt.Errorf("make a folder for the demo: %w", failed)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		cfg.Embedded.DataDir = dir
	}
	if err := c.know(&cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	log, err := service.LogConfig{Level: "warn", Format: "console"}.Build()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ready, ended := make(chan up.Addresses, 1), make(chan error, 1)
	fmt.Fprintln(std.err, "Starting broker, registry, ClickHouse engine and the four services ...")
	go func() {
		ended <- up.Run(ctx, cfg, up.Options{Log: log, Ready: func(a up.Addresses) { ready <- a }})
	}()
	defer func() {
		stop()
		if stopped := <-ended; err == nil {
			err = stopped
		}
	}()
	select {
	case addresses := <-ready:
		return c.show(ctx, cfg, addresses, g, std)
	case err := <-ended:
		ended <- nil
		return err
	}
}

// know gives the enricher the shops of the simulation and the folders of reference data, and has it describe people by the statistics of
// where they live. A retailer has to decide that; these people are made up, and still only those are described who allowed it.
func (c demoCommand) know(cfg *up.Config) error {
	shops := filepath.Join(cfg.Embedded.DataDir, "reference", "shops.csv")
	if err := os.MkdirAll(filepath.Dir(shops), 0o750); err != nil {
		return fmt.Errorf("make a folder for the shops of the demo: %w", err)
	}
	file, err := os.Create(shops)
	if err != nil {
		return fmt.Errorf("write the shops of the demo: %w", err)
	}
	if err := errors.Join(simulate.WriteShops(file), file.Close()); err != nil {
		return err
	}
	cfg.Enricher.Reference.Dirs = append(slices.Clone(cfg.Enricher.Reference.Dirs), c.Reference...)
	cfg.Enricher.Purposes.Profiling.Enabled = true
	cfg.Enricher.Purposes.Profiling.Consent = []string{"personalization"}
	return nil
}

// demoWorkers is how many requests are under way at once: each waits for Kafka, and shoppers do not wait in line.
const demoWorkers = 64

// show sends the simulation to the running pipeline, waits until all of it is stored, and prints the tables.
func (c demoCommand) show(ctx context.Context, cfg up.Config, a up.Addresses, g globals, std streams) (err error) {
	simulation, err := simulate.New(simulate.Config{Seed: c.Seed, Customers: c.Customers, Days: c.Days, Trouble: 1})
	if err != nil {
		return err
	}
	var truth bytes.Buffer
	fmt.Fprintf(std.err, "Simulating %d shoppers for %d days, sent to http://%s ...\n", c.Customers, c.Days, a.Collector)
	meter := simulate.NewMeter(os.Stderr)
	result, err := simulate.Send(ctx, simulation, simulate.Options{
		Target: "http://" + a.Collector, Keys: writeKeys(cfg), Truth: &truth, Progress: meter.Show, Workers: demoWorkers,
	})
	meter.Done()
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		return err
	}
	cfg.Sink.ClickHouse.Addresses = []string{a.ClickHouse}
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	drained := time.Now()
	if err := drain(ctx, cfg, a); err != nil {
		return err
	}
	stored := time.Since(drained)
	if _, err := sink.RefreshViews(ctx, db); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "All stored %s after the last event was sent.\n\n", stored.Round(10*time.Millisecond))
	err = demo.Report(ctx, db, demo.Run{Config: simulation.Config(), Result: result, Truth: &truth}, std.out,
		demo.Options{SQL: c.SQL, Output: g.Output})
	if err != nil {
		return err
	}
	if c.Stay {
		fmt.Fprint(std.err, banner(a, cfg))
		<-ctx.Done()
	}
	return nil
}

// writeKeys are the configured keys by source.
func writeKeys(cfg up.Config) map[string]string {
	keys := simulate.DevelopmentKeys()
	for _, source := range cfg.Collector.Sources {
		if _, known := keys[source.Name]; known {
			keys[source.Name] = source.WriteKey
		}
	}
	return keys
}

const (
	drainPoll = 100 * time.Millisecond
	// drainPatience is how long nothing may move before the demo gives up.
	drainPatience = time.Minute
)

// drain waits until every stage has committed all that the stages before it wrote.
func drain(ctx context.Context, cfg up.Config, a up.Addresses) error {
	cfg.Kafka.Brokers = []string{a.Kafka}
	kafka, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer kafka.Close()
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	var before []string
	moved := time.Now()
	for {
		var behind []string
		// In the order of the path: a stage that is drained cannot fill up again once those before it are.
		for _, g := range groups(cfg.Workspace.Name) {
			lag, err := kafka.GroupLag(ctx, g.group, g.topic)
			if err != nil {
				return err
			}
			if lag[g.topic] > 0 {
				behind = append(behind, fmt.Sprintf("group %s by %d records of %s", g.group, lag[g.topic], g.topic))
			}
		}
		if len(behind) == 0 {
			return nil
		}
		if !slices.Equal(behind, before) {
			before, moved = behind, time.Now()
		} else if time.Since(moved) > drainPatience {
			return fmt.Errorf("wait until all is stored: nothing moved for %s, behind are %s: run it again with --data-dir and read the log", drainPatience, strings.Join(behind, ", "))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
