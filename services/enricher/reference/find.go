package reference

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// candidate is a file that was found, as one look showed it.
type candidate struct {
	File
	size    int64
	changed time.Time
	// inode tells a file from one that was moved into its place.
	inode uint64
}

// excluded tells whether the configuration leaves the data set out.
func (c Config) excluded(name string) bool {
	given, ok := c.Files[name]
	return ok && given == ""
}

// Absent are the folders and files of the configuration that are not there, as they stand in it.
func (c Config) Absent() []string {
	var all []string
	for _, path := range slices.Concat(c.Dirs, slices.Sorted(maps.Values(c.Files))) {
		if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
			all = append(all, path)
		}
	}
	return all
}

// find looks for the files of a data set; none is no error.
func (c Config) find(d Dataset) ([]candidate, error) {
	if given := c.Files[d.Name]; given != "" {
		one, err := stat(given)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return []candidate{one}, err
	}
	byName := map[string]string{}
	for _, dir := range c.Dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", d.Name, err)
		}
		for _, entry := range entries {
			name := entry.Name()
			if _, earlier := byName[name]; !earlier && !entry.IsDir() && d.recognises(name) {
				byName[name] = filepath.Join(dir, name)
			}
		}
	}
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > 1 && !d.Several {
		names = names[len(names)-1:]
	}
	var all []candidate
	for _, name := range names {
		one, err := stat(byName[name])
		if errors.Is(err, fs.ErrNotExist) {
			continue // It went between the two calls; the next look knows better.
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// recognises tells whether a file of that name belongs to the data set. Names with a dot in front are of files that are still being written.
func (d Dataset) recognises(name string) bool {
	lower := strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(d.Files, func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), lower)
		return ok && err == nil
	})
}

func stat(at string) (candidate, error) {
	info, err := os.Stat(at)
	if err != nil {
		return candidate{}, err
	}
	if !info.Mode().IsRegular() {
		return candidate{}, fmt.Errorf("%s is no file", at)
	}
	c := candidate{File: File{Name: filepath.Base(at), Path: at}, size: info.Size(), changed: info.ModTime()}
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		c.inode = system.Ino
	}
	return c, nil
}

// markOf is what two looks at unchanged files have in common.
func markOf(all []candidate) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%s %d %d %d\n", c.Path, c.size, c.changed.UnixNano(), c.inode)
	}
	return b.String()
}

func filesOf(all []candidate) []File {
	var files []File
	for _, c := range all {
		files = append(files, c.File)
	}
	return files
}
