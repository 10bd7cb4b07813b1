package houserules

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePrefix = "github.com/parcours-cdp/parcours/"

// tree is what the rules look at: every Go file of the repository, parsed, and the other text files.
type tree struct {
	root string
	sets *token.FileSet
	gos  []goFile
	// texts are the files that are no Go, by path.
	texts map[string][]byte
}

// goFile is one parsed file; paths are relative to the root, with slashes.
type goFile struct {
	path    string
	dir     string
	test    bool
	file    *ast.File
	imports []string
	source  []byte
}

// skipped folders hold what make installs, builds and runs.
var skipped = []string{".git", ".cache", "bin", "data", "node_modules"}

// load reads a tree. Test data is data: its Go files are not ours to rule.
func load(t *testing.T, root string) tree {
	t.Helper()
	loaded := tree{root: root, sets: token.NewFileSet(), texts: make(map[string][]byte)}
	err := filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			top := !strings.Contains(relative, "/")
			if (top && slices.Contains(skipped, relative)) || entry.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(filepath.Clean(full))
		if err != nil {
			return err
		}
		if path.Ext(relative) != ".go" || strings.Contains("/"+relative, "/testdata/") {
			if !bytes.ContainsRune(content, 0) {
				loaded.texts[relative] = content
			}
			return nil
		}
		return loaded.parse(relative, content)
	})
	if err != nil {
		t.Fatalf("read the tree at %s: %v", root, err)
	}
	return loaded
}

func (t *tree) parse(relative string, content []byte) error {
	file, err := parser.ParseFile(t.sets, relative, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	parsed := goFile{
		path: relative, dir: path.Dir(relative), file: file,
		test: strings.HasSuffix(relative, "_test.go"), source: content,
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		parsed.imports = append(parsed.imports, name)
	}
	t.gos = append(t.gos, parsed)
	return nil
}

// under tells whether a folder is one of the folders or below it.
func under(dir string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") })
}

// write makes a small tree for a proof of a rule.
func write(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		full := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, root)
}

// repository is the tree that this test stands in.
func repository(t *testing.T) tree {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return load(t, dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the test stands in no folder with a go.work")
		}
		dir = parent
	}
}
