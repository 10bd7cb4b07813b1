package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// newDoor is a stitcher with an evidence log; what it logs is applied while follow runs.
func newDoor(t *testing.T) (s *stitcher, follow func() (stop func())) {
	t.Helper()
	l := newTestLog(t)
	kafka := streamtest.Client(t, streamtest.Broker(t))
	if err := kafka.EnsureTopics(t.Context(), stream.Evidence); err != nil {
		t.Fatal(err)
	}
	l.records = nil
	m := newMetrics(prometheus.NewRegistry())
	s = &stitcher{workspace: testWorkspace, ids: l.ids, kafka: kafka, metrics: m, log: zap.NewNop(), replica: l.open(l.opening("", 0))}
	return s, func() func() {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.follow(ctx) }()
		return func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
}

// observe has what is logged from now on.
func (s *stitcher) observe() *observer.ObservedLogs {
	core, logs := observer.New(zap.InfoLevel)
	s.log = zap.New(core)
	s.replica.log = s.log
	return logs
}

func (s *stitcher) rulesNow(t *testing.T) evidence.Rules {
	t.Helper()
	var rules evidence.Rules
	s.door().view(func(g *graph.Graph, _ int64) { rules, _ = g.Rules() })
	return rules
}

// What an operator changed in the rules survives restarts with the configuration that it went over, and ends
// with a new configuration.
func TestOperatorsRulesSurviveARestart(t *testing.T) {
	s, follow := newDoor(t)
	defer follow()()
	configured, err := ruleset(DefaultConfig(), s.ids)
	if err != nil {
		t.Fatal(err)
	}
	logs := s.observe()
	settle := func(rules evidence.Ruleset) int64 {
		t.Helper()
		if err := s.settle(t.Context(), rules); err != nil {
			t.Fatal(err)
		}
		return s.replica.position()
	}
	if at := settle(configured); at != 2 {
		t.Fatalf("an empty log has %d records after the first start, want engine and rules", at)
	}
	operators := configured
	operators.MaxCluster = 77
	note := evidence.Note{At: 1, Author: "claire", Reason: "trial"}
	at, err := s.door().append(t.Context(), &evidence.Rules{Workspace: testWorkspace, Rules: operators, Note: note})
	if err != nil || at != 3 {
		t.Fatalf("appended at %d: %v", at, err)
	}
	if got := s.rulesNow(t); got.Rules.MaxCluster != 77 || got.Note != note {
		t.Errorf("the rules are %+v", got)
	}
	if at := settle(configured); at != 3 || s.rulesNow(t).Rules.MaxCluster != 77 {
		t.Errorf("a restart took the log to %d and max_cluster to %d", at, s.rulesNow(t).Rules.MaxCluster)
	}
	if first := logs.FilterMessage("the configured rules are logged: the log has none"); first.Len() != 1 || logs.FilterLevelExact(zap.WarnLevel).Len() != 0 {
		t.Errorf("the first start and a restart logged %v", logs.All())
	}
	changed := configured
	changed.MaxCluster = 99
	if at := settle(changed); at != 4 || s.rulesNow(t).Rules.MaxCluster != 99 {
		t.Errorf("a new configuration took the log to %d and max_cluster to %d", at, s.rulesNow(t).Rules.MaxCluster)
	}
	news := logs.FilterLevelExact(zap.WarnLevel).All()
	if len(news) != 1 || !strings.Contains(news[0].Message, "replace those of another") {
		t.Fatalf("a new configuration logged %v", news)
	}
	want := map[string]any{"fingerprint": changed.Fingerprint(), "before": configured.Fingerprint(), "replaces_an_operators": true}
	if diff := cmp.Diff(want, news[0].ContextMap()); diff != "" {
		t.Error(diff)
	}
}

// An instance whose rules those of another replace says so until they are its own again.
func TestRulesOfAnotherConfigurationAreReported(t *testing.T) {
	s, follow := newDoor(t)
	defer follow()()
	logs := s.observe()
	configured, err := ruleset(DefaultConfig(), s.ids)
	if err != nil {
		t.Fatal(err)
	}
	other := configured
	other.MaxCluster = 99
	put := func(rules evidence.Ruleset, configuration string) {
		t.Helper()
		record := &evidence.Rules{Workspace: testWorkspace, Rules: rules, Configuration: configuration, Note: evidence.Note{At: 1, Author: "a"}}
		if _, err := s.door().append(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	o := &operator{workspace: testWorkspace, ids: s.ids, door: s.door(), now: time.Now, configured: configured}
	want := func(when string, differ bool) {
		t.Helper()
		var warnings int
		for _, line := range logs.TakeAll() {
			if line.Level == zap.WarnLevel && strings.Contains(line.Message, "rules of another configuration") && line.ContextMap()["configured_there"] == other.Fingerprint() {
				warnings++
			}
		}
		if got := testutil.ToFloat64(s.replica.metrics.rulesDiffer) == 1; got != differ || (warnings == 1) != differ {
			t.Errorf("%s: the gauge is %v, there are %d warnings", when, got, warnings)
		}
		status, rules, err := o.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.ThisInstanceConfigured == differ || rules.ThisInstanceConfigured == differ {
			t.Errorf("%s: the answers are %+v and %+v", when, status, rules)
		}
		changed := rules.Fingerprint != configured.Fingerprint()
		if changed != (rules.ConfiguredRules != nil) || changed && rules.ConfiguredRules.Fingerprint() != configured.Fingerprint() {
			t.Errorf("%s: the configured rules are %+v", when, rules.ConfiguredRules)
		}
	}
	put(other, other.Fingerprint()) // the log's past is no news
	if err := s.settle(t.Context(), configured); err != nil {
		t.Fatal(err)
	}
	logs.TakeAll()
	want("its own", false)
	put(other, "")
	want("an operator's", false)
	put(other, other.Fingerprint())
	want("another's", true)
	put(configured, configured.Fingerprint())
	want("its own again", false)
}

// What was logged is logged: when it is not applied in time the answer says where it will be true.
func TestAppendSaysWhatIsLogged(t *testing.T) {
	s, follow := newDoor(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	engine := &evidence.Engine{Workspace: testWorkspace, Number: 1}
	at, err := s.door().append(ctx, engine, engine)
	late := (*notAppliedError)(nil)
	if !errors.As(err, &late) || at != 2 || late.Position != 2 || !strings.Contains(err.Error(), "logged at 2, not yet applied") {
		t.Fatalf("appended at %d: %v", at, err)
	}
	defer follow()()
	if err := s.replica.wait(t.Context(), at); err != nil {
		t.Error(err)
	}
	if _, err := s.door().append(t.Context(), &evidence.Engine{Workspace: testWorkspace}); err == nil {
		t.Error("a record that nobody can read was logged")
	}
	if _, err := s.door().append(t.Context()); err == nil {
		t.Error("nothing was logged")
	}
}
