module github.com/parcours-cdp/parcours/cmd/parcours

go 1.26.0

replace (
	github.com/parcours-cdp/parcours/embedded => ../../embedded
	github.com/parcours-cdp/parcours/internal => ../../internal
	github.com/parcours-cdp/parcours/schemas => ../../schemas
	github.com/parcours-cdp/parcours/services/collector => ../../services/collector
	github.com/parcours-cdp/parcours/services/enricher => ../../services/enricher
	github.com/parcours-cdp/parcours/services/identity => ../../services/identity
	github.com/parcours-cdp/parcours/services/sink => ../../services/sink
)

require (
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/schollz/progressbar/v3 v3.19.1 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/term v0.44.0 // indirect
)
