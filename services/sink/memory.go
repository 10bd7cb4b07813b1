package sink

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/parcours-cdp/parcours/internal/service"
)

// What a process of the sink holds, beside the records of BufferBytes:
//
//   - fetched and not yet polled: one fetch of touchpoints, 1/32 of BufferBytes as it is on the wire, several times
//     that unpacked; less of the other topics.
//   - the pointers of records: some 200 bytes a record.
//   - Inserts blocks of at most BatchBytes of records, as columns; the body of the insert is made of them while it is sent.
//   - the index: indexCacheBytes, its filters of some 12 bits for each event of DuplicateWindow, 8 MB of what is not on disk yet.
//
// With the defaults that is less than 170 MB; bench measures what the process takes. The collector would let garbage grow to as much again:
// it is told to start earlier, which costs little, because nearly all of it is bytes without pointers.
const memoryFactor = 3

// MemoryBytes is what the memory of a process that runs the sink alone is held to, softly: one that needs more gets it,
// and spends time on collecting.
func (c Config) MemoryBytes() int64 { return memoryFactor * int64(c.BufferBytes) }

// RunAlone is Run for a process that runs nothing else. GOMEMLIMIT, where it is set, has the last word.
func RunAlone(ctx context.Context, cfg Config, p service.Platform) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cfg.MemoryBytes())
	}
	return Run(ctx, cfg, p)
}
