package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
)

// The worked example of the page does what the page says.
func TestHowToImportAttributes(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/third-party-attributes.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		t.Helper()
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
		if found == nil {
			t.Fatalf("the page has no block of %s", language)
		}
		return string(found[1])
	}
	dir := t.TempDir()
	sheet, err := charmap.Windows1252.NewEncoder().String(strings.ReplaceAll(block("csv"), "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"acme.yaml": block("yml"), "acme.csv": sheet} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, _, _ := strings.Cut(block("sh"), "\n")
	args := strings.Fields(first)[1:]
	for n, arg := range args {
		if strings.HasSuffix(arg, ".csv") || strings.HasSuffix(arg, ".yaml") {
			args[n] = filepath.Join(dir, arg)
		}
	}
	i := newImports(t)
	if got, want := i.run(exitDifferences, args...), block("text"); got != want {
		t.Errorf("it prints\n%s\nand the page says\n%s", got, want)
	}
	sets, _ := i.sets()
	lea := sets[i.node("email", "lea.martin@example.org")]
	if got, want := values(lea), "number income=2150.5;boolean owner=true;string segment=Été;"; got != want {
		t.Errorf("values are %s, want %s", got, want)
	}
	if lea != nil && !lea.ValidUntil.Value.Time().Equal(time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("they hold until %s", lea.ValidUntil.Value.Time())
	}
}
