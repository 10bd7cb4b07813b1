package workspace

import (
	"strings"
	"testing"
)

func TestPrioritiesNameWhatIsWrong(t *testing.T) {
	f := func(want string, priorities ...SourcePriority) {
		t.Helper()
		err := validatePriorities(priorities)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v is refused with %v, want %q", priorities, err, want)
		}
	}
	f("", SourcePriority{Source: "crm", Field: "*", Priority: 10, FreshDays: 365}, SourcePriority{Source: "crm", Field: "tier", Priority: -1})
	f("workspace.source_priorities[0].source is empty", SourcePriority{Field: "*"})
	f("workspace.source_priorities[0].field is empty", SourcePriority{Source: "crm"})
	f("workspace.source_priorities[0].priority is 1001", SourcePriority{Source: "crm", Field: "*", Priority: 1001})
	f("workspace.source_priorities[0].fresh_days is -1", SourcePriority{Source: "crm", Field: "*", FreshDays: -1})
	f("workspace.source_priorities[1] says again what crm is worth for tier", SourcePriority{Source: "crm", Field: "tier", Priority: 1}, SourcePriority{Source: "crm", Field: "tier"})
}
