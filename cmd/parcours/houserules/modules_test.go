package houserules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is what a go.mod says of siblings.
type module struct {
	dir      string
	path     string
	requires map[string]string
	replaces map[string]string
}

// outside are modules which go.work leaves out on purpose: their versions are not the product's.
var outside = []string{"tools", "bench/rivals"}

// go.work lists the folders that have a go.mod, all of them.
func TestWorkspaceListsTheModules(t *testing.T) {
	ours := repository(t)
	var work struct{ Use []struct{ DiskPath string } }
	goEdit(t, ours.root, &work, "work", "edit", "-json")
	var listed []string
	for _, use := range work.Use {
		listed = append(listed, path.Clean(use.DiskPath))
	}
	slices.Sort(listed)
	var folders []string
	for name := range ours.texts {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && !under(dir, outside...) && !strings.Contains(name, "/testdata/") {
			folders = append(folders, dir)
		}
	}
	slices.Sort(folders)
	if !slices.Equal(listed, folders) {
		t.Errorf("go.work uses %v and the folders with a go.mod are %v: run `go work use` on what is missing", listed, folders)
	}
	makefile := string(ours.texts["Makefile"])
	if !strings.Contains(makefile, "go.work") {
		t.Error("the Makefile no longer takes its modules from go.work: this test can not vouch for its rules")
	}
}

// Each module requires the siblings that it reaches at v0.0.0, replaces them by their folders, and imports no other.
func TestModulesReachTheirSiblings(t *testing.T) {
	ours := repository(t)
	modules := make(map[string]module)
	for name := range ours.texts {
		if path.Base(name) == "go.mod" && !under(path.Dir(name), outside...) && !strings.Contains(name, "/testdata/") {
			m := readModule(t, ours.root, path.Dir(name))
			modules[m.path] = m
		}
	}
	for _, m := range modules {
		if want := modulePrefix + m.dir; m.path != want {
			t.Errorf("%s/go.mod names the module %s: name it %s", m.dir, m.path, want)
		}
		for _, sentence := range siblings(m, modules, imported(ours, m, modules)) {
			t.Error(sentence)
		}
	}
}

// The rule above, on modules that break it.
func TestModulesReachTheirSiblingsIsAProof(t *testing.T) {
	schemas := module{dir: "schemas", path: modulePrefix + "schemas"}
	internal := module{
		dir: "internal", path: modulePrefix + "internal",
		requires: map[string]string{schemas.path: "v0.0.0"}, replaces: map[string]string{schemas.path: "../schemas"},
	}
	f := func(name, want string, sink module, imports ...string) {
		t.Helper()
		sink.dir, sink.path = "services/sink", modulePrefix+"services/sink"
		all := map[string]module{schemas.path: schemas, internal.path: internal, sink.path: sink}
		got := strings.Join(siblings(sink, all, imports), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
	both := map[string]string{internal.path: "v0.0.0", schemas.path: "v0.0.0"}
	right := map[string]string{internal.path: "../../internal", schemas.path: "../../schemas"}
	f("right", "", module{requires: both, replaces: right}, internal.path)
	f("imports what it does not require", "imports", module{replaces: right}, internal.path)
	f("no transitive replace", "replace "+schemas.path, module{
		requires: both, replaces: map[string]string{internal.path: "../../internal"},
	}, internal.path)
	f("wrong folder", "replace "+internal.path, module{
		requires: both, replaces: map[string]string{internal.path: "../internal", schemas.path: "../../schemas"},
	}, internal.path)
	f("another version", "v0.0.0", module{
		requires: map[string]string{internal.path: "v0.1.0", schemas.path: "v0.0.0"}, replaces: right,
	}, internal.path)
}

// siblings checks one module against the others.
func siblings(m module, all map[string]module, imports []string) []string {
	var found []string
	for _, name := range imports {
		if _, required := m.requires[name]; !required {
			found = append(found, fmt.Sprintf("%s imports %s and does not require it: add `require %s v0.0.0`", m.dir, name, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reached(m, all))) {
		folder := relative(m.dir, all[name].dir)
		if version := m.requires[name]; version != "v0.0.0" {
			found = append(found, fmt.Sprintf("%s/go.mod requires %s at %q: siblings are required at v0.0.0, the ones reached through others too", m.dir, name, version))
		}
		if replaced := m.replaces[name]; replaced != folder {
			found = append(found, fmt.Sprintf("%s/go.mod must say `replace %s => %s` and says %q", m.dir, name, folder, replaced))
		}
	}
	return found
}

// reached are the siblings that a module requires, and those that they require.
func reached(m module, all map[string]module) map[string]bool {
	seen := make(map[string]bool)
	var visit func(module)
	visit = func(m module) {
		for name := range m.requires {
			if next, sibling := all[name]; sibling && !seen[name] {
				seen[name] = true
				visit(next)
			}
		}
	}
	visit(m)
	return seen
}

// imported are the siblings whose packages a module's files import.
func imported(ours tree, m module, all map[string]module) []string {
	found := make(map[string]bool)
	for _, file := range ours.gos {
		if !under(file.dir, m.dir) {
			continue
		}
		for _, name := range file.imports {
			for _, other := range all {
				if other.path != m.path && under(name, other.path) {
					found[other.path] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func relative(from, to string) string {
	relative, err := filepath.Rel(filepath.FromSlash(from), filepath.FromSlash(to))
	if err != nil {
		return to
	}
	return filepath.ToSlash(relative)
}

func readModule(t *testing.T, root, dir string) module {
	t.Helper()
	var read struct {
		Module  struct{ Path string }
		Require []struct{ Path, Version string }
		Replace []struct{ Old, New struct{ Path string } }
	}
	goEdit(t, filepath.Join(root, filepath.FromSlash(dir)), &read, "mod", "edit", "-json")
	m := module{dir: dir, path: read.Module.Path, requires: make(map[string]string), replaces: make(map[string]string)}
	for _, r := range read.Require {
		m.requires[r.Path] = r.Version
	}
	for _, r := range read.Replace {
		m.replaces[r.Old.Path] = r.New.Path
	}
	return m
}

func goEdit(t *testing.T, dir string, into any, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = dir
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %s in %s: %v: %s", strings.Join(args, " "), dir, err, &problem)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("read what go %s says: %v", strings.Join(args, " "), err)
	}
}

var textRules = []rule{
	{
		name:   "lock files name no registry",
		check:  locksNameNoRegistry,
		broken: map[string]string{"x/package-lock.json": `{"packages": {"a": {"version": "1", "resolved": "https://registry.example.com/a.tgz"}}}`},
		want:   `x/package-lock.json has "resolved"`,
		kept:   map[string]string{"x/package-lock.json": `{"packages": {"a": {"version": "1", "integrity": "sha512-"}}}`},
	},
	{
		name:   "no path of one machine",
		check:  noMachinePaths,
		broken: map[string]string{"x/run.sh": "cd /ho" + "me/someone/parcours\n"},
		want:   "x/run.sh:1",
		kept:   map[string]string{"x/page.md": "GET https://shop.example.com/home/garden\n"},
	},
}

func TestTexts(t *testing.T) { hold(t, textRules) }

func locksNameNoRegistry(all tree) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(all.texts)) {
		if path.Base(name) == "package-lock.json" && bytes.Contains(all.texts[name], []byte(`"resolved"`)) {
			found = append(found, fmt.Sprintf(`%s has "resolved" lines: install with omit-lockfile-registry-resolved=true in .npmrc, so that it works with any registry`, name))
		}
	}
	return found
}

// machinePath is an absolute path below a folder that differs from machine to machine.
var machinePath = regexp.MustCompile("(?m)(?:^|[\\s\"'`=(:,])/(?:home|root|Users|work|workspace)/[A-Za-z0-9._-]+")

func noMachinePaths(all tree) []string {
	texts := maps.Clone(all.texts)
	for _, file := range all.gos {
		texts[file.path] = file.source
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if at := machinePath.FindIndex(texts[name]); at != nil {
			line := 1 + bytes.Count(texts[name][:at[0]], []byte("\n"))
			found = append(found, fmt.Sprintf("%s:%d has %s: take paths from the project's root or from the configuration", name, line, bytes.TrimSpace(texts[name][at[0]:at[1]])))
		}
	}
	return found
}
