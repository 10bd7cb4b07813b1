module github.com/parcours-cdp/parcours/services/collector

go 1.26.0

replace (
	github.com/parcours-cdp/parcours/schemas => ../../schemas
	github.com/parcours-cdp/parcours/internal => ../../internal
)
