package ipam

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/tricircle/tricircle/internal/fault"
)

// The classes and texts are those of neutron/ipam/exceptions.py and neutron_lib/exceptions/__init__.py, Zed.

const classExhausted = "IpAddressGenerationFailure"

func refuse(status int, class, format string, args ...any) *fault.Error {
	return &fault.Error{Status: status, Type: class, Message: fmt.Sprintf(format, args...)}
}

func invalidInput(what string) *fault.Error {
	return refuse(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: %s.", what)
}

func invalidPool(pool string) *fault.Error {
	return refuse(http.StatusBadRequest, "InvalidAllocationPool", "The allocation pool %s is not valid.", pool)
}

func poolOutOfBounds(pool Range, cidr netip.Prefix) *fault.Error {
	return refuse(http.StatusBadRequest, "OutOfBoundsAllocationPool",
		"The allocation pool %s spans beyond the subnet cidr %s.", pool, cidr)
}

func poolsOverlap(one, other Range, cidr netip.Prefix) *fault.Error {
	return refuse(http.StatusConflict, "OverlappingAllocationPools",
		"Found overlapping allocation pools: %s %s for subnet %s.", one, other, cidr)
}

func gatewayInPool(gateway netip.Addr, pool Range) *fault.Error {
	return refuse(http.StatusConflict, "GatewayConflictWithAllocationPools",
		"Gateway ip %s conflicts with allocation pool %s.", gateway, pool)
}

func noMoreAddresses(subnetID string) *fault.Error {
	return refuse(http.StatusConflict, classExhausted, "No more IP addresses available for subnet %s.", subnetID)
}

func noMoreAddressesOfNetwork(networkID string) *fault.Error {
	return refuse(http.StatusConflict, classExhausted, "No more IP addresses available on network %s.", networkID)
}

func noServiceSubnet(networkID, deviceOwner string) *fault.Error {
	return refuse(http.StatusConflict, "IpAddressGenerationFailureNoMatchingSubnet",
		"No valid service subnet for the given device owner, network %s, service type %s.", networkID, deviceOwner)
}

func alreadyAllocated(ip netip.Addr, subnetID string) *fault.Error {
	return refuse(http.StatusConflict, "IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", ip, subnetID)
}

func invalidIPForSubnet(ip netip.Addr) *fault.Error {
	return refuse(http.StatusBadRequest, "InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", ip)
}

func invalidIPForNetwork(ip netip.Addr) *fault.Error {
	return refuse(http.StatusBadRequest, "InvalidIpForNetwork",
		"IP address %s is not a valid IP for any of the subnets on the specified network.", ip)
}

func onAutomaticSubnet(ip netip.Addr, subnetID string) *fault.Error {
	return refuse(http.StatusBadRequest, "AllocationOnAutoAddressSubnet",
		"IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses",
		ip, subnetID)
}
