// Package bench measures the pipeline and its parts against peers and against the limit of the machine.
package bench
