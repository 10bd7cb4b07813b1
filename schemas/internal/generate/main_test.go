package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

const module = "../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate(module)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s does not follow from avro/*.avsc; run go generate ./... in the schemas module", name)
		}
	}
	present, err := filepath.Glob(filepath.Join(module, "*_gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range present {
		if files[filepath.Base(path)] == nil {
			t.Errorf("nothing generates %s any more; delete it", filepath.Base(path))
		}
	}
}

func TestNames(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := goName(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	f("event_id", "EventID")
	f("image_url", "ImageURL")
	f("ip", "IP")
	f("os_version", "OSVersion")
	f("identifiers", "Identifiers")
}

func TestUnknownTypesAreRefused(t *testing.T) {
	f := func(schema string) {
		t.Helper()
		typ, err := avsc.Parse(schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := supported(typ); err == nil {
			t.Errorf("%s is accepted", schema)
		}
	}
	f(`"float"`)
	f(`{"type":"long","logicalType":"timestamp-micros"}`)
	f(`{"type":"array","items":"long"}`)
	f(`{"type":"map","values":"string"}`)
	f(`["null","string","long"]`)
	f(`["string","null"]`)
	f(`{"type":"enum","name":"E","symbols":["A"]}`)
	f(`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"b","type":"float"}]}}]}`)
	f(`{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}`)
}
