package adopt

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// adoption is one run of a transaction that writes down what was seen.
type adoption struct {
	*Adopter
	*sight
	pod    *pod.Pod
	tx     store.Tx
	known  map[string]store.Realization // what the top knows of the pod's objects, by their ids there
	added  map[string]bool              // networks and groups that it did not know, by the same
	jobs   []store.NewJob
	report Report
}

const becomes = "becomes the top's"

func (a *adoption) run(ctx context.Context) (err error) {
	ids := []string{a.network.ID()}
	for _, some := range [][]southbound.Object{a.subnets, a.ports, a.groups} {
		for _, o := range some {
			ids = append(ids, o.ID())
		}
	}
	if a.known, err = realizations(ctx, a.tx, a.pod.Num, ids); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{a.adoptNetwork, a.adoptSubnets, a.adoptGroups, a.adoptPolicies,
		a.missPorts, a.adoptPorts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// adoptNetwork writes down the network, unless it was adopted before.
func (a *adoption) adoptNetwork(ctx context.Context) error {
	id := a.network.ID()
	a.report = Report{TopID: id, Name: a.network.Text("name"), ProjectID: a.network.Text("project_id")}
	if row, known := a.known[id]; known {
		switch {
		case !row.DeletedAt.IsZero():
			return refuse("Network %s is being deleted from pod %s: wait until its job is done.", id, a.pod.Name())
		case row.Detail[realize.Adopted] != true:
			return refuse("Network %s was made in pod %s by the top, as its network %s: there is nothing to adopt.", id, a.pod.Name(), row.TopID)
		}
		a.report.TopID = row.TopID
		o, err := a.tx.Get(ctx, store.KindNetwork, row.TopID)
		if err != nil {
			return err
		}
		a.report.Type, _ = o.Attrs["provider:network_type"].(string)
		a.report.Spans = !o.InOnePod()
		return nil
	}
	if owned(a.network) {
		return refuse("Network %s in pod %s says in its description that a top has made it, but this one does not know it: clear the "+
			"description there if it is to be adopted.", id, a.pod.Name())
	}
	if a.network["segments"] != nil {
		return refuse("Network %s in pod %s has several segments, which the top has no networks of.", id, a.pod.Name())
	}
	o := a.object(store.KindNetwork, a.network)
	if err := a.takeSegment(ctx, o); err != nil {
		return err
	}
	subnets := make([]any, len(a.subnets))
	for i, s := range a.subnets {
		subnets[i] = s.ID()
	}
	o.Attrs["subnets"] = subnets
	a.added[id] = true
	return a.insert(ctx, o, nil)
}

// takeSegment takes what the network occupies where that is the top's to give. What is not, such as an overlay of the pod's own, or a
// physical network that the top was not told of, is local: no other pod can have the network.
func (a *adoption) takeSegment(ctx context.Context, o *store.Object) error {
	want := typedriver.Wanted{NetworkType: a.network.Text("provider:network_type"), PhysicalNetwork: a.network.Text("provider:physical_network")}
	if n, ok := a.network["provider:segmentation_id"].(float64); ok {
		segment := int64(n)
		want.SegmentationID = &segment
	}
	if !slices.Contains([]string{typedriver.VLAN, typedriver.Flat}, want.NetworkType) || a.Types.Check(want) != nil {
		want = typedriver.Wanted{NetworkType: typedriver.Local}
	}
	o.Attrs["provider:network_type"], o.Attrs["provider:physical_network"], o.Attrs["provider:segmentation_id"] = want.NetworkType, nil, nil
	a.report.Type = want.NetworkType
	a.report.Spans = !o.InOnePod()
	if !a.report.Spans {
		o.Attrs["availability_zone_hints"] = a.ownZones()
	}
	if want.NetworkType == typedriver.Local {
		return nil
	}
	o.Attrs["provider:physical_network"] = want.PhysicalNetwork
	query := store.SegmentQuery{NetworkType: want.NetworkType, PhysicalNetwork: want.PhysicalNetwork, Limit: 1}
	what := "Physical network " + want.PhysicalNetwork
	if want.SegmentationID != nil {
		o.Attrs["provider:segmentation_id"] = *want.SegmentationID
		query.From, query.To = *want.SegmentationID, *want.SegmentationID
		what = fmt.Sprintf("VLAN %d of physical network %s", *want.SegmentationID, want.PhysicalNetwork)
	}
	holders, err := a.tx.Segments(ctx, query)
	if err != nil {
		return err
	}
	if len(holders) > 0 {
		return refuse("%s belongs to network %s of the top, so network %s of pod %s cannot have it: delete the former, or move servers to it.",
			what, holders[0].NetworkID, a.network.ID(), a.pod.Name())
	}
	_, err = a.Types.Claim(ctx, a.tx, o.ID, want)
	return err
}

// ownZones are the zones of the pod that no other pod serves, or all of its zones if there is none.
func (a *adoption) ownZones() []any {
	var own, all []any
	for _, z := range a.pod.Zones {
		all = append(all, z.Name)
		if len(a.Pods.Snapshot().Zone(z.Name)) == 1 {
			own = append(own, z.Name)
		}
	}
	if len(own) > 0 {
		return own
	}
	return all
}

// adoptSubnets writes down the subnets that the top does not know.
func (a *adoption) adoptSubnets(ctx context.Context) error {
	for _, s := range a.subnets {
		known, err := a.knownSubnet(ctx, s)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if s["segment_id"] != nil {
			return refuse("Subnet %s in pod %s belongs to a segment of a routed network, which the top has none of.", s.ID(), a.pod.Name())
		}
		o := a.object(store.KindSubnet, s)
		o.Attrs["network_id"] = a.report.TopID
		if err := a.insert(ctx, o, map[string]any{realize.OwnPools: !a.report.Spans}); err != nil {
			return err
		}
		if err := a.joinNetwork(ctx, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// knownSubnet tells whether the top has a subnet already, also one that a job is just making in the pod.
func (a *adoption) knownSubnet(ctx context.Context, s southbound.Object) (bool, error) {
	if _, known := a.known[s.ID()]; known {
		return true, nil
	}
	id, marked := strings.CutPrefix(s.Text("description"), realize.Key(store.KindSubnet, ""))
	if !marked {
		return false, nil
	}
	_, err := a.tx.Get(ctx, store.KindSubnet, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	a.known[s.ID()] = store.Realization{Kind: store.KindSubnet, TopID: id, PodNum: a.pod.Num, BottomID: s.ID()}
	return true, err
}

// joinNetwork enters a subnet into a network that was adopted before.
func (a *adoption) joinNetwork(ctx context.Context, subnetID string) error {
	if a.added[a.network.ID()] {
		return nil
	}
	network, err := a.tx.Get(ctx, store.KindNetwork, a.report.TopID)
	if err != nil {
		return err
	}
	subnets, _ := network.Attrs["subnets"].([]any)
	network.Attrs["subnets"] = append(slices.Clone(subnets), subnetID)
	return a.tx.Update(ctx, network)
}

// podsOwn are owners of ports that a pod has on each network for itself. Others never see them; only their addresses count.
var podsOwn = []string{"network:dhcp", "network:distributed"}

// adoptPorts writes down the ports that the top does not know.
func (a *adoption) adoptPorts(ctx context.Context) error {
	for _, p := range a.ports {
		// What is marked but not known is being made by a job right now, or was removed by one since it was seen.
		if _, known := a.known[p.ID()]; known || owned(p) {
			continue
		}
		if slices.Contains(podsOwn, p.Text("device_owner")) {
			if err := a.reserve(ctx, p); err != nil {
				return err
			}
			continue
		}
		if err := a.adoptPort(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (a *adoption) adoptPort(ctx context.Context, p southbound.Object) error {
	o := a.object(store.KindPort, p)
	o.Attrs["network_id"] = a.report.TopID
	groups := []any{}
	for _, id := range texts(p["security_groups"]) {
		top, err := a.topGroup(id, "port "+p.ID())
		if err != nil {
			return err
		}
		groups = append(groups, top)
	}
	o.Attrs["security_groups"] = groups
	fixed := []any{}
	for _, ip := range addressesOf(p) {
		ip.SubnetID, ip.PortID = a.topID(ip.SubnetID), o.ID
		fixed = append(fixed, map[string]any{"subnet_id": ip.SubnetID, "ip_address": ip.IP.String()})
		if err := a.claim(ctx, p, ip); err != nil {
			return err
		}
	}
	o.Attrs["fixed_ips"] = fixed
	detail := map[string]any{}
	if strings.HasPrefix(p.Text("device_owner"), "network:") {
		detail[realize.Follows] = true
	}
	return a.insert(ctx, o, detail)
}

// missPorts has ports looked for that were adopted and are not in the pod any more: their jobs forget those that are gone.
func (a *adoption) missPorts(ctx context.Context) error {
	if a.added[a.network.ID()] {
		return nil
	}
	ports, err := a.tx.List(ctx, store.ObjectQuery{Kind: store.KindPort,
		Filters: []store.Filter{{Attr: "network_id", Values: []any{a.report.TopID}}}})
	if err != nil || len(ports) == 0 {
		return err
	}
	byID := map[string]*store.Object{}
	ids := make([]string, len(ports))
	for i, o := range ports {
		ids[i], byID[o.ID] = o.ID, o
	}
	rows, err := a.tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindPort, TopIDs: ids, PodNum: a.pod.Num})
	for _, row := range rows {
		_, seen := a.known[row.BottomID]
		if seen || row.Detail[realize.Adopted] != true || !row.DeletedAt.IsZero() {
			continue
		}
		o := byID[row.TopID]
		name, _ := o.Attrs["name"].(string)
		a.jobs = append(a.jobs, realize.Job(o.Kind, o.ID, o.ProjectID, a.pod.Num))
		a.report.Steps = append(a.report.Steps, Step{o.Kind, row.BottomID, name, "is gone from the pod, and so from the top"})
	}
	return err
}

// reserve keeps the addresses of a port that is the pod's own from being given out.
func (a *adoption) reserve(ctx context.Context, p southbound.Object) error {
	for _, ip := range addressesOf(p) {
		ip.SubnetID, ip.PodNum, ip.Use = a.topID(ip.SubnetID), a.pod.Num, store.UseInfra
		has, err := a.tx.Addresses(ctx, store.AddressQuery{SubnetID: ip.SubnetID, From: ip.IP, To: ip.IP, PodNum: a.pod.Num})
		if err != nil {
			return err
		}
		if len(has) > 0 {
			continue
		}
		if err := a.claim(ctx, p, ip); err != nil {
			return err
		}
		a.note(store.KindPort, p, "stays the pod's own; address "+ip.IP.String()+" is reserved for it")
	}
	return nil
}

// claim takes an address for a port of the pod.
func (a *adoption) claim(ctx context.Context, p southbound.Object, ip store.Address) error {
	ok, err := a.tx.ClaimAddress(ctx, ip)
	if err != nil || ok {
		return err
	}
	has, err := a.tx.Addresses(ctx, store.AddressQuery{SubnetID: ip.SubnetID, From: ip.IP, To: ip.IP})
	if err != nil || len(has) == 0 {
		return err
	}
	holder := "port " + has[0].PortID
	if has[0].PortID == "" {
		holder = fmt.Sprintf("pod number %d", has[0].PodNum)
	}
	return refuse("Address %s of port %s in pod %s is at the top that of %s: delete one of the two.", ip.IP, p.ID(), a.pod.Name(), holder)
}

// addressesOf are the fixed IPs of a port, in the pod's words.
func addressesOf(p southbound.Object) (all []store.Address) {
	list, _ := p["fixed_ips"].([]any)
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		subnet, _ := m["subnet_id"].(string)
		text, _ := m["ip_address"].(string)
		if ip, err := netip.ParseAddr(text); err == nil {
			all = append(all, store.Address{SubnetID: subnet, IP: ip})
		}
	}
	return all
}

// topID is the id at the top of what has this id in the pod.
func (a *adoption) topID(id string) string {
	if row, known := a.known[id]; known {
		return row.TopID
	}
	return id
}

// insert writes down an object of the top that the pod has already, and that it is there. detail says more of that.
func (a *adoption) insert(ctx context.Context, o *store.Object, detail map[string]any) error {
	if err := a.tx.Insert(ctx, o); err != nil {
		if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
			return refuse("%s %s of pod %s: at the top there is another with the %s %s, perhaps of a pod that was registered twice.",
				o.Kind, o.ID, a.pod.Name(), conflict.Field, conflict.Value)
		}
		return err
	}
	row := store.Realization{Kind: o.Kind, TopID: o.ID, PodNum: a.pod.Num, BottomID: o.ID, Detail: map[string]any{realize.Adopted: true}}
	for name, v := range detail {
		row.Detail[name] = v
	}
	if o.Kind == store.KindPort {
		row.NetworkID, row.Due = o.Attrs["network_id"].(string), true
		a.jobs = append(a.jobs, store.MembersJob(row.NetworkID))
	}
	if err := a.tx.PutRealization(ctx, row); err != nil {
		return err
	}
	if o.Kind != store.KindSubnet { // goes with its network
		a.jobs = append(a.jobs, realize.Job(o.Kind, o.ID, o.ProjectID, a.pod.Num))
	}
	what := becomes
	if row.Detail[realize.Follows] == true {
		what = "is shown by the top, and stays the pod's"
	}
	a.report.Steps = append(a.report.Steps, Step{o.Kind, o.ID, o.Attrs["name"].(string), what})
	return nil
}

func (a *adoption) note(kind store.ObjectKind, o southbound.Object, what string) {
	a.report.Steps = append(a.report.Steps, Step{kind, o.ID(), o.Text("name"), what})
}
