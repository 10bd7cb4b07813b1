// Command sink runs the sink service on its own.
package main

import (
	"os"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/sink"
)

func main() {
	os.Exit(service.Program[sink.Config]{
		Name:   "sink",
		Admin:  "127.0.0.1:9604",
		Config: sink.DefaultConfig(),
		Run:    sink.Run,
	}.Main(os.Args[1:]))
}
