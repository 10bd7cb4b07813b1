module github.com/parcours-cdp/parcours/internal

go 1.26.0

replace (
	github.com/parcours-cdp/parcours/schemas => ../schemas
)
