// Package golden runs the cases of a text file: lines "field: value", a line "----", then what is expected, up to an empty line.
// With -rewrite the file is written again with the answers of the program, to be read in the diff.
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files again with the program's answers")

// Run gives the fields of each case to answer, compares the answer with the file, and returns the number of cases.
// Lines that begin with # are kept as they stand.
func Run(t *testing.T, path string, answer func(t *testing.T, fields map[string]string) string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := 0
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		input, want, _ := strings.Cut(block, "\n----")
		fields := map[string]string{}
		for _, line := range strings.Split(input, "\n") {
			if key, value, found := strings.Cut(line, ": "); found && !strings.HasPrefix(line, "#") {
				fields[key] = value
			}
		}
		out.WriteString(input)
		if len(fields) > 0 {
			cases++
			got := strings.TrimSpace(answer(t, fields))
			if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" && !*rewrite {
				t.Errorf("%s\n(-file +program):\n%s", input, diff)
			}
			out.WriteString("\n----\n" + got)
		}
		out.WriteString("\n\n")
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(strings.TrimSpace(out.String())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}
