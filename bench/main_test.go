package bench

import (
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// TestMain runs the engine in the child process that benchmarks start for it.
func TestMain(m *testing.M) { enginetest.Main(m) }
