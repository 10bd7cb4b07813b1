// Command generate writes what follows from the .avsc files: the full schemas of the derived records, the Go types, and
// the code that encodes and decodes them. Run it by "go generate" in the schemas module.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}
