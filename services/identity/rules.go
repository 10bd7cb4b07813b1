package identity

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// fromConfiguration is the author of the rules that no operator gave.
const fromConfiguration = "configuration"

// ruleset is what the configuration says of the partition.
func ruleset(cfg Config, ids *identifier.Identifiers) (evidence.Ruleset, error) {
	link, err := identifier.ParseClass(cfg.LinkClass)
	if err != nil {
		return evidence.Ruleset{}, fmt.Errorf("identity.link_%w", err)
	}
	types := ids.Types()
	rules := evidence.Ruleset{
		LinkClass: uint8(link), MaxCluster: cfg.MaxCluster, MaxComponent: cfg.MaxComponent,
		Types: make(map[string]evidence.TypeRule, len(types)), Blocked: ids.BlockedNodes(),
	}
	for name, t := range types {
		class, err := identifier.ParseClass(t.Class)
		if err != nil {
			return evidence.Ruleset{}, fmt.Errorf("identifiers.types.%s.%w", name, err)
		}
		rules.Types[name] = evidence.TypeRule{Rank: uint8(t.Rank), Class: uint8(class), Limit: t.Limit, Hubs: t.Hubs}
	}
	return rules, rules.Validate()
}

// settle logs what the log lacks before this instance can work with the others: which engine counts, and
// the configured rules when they are not those that were configured last. Rules that an operator gave since
// stay: they carry the fingerprint of the configuration that they went over.
func (s *stitcher) settle(ctx context.Context, rules evidence.Ruleset) error {
	var engine uint16
	var last evidence.Rules
	fingerprint := rules.Fingerprint()
	s.replica.change(func() {
		engine = s.replica.graph.Engine()
		last, _ = s.replica.graph.Rules()
		s.replica.configured = fingerprint
	})
	note := evidence.Note{At: time.Now().UnixMilli(), Author: fromConfiguration}
	var lacking []evidence.Record
	if engine == 0 {
		lacking = append(lacking, &evidence.Engine{Workspace: s.workspace, Number: evidence.EngineNumber, Note: note})
	}
	if last.Configuration != fingerprint {
		lacking = append(lacking, &evidence.Rules{Workspace: s.workspace, Rules: rules, Configuration: fingerprint, Note: note})
	}
	switch last.Configuration {
	case fingerprint:
	case "":
		s.log.Info("the configured rules are logged: the log has none", zap.String("fingerprint", fingerprint))
	default:
		s.log.Warn("the rules of this instance's configuration replace those of another for everybody: give all instances the same identifiers and identity sections",
			zap.String("fingerprint", fingerprint), zap.String("before", last.Configuration),
			zap.Bool("replaces_an_operators", last.Rules.Fingerprint() != last.Configuration))
	}
	if len(lacking) == 0 {
		return nil
	}
	_, err := s.door().append(ctx, lacking...)
	return err
}

// compareConfiguration tells whether applied rules are, or went over, those of another configuration than this
// instance's.
func (r *replica) compareConfiguration(rules *evidence.Rules) {
	r.mu.RLock()
	configured := r.configured
	r.mu.RUnlock()
	if configured == "" || rules.Configuration == configured {
		r.metrics.rulesDiffer.Set(0)
		return
	}
	r.metrics.rulesDiffer.Set(1)
	r.log.Warn("rules of another configuration than this instance's are in force: give all instances the same identifiers and identity sections, and restart this one or the other",
		zap.String("configured_here", configured), zap.String("configured_there", rules.Configuration))
}
