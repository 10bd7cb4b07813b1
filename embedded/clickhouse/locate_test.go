package clickhouse

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLocateLibrary(t *testing.T) {
	root := t.TempDir()
	t.Setenv(LibEnv, "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	t.Setenv("HOME", filepath.Join(root, "home"))
	place := func(parts ...string) string {
		t.Helper()
		path := filepath.Join(append([]string{root}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := func(explicit, want string) {
		t.Helper()
		if got, err := LocateLibrary(explicit); err != nil || got != want {
			t.Errorf("found %q, %v; want %q", got, err, want)
		}
	}
	deep := filepath.Dir(place("project", "services", "sink", "main.go"))
	place("project", "go.work")
	t.Chdir(deep)
	_, err := LocateLibrary("")
	if !errors.Is(err, ErrNoEngine) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("with nothing installed: %v", err)
	}
	cacheDir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(root, cacheDir)
	if err != nil {
		t.Fatal(err)
	}
	user := place(relative, "parcours", "chdb", libraryName())
	f("", user)
	project := place("project", ".cache", "chdb", "node_modules", "@chdb", "lib-"+npmPlatform(), libraryName())
	f("", project)
	named := place("elsewhere", "engine.so")
	t.Setenv(LibEnv, named)
	f("", named)
	f(project, project)
	// The program of a project knows its engine wherever it is run; the folder it is run in is its user's wish.
	t.Setenv(LibEnv, "")
	program := filepath.Join(root, "project", "bin")
	t.Chdir(root)
	if places := libraryPlaces(root, program); !slices.Contains(places, project) {
		t.Errorf("from elsewhere, %s is not among %q", project, places)
	}
	if _, err := LocateLibrary(filepath.Join(root, "nothing")); err == nil || errors.Is(err, ErrNoEngine) {
		t.Errorf("a wrong explicit path: %v", err)
	}
}
