package bus_test

import (
	"testing"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/bus/bustest"
)

func TestLocal_IsABus(t *testing.T) {
	bustest.Run(t, func(*testing.T) (a, b bus.Bus) {
		local := bus.NewLocal()
		return local, local
	})
}
