package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spent is what this process has used: processor time, and allocations of memory.
type spent struct {
	cpu         time.Duration
	allocations uint64
}

func spentSoFar(b *testing.B) spent {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return spent{cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), allocations: memory.Mallocs}
}

// since returns microseconds of CPU and allocations an event.
func (s spent) since(b *testing.B, events float64) (cpu, allocations float64) {
	b.Helper()
	now := spentSoFar(b)
	return float64((now.cpu - s.cpu).Microseconds()) / events, float64(now.allocations-s.allocations) / events
}

// processCPU is the processor time of another process.
func processCPU(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	const userTime, systemTime, tick = 11, 12, 10 * time.Millisecond
	var ticks int
	for _, at := range []int{userTime, systemTime} {
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// children are the processes that a process started.
func children(b *testing.B, pid int) []int {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		b.Fatal(err)
	}
	var found []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			found = append(found, child)
		}
	}
	return found
}
