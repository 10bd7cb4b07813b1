package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// running are the flags of commands that look at a running pipeline.
type running struct {
	At string `help:"Addresses of a running parcours up, as its --addr-file wrote them." placeholder:"FILE" type:"path"`
}

// load reads the configuration and points it at the running pipeline.
func (r running) load(g globals) (up.Config, error) {
	cfg, err := g.load()
	if err != nil || r.At == "" {
		return cfg, err
	}
	a, err := up.ReadAddresses(r.At)
	if err != nil {
		return cfg, err
	}
	cfg.Kafka.Brokers = []string{a.Kafka}
	cfg.Registry.URL = "http://" + a.Registry
	cfg.Sink.ClickHouse.Addresses = []string{a.ClickHouse}
	cfg.Collector.Listen = a.Collector
	cfg.Admin.Listen = a.Admin
	return cfg, nil
}

type tailCommand struct {
	running
	Topic    string `help:"Topic to read." enum:"touchpoints,touchpoints.rejected,touchpoints.identified,touchpoints.enriched" default:"touchpoints.enriched"`
	All      bool   `help:"Begin with the oldest event that Kafka still has."`
	Count    int    `short:"n" help:"Stop after this many events; 0 goes on until interrupted." default:"0"`
	Personal bool   `help:"Print personal data too: identifiers, contact fields, addresses, original payloads."`
}

func (c tailCommand) Run(ctx context.Context, g globals, std streams) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	kafka, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := kafka.Ping(ctx); err != nil {
		return err
	}
	reg, err := registry.New(cfg.Registry, zap.NewNop())
	if err != nil {
		return err
	}
	read := kafka.Tail
	if c.All {
		read = kafka.Follow
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	printer := &tailPrinter{tailCommand: c, registry: reg, out: std.out, json: g.Output == "json"}
	err = read(ctx, c.Topic, func(ctx context.Context, records []*stream.Record) error {
		for _, record := range records {
			if err := printer.print(ctx, record); err != nil {
				return err
			}
			if c.Count > 0 && printer.printed == c.Count {
				stop()
				return nil
			}
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

type tailPrinter struct {
	tailCommand
	registry *registry.Registry
	out      io.Writer
	json     bool
	printed  int
}

func (p *tailPrinter) print(ctx context.Context, record *stream.Record) error {
	event, line, err := p.decode(ctx, record)
	if err != nil {
		// A record that cannot be read is news as well.
		line = fmt.Sprintf("%s/%d/%d cannot be read: %v", record.Topic, record.Partition, record.Offset, err)
		event = map[string]any{"topic": record.Topic, "partition": record.Partition, "offset": record.Offset, "error": err.Error()}
	}
	p.printed++
	if !p.json {
		_, err := fmt.Fprintln(p.out, line)
		return err
	}
	return json.NewEncoder(p.out).Encode(event)
}

const clock = "2006-01-02 15:04:05"

// decode returns the event for JSON and as one line of text.
func (p *tailPrinter) decode(ctx context.Context, record *stream.Record) (any, string, error) {
	id, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		return nil, "", err
	}
	if record.Topic == stream.Rejected {
		return p.decodeRejected(ctx, id, body)
	}
	decoder, err := p.registry.Decoder(ctx, id)
	if err != nil {
		return nil, "", err
	}
	var event schemas.EnrichedTouchpoint
	if err := decoder.Decode(body, &event); err != nil {
		return nil, "", err
	}
	if !p.Personal {
		hide(&event)
	}
	line := fmt.Sprintf("%s  %-11s %-9s %-28s", event.OccurredAt.Time().Format(clock), event.Channel, event.Type, event.Name)
	if event.CustomerID != (schemas.UUID{}) {
		line += fmt.Sprintf(" customer %s (%s)", event.CustomerID, event.AnchorType)
	}
	return &event, line, nil
}

func (p *tailPrinter) decodeRejected(ctx context.Context, id int32, body []byte) (any, string, error) {
	text, err := p.registry.Schema(ctx, id)
	if err != nil {
		return nil, "", err
	}
	decoder, err := schemas.NewRejectedDecoder(text)
	if err != nil {
		return nil, "", err
	}
	var rejected schemas.RejectedTouchpoint
	if err := decoder.Decode(body, &rejected); err != nil {
		return nil, "", err
	}
	if !p.Personal {
		rejected.Payload = nil
	}
	line := fmt.Sprintf("%s  %-9s %-24s %s: %s", rejected.RejectedAt.Time().Format(clock), rejected.Stage, rejected.Reason, rejected.Field, rejected.Detail)
	return &rejected, line, nil
}

// hide removes what would put personal data on a screen or into a file that nobody thinks of.
func hide(event *schemas.EnrichedTouchpoint) {
	event.Person = schemas.Optional[schemas.Person]{}
	event.Context.IP = ""
	event.Traits = ""
	if event.CustomerID == (schemas.UUID{}) {
		// Before identity, identifiers are in clear.
		for i := range event.Identifiers {
			event.Identifiers[i].Value = "hidden"
		}
	}
}
