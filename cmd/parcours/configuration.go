package main

import (
	"encoding/json"
	"fmt"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/config"
	"go.yaml.in/yaml/v3"
)

type configCheckCommand struct{}

func (configCheckCommand) Run(g globals, std streams) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	if g.Output == "json" {
		return table(std.out, g.Output, []string{"check", "result"}, [][]string{{"configuration", well}})
	}
	fmt.Fprintln(std.out, "The configuration is right.")
	if cfg.Workspace.HashKey == "" {
		fmt.Fprintln(std.out, "workspace.hash_key is empty: parcours up makes one and keeps it; a service alone refuses to start without.")
	}
	return nil
}

type configPrintCommand struct{}

func (configPrintCommand) Run(g globals, std streams) error {
	cfg, err := up.Load(g.source())
	if err != nil {
		return err
	}
	text, err := config.Print(cfg.Sections()...)
	if err != nil {
		return err
	}
	if g.Output == "json" {
		if text, err = yamlToJSON(text); err != nil {
			return err
		}
	}
	fmt.Fprint(std.out, text)
	// A mistake is told after the whole, which helps to find it.
	return cfg.Validate()
}

// yamlToJSON says the same without the comments.
func yamlToJSON(text string) (string, error) {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	return string(out) + "\n", nil
}
