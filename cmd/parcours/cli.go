package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/config"
)

// Exit codes, as documented in docs/reference/command-line.md.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitDifferences = 3
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// globals are the flags of every command.
type globals struct {
	Config string   `help:"YAML configuration file." env:"PARCOURS_CONFIG" placeholder:"FILE" type:"path"`
	Set    []string `help:"Override one key, for example --set collector.listen=:8080; may be repeated." placeholder:"KEY=VALUE" sep:"none"`
	Output string   `help:"How results are printed: table or json." enum:"table,json" default:"table"`
}

func (g globals) source() config.Source {
	return config.Source{File: g.Config, Flags: g.Set, Environ: os.Environ()}
}

// load reads and checks the whole configuration.
func (g globals) load() (up.Config, error) {
	cfg, err := up.Load(g.source())
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

type cli struct {
	globals

	Up   upCommand   `cmd:"" help:"Run the whole pipeline in one process, with broker, registry and ClickHouse engine."`
	Demo demoCommand `cmd:"" help:"Run everything on a simulated week of a French retailer and print the analysts' tables."`

	Collector collectorCommand `cmd:"" help:"Run the collector alone."`
	Identity  identityCommands `cmd:"" help:"Run the identity service alone, or ask a running one who is which customer, and rule."`
	Enricher  enricherCommands `cmd:"" help:"Run the enricher alone, or ask a provider again for what it missed."`
	Sink      sinkCommands     `cmd:"" help:"Run the sink alone, or compare Kafka with ClickHouse."`

	Data     dataCommands     `cmd:"" help:"List, check and install the reference data of the enricher."`
	Import   importCommands   `cmd:"" help:"Bring in files."`
	Squash   squashCommand    `cmd:"" help:"Write the customers of now into closed months of ClickHouse, so that the identity map can forget."`
	Simulate simulate.Command `cmd:"" help:"Send the events of a seeded population of shoppers."`
	Events   struct {
		Tail tailCommand `cmd:"" help:"Print events as they pass."`
	} `cmd:"" help:"Look at events."`
	Rejected rejectedCommands `cmd:"" help:"Look at what was rejected, and send it again."`
	Schema   struct {
		Check    schemaCheckCommand    `cmd:"" help:"Check that schemas are compatible with what is registered, or with older files."`
		Register schemaRegisterCommand `cmd:"" help:"Register the schemas of this version."`
	} `cmd:"" help:"Check and register Avro schemas."`
	Configuration struct {
		Check configCheckCommand `cmd:"" help:"Check the configuration."`
		Print configPrintCommand `cmd:"" help:"Print the configuration in force, secrets redacted, with the environment variable of each key."`
	} `cmd:"" name:"config" help:"Check and print the configuration."`
	Doctor  doctorCommand  `cmd:"" help:"Check configuration, servers, topics, schemas and tables, and say what to do."`
	Probe   probeCommand   `cmd:"" help:"Ask an address for 200; for container health checks."`
	Version versionCommand `cmd:"" help:"Print the version."`
	Engine  engineCommand  `cmd:"" hidden:"" help:"The ClickHouse engine's own process, started by up."`
}

// run parses the command line, runs the command and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	var flags cli
	exit := exitOK
	parser, err := kong.New(&flags,
		kong.Name("parcours"),
		kong.Description("Every touchpoint, online and offline, as one stream of events about one customer, in ClickHouse."),
		kong.Writers(std.out, std.err),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "parcours:", err)
		return exitError
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if asksForHelp(args) {
		return exit
	}
	if err != nil {
		fmt.Fprintf(std.err, "parcours: %v; parcours --help lists the commands\n", err)
		return exitUsage
	}
	err = command.Run(flags.globals)
	switch {
	case err == nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitOK
	case errors.Is(err, errReported):
		if err.Error() != errReported.Error() {
			fmt.Fprintln(std.err, "parcours:", err) // something went wrong besides
		}
		return exitError
	case errors.Is(err, errDifferences):
		return exitDifferences
	default:
		fmt.Fprintln(std.err, "parcours:", err)
		return exitError
	}
}

// errReported ends a command whose output has said already what is wrong.
var errReported = errors.New("reported")

func asksForHelp(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--help" || arg == "-h" {
			return true
		}
	}
	return false
}

// table prints rows under a header, or as JSON objects with the header's words as keys.
func table(out io.Writer, format string, header []string, rows [][]string) error {
	if format == "json" {
		objects := make([]map[string]string, len(rows))
		for i, row := range rows {
			objects[i] = make(map[string]string, len(header))
			for j, name := range header {
				objects[i][strings.ReplaceAll(strings.ToLower(name), " ", "_")] = row[j]
			}
		}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(objects)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
