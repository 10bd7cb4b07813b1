//go:build race

package identifier_test

// The race detector makes sync.Pool forget at random, so allocations are not counted under it.
const underRace = true
