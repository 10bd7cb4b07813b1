//go:build !race

package identity

const underRace = false
