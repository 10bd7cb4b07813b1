package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// CheckCompatible reports whether readers of next can read what was written with any schema of history
// (BACKWARD_TRANSITIVE). It is stricter than Avro in two things that Avro lets pass without a word, and that would change
// values: a logical type may not change its meaning, and a field may not be renamed by an alias, for the stages match
// fields by name. The error names the version, counted from 1, the field, and what to do.
func CheckCompatible(history []string, next string) error {
	reader, err := avro.Parse(next)
	if err != nil {
		return fmt.Errorf("check compatibility: read the new schema: %w", err)
	}
	own, err := avsc.Parse(next)
	if err != nil {
		return fmt.Errorf("check compatibility: the new schema: %w", err)
	}
	for i, text := range history {
		if err := checkVersion(text, reader, own); err != nil {
			return fmt.Errorf("check compatibility with version %d: %w", i+1, err)
		}
	}
	return nil
}

func checkVersion(text string, reader *avro.Schema, own *avsc.Type) error {
	writer, err := avro.Parse(text)
	if err != nil {
		return err
	}
	var conflict *avro.CompatibilityError
	switch err := avro.CheckCompatibility(writer, reader); {
	case errors.As(err, &conflict):
		return explain(conflict)
	case err != nil:
		return err
	}
	old, err := avsc.Parse(text)
	if err != nil {
		return err
	}
	return checkMeaning(old, own, "", map[*avsc.Type]bool{})
}

// explain turns a conflict into what changed and what to do.
func explain(c *avro.CompatibilityError) error {
	switch {
	case strings.Contains(c.Detail, "no default and is missing"):
		return fmt.Errorf("field %q is new, or has a new name, and older records do not hold it: give it a default, and leave the old field as it is", c.Path)
	case strings.Contains(c.Detail, "enum symbol"):
		return fmt.Errorf("field %q: %s: put the symbol back, or give the enum a default", c.Path, c.Detail)
	case c.ReaderType == "" || c.WriterType == "":
		return fmt.Errorf("field %q: %s", c.Path, c.Detail)
	}
	return fmt.Errorf("field %q changed from %s to %s (%s): keep its type, and put the new one into a new field with a default",
		c.Path, c.WriterType, c.ReaderType, c.Detail)
}

// checkMeaning compares what the schema library lets pass: logical types and aliases.
func checkMeaning(writer, reader *avsc.Type, path string, seen map[*avsc.Type]bool) error {
	switch {
	case reader.Kind == avsc.Union:
		return checkBranches(writer, reader, path, seen)
	case writer.Kind == avsc.Union:
		for _, branch := range writer.Branches {
			if err := checkMeaning(branch, reader, path, seen); err != nil {
				return err
			}
		}
		return nil
	case writer.Kind == avsc.Record && reader.Kind == avsc.Record:
		return checkFields(writer, reader, path, seen)
	case writer.Items != nil && reader.Items != nil:
		return checkMeaning(writer.Items, reader.Items, path+".items", seen)
	case writer.Logical != reader.Logical && meansSomething(writer, reader):
		return fmt.Errorf("field %q changed from %s to %s, which read differently: put the new one into a new field with a default", path, writer, reader)
	}
	return nil
}

func checkBranches(writer, reader *avsc.Type, path string, seen map[*avsc.Type]bool) error {
	branches := []*avsc.Type{writer}
	if writer.Kind == avsc.Union {
		branches = writer.Branches
	}
	for _, branch := range branches {
		i := slices.IndexFunc(reader.Branches, func(r *avsc.Type) bool {
			return r.Kind == branch.Kind && r.ShortName() == branch.ShortName()
		})
		if i < 0 {
			continue // a promotion, which keeps the value
		}
		if err := checkMeaning(branch, reader.Branches[i], path, seen); err != nil {
			return err
		}
	}
	return nil
}

func checkFields(writer, reader *avsc.Type, path string, seen map[*avsc.Type]bool) error {
	if seen[reader] {
		return nil
	}
	seen[reader] = true
	for _, f := range reader.Fields {
		name := f.Name
		if path != "" {
			name = path + "." + name
		}
		if len(f.Aliases) > 0 {
			return fmt.Errorf("field %q has aliases, which the stages do not follow: keep the old name, or add a new field with a default", name)
		}
		i := slices.IndexFunc(writer.Fields, func(w avsc.Field) bool { return w.Name == f.Name })
		if i < 0 {
			continue
		}
		if err := checkMeaning(writer.Fields[i].Type, f.Type, name, seen); err != nil {
			return err
		}
	}
	return nil
}
