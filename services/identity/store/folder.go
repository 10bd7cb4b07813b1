package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is in the folder of a store. Nothing else is ever written, and nothing else removed.
const (
	markerFile     = "STORE"
	markerDraft    = "STORE.draft"
	lockFile       = "LOCK"
	databaseFolder = "db"
	restoreFolder  = "db.restoring"
)

// format is of all that this package writes.
const format = 1

// marker tells a store from any other folder, and whose it is.
type marker struct {
	Format    int    `json:"format"`
	Workspace string `json:"workspace"`
	Topic     string `json:"topic"`
}

// lock keeps other instances out of the folder, which it makes if need be.
func lock(files vfs.FS, dir string) (*pebble.Lock, error) {
	if err := makeFolder(files, dir); err != nil {
		return nil, fmt.Errorf("make the folder of the store: %w", err)
	}
	held, err := pebble.LockDirectory(dir, files)
	var path *fs.PathError
	switch {
	case err == nil:
		return held, nil
	case errors.As(err, &path):
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return nil, fmt.Errorf("%w: %s (%w): end that instance, or give this one a folder of its own", ErrInUse, dir, err)
}

// readMarker answers fs.ErrNotExist in an empty folder, errForeign in one of somebody else's.
func readMarker(files vfs.FS, dir string) (marker, error) {
	body, err := readFile(files, files.PathJoin(dir, markerFile))
	if errors.Is(err, fs.ErrNotExist) {
		names, listErr := files.List(dir)
		if listErr != nil {
			return marker{}, fmt.Errorf("list the folder of the store: %w", listErr)
		}
		for _, name := range names {
			if name != lockFile && name != markerDraft && name != "lost+found" {
				return marker{}, fmt.Errorf("%w: %s has %q, and no file %s: give an empty folder", errForeign, dir, name, markerFile)
			}
		}
		return marker{}, err
	}
	if err != nil {
		return marker{}, fmt.Errorf("read what the store is: %w", err)
	}
	var m marker
	if err := json.Unmarshal(body, &m); err != nil {
		return marker{}, fmt.Errorf("%w: file %s: %w", ErrUnusable, markerFile, err)
	}
	return m, nil
}

var errForeign = errors.New("the folder is not a store of identity")

func writeMarker(files vfs.FS, dir string, m marker) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	if err := writeFile(files, files.PathJoin(dir, markerDraft), body); err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	if err := files.Rename(files.PathJoin(dir, markerDraft), files.PathJoin(dir, markerFile)); err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	return syncFolder(files, dir)
}

// check compares what the store is with what is wanted.
func (m marker) check(o *Options) error {
	switch {
	case m.Format != format:
		return fmt.Errorf("%w: it has format %d, this service knows %d", ErrUnusable, m.Format, format)
	case m.Workspace != o.Workspace:
		return fmt.Errorf("%w: it is of workspace %q, wanted is %q", ErrUnusable, m.Workspace, o.Workspace)
	case m.Topic != o.Topic:
		return fmt.Errorf("%w: it is of the topic with id %q, the log has id %q now", ErrUnusable, m.Topic, o.Topic)
	}
	return nil
}

// Discard empties the folder of a store, so that the next Open begins anew. It refuses folders that are
// none and stores that are open, and touches no file that is not of a store.
func Discard(dir string) error {
	if dir == "" {
		return nil
	}
	return discard(vfs.Default, dir)
}

func discard(files vfs.FS, dir string) error {
	held, err := lock(files, dir)
	if err != nil {
		return fmt.Errorf("discard: %w", err)
	}
	_, err = readMarker(files, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return held.Close()
	case err != nil && !errors.Is(err, ErrUnusable):
		return errors.Join(fmt.Errorf("discard: %w", err), held.Close())
	}
	// The marker goes last: a crash before leaves a folder that is still known as ours.
	for _, name := range []string{databaseFolder, restoreFolder, markerDraft, markerFile} {
		if err := files.RemoveAll(files.PathJoin(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("discard %s: %w", dir, err), held.Close())
		}
	}
	return errors.Join(syncFolder(files, dir), held.Close())
}

func readFile(files vfs.FS, path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(f)
	return body, errors.Join(err, f.Close())
}

// writeFile leaves the file on the disk; its name is there once the folder is synced.
func writeFile(files vfs.FS, path string, body []byte) error {
	f, err := files.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

func syncFolder(files vfs.FS, dir string) error {
	f, err := files.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// makeFolder makes the folder and what is above it, each with its name on the disk.
func makeFolder(files vfs.FS, dir string) error {
	there, err := exists(files, dir)
	parent := files.PathDir(dir)
	if there || err != nil || parent == dir {
		return err
	}
	if err := makeFolder(files, parent); err != nil {
		return err
	}
	if err := files.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncFolder(files, parent)
}

func exists(files vfs.FS, path string) (bool, error) {
	_, err := files.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
