module github.com/parcours-cdp/parcours/bench

go 1.26.0

require (
	github.com/google/uuid v1.6.0
	github.com/linkedin/goavro/v2 v2.15.0
	github.com/parcours-cdp/parcours/schemas v0.0.0
	github.com/twmb/avro v1.9.0
)

require github.com/golang/snappy v0.0.1 // indirect

replace (
	github.com/parcours-cdp/parcours/embedded => ../embedded
	github.com/parcours-cdp/parcours/internal => ../internal
	github.com/parcours-cdp/parcours/schemas => ../schemas
	github.com/parcours-cdp/parcours/services/collector => ../services/collector
	github.com/parcours-cdp/parcours/services/enricher => ../services/enricher
	github.com/parcours-cdp/parcours/services/identity => ../services/identity
	github.com/parcours-cdp/parcours/services/sink => ../services/sink
)
