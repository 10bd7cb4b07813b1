//go:build !race

package identifier_test

const underRace = false
