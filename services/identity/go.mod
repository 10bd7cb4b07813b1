module github.com/parcours-cdp/parcours/services/identity

go 1.26.0

replace (
	github.com/parcours-cdp/parcours/internal => ../../internal
	github.com/parcours-cdp/parcours/schemas => ../../schemas
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
