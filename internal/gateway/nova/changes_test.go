package nova

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

func TestHostname_IsNovas(t *testing.T) {
	for name, want := range map[string]string{
		"web": "web", "Web_1.example com": "web-1-example-com", ".-x-.": "x", "a!b\u00e9\u4e2d": "ab\u00e9", "": "Server-7", "\u4e2d": "Server-7",
		"0123456789012345678901234567890123456789012345678901234567890123456789": "012345678901234567890123456789012345678901234567890123456789012",
	} {
		if got := hostname([]byte(`{"id": "7", "name": "` + name + `"}`)); got != `"`+want+`"` {
			t.Errorf("%q: got %s, want %q", name, got, want)
		}
	}
}
