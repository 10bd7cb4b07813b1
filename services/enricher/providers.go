package enricher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// providers are those that are asked over HTTP. A nil one has none.
//
// A batch goes through the chain; where a link lacks an answer it asks for it and the event is put aside. Once the whole batch is through, what was
// asked is waited for, by all together and no longer than max_wait, and the events that were put aside go through the chain again. So a batch whose
// answers are remembered costs nothing more than their look-up.
type providers struct {
	all       []*provider.Provider
	codec     *facts.Codec
	workspace string
}

// validateProviders checks them against each other and against the purposes.
func (c Config) validateProviders() error {
	var seen []string
	purposes := c.Purposes.named()
	for i, p := range c.Providers {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("enricher.providers[%d].%w", i, err)
		}
		if slices.Contains(seen, p.Name) {
			return fmt.Errorf("enricher.providers[%d].name is %q, which is in the list already: name it once", i, p.Name)
		}
		if _, there := purposes[p.Purpose]; !there {
			return fmt.Errorf("enricher.providers[%d].purpose is %q: %w", i, p.Purpose, errNoPurpose)
		}
		seen = append(seen, p.Name)
	}
	return nil
}

// chainEntries are the configured links, and those of the providers that the list does not name.
func (c Config) chainEntries() []Entry {
	entries := slices.Clone(c.Enrichments)
	for _, p := range c.Providers {
		name := Provider + "." + p.Name
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == name }) {
			entries = append(entries, Entry{Name: name, Enabled: true})
		}
	}
	return entries
}

// openProviders makes them; nothing is asked before run.
func openProviders(ctx context.Context, cfg Config, ws workspace.Config, reg *registry.Registry, o provider.Options) (*providers, error) {
	if len(cfg.Providers) == 0 {
		return nil, nil //nolint:nilnil // There are none, and all methods bear it.
	}
	p := &providers{workspace: ws.Name}
	var err error
	if p.codec, err = facts.NewCodec(ctx, reg); err != nil {
		return nil, err
	}
	for _, one := range cfg.Providers {
		made, err := provider.New(one, o)
		if err != nil {
			return nil, fmt.Errorf("make provider %s: %w", one.Name, err)
		}
		p.all = append(p.all, made)
	}
	return p, nil
}

func providerOptions(log *zap.Logger, metrics prometheus.Registerer) provider.Options {
	return provider.Options{Log: log, Metrics: provider.NewMetrics(metrics)}
}

func (p *providers) named(name string) *provider.Provider {
	if p != nil {
		for _, one := range p.all {
			if one.Config().Name == name {
				return one
			}
		}
	}
	return nil
}

// run asks what links ask for, until ctx ends.
func (p *providers) run(ctx context.Context) error {
	if p == nil {
		return nil
	}
	var group errgroup.Group
	for _, one := range p.all {
		group.Go(func() error { return one.Run(ctx) })
	}
	return group.Wait()
}

// begin starts a batch.
func (p *providers) begin() {
	if p != nil {
		for _, one := range p.all {
			one.Begin()
		}
	}
}

// wait returns when what the batch asked for is answered, or will not be.
func (p *providers) wait(ctx context.Context) {
	if p == nil {
		return
	}
	var waiting sync.WaitGroup
	for _, one := range p.all {
		waiting.Go(func() { one.Wait(ctx) })
	}
	waiting.Wait()
}

// records are the answers that came since the last call, for the topic attributes.
func (p *providers) records() []*stream.Record {
	if p == nil {
		return nil
	}
	var all []*stream.Record
	for _, one := range p.all {
		for _, s := range one.TakeStored() {
			all = append(all, p.codec.Record(one.Set(p.workspace, s)))
		}
	}
	return all
}

// errAsked says that an event has to go through the chain again, once what its links asked for is there.
var errAsked = errors.New("a provider was asked")
