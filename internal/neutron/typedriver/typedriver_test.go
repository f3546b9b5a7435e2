package typedriver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// memory is a Tx: the segments that are taken.
type memory struct {
	taken []store.Segment
	reads int
}

func key(s store.Segment) store.Segment { s.NetworkID = ""; return s }

func (m *memory) ClaimSegment(_ context.Context, s store.Segment) (bool, error) {
	if slices.ContainsFunc(m.taken, func(t store.Segment) bool { return key(t) == key(s) }) {
		return false, nil
	}
	m.taken = append(m.taken, s)
	slices.SortFunc(m.taken, func(a, b store.Segment) int { return cmp.Compare(a.SegmentationID, b.SegmentationID) })
	return true, nil
}

func (m *memory) Segments(_ context.Context, q store.SegmentQuery) ([]store.Segment, error) {
	m.reads++
	var found []store.Segment
	for _, s := range m.taken {
		if s.NetworkType == q.NetworkType && s.PhysicalNetwork == q.PhysicalNetwork &&
			s.SegmentationID >= q.From && s.SegmentationID <= q.To && len(found) < q.Limit {
			found = append(found, s)
		}
	}
	return found, nil
}

func number(n int64) *int64 { return &n }

func drivers(t testing.TB, c Config) *Drivers {
	t.Helper()
	d, err := New(c, func(n int64) int64 { return n / 2 })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var config = Config{
	ProjectTypes: []string{VLAN, VXLAN},
	Flat:         []string{"extern"},
	VLAN:         []Physical{{"bridge", []Range{{10, 11}, {20, 20}}}, {"named", nil}},
	VXLAN:        []Range{{1000, 1001}},
}

func TestClaim_WantedSegments_AreTakenOrRefusedInNeutronsWords(t *testing.T) {
	for _, test := range []struct {
		want Wanted
		got  store.Segment // if it is taken
		kind string        // if it is refused
		text string
	}{
		{want: Wanted{NetworkType: "local"}, got: store.Segment{NetworkType: "local"}},
		{want: Wanted{NetworkType: "flat", PhysicalNetwork: "extern"}, got: store.Segment{NetworkType: "flat", PhysicalNetwork: "extern"}},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "named", SegmentationID: number(7)},
			got: store.Segment{NetworkType: "vlan", PhysicalNetwork: "named", SegmentationID: 7}},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "bridge"},
			got: store.Segment{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: 11}},
		{want: Wanted{NetworkType: "vlan"}, got: store.Segment{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: 11}},
		{want: Wanted{NetworkType: "vxlan"}, got: store.Segment{NetworkType: "vxlan", SegmentationID: 1001}},
		{want: Wanted{NetworkType: "vxlan", SegmentationID: number(5)}, got: store.Segment{NetworkType: "vxlan", SegmentationID: 5}},
		{want: Wanted{}, got: store.Segment{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: 11}},
		{want: Wanted{PhysicalNetwork: "bridge"}, kind: "InvalidInput", text: "network_type required"},
		{want: Wanted{NetworkType: "gre"}, kind: "InvalidInput", text: "network_type value 'gre' not supported"},
		{want: Wanted{NetworkType: "local", PhysicalNetwork: "x"}, kind: "InvalidInput", text: "physical_network prohibited for local"},
		{want: Wanted{NetworkType: "local", SegmentationID: number(1)}, kind: "InvalidInput", text: "segmentation_id prohibited for local"},
		{want: Wanted{NetworkType: "flat"}, kind: "InvalidInput", text: "physical_network required for flat"},
		{want: Wanted{NetworkType: "flat", PhysicalNetwork: "x"}, kind: "InvalidInput", text: "physical_network 'x' unknown for flat"},
		{want: Wanted{NetworkType: "flat", PhysicalNetwork: "extern", SegmentationID: number(1)}, kind: "InvalidInput", text: "prohibited for flat"},
		{want: Wanted{NetworkType: "vlan", SegmentationID: number(1)}, kind: "InvalidInput", text: "segmentation_id requires physical_network"},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "x"}, kind: "InvalidInput", text: "physical_network 'x' unknown for VLAN"},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: number(4095)}, kind: "InvalidInput", text: "(1 through 4094)"},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: number(0)}, kind: "InvalidInput", text: "(1 through 4094)"},
		{want: Wanted{NetworkType: "vlan", PhysicalNetwork: "named"}, kind: "NoNetworkAvailable", text: "No tenant network is available"},
		{want: Wanted{NetworkType: "vxlan", PhysicalNetwork: "x"}, kind: "InvalidInput", text: "physical_network specified for vxlan"},
		{want: Wanted{NetworkType: "vxlan", SegmentationID: number(1 << 24)}, kind: "InvalidInput", text: "out of range"},
	} {
		tx := &memory{}
		got, err := drivers(t, config).Claim(t.Context(), tx, "n", test.want)
		if test.kind != "" {
			expectFault(t, err, test.kind, test.text)
			if len(tx.taken) > 0 {
				t.Errorf("%+v: refused, but took %v", test.want, tx.taken)
			}
			continue
		}
		test.got.NetworkID = "n"
		if diff := gocmp.Diff(test.got, got); diff != "" || err != nil {
			t.Errorf("%+v: %v (-want +got):\n%s", test.want, err, diff)
		}
		if local := got.NetworkType == Local; local == (len(tx.taken) == 1) {
			t.Errorf("%+v: took %v", test.want, tx.taken)
		}
	}
}

func expectFault(t testing.TB, err error, kind, text string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Type != kind || !strings.Contains(f.Message, text) {
		t.Errorf("error %v, want %s with %q", err, kind, text)
	}
}

func TestClaim_SegmentOfAnother_IsInUse(t *testing.T) {
	tx := &memory{}
	d := drivers(t, config)
	for _, test := range []struct {
		want       Wanted
		kind, text string
	}{
		{Wanted{NetworkType: "flat", PhysicalNetwork: "extern"}, "FlatNetworkInUse", "Physical network extern is in use."},
		{Wanted{NetworkType: "vlan", PhysicalNetwork: "bridge", SegmentationID: number(7)}, "VlanIdInUse", "The VLAN 7 on physical network bridge is in use."},
		{Wanted{NetworkType: "vxlan", SegmentationID: number(7)}, "TunnelIdInUse", "The tunnel ID 7 is in use."},
	} {
		if _, err := d.Claim(t.Context(), tx, "one", test.want); err != nil {
			t.Error(err)
		}
		_, err := d.Claim(t.Context(), tx, "two", test.want)
		expectFault(t, err, test.kind, test.text)
	}
}

// Networks that name nothing use up the VLANs, then the VXLANs, and then there is none.
func TestClaim_NothingWanted_UsesUpEachTypeInTurn(t *testing.T) {
	tx := &memory{}
	d := drivers(t, config)
	var got []string
	for {
		s, err := d.Claim(t.Context(), tx, "n", Wanted{})
		if err != nil {
			expectFault(t, err, "NoNetworkAvailable", "")
			break
		}
		got = append(got, fmt.Sprint(s.NetworkType, s.SegmentationID))
	}
	if want := []string{"vlan11", "vlan20", "vlan10", "vxlan1001", "vxlan1000"}; !slices.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	local := drivers(t, Config{ProjectTypes: []string{Local}})
	if s, err := local.Claim(t.Context(), tx, "n", Wanted{}); err != nil || s.NetworkType != Local {
		t.Errorf("Claim = %v, %v; want a local network", s, err)
	}
	_, err := drivers(t, Config{}).Claim(t.Context(), tx, "n", Wanted{})
	expectFault(t, err, "NoNetworkAvailable", "")
}

// Whatever the ranges, what is taken and chance: all ids are given out, each once, none else, and with few reads.
func TestClaim_AnyRanges_GivesOutEachIDOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ranges []Range
		free := map[int64]bool{}
		from := int64(0)
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			from += rapid.Int64Range(1, 5).Draw(t, "gap")
			to := from + rapid.Int64Range(0, 8).Draw(t, "size")
			ranges = append(ranges, Range{from, to})
			for id := from; id <= to; id++ {
				free[id] = true
			}
			from = to + 1
		}
		tx := &memory{}
		for _, id := range rapid.SliceOf(rapid.Int64Range(1, from+3)).Draw(t, "taken") {
			_, _ = tx.ClaimSegment(t.Context(), store.Segment{NetworkType: VXLAN, SegmentationID: id}) // never fails
			delete(free, id)
		}
		d, err := New(Config{ProjectTypes: []string{VXLAN}, VXLAN: ranges}, func(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(t, "chance") })
		if err != nil {
			t.Fatal(err)
		}
		for len(free) > 0 {
			tx.reads = 0
			s, err := d.Claim(t.Context(), tx, "n", Wanted{})
			if err != nil || !free[s.SegmentationID] {
				t.Fatalf("Claim = %v, %v; free are %v", s, err, free)
			}
			if tx.reads > len(ranges)+1 {
				t.Fatalf("%d reads", tx.reads)
			}
			delete(free, s.SegmentationID)
		}
		if s, err := d.Claim(t.Context(), tx, "n", Wanted{}); err == nil {
			t.Fatalf("Claim = %v though none is free", s)
		}
	})
}

// More taken ids in a row than are read at once.
func TestClaim_LongRunOfTakenIDs_IsPassed(t *testing.T) {
	tx := &memory{}
	for id := int64(1); id <= 2*window+5; id++ {
		tx.taken = append(tx.taken, store.Segment{NetworkType: VXLAN, SegmentationID: id})
	}
	d, err := New(Config{ProjectTypes: []string{VXLAN}, VXLAN: []Range{{1, 1 << 20}}}, func(int64) int64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.Claim(t.Context(), tx, "n", Wanted{}); err != nil || s.SegmentationID != 2*window+6 {
		t.Errorf("Claim = %v, %v; want the first behind those that are taken", s, err)
	}
}

func TestParse_Ranges_AreReadOrRefused(t *testing.T) {
	got, err := ParseVLANs([]string{"bridge:10:20", " other", "bridge:30:30"})
	want := []Physical{{"bridge", []Range{{10, 20}, {30, 30}}}, {"other", nil}}
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("ParseVLANs: %v (-want +got):\n%s", err, diff)
	}
	vnis, err := ParseVNIs([]string{"1:16777215"})
	if diff := gocmp.Diff([]Range{{1, 16777215}}, vnis); diff != "" || err != nil {
		t.Errorf("ParseVNIs: %v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", ":1:2", "b:0:5", "b:1:4095", "b:5:4", "b:1", "b:x:2", "b:1:x", "b:1:2:3"} {
		if got, err := ParseVLANs([]string{bad}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("ParseVLANs(%q) = %v, %v; want an error that names it", bad, got, err)
		}
	}
	if got, err := ParseVNIs([]string{"0:5"}); err == nil {
		t.Errorf("ParseVNIs of 0 = %v", got)
	}
}

func TestNew_TypesThatHaveNothingToGive_AreRefused(t *testing.T) {
	for _, bad := range []Config{
		{ProjectTypes: []string{"gre"}}, {ProjectTypes: []string{Flat}, Flat: []string{"*"}}, {ProjectTypes: []string{VXLAN}},
		{ProjectTypes: []string{VLAN}, VLAN: []Physical{{"x", nil}}},
	} {
		if _, err := New(bad, nil); err == nil {
			t.Errorf("New(%+v) succeeded", bad)
		}
	}
}
