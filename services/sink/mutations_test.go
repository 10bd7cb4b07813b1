package sink_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const mutationsEnv = "PARCOURS_MUTATIONS"

// change is a text of a source file, by its path from the root, and what stands there instead.
type change struct{ file, was, is string }

// mutation is a safeguard that is broken, and the test that has to notice.
type mutation struct {
	name    string
	changes []change
	dir     string // of the package
	test    string
	kinds   string // of the ledger's faults, when it is the test
	says    string // in the failure
}

var mutations = []mutation{
	{
		name:    "offsets are committed before the insert",
		changes: []change{{"internal/stream/serve.go", "if err := s.handler.Deliver(own.ctx, *own.hand); err != nil {", "if err := own.commit(s.work, s.client, own.hand.Last()+1, \"\"); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := s.handler.Deliver(own.ctx, *own.hand); err != nil {"}},
		dir:     "services/sink", test: "TestLedger", kinds: "killed at decoded,killed at deduplicated,killed at planned", says: "acknowledged events lost",
	},
	{
		name:    "offsets are committed although the delivery failed",
		changes: []change{{"internal/stream/serve.go", "if err := s.handler.Deliver(own.ctx, *own.hand); err != nil {", "if err := s.handler.Deliver(own.ctx, *own.hand); err != nil && false {"}},
		dir:     "services/sink", test: "TestNothingIsCommittedBeforeItIsInserted", says: "inserts met the fault, want 3|while inserts are refused, want 1",
	},
	{
		name:    "no plan is committed",
		changes: []change{{"internal/stream/serve.go", "if err := own.commit(s.work, s.client, own.position, plan.text()); err != nil {", "if err := error(nil); plan.To < 0 && err != nil {"}},
		dir:     "internal/stream", test: "TestRangesArePlannedBeforeTheyAreDelivered", says: "the group has",
	},
	{
		name:    "a plan that is found is not replayed",
		changes: []change{{"internal/stream/ownership.go", "plan, ok := readPlan(partition.Offset, metadata)", "plan, ok := Plan{Position: partition.Offset, To: -1}, true"}},
		dir:     "internal/stream", test: "TestRangesAreTheSameWhoeverDies", says: "before, planned",
	},
	{
		name: "a plan that is found is not replayed, and nobody looks what is there",
		changes: []change{
			{"internal/stream/ownership.go", "plan, ok := readPlan(partition.Offset, metadata)", "plan, ok := Plan{Position: partition.Offset, To: -1}, true"},
			{"services/sink/deliver.go", "last = max(last, at)", "last = min(last, at)"},
		},
		dir: "services/sink", test: "TestLedger", kinds: "killed at inserted/events,killed at inserted/traits,killed at quarantined", says: "rows doubled",
	},
	{
		name:    "a replayed range is not in doubt",
		changes: []change{{"services/sink/insert.go", "if !i.inDoubt(d) {", "if d.Attempt > 0 {"}},
		dir:     "services/sink", test: "TestTornBlockIsCompleted", says: "want 2 of both",
	},
	{
		name:    "a repetition of merging rows has the range's token",
		changes: []change{{"services/sink/insert.go", "return i.insert(ctx, records, again())", "return i.insert(ctx, records, \"\")"}},
		dir:     "services/sink", test: "TestBurntTokenOfMergingRowsLosesNothing", says: "0 contacts, want 1",
	},
	{
		name:    "the rest of a range has a token of its own",
		changes: []change{{"services/sink/insert.go", "if err := i.insert(ctx, records, suffix); err != nil {", "if err := i.insert(ctx, records[len(records)-1:], suffix); err != nil {"}},
		dir:     "services/sink", test: "TestWhatIsMissingHasTheTokenOfItsRange", says: "want the range's for what is missing of it",
	},
	{
		name:    "an old plan is not in doubt",
		changes: []change{{"services/sink/insert.go", "return d.Replayed || time.Since(d.Planned) > i.trust", "return d.Replayed"}},
		dir:     "services/sink", test: "TestTokensAreTrustedForAWhile", says: "its token may be forgotten",
	},
	{
		name:    "another token at each attempt",
		changes: []change{{"services/sink/insert.go", "i.insertBlock(ctx, token(records)+suffix)", "i.insertBlock(ctx, token(records)+suffix+time.Now().Format(time.StampNano))"}},
		dir:     "services/sink", test: "TestLedger", kinds: wireLateKind, says: "rows doubled",
	},
	{
		name: "tables remember no tokens",
		changes: []change{
			{"services/sink/migrations/00001_events.sql", "non_replicated_deduplication_window = 10000", "non_replicated_deduplication_window = 0"},
		},
		dir: "services/sink", test: "TestEventsArrive", says: "non_replicated_deduplication_window",
	},
	{
		name: "tables remember no tokens, and nobody looks",
		changes: []change{
			{"services/sink/migrations/00001_events.sql", "non_replicated_deduplication_window = 10000", "non_replicated_deduplication_window = 0"},
			{"internal/warehouse/settings.go", "if err == nil && found >= least {", "if err == nil {"},
		},
		dir: "services/sink", test: "TestLedger", kinds: wireLateKind, says: "rows doubled",
	},
	{
		name:    "halves of a block share a token",
		changes: []change{{"services/sink/insert.go", "first, last := records[0], records[len(records)-1]\n\treturn", "first, last := records[0], &stream.Record{}\n\treturn"}, {"services/sink/insert.go", "first.Partition, first.Offset, last.Offset, rowsVersion, first.Timestamp.UnixMilli())", "first.Partition, first.Offset/64, last.Offset, rowsVersion, 0)"}},
		dir:     "services/sink", test: "TestPoisonGoesToQuarantine", says: `want "22"`,
	},
	{
		name:    "repetitions are not dropped",
		changes: []change{{"services/sink/duplicates.go", "if at[i] >= 0 && duplicates[at[i]] {", "if at[i] >= 0 && duplicates[at[i]] && false {"}},
		dir:     "services/sink", test: "TestRepeatsAreOneRow", says: "want 5 of both",
	},
	{
		name:    "the index does not learn of what is committed",
		changes: []change{{"services/sink/deliver.go", "l.index.Apply(r.Topic, r.Partition, l.forget(r.Partition), r.Last()+1)", "error(nil)"}},
		dir:     "services/sink", test: "TestRepeatsAreOneRow", says: "want 5 of both",
	},
	{
		name:    "an index that is ahead is trusted",
		changes: []change{{"services/sink/dedup/assign.go", "if known && p.applied > position {", "if known && p.applied > position && false {"}},
		dir:     "services/sink/dedup", test: "TestAnswersAreTheFunctionOfTheLog", says: "FAIL: TestAnswersAreTheFunctionOfTheLog",
	},
	{
		name:    "whoever was expelled commits",
		changes: []change{{"internal/stream/plan.go", "if req.MemberID != s.member {", "if req.MemberID != s.member && false {"}, {"internal/stream/ownership.go", "if own.member != member {", "if own.member != member && false {"}},
		dir:     "internal/stream", test: "TestAZombie", says: "zombie",
	},
	{
		name:    "what is rejected is not produced to the quarantine",
		changes: []change{{"services/sink/deliver.go", "l.kafka.Produce(ctx, rejected.records...)", "error(nil)"}},
		dir:     "services/sink", test: "TestPoisonGoesToQuarantine", says: "refused_by_clickhouse|undecodable|out_of_range|identifier_not_hashed",
	},
	{
		name:    "nobody looks what is there when a group goes back",
		changes: []change{{"services/sink/deliver.go", "last = max(last, at)", "last = min(last, at)"}},
		dir:     "services/sink", test: "TestGroupThatGoesBackDoublesNothing", says: "want 5 of both",
	},
	{
		name:    "only rows that are there when a group goes back are looked for",
		changes: []change{{"services/sink/deliver.go", "read = max(log.End, last+1)", "read = last + 1"}},
		dir:     "services/sink", test: "TestLateInsertOfAGroupThatWentBack", says: "want 4 of both",
	},
	{
		name:    "what views make of a lost insert is not made anew",
		changes: []change{{"services/sink/insert.go", "return i.derive(ctx, records)", "return nil"}},
		dir:     "services/sink", test: "TestViewOfALostInsertIsMadeAnew", says: "want 2 nodes and 3 sightings",
	},
}

const wireLateKind = "done after its repetition (events)"

// TestMutations breaks one safeguard after the other, and wants a test to notice each.
func TestMutations(t *testing.T) {
	if os.Getenv(mutationsEnv) == "" {
		t.Skip("takes many minutes: run it with `make mutations`")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, ",", ""), func(t *testing.T) {
			began := time.Now()
			output := m.run(t, root)
			line := ""
			for _, wanted := range strings.Split(m.says, "|") {
				if line = lineWith(output, wanted); line != "" {
					break
				}
			}
			if line == "" {
				t.Fatalf("%s does not notice: want %q in\n%s", m.test, m.says, tail(output, 40))
			}
			t.Logf("| %s | `%s` | %s | (%s)", m.name, m.test, line, time.Since(began).Round(time.Second))
		})
	}
}

// run runs the test on sources with the changes; nothing in the tree is touched.
func (m *mutation) run(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	replaced := make(map[string]string)
	for i, c := range m.changes {
		path := filepath.Join(root, c.file)
		from := path
		if earlier, twice := replaced[path]; twice {
			from = earlier
		}
		source, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(source, []byte(c.was)) {
			t.Fatalf("%s has no %q any more: say in mutations_test.go how this safeguard is broken now", c.file, c.was)
		}
		to := filepath.Join(dir, fmt.Sprint(i, filepath.Ext(path)))
		if err := os.WriteFile(to, bytes.ReplaceAll(source, []byte(c.was), []byte(c.is)), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[path] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-timeout=10m", "-overlay", file, "-run", "^("+m.test+")", ".", "-rapid.nofailfile")
	command.Dir = filepath.Join(root, m.dir)
	command.Env = append(os.Environ(), mutationsEnv+"=", "PARCOURS_LEDGER_KINDS="+m.kinds, "PARCOURS_LEDGER_EVENTS=600")
	output, err := command.CombinedOutput()
	if err == nil {
		t.Fatalf("%s does not notice: it is green\n%s", m.test, tail(string(output), 20))
	}
	return string(output)
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			line = strings.TrimSpace(line)
			return line[:min(len(line), 240)]
		}
	}
	return ""
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
