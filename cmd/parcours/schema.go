package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
)

// ours are the schemas of this version, by topic.
func ours() []struct{ topic, schema string } {
	return []struct{ topic, schema string }{
		{stream.Touchpoints, schemas.TouchpointSchema()},
		{stream.Identified, schemas.IdentifiedTouchpointSchema()},
		{stream.Enriched, schemas.EnrichedTouchpointSchema()},
		{stream.Rejected, schemas.RejectedTouchpointSchema()},
		{stream.Attributes, schemas.AttributeSetSchema()},
	}
}

type schemaCheckCommand struct {
	running
	File    string   `arg:"" optional:"" help:"Schema to check instead of those of this version." type:"existingfile"`
	Topic   string   `help:"Topic that the file is for." placeholder:"TOPIC"`
	Against []string `help:"Older schema files, oldest first, to check the file against instead of the registry." type:"existingfile" placeholder:"FILE"`
}

func (c schemaCheckCommand) Run(ctx context.Context, g globals, std streams) error {
	if c.File == "" && len(c.Against) > 0 {
		return fmt.Errorf("schema check: --against needs the file to check")
	}
	if c.File != "" && len(c.Against) > 0 {
		return c.checkFiles(g, std)
	}
	reg, err := c.registry(g)
	if err != nil {
		return err
	}
	checked := ours()
	if c.File != "" {
		if c.Topic == "" {
			return fmt.Errorf("schema check: name the topic of %s with --topic, or older files with --against", c.File)
		}
		text, err := os.ReadFile(c.File)
		if err != nil {
			return fmt.Errorf("schema check: %w", err)
		}
		checked = []struct{ topic, schema string }{{c.Topic, string(text)}}
	}
	var rows [][]string
	for _, s := range checked {
		history, err := reg.History(ctx, s.topic)
		if err != nil {
			return err
		}
		rows = append(rows, verdict(registry.Subject(s.topic), history, s.schema))
	}
	return printVerdicts(rows, g, std)
}

func (c schemaCheckCommand) checkFiles(g globals, std streams) error {
	var history []string
	for _, path := range append(c.Against, c.File) {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("schema check: %w", err)
		}
		history = append(history, string(text))
	}
	last := len(history) - 1
	return printVerdicts([][]string{verdict(c.File, history[:last], history[last])}, g, std)
}

func (r running) registry(g globals) (*registry.Registry, error) {
	cfg, err := r.load(g)
	if err != nil {
		return nil, err
	}
	return registry.New(cfg.Registry, zap.NewNop())
}

const compatible = "compatible"

func verdict(subject string, history []string, schema string) []string {
	row := []string{subject, fmt.Sprint(len(history)), compatible, ""}
	if err := schemas.CheckCompatible(history, schema); err != nil {
		row[2], row[3] = "INCOMPATIBLE", strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return row
}

func printVerdicts(rows [][]string, g globals, std streams) error {
	if err := table(std.out, g.Output, []string{"subject", "versions", "verdict", "why"}, rows); err != nil {
		return err
	}
	for _, row := range rows {
		if row[2] != compatible {
			return errReported
		}
	}
	return nil
}

type schemaRegisterCommand struct{ running }

func (c schemaRegisterCommand) Run(ctx context.Context, g globals, std streams) error {
	reg, err := c.registry(g)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range ours() {
		id, err := reg.Register(ctx, s.topic, s.schema)
		if err != nil {
			return err
		}
		rows = append(rows, []string{registry.Subject(s.topic), fmt.Sprint(id)})
	}
	return table(std.out, g.Output, []string{"subject", "id"}, rows)
}
