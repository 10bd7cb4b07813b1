package enricher

import (
	"fmt"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"go.uber.org/zap"
)

// engine is a chain on one snapshot of the reference data, with the memory that one goroutine runs it with. A batch runs on one engine, so an event
// names one version of each data set only.
type engine struct {
	snapshot   *reference.Snapshot
	links      []Link
	observer   *observer
	worker     worker
	transforms map[int32]*transform
}

// link is the one of that name if it would be made of the same tables again; otherwise nil.
func (e *engine) link(name string, data *reference.Snapshot) *Link {
	if e == nil {
		return nil
	}
	for i := range e.links {
		link := &e.links[i]
		if link.Describe().Name != name {
			continue
		}
		for dataset := range link.data {
			if !e.snapshot.Same(data, dataset) {
				return nil
			}
		}
		return link
	}
	return nil
}

// garage keeps the engine and makes another when the reference data has changed.
type garage struct {
	library  *reference.Library
	assemble func(data *reference.Snapshot, before *engine) ([]Link, error)
	purposes Purposes
	metrics  *metrics
	// people are known to every engine; nil for none.
	people *people
	log    *zap.Logger

	engine *engine
	// spoiled is the snapshot of which no engine could be made.
	spoiled *reference.Snapshot
}

// ready is the engine for the next batch. The one before must not be used any more.
func (g *garage) ready() (*engine, error) {
	now := g.library.Current()
	if g.engine != nil && (g.engine.snapshot == now || g.spoiled == now) {
		return g.engine, nil
	}
	data := g.library.Acquire()
	made, err := g.build(data)
	if err != nil {
		data.Release()
		if g.engine == nil {
			return nil, err
		}
		g.spoiled = data
		g.log.Error("the enrichments cannot be made of the new reference data; the ones before go on", zap.Error(err))
		return g.engine, nil
	}
	g.close()
	g.engine = made
	return made, nil
}

func (g *garage) build(data *reference.Snapshot) (*engine, error) {
	links, err := g.assemble(data, g.engine)
	if err != nil {
		return nil, err
	}
	o := newObserver(g.metrics, links, g.log)
	chain, err := NewChain(links, g.purposes, o.observe)
	if err != nil {
		return nil, fmt.Errorf("make the enrichments: %w", err)
	}
	for _, link := range links {
		if g.engine.link(link.Describe().Name, data) != nil {
			continue
		}
		d := link.Describe()
		g.log.Info("enrichment ready", zap.String("enrichment", d.Name), zap.String("version", d.Version), zap.Bool("required", link.Required))
	}
	return &engine{snapshot: data, links: links, observer: o, worker: worker{chain: chain.with(g.people)}, transforms: map[int32]*transform{}}, nil
}

// close gives the reference data back.
func (g *garage) close() {
	if g.engine != nil {
		g.engine.snapshot.Release()
		g.engine = nil
	}
}
