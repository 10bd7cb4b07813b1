package reference

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keep is the folder of one data set with the copies of its files: one folder for each edition, named by its checksum, and a record of the one that
// was taken last. Copies are copies, not links: a file that is written over in place must not change below a table that is mapped into memory.
type keep struct{ dir string }

// record says which edition was taken last.
type record struct {
	Sum   string   `json:"sum"`
	Rows  int      `json:"rows"`
	Files []string `json:"files"`
}

const (
	recordFile = "last-good.json"
	newPrefix  = ".new-"
)

func (k keep) edition(sum string) string { return filepath.Join(k.dir, sum) }

// last is the edition that was taken last; nil when there is none.
func (k keep) last() (*record, error) {
	text, err := os.ReadFile(filepath.Join(k.dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(k.dir, recordFile), err)
	}
	return &r, nil
}

// files are those of a record, checked against its sum.
func (k keep) files(r *record) ([]File, error) {
	var files []File
	for _, name := range r.Files {
		if name != filepath.Base(name) {
			return nil, fmt.Errorf("%s names a file outside of its folder", filepath.Join(k.dir, recordFile))
		}
		files = append(files, File{Name: name, Path: filepath.Join(k.edition(r.Sum), name)})
	}
	sum, err := checksum(files)
	if err != nil {
		return nil, err
	}
	if sum != r.Sum {
		return nil, fmt.Errorf("the copy in %s has the checksum %s, not the one that it was taken with", k.edition(r.Sum), sum)
	}
	return files, nil
}

// copy takes the files over and returns their copies and their checksum. What stands there after a crash is removed by prune.
func (k keep) copy(from []File) (copies []File, sum string, err error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, "", err
	}
	// 1. Into a folder of its own. A crash here leaves a folder that nobody reads.
	dir, err := os.MkdirTemp(k.dir, newPrefix)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := sha256.New()
	for _, file := range from {
		if len(from) > 1 {
			heading(h, file)
		}
		if err := copyFile(filepath.Join(dir, file.Name), file.Path, h); err != nil {
			return nil, "", err
		}
	}
	sum = short(h)
	// 2. Under its name. The same edition may stand there, whole or damaged: it is the same by its name, so it is replaced.
	to := k.edition(sum)
	if err := os.RemoveAll(to); err != nil {
		return nil, "", err
	}
	if err := os.Rename(dir, to); err != nil {
		return nil, "", err
	}
	for _, file := range from {
		copies = append(copies, File{Name: file.Name, Path: filepath.Join(to, file.Name)})
	}
	return copies, sum, nil
}

func copyFile(to, from string, sum hash.Hash) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(io.MultiWriter(out, sum), in); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return out.Sync()
}

// take records an edition as the last good one, and removes the others. A crash before the rename leaves the one before in force, one after it
// leaves folders that the next one removes.
func (k keep) take(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fresh := filepath.Join(k.dir, newPrefix+recordFile)
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(k.dir, recordFile)); err != nil {
		return err
	}
	return k.prune(r.Sum)
}

// prune removes all but one edition.
func (k keep) prune(sum string) error {
	entries, err := os.ReadDir(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name == sum || name == recordFile || !entry.IsDir() && !strings.HasPrefix(name, newPrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(k.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets everything.
func (k keep) drop() error { return os.RemoveAll(k.dir) }
