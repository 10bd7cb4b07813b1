package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// sinkCommands run the service, or prove what it did.
type sinkCommands struct {
	Serve     sinkCommand      `cmd:"" default:"1" name:"run" help:"Run the sink alone; what parcours sink does without more words."`
	Reconcile reconcileCommand `cmd:"" help:"Compare Kafka with ClickHouse, offset by offset, and name what is missing, double or foreign."`
	Refresh   refreshCommand   `cmd:"" help:"Refresh now the views that refresh themselves at intervals, and wait until they are."`
}

// errDifferences ends a comparison that found some, which its output has named.
var errDifferences = errors.New("differences")

type reconcileCommand struct {
	running
	Topic     []string      `help:"Compare this topic only; may be repeated." enum:"touchpoints.enriched,touchpoints.rejected" placeholder:"TOPIC"`
	Partition []int32       `help:"Compare this partition only; may be repeated." placeholder:"NUMBER"`
	Since     time.Duration `help:"Compare only what came into Kafka within this time; without it, all that Kafka has." placeholder:"DURATION"`
	Limit     int           `help:"How many findings of a kind are named for each partition; all are counted." default:"20"`
}

// backends are the servers that the tools on the sink's tables ask.
type backends struct {
	db       *warehouse.Warehouse
	kafka    *stream.Client
	registry *registry.Registry
}

func connect(ctx context.Context, cfg up.Config) (b backends, err error) {
	if b.db, err = warehouse.Open(cfg.Sink.ClickHouse); err != nil {
		return b, err
	}
	if err = b.db.Ping(ctx); err != nil {
		return b, errors.Join(err, b.db.Close())
	}
	if b.registry, err = registry.New(cfg.Registry, zap.NewNop()); err != nil {
		return b, errors.Join(err, b.db.Close())
	}
	if b.kafka, err = stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry()); err != nil {
		return b, errors.Join(err, b.db.Close())
	}
	if err = b.kafka.Ping(ctx); err != nil {
		return b, errors.Join(err, b.close())
	}
	return b, nil
}

func (b backends) close() error {
	b.kafka.Close()
	return b.db.Close()
}

func (c reconcileCommand) Run(ctx context.Context, g globals, std streams) (err error) {
	if c.Limit < 0 || c.Since < 0 {
		return fmt.Errorf("sink reconcile: --limit is %d and --since is %s: neither can be negative", c.Limit, c.Since)
	}
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	servers, err := connect(ctx, cfg)
	if err != nil {
		return fmt.Errorf("sink reconcile: %w", err)
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	comparison := sink.Reconcile{
		Warehouse: servers.db, Kafka: servers.kafka, Registry: servers.registry, Config: cfg.Sink,
		Topics: c.Topic, Partitions: c.Partition, Limit: c.Limit,
		Progress: func(topic string, partition int32, done, total int64) {
			fmt.Fprintf(std.err, "%s/%d: %d of %d offsets\n", topic, partition, done, total)
		},
	}
	if c.Since > 0 {
		comparison.Since = time.Now().Add(-c.Since)
	}
	reports, err := comparison.Run(ctx)
	if err != nil {
		return fmt.Errorf("sink reconcile: %w", err)
	}
	if len(reports) == 0 {
		return errors.New("sink reconcile: there is no such partition")
	}
	return printReconciliation(std, g.Output, reports)
}

func printReconciliation(std streams, output string, reports []sink.PartitionReport) error {
	verdict, agree := tellReconciliation(reports)
	if output == "json" {
		err := toJSON(std.out, struct {
			Agree      bool                   `json:"agree"`
			Verdict    string                 `json:"verdict"`
			Partitions []sink.PartitionReport `json:"partitions"`
		}{agree, verdict, reports})
		if err != nil || agree {
			return err
		}
		return errDifferences
	}
	var rows, findings [][]string
	for i := range reports {
		p := &reports[i]
		row := []string{fmt.Sprintf("%s/%d", p.Topic, p.Partition), p.Table, offsets(p.From, p.To-1)}
		for _, n := range []int64{p.Expected, p.Stored, p.Duplicates, p.Quarantined, p.Missing, p.Double, p.Foreign, p.Beyond} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		rows = append(rows, row)
		for _, f := range p.Findings {
			id := ""
			if f.ID != nil {
				id = f.ID.String()
			}
			findings = append(findings, []string{f.Kind, fmt.Sprintf("%s/%d", f.Topic, f.Partition), offsets(f.From, f.To), strconv.FormatInt(f.Rows, 10), id, f.Why})
		}
	}
	header := []string{"partition", "table", "offsets", "expected", "stored", "duplicates", "quarantined", "missing", "double", "foreign", "beyond the log"}
	if err := table(std.out, output, header, rows); err != nil {
		return err
	}
	if len(findings) > 0 {
		fmt.Fprintln(std.out)
		if err := table(std.out, output, []string{"finding", "partition", "offsets", "rows", "id", "what"}, findings); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.out, "\n%s\n", verdict)
	if !agree {
		return errDifferences
	}
	return nil
}

func offsets(from, to int64) string {
	switch {
	case to < from:
		return "none"
	case to == from:
		return strconv.FormatInt(from, 10)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

// tellReconciliation says it in one sentence, or two.
func tellReconciliation(reports []sink.PartitionReport) (verdict string, agree bool) {
	var all sink.PartitionReport
	for i := range reports {
		p := &reports[i]
		all.Records += p.Records
		all.Stored += p.Stored
		all.Duplicates += p.Duplicates
		all.Quarantined += p.Quarantined
		all.Missing += p.Missing
		all.Double += p.Double
		all.Foreign += p.Foreign
		all.Beyond += p.Beyond
		all.Waiting += p.Waiting
	}
	if agree = all.Differences() == 0; agree {
		verdict = fmt.Sprintf("Kafka and ClickHouse agree: of %d records %d are rows, %d repeat an earlier one and %d are in quarantine.", all.Records, all.Stored, all.Duplicates, all.Quarantined)
	} else {
		verdict = fmt.Sprintf("Kafka and ClickHouse differ: of %d rows that should be there %d are missing; of %d rows that are there %d are double and %d foreign.",
			all.Stored-all.Double-all.Foreign+all.Missing, all.Missing, all.Stored, all.Double, all.Foreign)
	}
	var also []string
	if all.Waiting > 0 {
		also = append(also, fmt.Sprintf("%d records are on their way", all.Waiting))
	}
	if all.Beyond > 0 {
		also = append(also, fmt.Sprintf("%d rows are older than what Kafka can prove", all.Beyond))
	}
	if len(also) > 0 {
		verdict += " Not compared: " + strings.Join(also, ", ") + "."
	}
	return verdict, agree
}
