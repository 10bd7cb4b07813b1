package store

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Snapshot is a finished copy of a store, in a folder of its own: DIR/workspace/position-time.
type Snapshot struct {
	Path      string        `json:"-"`
	Workspace string        `json:"workspace"`
	Topic     string        `json:"topic"`
	Position  int64         `json:"position"`
	Written   time.Time     `json:"written"`
	Sums      evidence.Sums `json:"sums"`
}

// manifest is the file that makes a folder a snapshot; it is written last.
type manifest struct {
	Format int `json:"format"`
	Snapshot
	Files []snapshotFile `json:"files"`
}

type snapshotFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// Sum is CRC-32C: it finds what a broken disk or a torn copy left, not what somebody forged.
	Sum uint32 `json:"crc32c"`
}

const (
	manifestFile = "MANIFEST"
	nameTime     = "20060102T150405.000Z"
	// unfinishedFor is how long a folder may be in the making.
	unfinishedFor = 24 * time.Hour
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// ourName is that of a snapshot, or with a dot of one in the making.
	ourName = regexp.MustCompile(`^\.?\d+-\d{8}T\d{6}\.\d{3}Z(\.|$)`)
)

// Checkpoint copies the store as it is into a new folder of dir, without holding up who writes. Tables are
// linked where the file system can. Several instances may write into one dir.
func (s *Store) Checkpoint(dir string) (Snapshot, error) {
	if err := s.users.begin(); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of the store: %w", err)
	}
	defer s.users.done()
	taken, err := s.checkpoint(dir)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of the store into %s: %w", dir, err)
	}
	return taken, nil
}

// checkpoint gives the folder its name last: a crash before leaves one that nobody takes for a snapshot, and
// that Prune removes.
func (s *Store) checkpoint(dir string) (Snapshot, error) {
	if s.inMemory {
		return Snapshot{}, errors.New("the store is in memory: give it a folder")
	}
	base := s.files.PathJoin(dir, s.workspace)
	if err := makeFolder(s.files, base); err != nil {
		return Snapshot{}, err
	}
	at := time.Now().UTC().Format(nameTime)
	draft := s.files.PathJoin(base, fmt.Sprintf(".%d-%s.%s", s.Position(), at, strings.ToLower(rand.Text()[:8])))
	taken, err := s.fill(draft)
	if err != nil {
		return Snapshot{}, errors.Join(err, s.files.RemoveAll(draft))
	}
	taken.Path = s.files.PathJoin(base, fmt.Sprintf("%d-%s", taken.Position, at))
	err = s.files.Rename(draft, taken.Path)
	if errors.Is(err, fs.ErrExist) {
		// Another instance was at the same position in the same millisecond: one of the two is enough.
		return taken, s.files.RemoveAll(draft)
	}
	if err != nil {
		return Snapshot{}, errors.Join(err, s.files.RemoveAll(draft))
	}
	return taken, syncFolder(s.files, base)
}

// fill makes the folder. Writers went on meanwhile: what the copy has is read from the copy.
func (s *Store) fill(folder string) (Snapshot, error) {
	if err := s.files.MkdirAll(folder, 0o755); err != nil {
		return Snapshot{}, err
	}
	copied := s.files.PathJoin(folder, databaseFolder)
	if err := s.db.Flush(); err != nil {
		return Snapshot{}, err
	}
	if err := s.db.Checkpoint(copied); err != nil {
		return Snapshot{}, err
	}
	at, err := inspect(s.files, copied)
	if err != nil {
		return Snapshot{}, err
	}
	m := manifest{Format: format, Snapshot: Snapshot{
		Workspace: s.workspace, Topic: s.topic, Position: at.position, Written: at.written, Sums: at.sums,
	}}
	if m.Files, err = sums(s.files, copied); err != nil {
		return Snapshot{}, err
	}
	if err := writeManifest(s.files, folder, &m); err != nil {
		return Snapshot{}, err
	}
	return m.Snapshot, errors.Join(syncFolder(s.files, copied), syncFolder(s.files, folder))
}

// inspect opens the copy to read only, and looks at it as Open does.
func inspect(files vfs.FS, folder string) (state, error) {
	config := databaseOptions(files, &dbLog{log: noLog}, 0)
	config.ReadOnly = true
	db, err := openDatabase(folder, config)
	if err != nil {
		return state{}, err
	}
	at, _, err := readState(db)
	return at, errors.Join(err, db.Close(), files.Remove(files.PathJoin(folder, lockFile)))
}

// sums are of all files of the folder, in the order of names.
func sums(files vfs.FS, folder string) ([]snapshotFile, error) {
	names, err := files.List(folder)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []snapshotFile
	for _, name := range names {
		size, sum, err := checksum(files, files.PathJoin(folder, name))
		if err != nil {
			return nil, err
		}
		all = append(all, snapshotFile{Name: name, Size: size, Sum: sum})
	}
	return all, nil
}

func checksum(files vfs.FS, path string) (size int64, sum uint32, err error) {
	f, err := files.Open(path)
	if err != nil {
		return 0, 0, err
	}
	hash := crc32.New(castagnoli)
	size, err = io.Copy(hash, f)
	return size, hash.Sum32(), errors.Join(err, f.Close())
}

// writeManifest writes JSON after a line with its checksum.
func writeManifest(files vfs.FS, folder string, m *manifest) error {
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, "crc32c %08x\n%s\n", crc32.Checksum(append(body, '\n'), castagnoli), body)
	return writeFile(files, files.PathJoin(folder, manifestFile), text)
}

func readManifest(files vfs.FS, folder string) (*manifest, error) {
	text, err := readFile(files, files.PathJoin(folder, manifestFile))
	if err != nil {
		return nil, fmt.Errorf("%w: the snapshot %s has no manifest: %w", ErrUnusable, folder, err)
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	if string(head) != fmt.Sprintf("crc32c %08x", crc32.Checksum(body, castagnoli)) {
		return nil, fmt.Errorf("%w: the manifest of snapshot %s is not what was written", ErrUnusable, folder)
	}
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("%w: the manifest of snapshot %s: %w", ErrUnusable, folder, err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("%w: the snapshot %s has format %d, this service knows %d", ErrUnusable, folder, m.Format, format)
	}
	m.Path = folder
	return &m, nil
}

// Snapshots are the finished ones of the workspace in dir, newest first.
func Snapshots(dir, workspace string) ([]Snapshot, error) {
	all, _, err := snapshots(vfs.Default, dir, workspace)
	return all, err
}

// snapshots answers the other folders with our names, too: in the making, or broken.
func snapshots(files vfs.FS, dir, workspace string) (all []Snapshot, others []string, err error) {
	base := files.PathJoin(dir, workspace)
	names, err := files.List(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list snapshots: %w", err)
	}
	for _, name := range names {
		if !ourName.MatchString(name) {
			continue
		}
		path := files.PathJoin(base, name)
		m, err := readManifest(files, path)
		if err != nil || strings.HasPrefix(name, ".") || m.Workspace != workspace {
			others = append(others, path)
			continue
		}
		all = append(all, m.Snapshot)
	}
	slices.SortFunc(all, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(b.Position, a.Position), b.Written.Compare(a.Written), strings.Compare(b.Path, a.Path))
	})
	return all, others, nil
}

// Prune keeps the newest snapshots of the workspace in dir, and removes older ones and what crashes left a day
// ago. It touches no other files.
func Prune(dir, workspace string, keep int) error {
	return prune(vfs.Default, dir, workspace, keep)
}

func prune(files vfs.FS, dir, workspace string, keep int) error {
	if keep < 1 {
		return fmt.Errorf("prune snapshots: keep %d: give 1 or more", keep)
	}
	all, others, err := snapshots(files, dir, workspace)
	if err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	var failed []error
	for _, old := range all[min(keep, len(all)):] {
		failed = append(failed, removeSnapshot(files, old.Path))
	}
	for _, path := range others {
		info, err := files.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && time.Since(info.ModTime()) > unfinishedFor {
			err = removeSnapshot(files, path)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	return nil
}

// Expire removes the workspace's snapshots in dir that were written before a time, but for the newest: what a quiet
// log leaves otherwise would keep for ever who was erased since.
func Expire(dir, workspace string, before time.Time) error {
	all, _, err := snapshots(vfs.Default, dir, workspace)
	if err != nil {
		return fmt.Errorf("expire snapshots: %w", err)
	}
	for _, old := range all[min(1, len(all)):] {
		if old.Written.Before(before) {
			err = errors.Join(err, removeSnapshot(vfs.Default, old.Path))
		}
	}
	if err != nil {
		return fmt.Errorf("expire snapshots: %w", err)
	}
	return nil
}

// removeSnapshot takes the name away first: nobody should find half of it. Another instance may be faster.
func removeSnapshot(files vfs.FS, path string) error {
	gone := path
	if name := files.PathBase(path); !strings.HasPrefix(name, ".") {
		gone = files.PathJoin(files.PathDir(path), "."+name+".pruned")
		if err := files.Rename(path, gone); err != nil {
			return ignoreMissing(err)
		}
	}
	return ignoreMissing(files.RemoveAll(gone))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Restore makes a store of the snapshot in the folder into, which is empty or of a discarded store. It reads
// all files: one that is not as it was written is [ErrUnusable], and nothing is restored. Tables are
// linked where the file system can.
func Restore(snapshot, into string) error {
	return restore(vfs.Default, snapshot, into)
}

func restore(files vfs.FS, snapshot, into string) error {
	m, err := readManifest(files, snapshot)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	held, err := lock(files, into)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := errors.Join(restoreLocked(files, m, into), held.Close()); err != nil {
		return fmt.Errorf("restore %s: %w", snapshot, err)
	}
	return nil
}

func restoreLocked(files vfs.FS, m *manifest, into string) error {
	_, err := readMarker(files, into)
	if err == nil || errors.Is(err, ErrUnusable) {
		return fmt.Errorf("%s holds a store: discard it first", into)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// 1. The folder is marked as ours. A crash from here on leaves an empty store.
	if err := writeMarker(files, into, marker{Format: format, Workspace: m.Workspace, Topic: m.Topic}); err != nil {
		return err
	}
	// 2. The files come under another name, which Open removes.
	draft := files.PathJoin(into, restoreFolder)
	err = copyFiles(files, m, draft)
	if err == nil {
		// 3. All of them are the database at once.
		err = files.Rename(draft, files.PathJoin(into, databaseFolder))
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(files.RemoveAll(draft)), files.Remove(files.PathJoin(into, markerFile)))
	}
	return syncFolder(files, into)
}

func copyFiles(files vfs.FS, m *manifest, into string) error {
	if err := files.MkdirAll(into, 0o755); err != nil {
		return err
	}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) || f.Name == ".." {
			return fmt.Errorf("%w: the snapshot has a file %q", ErrUnusable, f.Name)
		}
		from, to := files.PathJoin(m.Path, databaseFolder, f.Name), files.PathJoin(into, f.Name)
		if err := copyFile(files, from, to); err != nil {
			if ofTheMachine(err) {
				return err
			}
			return fmt.Errorf("%w: %w", ErrUnusable, err)
		}
		size, sum, err := checksum(files, to)
		if err != nil {
			return err
		}
		if size != f.Size || sum != f.Sum {
			return fmt.Errorf("%w: file %s of the snapshot is not what was written", ErrUnusable, f.Name)
		}
	}
	return syncFolder(files, into)
}

// copyFile links tables, which never change; the database writes on in others.
func copyFile(files vfs.FS, from, to string) error {
	if strings.HasSuffix(from, ".sst") {
		return vfs.LinkOrCopy(files, from, to)
	}
	body, err := readFile(files, from)
	if err != nil {
		return err
	}
	return writeFile(files, to, body)
}
