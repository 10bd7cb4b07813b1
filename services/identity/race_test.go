//go:build race

package identity

// The race detector makes sync.Pool forget at random, so allocations are not counted under it.
const underRace = true
