package enricher

import (
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"go.uber.org/zap"
)

// parts are what links are made from. Links are made again when the reference data changes.
type parts struct {
	// name of the link in the configuration.
	name        string
	cfg         Config
	workspace   workspace.Config
	identifiers identifier.Config
	// data is the reference data of the chain. It is never nil and may hold nothing. A link looks up its tables when it is made and does not keep
	// data itself: what it did not ask for then may be closed.
	data    *reference.Snapshot
	lasting *lasting
	log     *zap.Logger
}

// lasting is what outlives a chain: stores, clients, caches and their metrics. Run makes it once. In a test it may be empty.
type lasting struct {
	// providers are asked over HTTP; nil when there are none.
	providers *providers
	// store knows what providers say of people and areas; nil knows nothing.
	store *attributes.Store
}
