package plugin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/store"
)

// macAttempts bounds the search for a MAC that no port of the network has: of 2^24 it is rarely taken.
const macAttempts = 16

// completeMAC gives a new port a MAC, or refuses the one asked for if a port of the network has it.
func (p *Plugin) completeMAC(ctx context.Context, tx store.Tx, o *store.Object) error {
	if given := textOf(o.Attrs["mac_address"]); given != "" {
		return refuseMACInUse(ctx, tx, o, given)
	}
	for range macAttempts {
		mac := p.newMAC()
		taken, err := macInUse(ctx, tx, o, mac)
		if err != nil {
			return err
		}
		if !taken {
			o.Attrs["mac_address"] = mac
			return nil
		}
	}
	return neutronError(http.StatusServiceUnavailable, "NetworkMacAddressGenerationFailure", "Unable to generate unique mac on network %s.",
		textOf(o.Attrs["network_id"]))
}

// newMAC makes an address below the base of Neutron's (neutron/conf/common.py, base_mac).
func (p *Plugin) newMAC() string {
	r := p.o.Random()
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", byte(r), byte(r>>8), byte(r>>16))
}

func macInUse(ctx context.Context, r store.Reader, o *store.Object, mac string) (bool, error) {
	n, err := r.Count(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{
		equal("network_id", o.Attrs["network_id"]), equal("mac_address", mac), {Attr: "id", Op: store.NotEqual, Values: []any{o.ID}}}})
	return n > 0, err
}

func refuseMACInUse(ctx context.Context, r store.Reader, o *store.Object, mac string) error {
	taken, err := macInUse(ctx, r, o, mac)
	if err == nil && taken {
		err = conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.",
			textOf(o.Attrs["network_id"]), mac)
	}
	return err
}

// updateMAC refuses a new MAC for ports that are in use, and for those of the network's own services.
func (p *Plugin) updateMAC(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	before, after := textOf(old.Attrs["mac_address"]), textOf(updated.Attrs["mac_address"])
	if before == after {
		return nil
	}
	if isTrusted(updated) {
		return conflict("UnsupportedPortDeviceOwner", "Operation mac address update is not supported for device_owner %s on port %s.",
			textOf(updated.Attrs["device_owner"]), old.ID)
	}
	if vif := textOf(old.Attrs["binding:vif_type"]); vif != "unbound" && vif != "binding_failed" {
		return conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: %s, old_mac %s, new_mac %s.",
			old.ID, vif, before, after)
	}
	if after == "" {
		return p.completeMAC(c.Context(), tx, updated)
	}
	return refuseMACInUse(c.Context(), tx, updated, after)
}
