package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What the how-to pages show to be copied is a configuration that we take.
func TestConfigurationsOfHowToPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/how-to/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			checked++
			args := []string{"config", "check", "--config", file(t, "parcours.yaml", block[1]), "--set", "workspace.hash_key=" + strings.Repeat("ab", 32), "--set", "kafka.password=secret"}
			if code, out, errs := command(t, args...); code != exitOK {
				t.Errorf("%s: %s%s", page, out, errs)
			}
		}
	}
	if checked < 2 {
		t.Errorf("%d configurations were found in %d pages: the test looks in the wrong place", checked, len(pages))
	}
}
