// Command enricher runs the enricher service on its own.
package main

import (
	"os"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/enricher"
)

func main() {
	os.Exit(service.Program[enricher.Config]{
		Name:   "enricher",
		Admin:  "127.0.0.1:9603",
		Config: enricher.DefaultConfig(),
		Run:    enricher.Run,
	}.Main(os.Args[1:]))
}
