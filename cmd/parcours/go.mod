module github.com/parcours-cdp/parcours/cmd/parcours

go 1.26.0

replace (
	github.com/parcours-cdp/parcours/schemas => ../../schemas
	github.com/parcours-cdp/parcours/internal => ../../internal
	github.com/parcours-cdp/parcours/embedded => ../../embedded
	github.com/parcours-cdp/parcours/services/collector => ../../services/collector
	github.com/parcours-cdp/parcours/services/identity => ../../services/identity
	github.com/parcours-cdp/parcours/services/enricher => ../../services/enricher
	github.com/parcours-cdp/parcours/services/sink => ../../services/sink
)
