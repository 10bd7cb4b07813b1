// Package houserules holds the rules of this repository that a compiler does not know, as tests that fail with a
// sentence. It owns no code; each rule is proved on a small tree that breaks it.
package houserules
