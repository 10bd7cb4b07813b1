package reference

import (
	"errors"
	"fmt"
	"path/filepath"
)

// What a survey finds of a data set.
const (
	// InForce is a file that a library has taken, and nothing newer.
	InForce = "in force"
	// Good is a file that would be taken.
	Good = "good"
	// Missing says that there is no file.
	Missing = "missing"
	// Refused is a file that would not be taken.
	Refused = "refused"
	// LeftOut is a data set that the configuration does not want.
	LeftOut = "left out"
)

// Finding is what a survey found of one data set.
type Finding struct {
	Dataset Dataset
	State   string
	// Why it is refused or missing although a file is configured.
	Why string
	// Files are the paths that were found.
	Files []string
	// Version and Rows of them, when they could be read.
	Version string
	Rows    int
	// Kept is the version of the last good copy; empty when there is none.
	Kept string
}

// Survey reads all files that the configuration leads to, and says what a library that keeps its copies in dir would do with them; with an empty dir,
// what one without copies would. It changes nothing.
func (c Config) Survey(dir string, datasets []Dataset) []Finding {
	var all []Finding
	for _, d := range datasets {
		all = append(all, c.survey(dir, d))
	}
	return all
}

func (c Config) survey(dir string, d Dataset) Finding {
	f := Finding{Dataset: d, State: Missing}
	if c.excluded(d.Name) {
		f.State = LeftOut
		return f
	}
	var last *record
	if dir != "" {
		last, _ = keep{dir: filepath.Join(dir, d.Name)}.last() // One that cannot be read is none.
	}
	before := 0
	if last != nil {
		f.Kept, before = d.Name+"@"+last.Sum, last.Rows
	}
	found, err := c.find(d)
	if err == nil && len(found) == 0 {
		if given := c.Files[d.Name]; given != "" {
			f.Why = fmt.Sprintf("enricher.reference.files names %s, which is not there", given)
		}
		return f
	}
	var files []File
	for _, one := range found {
		files = append(files, one.File)
		f.Files = append(f.Files, one.Path)
	}
	if err == nil {
		err = c.try(&f, files, last, before)
	}
	if err != nil {
		f.State, f.Why = Refused, oneLine(err.Error())
	}
	return f
}

// try loads the files as a library would.
func (c Config) try(f *Finding, files []File, last *record, before int) error {
	sum, err := checksum(files)
	if err != nil {
		return err
	}
	f.Version, f.State = f.Dataset.Name+"@"+sum, Good
	if last != nil && last.Sum == sum {
		f.State, before = InForce, 0
	}
	loaded, err := c.judge(f.Dataset, files, before)
	if err != nil {
		return err
	}
	f.Rows = loaded.Rows
	if loaded.Close != nil {
		return errors.Join(err, loaded.Close())
	}
	return nil
}
