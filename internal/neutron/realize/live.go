package realize

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// LivePort is what only the pod knows of a port that is there.
type LivePort struct {
	Pod      *pod.Pod
	BottomID string
	Status   string // "ACTIVE", "DOWN", "BUILD"
	DeviceID string // the server that uses it; "" if none does
	Owner    string // device_owner
	HostID   string // binding:host_id, as the pod calls the host
	VIFType  string // binding:vif_type
	Details  any    // binding:vif_details
	Profile  any    // binding:profile
	DNSName  any    // dns_name; nil if the pod's Neutron has none
	Named    string // the store.AttrNamed of the dns_name that the pod has been told last
}

// liveFields are what is asked of pods.
var liveFields = []string{"id", "status", "device_id", "device_owner", "binding:host_id", "binding:vif_type", "binding:vif_details",
	"binding:profile", "dns_name"}

// maxIDs is how many ids go into one URL: Neutron's server takes some 8 KiB.
const maxIDs = 150

// LivePorts asks the pods about ports by their ids at the top: each pod once for all of its ports (for every 150 of them), all
// pods in parallel. Shadows are not ports of their own. Ports that are in no pod are left out, and so are those of pods that do
// not answer, which are named in the error beside the result.
func (r *Realizer) LivePorts(ctx context.Context, ids []string) (map[string]LivePort, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := r.Store.Reader().Realizations(ctx, notShadows(live(store.RealizationQuery{Kind: store.KindPort, TopIDs: ids})))
	if err != nil {
		return nil, err
	}
	perPod := map[int32][]store.Realization{}
	for _, row := range rows {
		if row.BottomID != "" {
			perPod[row.PodNum] = append(perPod[row.PodNum], row)
		}
	}
	var (
		mu   sync.Mutex
		all  = map[string]LivePort{}
		bad  []error
		wait sync.WaitGroup
		pods = r.Pods.Snapshot()
	)
	for num, rows := range perPod {
		p := pods.ByNum(num)
		if p == nil || !p.Serves() {
			continue
		}
		for chunk := range slices.Chunk(rows, maxIDs) {
			wait.Go(func() {
				ports, err := r.liveIn(ctx, p, chunk)
				mu.Lock()
				defer mu.Unlock()
				for id, port := range ports {
					all[id] = port
				}
				if err != nil {
					bad = append(bad, err)
				}
			})
		}
	}
	wait.Wait()
	return all, errors.Join(bad...)
}

// liveIn asks one pod.
func (r *Realizer) liveIn(ctx context.Context, p *pod.Pod, rows []store.Realization) (map[string]LivePort, error) {
	query := url.Values{"fields": liveFields}
	byBottom := map[string]store.Realization{}
	for _, row := range rows {
		query.Add("id", row.BottomID)
		byBottom[row.BottomID] = row
	}
	ports, err := southbound.NewNeutron(p, r.Token).List(ctx, southbound.Ports, query)
	if err != nil {
		return nil, err
	}
	all := make(map[string]LivePort, len(ports))
	for _, o := range ports {
		row := byBottom[o.ID()]
		named, _ := row.Detail[namedMember].(string)
		all[row.TopID] = LivePort{Pod: p, BottomID: o.ID(), Status: o.Text("status"), DeviceID: o.Text("device_id"), Owner: o.Text("device_owner"),
			HostID: o.Text("binding:host_id"), VIFType: o.Text("binding:vif_type"), Details: o["binding:vif_details"],
			Profile: o["binding:profile"], DNSName: o["dns_name"], Named: named}
	}
	return all, nil
}
