package main

import (
	"fmt"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/config"
)

type configCheckCommand struct{}

func (configCheckCommand) Run(g globals, std streams) error {
	if _, err := g.load(); err != nil {
		return err
	}
	if g.Output == "json" {
		return table(std.out, g.Output, []string{"check", "result"}, [][]string{{"configuration", well}})
	}
	fmt.Fprintln(std.out, "The configuration is right.")
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
	fmt.Fprint(std.out, text)
	// A mistake is told after the whole, which helps to find it.
	return cfg.Validate()
}
