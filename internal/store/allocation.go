package store

import "net/netip"

// AddressUse says what an address in a pod is reserved for.
type AddressUse string

// What pods reserve addresses for.
const (
	UseGateway AddressUse = "gateway" // of the pod's own router
	UseInfra   AddressUse = "infra"   // the pod's allocation pool: DHCP and metadata ports of its own
)

// Address is one address of a subnet that somebody has: a port, or a pod for something of its own.
type Address struct {
	SubnetID string
	IP       netip.Addr
	PortID   string     // "" if a pod has it
	PodNum   int32      // 0 if a port has it
	Use      AddressUse // "" if a port has it
}

// AddressQuery selects addresses. Zero fields do not restrict.
type AddressQuery struct {
	SubnetID string
	PortID   string
	PodNum   int32
	Use      AddressUse
	From, To netip.Addr // inclusive; of the family of the subnet
	Limit    int
}

// Segment is what a network occupies on a wire: a VLAN of a physical network, a VXLAN id, or, with id 0, a whole physical
// network ("flat").
type Segment struct {
	NetworkType     string // "flat", "vlan", "vxlan"
	PhysicalNetwork string // "" for vxlan
	SegmentationID  int64
	NetworkID       string
}

// SegmentQuery selects segments. Zero fields do not restrict.
type SegmentQuery struct {
	NetworkID       string
	NetworkType     string
	PhysicalNetwork string // "" with a NetworkType stands for vxlan's, that is none
	From, To        int64  // of SegmentationID, inclusive; To 0 means no bound
	Limit           int
}
