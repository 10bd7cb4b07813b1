// Package registrytest gives tests a schema registry.
package registrytest

import (
	"testing"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/zap/zaptest"
)

// Serve starts an in-process registry that ends with the test and returns its URL.
func Serve(t testing.TB) string {
	t.Helper()
	fake := srfake.New()
	t.Cleanup(fake.Close)
	return fake.URL()
}

// Client returns a client of an in-process registry that ends with the test.
func Client(t testing.TB) *registry.Registry {
	t.Helper()
	cfg := registry.DefaultConfig()
	cfg.URL = Serve(t)
	client, err := registry.New(cfg, zaptest.NewLogger(t))
	if err != nil {
		t.Fatalf("open registry: %v", err)
	}
	return client
}
