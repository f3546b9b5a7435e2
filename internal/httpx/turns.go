package httpx

import "runtime"

// takeTurns lets other goroutines come to the same point, which is just before a system call that sends. A core that is idle at the
// far end of a connection must be woken up for what is sent, which takes longer than all else of the call; if several are sent in a
// row it is woken up once. It also keeps what requests do in common together, in the caches of the processor. When nobody else is
// ready to run it takes some 100 ns.
func takeTurns() { runtime.Gosched() }
