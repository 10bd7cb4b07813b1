// Command identity runs the identity service on its own.
package main

import (
	"os"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity"
)

func main() {
	os.Exit(service.Program[identity.Config]{
		Name:   "identity",
		Admin:  "127.0.0.1:9602",
		Config: identity.DefaultConfig(),
		Run:    identity.Run,
	}.Main(os.Args[1:]))
}
