package ipam

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// number is an address as a number of 128 bits.
type number struct{ high, low uint64 }

func numberOf(a netip.Addr) number {
	if a.Is4() {
		b := a.As4()
		return number{low: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the address of n, of the family of like.
func (n number) addr(like netip.Addr) netip.Addr {
	if like.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n.low))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.high)
	binary.BigEndian.PutUint64(b[8:], n.low)
	return netip.AddrFrom16(b)
}

func (n number) plus(delta uint64) number {
	low, carry := bits.Add64(n.low, delta, 0)
	return number{n.high + carry, low}
}

func (n number) minus(m number) number {
	low, borrow := bits.Sub64(n.low, m.low, 0)
	high, _ := bits.Sub64(n.high, m.high, borrow)
	return number{high, low}
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	n := numberOf(p.Masked().Addr())
	host := p.Addr().BitLen() - p.Bits()
	switch {
	case host >= 128:
		n = number{^uint64(0), ^uint64(0)}
	case host > 64:
		n.high |= 1<<(host-64) - 1
		n.low = ^uint64(0)
	case host == 64:
		n.low = ^uint64(0)
	default:
		n.low |= 1<<host - 1
	}
	return n.addr(p.Addr())
}

// Range is a row of addresses of one family, both ends inclusive.
type Range struct{ First, Last netip.Addr }

// maxSize is the size of all ranges that are larger. Their rest is used only when this much is taken.
const maxSize = 1 << 62

// size is the number of addresses, at most maxSize.
func (r Range) size() uint64 {
	n := numberOf(r.Last).minus(numberOf(r.First))
	if n.high > 0 || n.low >= maxSize {
		return maxSize
	}
	return n.low + 1
}

// at is the address so far behind the first one.
func (r Range) at(offset uint64) netip.Addr { return numberOf(r.First).plus(offset).addr(r.First) }

func (r Range) contains(a netip.Addr) bool {
	return a.BitLen() == r.First.BitLen() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

func (r Range) overlaps(other Range) bool {
	return r.First.BitLen() == other.First.BitLen() && r.First.Compare(other.Last) <= 0 && other.First.Compare(r.Last) <= 0
}

// without returns what is left of a range: none, one or two.
func (r Range) without(a netip.Addr) []Range {
	if !r.contains(a) {
		return []Range{r}
	}
	var rest []Range
	if r.First != a {
		rest = append(rest, Range{r.First, a.Prev()})
	}
	if r.Last != a {
		rest = append(rest, Range{a.Next(), r.Last})
	}
	return rest
}

// String is how Neutron names a range in its errors: netaddr's IPRange.
func (r Range) String() string { return r.First.String() + "-" + r.Last.String() }
