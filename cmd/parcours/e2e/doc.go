// Package e2e holds the end-to-end tests: whole requests in, rows out, through the four services on the
// backends that the environment names (see embedded/backend). It has no code of its own.
package e2e
