package sink_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// The questions that the pages tell can be asked.
func TestQuestionsOfThePagesRun(t *testing.T) {
	r := newRig(t)
	asked := 0
	for _, page := range []string{"query-properties.md", "retention.md", "evolve-the-schema.md", "analyse-customers.md"} {
		body, err := os.ReadFile("../../docs/how-to/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range sqlBlock.FindAllStringSubmatch(string(body), -1) {
			for statement := range strings.SplitSeq(block[1], ";\n") {
				if !strings.HasPrefix(strings.TrimSpace(statement), "SELECT") {
					continue
				}
				asked++
				if _, err := r.db.Query(t.Context(), strings.TrimSpace(statement)); err != nil {
					t.Errorf("%s: %s: %v", page, statement, err)
				}
			}
		}
	}
	if asked < 18 {
		t.Errorf("%d questions were found, want eighteen or more", asked)
	}
}
