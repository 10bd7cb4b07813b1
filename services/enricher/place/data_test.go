package place

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// installed is the list of communes that `make data` installs; the test is skipped where it is not there.
func installed(t testing.TB) *Index {
	t.Helper()
	x, err := loadInstalled()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case x != nil:
	case os.Getenv("PARCOURS_REQUIRE_TOOLS") == "1":
		t.Fatal("the list of communes is not installed, and PARCOURS_REQUIRE_TOOLS=1 requires it: make data")
	default:
		t.Skip("the list of communes is not installed: make data")
	}
	return x
}

var loadInstalled = sync.OnceValues(func() (*Index, error) {
	paths := map[string]string{}
	err := filepath.WalkDir("../../../.cache/reference", func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			paths[entry.Name()] = path
		}
		return err
	})
	if err != nil || paths["communes.json"] == "" {
		return nil, err
	}
	edition, err := Dataset().Read(paths["communes.json"], paths["departements.json"], paths["regions.json"])
	if err != nil {
		return nil, err
	}
	return edition.Loaded.Table.(*Index), nil
})

// small is a list of a few communes with everything that is special about the big one.
func small(t testing.TB) *Index {
	t.Helper()
	edition, err := Dataset().Read("testdata/small/communes.json", "testdata/small/departements.json", "testdata/small/regions.json")
	if err != nil {
		t.Fatal(err)
	}
	return edition.Loaded.Table.(*Index)
}
