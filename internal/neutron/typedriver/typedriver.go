// Package typedriver decides what a network occupies on a wire: nothing (local), a whole physical network (flat), a VLAN of one, or
// a VXLAN id. It allocates for all pods at once, within the caller's transaction, and the primary key of segments decides who has one.
//
// It must not depend on HTTP, on pods, or on an implementation of the store: what it refuses is a fault.Error with the type and the
// text of Neutron's ML2 plugin (neutron/plugins/ml2/managers.py and drivers/type_*.py, Zed).
package typedriver

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/store"
)

// The types of networks.
const (
	Local = "local"
	Flat  = "flat"
	VLAN  = "vlan"
	VXLAN = "vxlan"
)

const (
	minVLAN, maxVLAN = 1, 4094
	minVNI, maxVNI   = 1, 1<<24 - 1
)

// Range is what networks that name no segment are given: ids from From to To, both inclusive.
type Range struct{ From, To int64 }

// Physical is a physical network with VLANs. Without ranges it is only for those who name a VLAN.
type Physical struct {
	Name  string
	VLANs []Range
}

// Config is what the operator has decided.
type Config struct {
	// ProjectTypes are tried in this order for networks that name no type.
	ProjectTypes []string
	// Flat are the physical networks that may be flat; "*" stands for any.
	Flat []string
	// VLAN are the physical networks with VLANs, in the order in which they are used up.
	VLAN []Physical
	// VXLAN are the ids of networks that name none.
	VXLAN []Range
}

// ParseVLANs reads physical networks as Neutron's network_vlan_ranges: "bridge:2000:2999", or "bridge" without a range. Several
// entries of one name add up.
func ParseVLANs(entries []string) ([]Physical, error) {
	var all []Physical
	for _, entry := range entries {
		name, text, hasRange := strings.Cut(strings.TrimSpace(entry), ":")
		if name == "" {
			return nil, fmt.Errorf("VLAN range %q: want <physical network>[:<first>:<last>]", entry)
		}
		i := slices.IndexFunc(all, func(p Physical) bool { return p.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, Physical{Name: name})
		}
		if hasRange {
			r, err := parseRange(text, minVLAN, maxVLAN)
			if err != nil {
				return nil, fmt.Errorf("VLAN range %q: %w", entry, err)
			}
			all[i].VLANs = append(all[i].VLANs, r)
		}
	}
	return all, nil
}

// ParseVNIs reads ranges as Neutron's vni_ranges: "10000:19999".
func ParseVNIs(entries []string) ([]Range, error) {
	var all []Range
	for _, entry := range entries {
		r, err := parseRange(strings.TrimSpace(entry), minVNI, maxVNI)
		if err != nil {
			return nil, fmt.Errorf("VXLAN range %q: %w", entry, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRange(text string, least, most int64) (Range, error) {
	from, to, _ := strings.Cut(text, ":")
	r := Range{}
	var err error
	if r.From, err = strconv.ParseInt(from, 10, 64); err != nil {
		return r, fmt.Errorf("first id %q is no number", from)
	}
	if r.To, err = strconv.ParseInt(to, 10, 64); err != nil {
		return r, fmt.Errorf("last id %q is no number", to)
	}
	if r.From < least || r.To > most || r.From > r.To {
		return r, fmt.Errorf("ids must ascend, from %d to %d at most", least, most)
	}
	return r, nil
}

// Tx is what a transaction must offer.
type Tx interface {
	Segments(ctx context.Context, q store.SegmentQuery) ([]store.Segment, error)
	ClaimSegment(ctx context.Context, s store.Segment) (bool, error)
}

// Drivers allocates segments. New makes one.
type Drivers struct {
	config Config
	random func(n int64) int64
}

// New makes drivers that choose with random, which returns a number from 0 to n-1. It fails for types that do not exist or that
// have nothing to give to those who name no segment.
func New(c Config, random func(n int64) int64) (*Drivers, error) {
	for _, t := range c.ProjectTypes {
		usable := map[string]bool{
			Local: true, VXLAN: len(c.VXLAN) > 0,
			VLAN: slices.ContainsFunc(c.VLAN, func(p Physical) bool { return len(p.VLANs) > 0 }),
		}
		if !usable[t] {
			return nil, fmt.Errorf("networks cannot be of type %q by themselves: it needs ranges, and must be one of %s, %s, %s", t, Local, VLAN, VXLAN)
		}
	}
	return &Drivers{config: c, random: random}, nil
}

// Wanted is what a client says of a segment by the provider attributes. The zero value says nothing.
type Wanted struct {
	NetworkType     string
	PhysicalNetwork string
	SegmentationID  *int64
}

// Claim takes a segment for a network: the one that is wanted, or any that fits. The caller's transaction inserts the network. What
// local networks get occupies nothing.
func (d *Drivers) Claim(ctx context.Context, tx Tx, networkID string, want Wanted) (store.Segment, error) {
	if want == (Wanted{}) {
		return d.ofProject(ctx, tx, networkID)
	}
	if err := d.Check(want); err != nil {
		return store.Segment{}, err
	}
	segment := store.Segment{NetworkType: want.NetworkType, PhysicalNetwork: want.PhysicalNetwork, NetworkID: networkID}
	switch {
	case want.NetworkType == Local:
		return segment, nil
	case want.NetworkType == Flat:
		return segment, claim(ctx, tx, segment)
	case want.SegmentationID != nil:
		segment.SegmentationID = *want.SegmentationID
		return segment, claim(ctx, tx, segment)
	}
	return d.any(ctx, tx, networkID, want)
}

// claim takes exactly this segment.
func claim(ctx context.Context, tx Tx, s store.Segment) error {
	ok, err := tx.ClaimSegment(ctx, s)
	if err == nil && !ok {
		err = inUse(s)
	}
	return err
}

// ofProject takes a segment of the first type that has one.
func (d *Drivers) ofProject(ctx context.Context, tx Tx, networkID string) (store.Segment, error) {
	for _, t := range d.config.ProjectTypes {
		if t == Local {
			return store.Segment{NetworkType: Local, NetworkID: networkID}, nil
		}
		s, ok, err := d.first(ctx, tx, networkID, Wanted{NetworkType: t})
		if err != nil || ok {
			return s, err
		}
	}
	return store.Segment{}, noNetworkAvailable()
}

// any takes a free segment of a type.
func (d *Drivers) any(ctx context.Context, tx Tx, networkID string, want Wanted) (store.Segment, error) {
	s, ok, err := d.first(ctx, tx, networkID, want)
	if err == nil && !ok {
		err = noNetworkAvailable()
	}
	return s, err
}

// first takes a segment of the first place that has a free one; ok is false if none has.
func (d *Drivers) first(ctx context.Context, tx Tx, networkID string, want Wanted) (s store.Segment, ok bool, err error) {
	places := []Physical{{VLANs: d.config.VXLAN}}
	if want.NetworkType == VLAN {
		places = d.config.VLAN
	}
	for _, place := range places {
		if want.PhysicalNetwork != "" && want.PhysicalNetwork != place.Name {
			continue
		}
		s := store.Segment{NetworkType: want.NetworkType, PhysicalNetwork: place.Name, NetworkID: networkID}
		if s, ok, err = d.free(ctx, tx, s, place.VLANs); ok || err != nil {
			return s, ok, err
		}
	}
	return store.Segment{}, false, nil
}

// free takes a random id of the ranges, or, if that is taken, the next free one behind it, beginning anew at the end.
func (d *Drivers) free(ctx context.Context, tx Tx, s store.Segment, ranges []Range) (store.Segment, bool, error) {
	var total int64
	for _, r := range ranges {
		total += r.To - r.From + 1
	}
	if total == 0 {
		return s, false, nil
	}
	at := d.random(total)
	for i, r := range ranges {
		if size := r.To - r.From + 1; at >= size {
			at -= size
			continue
		}
		start := r.From + at
		rest := slices.Concat([]Range{{start, r.To}}, ranges[i+1:], ranges[:i], []Range{{r.From, start - 1}})
		s.SegmentationID = start
		if ok, err := tx.ClaimSegment(ctx, s); ok || err != nil {
			return s, ok, err
		}
		for _, r := range rest {
			if s, ok, err := next(ctx, tx, s, r); ok || err != nil {
				return s, ok, err
			}
		}
		break
	}
	return s, false, nil
}

// window bounds how many taken ids are read at once: a whole physical network of VLANs fits.
const window = 4096

// next takes the first free id of a range.
func next(ctx context.Context, tx Tx, s store.Segment, r Range) (store.Segment, bool, error) {
	for id := r.From; id <= r.To; {
		taken, err := tx.Segments(ctx, store.SegmentQuery{
			NetworkType: s.NetworkType, PhysicalNetwork: s.PhysicalNetwork, From: id, To: r.To, Limit: window})
		if err != nil {
			return s, false, err
		}
		before := id
		for _, t := range taken {
			if t.SegmentationID != id {
				break
			}
			id++
		}
		if id > r.To || id-before == window {
			continue
		}
		s.SegmentationID = id
		if ok, err := tx.ClaimSegment(ctx, s); ok || err != nil {
			return s, ok, err
		}
		id++
	}
	return s, false, nil
}
