package schemas

import (
	"errors"
	"fmt"

	"github.com/twmb/avro"
)

// CheckCompatible reports whether readers of next can read what was written with any schema of history
// (BACKWARD_TRANSITIVE). The error names the version, counted from 1, the field, and what to do.
func CheckCompatible(history []string, next string) error {
	reader, err := avro.Parse(next)
	if err != nil {
		return fmt.Errorf("check compatibility: read the new schema: %w", err)
	}
	for i, text := range history {
		writer, err := avro.Parse(text)
		if err != nil {
			return fmt.Errorf("check compatibility: read version %d: %w", i+1, err)
		}
		err = avro.CheckCompatibility(writer, reader)
		var conflict *avro.CompatibilityError
		switch {
		case errors.As(err, &conflict):
			return describe(conflict, i+1)
		case err != nil:
			return fmt.Errorf("check compatibility with version %d: %w", i+1, err)
		}
	}
	return nil
}

func describe(c *avro.CompatibilityError, version int) error {
	return fmt.Errorf("check compatibility with version %d: field %q: %s", version, c.Path, c.Detail)
}
