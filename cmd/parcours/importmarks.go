package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// keySet remembers which keys a file had, 8 bytes each in a table that is at most three quarters full: 10 million need 128 MB. Marks are hashes;
// that two keys of 10 million have one is less likely than 1 in 300,000.
type keySet struct {
	slots []uint64
	count int
	zero  bool
}

func newKeySet() *keySet { return &keySet{slots: make([]uint64, 1<<12)} }

// add is false when the mark was there.
func (k *keySet) add(mark uint64) bool {
	if mark == 0 { // Empty slots are zero.
		was := k.zero
		k.zero = true
		return !was
	}
	if 4*(k.count+1) > 3*len(k.slots) {
		old := k.slots
		k.slots = make([]uint64, 2*len(old))
		for _, m := range old {
			if m != 0 {
				k.put(m)
			}
		}
	}
	if !k.put(mark) {
		return false
	}
	k.count++
	return true
}

func (k *keySet) put(mark uint64) bool {
	mask := uint64(len(k.slots) - 1)
	for at := (mark ^ mark>>32) & mask; ; at = (at + 1) & mask {
		switch k.slots[at] {
		case mark:
			return false
		case 0:
			k.slots[at] = mark
			return true
		}
	}
}

// erasedNodes are the suppressions that the log of identities holds: who was erased, by a hash of a hash.
type erasedNodes map[[16]byte]int64

// Suppressed is when the node with the key was erased.
func (e erasedNodes) Suppressed(key [16]byte) (at int64, ok bool) {
	at, ok = e[key]
	return at, ok
}

// readErasures reads the log of identities of the workspace for who was erased.
func readErasures(ctx context.Context, kafka *stream.Client, workspace string, ids *identifier.Identifiers) (erasedNodes, error) {
	erased := erasedNodes{}
	partition := stream.EvidencePartition(workspace)
	extent, err := kafka.Extent(ctx, stream.Evidence, partition)
	if err != nil {
		return nil, fmt.Errorf("read who was erased: %w", err)
	}
	err = kafka.ReadBack(ctx, stream.Evidence, partition, extent.Start, extent.End, func(_ context.Context, records []*stream.Record) error {
		for _, r := range records {
			if in, ok := evidence.Workspace(r.Key); !ok || in != workspace || r.Value == nil {
				continue
			}
			parsed, err := evidence.Parse(r.Key, r.Value)
			if errors.Is(err, evidence.ErrNewer) {
				return err
			}
			switch said := parsed.(type) {
			case *evidence.Suppress:
				erased[said.Key] = said.At
			case *evidence.Erase:
				for _, node := range said.Nodes {
					erased[ids.SuppressionKey(node)] = said.Note.At
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read who was erased: %w", err)
	}
	return erased, nil
}

// checkpoint says how far the import of one file is.
type checkpoint struct {
	File     string `json:"file"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Provider string `json:"provider"`
	Key      string `json:"key"`
	Remove   bool   `json:"remove"`
	// Schema is a hash of what the columns become.
	Schema string `json:"schema"`
	// Lines that are in, refused ones counted.
	Lines    int64 `json:"lines"`
	Complete bool  `json:"complete"`

	path string
}

// openCheckpoint reads how far an earlier run came; of another file or provider it is an error, not a start.
func openCheckpoint(l *importLoad) (*checkpoint, error) {
	c := l.command
	info, err := os.Stat(c.File)
	if err != nil {
		return nil, err
	}
	now := &checkpoint{
		File: filepath.Base(c.File), Size: info.Size(), Modified: info.ModTime().UnixNano(), Provider: c.Provider, Key: c.Key, Remove: c.Remove,
		Schema: fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%+v", *l.declared))),
	}
	if c.Checkpoint == "" || c.DryRun {
		return now, nil
	}
	text, err := os.ReadFile(c.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		now.path = c.Checkpoint
		return now, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read --checkpoint: %w", err)
	}
	then := &checkpoint{}
	if err := json.Unmarshal(text, then); err != nil {
		return nil, fmt.Errorf("read --checkpoint %s: it is none: remove it, or name another file", c.Checkpoint)
	}
	same := *then
	same.Lines, same.Complete = 0, false
	if same != *now {
		return nil, fmt.Errorf("--checkpoint %s is of another import (file %s of provider %s), or the file or its schema has changed since: remove it to begin anew", c.Checkpoint, then.File, then.Provider)
	}
	then.path = c.Checkpoint
	return then, nil
}

// save replaces the file whole, so that a crash leaves the old one or the new one.
func (c *checkpoint) save() error {
	if c.path == "" {
		return nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	fresh := c.path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return fmt.Errorf("write --checkpoint: %w", err)
	}
	if err := os.Rename(fresh, c.path); err != nil {
		return fmt.Errorf("write --checkpoint: %w", err)
	}
	return nil
}
