package cinder

import (
	"slices"
	"testing"

	"github.com/tricircle/tricircle/internal/gateway"
)

func TestChanges_AreOfCallsThatThereAre(t *testing.T) {
	for call := range changes() {
		if !slices.ContainsFunc(Routes, func(r gateway.Route) bool { return r.String() == call }) {
			t.Errorf("there is no %s", call)
		}
	}
}
