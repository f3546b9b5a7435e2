package realize

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// inTheWay is for a pod's refusal of what is wanted there. The top gives an address, MAC or segment out again as soon as who had it is
// deleted, while a pod may still be at that, or be waiting for it: then the error is an *UnmadeError that names the job to wait for, or
// errOutdated if there is nothing to wait for any more. Any other is returned as it is.
func (t *target) inTheWay(ctx context.Context, c southbound.Collection, refusal *southbound.Refusal, wanted southbound.Object) error {
	query := conflict(refusal, wanted)
	if query == nil {
		return refusal
	}
	query["fields"] = []string{"id", "description"}
	found, err := t.neutron.List(ctx, c, query)
	if err != nil {
		return refusal
	}
	for _, o := range found {
		id, ours := strings.CutPrefix(o.Text("description"), Key(t.row.Kind, ""))
		if !ours {
			return refusal
		}
		row, err := t.Realizer.row(ctx, t.Store.Reader(), t.row.Kind, id, t.row.PodNum)
		switch {
		case err != nil:
			return err
		case row == nil: // forgotten since the pod was asked
			continue
		case row.DeletedAt.IsZero():
			return refusal
		}
		job := row.Job("")
		if err := t.Store.InTx(ctx, func(tx store.Tx) error { return tx.Enqueue(ctx, job) }); err != nil {
			return err
		}
		return &UnmadeError{Job: job}
	}
	return fmt.Errorf("%w: %w", errOutdated, refusal)
}

// conflict selects, of a pod's resources, those that have what a refused one wants; the query is nil if the refusal is for something else
// (neutron_lib/exceptions/__init__.py, neutron/ipam/exceptions.py, Zed).
func conflict(refusal *southbound.Refusal, wanted southbound.Object) url.Values {
	query := url.Values{}
	same := func(names ...string) {
		for _, name := range names {
			if v := wanted[name]; v != nil {
				query.Set(name, fmt.Sprint(v))
			}
		}
	}
	switch refusal.Type {
	case "IpAddressAlreadyAllocated":
		same("network_id")
		ips, _ := wanted["fixed_ips"].([]any)
		for _, ip := range ips {
			query.Add("fixed_ips", "ip_address="+southbound.Object(asMap(ip)).Text("ip_address"))
		}
	case "MacAddressInUse":
		same("network_id", "mac_address")
	case "VlanIdInUse", "TunnelIdInUse", "FlatNetworkInUse":
		same("provider:network_type", "provider:physical_network", "provider:segmentation_id")
	}
	if len(query) == 0 {
		return nil
	}
	return query
}
