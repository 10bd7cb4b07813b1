package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// TestMain runs the engine, or what moves events to it, in the child processes that benchmarks start for them.
func TestMain(m *testing.M) {
	if told := os.Getenv(moverEnv); told != "" {
		if err := runMover(told); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	enginetest.Main(m)
}
