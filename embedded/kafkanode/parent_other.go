//go:build !linux

package kafkanode

import "os/exec"

// detach can only be asked for on Linux; elsewhere a killed test leaves its node behind.
func detach(*exec.Cmd) {}
