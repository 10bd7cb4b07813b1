package warehouse

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const upMark = "-- +goose Up\n"

// ClusterMigrations are the migrations as a cluster runs them: each statement is made those for all servers. Without a
// cluster they stay as they are.
func (c Config) ClusterMigrations(migrations fs.FS) fs.FS {
	if c.Cluster == "" {
		return migrations
	}
	return clusterFS{migrations, c.cluster()}
}

type clusterFS struct {
	fs.FS
	cluster cluster
}

// Open implements [fs.FS]: files are rewritten as they are opened.
func (f clusterFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, closing(file, err)
	}
	body, err := io.ReadAll(file)
	if err := closing(file, err); err != nil {
		return nil, err
	}
	rewritten, err := f.cluster.migration(string(body))
	if err != nil {
		return nil, fmt.Errorf("migration %s: %w", name, err)
	}
	return &rewrittenFile{bytes.NewReader(rewritten), rewrittenInfo{info, int64(len(rewritten))}}, nil
}

// closing closes the file; the first error is the one that is told.
func closing(file fs.File, err error) error {
	if closed := file.Close(); err == nil {
		return closed
	}
	return err
}

func (c cluster) migration(body string) ([]byte, error) {
	head, statement, found := strings.Cut(body, upMark)
	if !found {
		return nil, fmt.Errorf("it has no line %q", strings.TrimSpace(upMark))
	}
	statements, err := c.rewrite(statement)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head + upMark)
	for i, s := range statements {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimRight(s, "; \n") + ";\n")
	}
	return b.Bytes(), nil
}

type rewrittenFile struct {
	*bytes.Reader
	info rewrittenInfo
}

func (f *rewrittenFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *rewrittenFile) Close() error               { return nil }

type rewrittenInfo struct {
	fs.FileInfo
	size int64
}

func (i rewrittenInfo) Size() int64 { return i.size }
