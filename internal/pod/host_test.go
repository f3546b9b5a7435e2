package pod

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

func snapshotOf(regions ...string) *Snapshot {
	var pods []*Pod
	for i, region := range regions {
		pods = append(pods, &Pod{Pod: store.Pod{Num: int32(i + 1), RegionName: region}})
	}
	return newSnapshot(pods, nil, [numServices]microversion.Version{})
}

func TestSplitHost(t *testing.T) {
	s := snapshotOf("one", "b.one", "two")
	for name, want := range map[string]struct{ pod, host string }{
		"h.one":             {"one", "h"},
		"h.b.one":           {"b.one", "h"},
		"node.example.two":  {"two", "node.example"},
		"h.two@lvm#pool":    {"two", "h@lvm#pool"},
		"h.two@lvm.one":     {"two", "h@lvm.one"},
		"h.two#pool":        {"two", "h#pool"},
		"h":                 {},
		"h.three":           {},
		"h@lvm.two":         {},
		".two":              {},
		"two":               {},
		"":                  {},
		"h.one.two":         {"two", "h.one"},
		"192.0.2.1.b.one":   {"b.one", "192.0.2.1"},
		"hone":              {},
		"h.one.":            {},
		"h.one@":            {"one", "h@"},
		"cluster.two@ceph":  {"two", "cluster@ceph"},
		"h.two@ceph#a@b#.c": {"two", "h@ceph#a@b#.c"},
	} {
		p, host := s.SplitHost(name)
		got := ""
		if p != nil {
			got = p.Name()
		}
		if got != want.pod || host != want.host {
			t.Errorf("%q: got %q in %q, want %q in %q", name, host, got, want.host, want.pod)
		}
	}
}

func TestTopHost_SplitHost_AreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,9}(@[a-z.]{1,5})?(#[a-z.@]{1,5})?`)
		regions := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 1, 5, rapid.ID).Draw(t, "regions")
		s, host := snapshotOf(regions...), name.Draw(t, "host")
		p := s.All()[rapid.IntRange(0, len(regions)-1).Draw(t, "pod")]
		if got, bare := s.SplitHost(p.TopHost(host)); got != p || bare != host {
			t.Fatalf("%q of %s is shown as %q and read as %q", host, p.Name(), p.TopHost(host), bare)
		}
	})
}

func TestTopHost_OfNothing_IsNothing(t *testing.T) {
	if got := snapshotOf("one").All()[0].TopHost(""); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestTopInteger_SplitInteger_AreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num := rapid.Int32Range(1, 1<<15-1).Draw(t, "pod")
		id := rapid.Int64Range(1, 1<<32-1).Draw(t, "id")
		p := &Pod{Pod: store.Pod{Num: num, RegionName: "one"}}
		s := newSnapshot([]*Pod{p}, nil, [numServices]microversion.Version{})
		encoded, ok := p.TopInteger(id)
		if !ok || encoded >= 1<<53 {
			t.Fatalf("%d of pod %d became %d, %t", id, num, encoded, ok)
		}
		if got, bare := s.SplitInteger(encoded); got != p || bare != id {
			t.Fatalf("%d became %d, and that %d", id, encoded, bare)
		}
	})
}

func TestIntegers_ThatAreNobodys(t *testing.T) {
	s := snapshotOf("one", "two")
	for _, id := range []int64{-1, 0, 1 << 32, 1 << 60} {
		if got, ok := s.All()[0].TopInteger(id); ok || got != id {
			t.Errorf("%d is shown as %d, %t", id, got, ok)
		}
	}
	for _, encoded := range []int64{-1, 0, 5, 1<<32 - 1, 3<<32 | 5, 1 << 62, -1 << 63} {
		if p, id := s.SplitInteger(encoded); p != nil {
			t.Errorf("%d is read as %d of %s", encoded, id, p.Name())
		}
	}
}
