package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crawlerList is as small a list as is believed when enricher.reference.least.crawlers says 2.
const crawlerList = `[
 {"pattern": "Googlebot\\/", "url": "", "instances": ["Googlebot/2.1"]},
 {"pattern": "bingbot", "url": "", "instances": ["bingbot/2.0"]},
 {"pattern": "GPTBot", "url": "", "instances": ["GPTBot/1.2"]}
]`

const fewAreEnough = `
enricher:
  reference:
    least: {crawlers: 2}
`

// fakeNPM puts an npm on PATH that packs the files of a folder, as the real one packs what it fetched, and counts how often it was asked.
func fakeNPM(t *testing.T, files map[string]string) (asked func() int) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "package", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `#!/bin/sh
echo "$@" >>"` + dir + `/asked"
while [ $# -gt 0 ]; do
  if [ "$1" = --pack-destination ]; then to="$2"; fi
  shift
done
if [ ! -d "` + dir + `/package" ]; then
  printf 'npm error code EAWAY\nnpm error network is away\nnpm error A complete log of this run can be found in: x\n' >&2
  exit 1
fi
tar -C "` + dir + `" -czf "$to/fetched.tgz" package
`
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		text, err := os.ReadFile(filepath.Join(dir, "asked"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
}

func expectCommand(t *testing.T, want int, says string, args ...string) string {
	t.Helper()
	code, out, errs := command(t, args...)
	if code != want || !strings.Contains(out+errs, says) {
		t.Errorf("parcours %s: exit code %d and\n%s%s\nwant %d and %q", strings.Join(args, " "), code, out, errs, want, says)
	}
	return out
}

func TestDataIsInstalledOnceAndChecked(t *testing.T) {
	asked := fakeNPM(t, map[string]string{"crawler-user-agents.json": crawlerList, "package.json": "{}"})
	dir, cfg := filepath.Join(t.TempDir(), "reference"), file(t, "parcours.yaml", fewAreEnough)
	expectCommand(t, exitOK, "installed", "data", "install", "crawlers", "--dir", dir)
	expectCommand(t, exitOK, "already there", "data", "install", "crawlers", "--dir", dir)
	if n := asked(); n != 1 {
		t.Errorf("npm was asked %d times, want once", n)
	}
	text, err := os.ReadFile(filepath.Join(dir, "crawler-user-agents.json"))
	if err != nil || string(text) != crawlerList {
		t.Errorf("got %q, %v", text, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v (%v), want the file and the note of what was installed", entries, err)
	}
	expectCommand(t, exitOK, "3 rows", "data", "check", "--dir", dir, "--config", cfg)
	expectCommand(t, exitError, "least.crawlers", "data", "check", "--dir", dir)
	expectCommand(t, exitError, "no file was found", "data", "check", "crawlers", "communes", "--dir", dir, "--config", cfg)
	// A file that was changed since is fetched anew.
	if err := os.WriteFile(filepath.Join(dir, "crawler-user-agents.json"), []byte(`[{"pattern":`), 0o600); err != nil {
		t.Fatal(err)
	}
	expectCommand(t, exitError, "refused", "data", "check", "--dir", dir, "--config", cfg)
	expectCommand(t, exitOK, "crawlers is refused", "data", "list", "--dir", dir, "--config", cfg)
	expectCommand(t, exitOK, "installed", "data", "install", "crawlers", "--dir", dir)
	if n := asked(); n != 2 {
		t.Errorf("npm was asked %d times, want twice", n)
	}
}

func TestDataIsInstalledIntoAFolderOfTheWorkingDirectory(t *testing.T) {
	fakeNPM(t, map[string]string{"crawler-user-agents.json": crawlerList})
	t.Chdir(t.TempDir())
	expectCommand(t, exitOK, "crawler-user-agents@", "data", "install", "crawlers")
	if text, err := os.ReadFile(filepath.Join("data", "reference", "crawler-user-agents.json")); err != nil || string(text) != crawlerList {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestDataThatCannotBeInstalledLeavesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "crawler-user-agents.json")
	if err := os.WriteFile(old, []byte(crawlerList), 0o600); err != nil {
		t.Fatal(err)
	}
	fakeNPM(t, map[string]string{"other.json": "[]"})
	expectCommand(t, exitError, "has no file crawler-user-agents.json", "data", "install", "crawlers", "--dir", dir)
	fakeNPM(t, nil)
	expectCommand(t, exitError, "network is away", "data", "install", "crawlers", "--dir", dir)
	expectCommand(t, exitError, "no package carries it", "data", "install", "shops", "--dir", dir)
	expectCommand(t, exitError, "there is no data set", "data", "install", "weather", "--dir", dir)
	t.Setenv("PATH", t.TempDir())
	expectCommand(t, exitError, "npm is missing", "data", "install", "crawlers", "--dir", dir)
	if text, err := os.ReadFile(old); err != nil || string(text) != crawlerList {
		t.Errorf("got %q, %v", text, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v (%v), want the old file only", entries, err)
	}
}

func TestDataListTellsWhereToGetWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	out := expectCommand(t, exitOK, "", "data", "list", "--data-dir", dir)
	all, err := chosen(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.Name == "" || d.What == "" || d.Publisher == "" || d.Licence == "" || d.Where == "" || len(d.Files) == 0 || d.Least < 1 || d.Load == nil {
			t.Errorf("data set %q does not say all of itself", d.Name)
		}
		if !strings.Contains(out, "\n"+d.Name+" ") || !strings.Contains(out, d.Where) {
			t.Errorf("the list does not explain %s", d.Name)
		}
		if d.Package != nil && len(d.Package.As) > 0 && len(d.Package.As) != len(d.Package.Files) {
			t.Errorf("%s: the package has %d files and %d names for them", d.Name, len(d.Package.Files), len(d.Package.As))
		}
	}
	var rows []map[string]string
	if err := json.Unmarshal([]byte(expectCommand(t, exitOK, "", "data", "list", "--data-dir", dir, "--output", "json")), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(all) || rows[0]["state"] != "missing" || rows[0]["licence"] == "" {
		t.Errorf("%d rows, want %d; the first: %v", len(rows), len(all), rows[0])
	}
	expectCommand(t, exitError, "no file of reference data was found", "data", "check", "--data-dir", dir)
	// What is found below the data folder is what parcours up finds.
	reference := filepath.Join(dir, "reference")
	if err := os.Mkdir(reference, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(reference, "crawler-user-agents.json"), []byte(crawlerList), 0o600); err != nil {
		t.Fatal(err)
	}
	expectCommand(t, exitOK, "3 rows", "data", "check", "--data-dir", dir, "--config", file(t, "parcours.yaml", fewAreEnough))
}
