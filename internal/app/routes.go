package app

import (
	"fmt"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/gateway/cinder"
	"github.com/tricircle/tricircle/internal/gateway/nova"
)

// Routes returns the route table of a service, "nova" or "cinder".
func Routes(service string) ([]gateway.Route, error) {
	switch service {
	case "nova":
		return nova.Routes, nil
	case "cinder":
		return cinder.Routes, nil
	}
	return nil, fmt.Errorf("no gateway %q; there are: nova, cinder", service)
}
