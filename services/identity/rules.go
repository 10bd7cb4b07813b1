package identity

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
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
	s.replica.view(func(g *graph.Graph) {
		engine = g.Engine()
		last, _ = g.Rules()
	})
	note := evidence.Note{At: time.Now().UnixMilli(), Author: fromConfiguration}
	var lacking []evidence.Record
	if engine == 0 {
		lacking = append(lacking, &evidence.Engine{Workspace: s.workspace, Number: evidence.EngineNumber, Note: note})
	}
	if fingerprint := rules.Fingerprint(); last.Configuration != fingerprint {
		lacking = append(lacking, &evidence.Rules{Workspace: s.workspace, Rules: rules, Configuration: fingerprint, Note: note})
		s.log.Info("the configured rules are logged: they are not those that were configured last",
			zap.String("fingerprint", fingerprint), zap.String("before", last.Configuration))
	}
	if len(lacking) == 0 {
		return nil
	}
	_, err := s.door().append(ctx, lacking...)
	return err
}
