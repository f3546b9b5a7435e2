package typedriver

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// Check says what is wrong with a segment that a client wants, whoever has it: nil, or a fault.Error.
func (d *Drivers) Check(want Wanted) error {
	switch want.NetworkType {
	case "":
		return invalidInput("network_type required")
	case Local:
		return d.checkLocal(want)
	case Flat:
		return d.checkFlat(want)
	case VLAN:
		return d.checkVLAN(want)
	case VXLAN:
		return d.checkVXLAN(want)
	}
	return invalidInput(fmt.Sprintf("network_type value '%s' not supported", want.NetworkType))
}

func (d *Drivers) checkLocal(want Wanted) error {
	if want.PhysicalNetwork != "" {
		return invalidInput("physical_network prohibited for local provider network")
	}
	if want.SegmentationID != nil && *want.SegmentationID != 0 {
		return invalidInput("segmentation_id prohibited for local provider network")
	}
	return nil
}

func (d *Drivers) checkFlat(want Wanted) error {
	switch {
	case want.PhysicalNetwork == "":
		return invalidInput("physical_network required for flat provider network")
	case len(d.config.Flat) == 0:
		return invalidInput("Flat provider networks are disabled")
	case !slices.Contains(d.config.Flat, "*") && !slices.Contains(d.config.Flat, want.PhysicalNetwork):
		return invalidInput(fmt.Sprintf("physical_network '%s' unknown for flat provider network", want.PhysicalNetwork))
	case want.SegmentationID != nil && *want.SegmentationID != 0:
		return invalidInput("segmentation_id prohibited for flat provider network")
	}
	return nil
}

func (d *Drivers) checkVLAN(want Wanted) error {
	known := slices.ContainsFunc(d.config.VLAN, func(p Physical) bool { return p.Name == want.PhysicalNetwork })
	switch {
	case want.PhysicalNetwork == "" && want.SegmentationID != nil:
		return invalidInput("segmentation_id requires physical_network for VLAN provider network")
	case want.PhysicalNetwork == "":
		return nil
	case !known:
		return invalidInput(fmt.Sprintf("physical_network '%s' unknown for VLAN provider network", want.PhysicalNetwork))
	case want.SegmentationID != nil && (*want.SegmentationID < minVLAN || *want.SegmentationID > maxVLAN):
		return invalidInput(fmt.Sprintf("segmentation_id out of range (%d through %d)", minVLAN, maxVLAN))
	}
	return nil
}

// checkVXLAN also refuses ids that no wire carries, which Neutron stores.
func (d *Drivers) checkVXLAN(want Wanted) error {
	if want.PhysicalNetwork != "" {
		return invalidInput("provider:physical_network specified for vxlan network")
	}
	if want.SegmentationID != nil && (*want.SegmentationID < minVNI || *want.SegmentationID > maxVNI) {
		return invalidInput(fmt.Sprintf("segmentation_id out of range (%d through %d)", minVNI, maxVNI))
	}
	return nil
}

func refuse(status int, class, message string) *fault.Error {
	return &fault.Error{Status: status, Type: class, Message: message}
}

func invalidInput(what string) *fault.Error {
	return refuse(http.StatusBadRequest, "InvalidInput", fmt.Sprintf("Invalid input for operation: %s.", what))
}

func noNetworkAvailable() *fault.Error {
	return refuse(http.StatusServiceUnavailable, "NoNetworkAvailable",
		"Unable to create the network. No tenant network is available for allocation.")
}

func inUse(s store.Segment) *fault.Error {
	switch s.NetworkType {
	case Flat:
		return refuse(http.StatusConflict, "FlatNetworkInUse",
			fmt.Sprintf("Unable to create the flat network. Physical network %s is in use.", s.PhysicalNetwork))
	case VLAN:
		return refuse(http.StatusConflict, "VlanIdInUse",
			fmt.Sprintf("Unable to create the network. The VLAN %d on physical network %s is in use.", s.SegmentationID, s.PhysicalNetwork))
	}
	return refuse(http.StatusConflict, "TunnelIdInUse",
		fmt.Sprintf("Unable to create the network. The tunnel ID %d is in use.", s.SegmentationID))
}
