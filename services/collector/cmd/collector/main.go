// Command collector runs the collector service on its own.
package main

import (
	"os"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/collector"
)

func main() {
	os.Exit(service.Program[collector.Config]{
		Name:   "collector",
		Admin:  "127.0.0.1:9601",
		Config: collector.DefaultConfig(),
		Run:    collector.Run,
	}.Main(os.Args[1:]))
}
