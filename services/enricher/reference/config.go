package reference

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config says where the files of reference data are.
type Config struct {
	// Dirs are folders whose files are recognised by their names; of several editions the last name counts. A folder may be absent.
	Dirs []string `koanf:"dirs"`
	// Files are paths by data set, for files with names of their own. An empty path leaves the data set out.
	Files map[string]string `koanf:"files"`
	// Poll is how often the files are looked at. A file is taken when two looks show the same.
	Poll time.Duration `koanf:"poll"`
	// Least is the fewest rows by data set that are believed, in place of the usual number; one that is given also allows that more than half of
	// the rows are lost.
	Least map[string]int `koanf:"least"`
}

// DefaultConfig knows no folder.
func DefaultConfig() Config { return Config{Poll: 10 * time.Second} }

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate(datasets []Dataset) error {
	for i, dir := range c.Dirs {
		if dir == "" {
			return fmt.Errorf("dirs[%d] is empty: name a folder", i)
		}
	}
	known := map[string]bool{}
	for _, d := range datasets {
		known[d.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		if !known[name] {
			return fmt.Errorf("files.%s: there is no such data set; parcours data list has them", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Least)) {
		if !known[name] {
			return fmt.Errorf("least.%s: there is no such data set; parcours data list has them", name)
		}
		if c.Least[name] < 1 {
			return fmt.Errorf("least.%s is %d: give 1 or more", name, c.Least[name])
		}
	}
	if c.Poll < 100*time.Millisecond {
		return fmt.Errorf("poll is %s: give 100ms or more", c.Poll)
	}
	return nil
}
