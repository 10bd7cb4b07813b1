package houserules

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// rule looks at a tree and returns a sentence for each thing that breaks it.
type rule struct {
	name  string
	check func(tree) []string
	// broken is a tree that breaks the rule, and want a part of the sentence that must come of it.
	broken map[string]string
	want   string
	// kept is a tree which looks like a breach and is none.
	kept map[string]string
}

var codeRules = []rule{
	{
		name:   "no service imports another",
		check:  servicesStandAlone,
		broken: map[string]string{"services/sink/sink.go": "package sink\nimport _ \"" + modulePrefix + "services/identity/graph\"\n"},
		want:   "services/sink/sink.go imports services/identity/graph",
		kept:   map[string]string{"services/sink/sink.go": "package sink\nimport _ \"" + modulePrefix + "services/sink/migrations\"\n"},
	},
	{
		name:   "shared packages import no service",
		check:  sharedImportsNoService,
		broken: map[string]string{"internal/stream/s.go": "package stream\nimport _ \"" + modulePrefix + "services/sink\"\n"},
		want:   "internal/stream/s.go imports services/sink",
		kept:   map[string]string{"cmd/parcours/s.go": "package main\nimport _ \"" + modulePrefix + "services/sink\"\n"},
	},
	{
		name:   "one package owns each library",
		check:  librariesHaveOwners,
		broken: map[string]string{"services/sink/s_test.go": "package sink\nimport _ \"github.com/twmb/franz-go/pkg/kgo\"\n"},
		want:   "belongs to internal/stream",
		kept: map[string]string{
			"internal/stream/s.go":    "package stream\nimport _ \"github.com/twmb/franz-go/pkg/kgo\"\n",
			"services/sink/s.go":      "package sink\nimport _ \"github.com/twmb/franz-go/pkg/kfake\"\n",
			"services/sink/a_test.go": "package sink\nimport _ \"github.com/linkedin/goavro/v2\"\n",
		},
	},
	{
		name:   "main.go only parses, runs, waits",
		check:  mainsAreShort,
		broken: map[string]string{"cmd/x/main.go": "package main\n" + strings.Repeat("//\n", maxMainLines) + "func main() {}\n"},
		want:   "cmd/x/main.go has 42 lines",
		kept:   map[string]string{"cmd/x/main.go": "package main\nfunc main() {}\n"},
	},
	{
		name:   "only main ends the program",
		check:  onlyMainEnds,
		broken: map[string]string{"internal/x/x.go": "package x\nimport \"log\"\nfunc f() { log.Fatalf(\"no\") }\n"},
		want:   "internal/x/x.go:3 calls log.Fatalf",
		kept: map[string]string{
			"cmd/x/main.go":        "package main\nimport \"os\"\nfunc main() { os.Exit(1) }\n",
			"internal/x/x_test.go": "package x\nfunc f() { panic(1) }\n",
		},
	},
	{
		name:   "packages are named after what they do",
		check:  namesSaySomething,
		broken: map[string]string{"internal/utils/x.go": "package utils\n"},
		want:   "internal/utils",
		kept:   map[string]string{"internal/stream/x.go": "package stream\n"},
	},
	{
		name:   "each package says once what it owns",
		check:  packagesHaveOneComment,
		broken: map[string]string{"internal/x/a.go": "// Package x is one.\npackage x\n", "internal/x/b.go": "// Package x is two.\npackage x\n"},
		want:   "internal/x has 2 package comments",
		kept:   map[string]string{"internal/x/a.go": "// Package x is one.\npackage x\n", "internal/x/b.go": "package x\n", "internal/x/b_test.go": "package x\n"},
	},
	{
		name:   "tests wait for events",
		check:  testsDoNotSleep,
		broken: map[string]string{"internal/x/x_test.go": "package x\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"},
		want:   "internal/x/x_test.go:3 sleeps",
		kept: map[string]string{"internal/x/x_test.go": "package x\nimport (\"testing/synctest\"; \"time\")\n" +
			"func f() { synctest.Test(nil, func() { time.Sleep(1) }) }\n"},
	},
}

// Every rule is proved on a tree that breaks it and one that keeps it, then held over the repository.
func TestCode(t *testing.T) { hold(t, codeRules) }

func hold(t *testing.T, rules []rule) {
	t.Helper()
	ours := repository(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if got := r.check(write(t, r.broken)); !strings.Contains(strings.Join(got, "\n"), r.want) {
				t.Errorf("the rule does not see its breach: want %q in %q", r.want, got)
			}
			if got := r.check(write(t, r.kept)); len(got) != 0 {
				t.Errorf("the rule sees a breach where there is none: %q", got)
			}
			for _, sentence := range r.check(ours) {
				t.Error(sentence)
			}
		})
	}
}

func servicesStandAlone(all tree) []string {
	var found []string
	for _, file := range all.gos {
		own, is := service(file.dir)
		if !is {
			continue
		}
		for _, name := range file.imports {
			folder := strings.TrimPrefix(name, modulePrefix)
			if other, is := service(folder); is && folder != name && other != own {
				found = append(found, fmt.Sprintf("%s imports %s: services meet in Kafka, never in code; what they share belongs in internal/", file.path, folder))
			}
		}
	}
	return found
}

// service names the service that a folder belongs to.
func service(folder string) (string, bool) {
	parts := strings.Split(folder, "/")
	if len(parts) < 2 || parts[0] != "services" {
		return "", false
	}
	return parts[1], true
}

func sharedImportsNoService(all tree) []string {
	var found []string
	for _, file := range all.gos {
		if !under(file.dir, "internal", "schemas", "embedded") {
			continue
		}
		for _, name := range file.imports {
			folder := strings.TrimPrefix(name, modulePrefix)
			if folder != name && under(folder, "services", "cmd") {
				found = append(found, fmt.Sprintf("%s imports %s: shared packages import no service and no program", file.path, folder))
			}
		}
	}
	return found
}

// owners are the packages that hide a library; bench/ measures the libraries themselves and may use them all.
var owners = []struct {
	library string
	owner   string
	// others may import it too.
	others []string
	// tests elsewhere may import it, as an oracle or a second client.
	tests bool
}{
	{library: "github.com/twmb/franz-go/pkg/kgo", owner: "internal/stream"},
	{library: "github.com/twmb/franz-go/pkg/kadm", owner: "internal/stream"},
	{library: "github.com/ClickHouse/clickhouse-go", owner: "internal/warehouse", tests: true},
	{library: "github.com/linkedin/goavro", owner: "schemas", tests: true},
	{library: "github.com/twmb/avro", owner: "schemas", tests: true},
	{library: "github.com/twmb/franz-go/pkg/sr", owner: "internal/registry", tests: true},
	{library: "github.com/testcontainers/testcontainers-go", owner: "embedded/backend"},
	{library: "github.com/ebitengine/purego", owner: "embedded/clickhouse"},
}

func librariesHaveOwners(all tree) []string {
	var found []string
	for _, file := range all.gos {
		for _, name := range file.imports {
			for _, o := range owners {
				if !under(name, o.library) || under(file.dir, "bench", o.owner) || under(file.dir, o.others...) || (o.tests && file.test) {
					continue
				}
				found = append(found, fmt.Sprintf("%s imports %s, which belongs to %s: use what that package offers, or extend it", file.path, name, o.owner))
			}
		}
	}
	return found
}

const maxMainLines = 40

func mainsAreShort(all tree) []string {
	var found []string
	for _, file := range all.gos {
		lines := bytes.Count(file.source, []byte("\n"))
		if path.Base(file.path) == "main.go" && file.file.Name.Name == "main" && lines > maxMainLines {
			found = append(found, fmt.Sprintf("%s has %d lines: %d are enough to parse, run, wait and close; the rest is a package", file.path, lines, maxMainLines))
		}
	}
	return found
}

func onlyMainEnds(all tree) []string {
	var found []string
	for _, file := range all.gos {
		if file.test || path.Base(file.path) == "main.go" {
			continue
		}
		ast.Inspect(file.file, func(node ast.Node) bool {
			call, is := node.(*ast.CallExpr)
			if !is {
				return true
			}
			name := called(call)
			if (name == "panic" && !abortsAnswer(call)) || name == "os.Exit" || strings.HasPrefix(name, "log.Fatal") || strings.HasPrefix(name, "log.Panic") {
				found = append(found, fmt.Sprintf("%s:%d calls %s: return an error, main.go makes the exit code of it",
					file.path, all.sets.Position(call.Pos()).Line, name))
			}
			return true
		})
	}
	return found
}

// abortsAnswer knows the one panic with a meaning: net/http gives up the connection and says nothing.
func abortsAnswer(call *ast.CallExpr) bool {
	selector, is := call.Args[0].(*ast.SelectorExpr)
	return is && selector.Sel.Name == "ErrAbortHandler"
}

// called is the text of a called function: a plain name or package.Name.
func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		if of, is := function.X.(*ast.Ident); is {
			return of.Name + "." + function.Sel.Name
		}
	}
	return ""
}

// refused are names that say nothing about what a package is for.
var refused = []string{"util", "utils", "common", "helper", "helpers", "base", "type", "types", "model", "models", "misc", "shared"}

func namesSaySomething(all tree) []string {
	seen := make(map[string]bool)
	var found []string
	for _, file := range all.gos {
		if seen[file.dir] || !slices.Contains(refused, path.Base(file.dir)) && !slices.Contains(refused, file.file.Name.Name) {
			continue
		}
		seen[file.dir] = true
		found = append(found, fmt.Sprintf("%s is package %s: name it after the decision that it hides", file.dir, file.file.Name.Name))
	}
	return found
}

func packagesHaveOneComment(all tree) []string {
	comments, order := make(map[string]int), []string(nil)
	for _, file := range all.gos {
		if file.test {
			continue
		}
		if _, seen := comments[file.dir]; !seen {
			order = append(order, file.dir)
			comments[file.dir] = 0
		}
		if file.file.Doc != nil && strings.TrimSpace(file.file.Doc.Text()) != "" {
			comments[file.dir]++
		}
	}
	var found []string
	for _, dir := range order {
		if comments[dir] != 1 {
			found = append(found, fmt.Sprintf("%s has %d package comments: give it one, which says what it owns and what it promises", dir, comments[dir]))
		}
	}
	return found
}

func testsDoNotSleep(all tree) []string {
	var found []string
	for _, file := range all.gos {
		if !file.test {
			continue
		}
		ast.Inspect(file.file, func(node ast.Node) bool {
			call, is := node.(*ast.CallExpr)
			if !is {
				return true
			}
			if called(call) == "time.Sleep" {
				found = append(found, fmt.Sprintf("%s:%d sleeps: wait for the event itself, or poll for it with a deadline", file.path, all.sets.Position(call.Pos()).Line))
			}
			// In a bubble the clock is the test's own, and sleeping is how it is moved.
			return called(call) != "synctest.Test"
		})
	}
	return found
}
