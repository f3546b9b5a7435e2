package app

import (
	"math"
	"runtime/debug"
)

const (
	// gcPercent lets the heap grow to five times of what lives. A top at rest holds some ten MiB, and the collector would run
	// dozens of times a second under load to keep it at twenty.
	gcPercent = 400
	// softMemory is where the collector runs more often again.
	softMemory = 384 << 20 // bytes
)

// tuneMemory sets the collector for a server, but where the operator has: by GOGC or GOMEMLIMIT.
func tuneMemory() {
	if before := debug.SetGCPercent(gcPercent); before != 100 {
		debug.SetGCPercent(before)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(softMemory)
	}
}
