module github.com/parcours-cdp/parcours/schemas

go 1.26.0

require (
	github.com/golang/snappy v0.0.1 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/linkedin/goavro/v2 v2.15.0 // indirect
	github.com/twmb/avro v1.9.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
