package adminapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// podBody is a pod as clients send it. Tricircle's pods had one zone, the flat pair; AvailabilityZones holds them all.
// What is missing or null stays as it is.
type podBody struct {
	RegionName        *string         `json:"region_name"`
	AZName            *string         `json:"az_name"`
	PodAZName         *string         `json:"pod_az_name"`
	DCName            *string         `json:"dc_name"`
	AvailabilityZones *[]zoneView     `json:"availability_zones"`
	State             *store.PodState `json:"state"`
}

type zoneView struct {
	AZName    string `json:"az_name"`
	PodAZName string `json:"pod_az_name"` // empty: every zone of the pod
}

func decodePod(r *http.Request) (*podBody, error) {
	var body struct {
		Pod *podBody `json:"pod"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Pod == nil {
		return nil, fault.BadRequest("The body of the request has no member pod.")
	}
	return body.Pod, nil
}

// apply puts what the body says into a row.
func (b *podBody) apply(row *store.Pod) error {
	set(&row.RegionName, b.RegionName)
	set(&row.DCName, b.DCName)
	set(&row.State, b.State)
	switch {
	case row.RegionName == "":
		return fault.New(http.StatusUnprocessableEntity, "Valid region_name is required for pod.")
	case !slices.Contains([]store.PodState{store.PodEnabled, store.PodDraining, store.PodDisabled}, row.State):
		return fault.BadRequest("state %q is none of enabled, draining, disabled.", row.State)
	}
	return b.applyZones(row)
}

// applyZones understands the flat pair as a list of one zone, or of none if az_name is empty: then the row is the top.
func (b *podBody) applyZones(row *store.Pod) error {
	if b.AvailabilityZones != nil {
		return b.applyZoneList(row)
	}
	if b.AZName == nil && b.PodAZName == nil {
		return nil
	}
	if len(row.Zones) > 1 {
		return fault.BadRequest("The pod has several zones: give all of them in availability_zones, instead of az_name " +
			"and pod_az_name.")
	}
	var zone store.Zone
	if len(row.Zones) == 1 {
		zone = row.Zones[0]
	}
	set(&zone.Name, b.AZName)
	set(&zone.PodName, b.PodAZName)
	row.Zones = []store.Zone{zone}
	if zone.Name == "" {
		row.Zones = nil
	}
	return nil
}

func (b *podBody) applyZoneList(row *store.Pod) error {
	row.Zones = nil
	for _, z := range *b.AvailabilityZones {
		row.Zones = append(row.Zones, store.Zone{Name: z.AZName, PodName: z.PodAZName})
	}
	var first store.Zone
	if len(row.Zones) > 0 {
		first = row.Zones[0]
	}
	if b.AZName != nil && *b.AZName != first.Name || b.PodAZName != nil && *b.PodAZName != first.PodName {
		return fault.BadRequest("az_name and pod_az_name, if given beside availability_zones, must be its first element.")
	}
	return nil
}

func hasZone(row *store.Pod, name string) bool {
	if row.IsTop() {
		return name == ""
	}
	return slices.ContainsFunc(row.Zones, func(z store.Zone) bool { return z.Name == name })
}

// podView is a pod as clients see it.
type podView struct {
	PodID             string         `json:"pod_id"`
	RegionName        string         `json:"region_name"`
	AZName            string         `json:"az_name"` // the first of AvailabilityZones, as is PodAZName; empty for the top
	PodAZName         string         `json:"pod_az_name"`
	DCName            string         `json:"dc_name"`
	AvailabilityZones []zoneView     `json:"availability_zones"`
	State             store.PodState `json:"state"`
	CreatedAt         *string        `json:"created_at"`
	UpdatedAt         *string        `json:"updated_at"`
	Health            *healthView    `json:"health"`    // null for the top
	Endpoints         *endpointsView `json:"endpoints"` // null for the top
}

type healthView struct {
	Status       pod.HealthStatus `json:"status"`
	Reason       string           `json:"reason"`
	CheckedAt    *string          `json:"checked_at"`
	Since        *string          `json:"since"`
	Versions     versionsView     `json:"versions"`
	CircuitsOpen []string         `json:"circuits_open"` // services that are not called at the moment
	BelowCeiling []string         `json:"below_ceiling"` // services that do not know the microversions that clients are told of
}

// versionsView has ranges of microversions such as "2.1-2.93"; empty when not known.
type versionsView struct {
	Compute string `json:"compute"`
	Volume  string `json:"volume"`
}

// endpointsView has what the catalog says; empty where the pod has no such service.
type endpointsView struct {
	Compute string `json:"compute"`
	Volume  string `json:"volume"`
	Network string `json:"network"`
	Image   string `json:"image"`
}

// viewRow shows what is stored of a pod, which is all there is of the top.
func viewRow(row *store.Pod) podView {
	v := podView{
		PodID: row.ID, RegionName: row.RegionName, DCName: row.DCName, AvailabilityZones: []zoneView{}, State: row.State,
		CreatedAt: timestamp(row.CreatedAt), UpdatedAt: timestamp(row.UpdatedAt),
	}
	for _, z := range row.Zones {
		v.AvailabilityZones = append(v.AvailabilityZones, zoneView{z.Name, z.PodName})
	}
	if len(v.AvailabilityZones) > 0 {
		v.AZName, v.PodAZName = row.Zones[0].Name, row.Zones[0].PodName
	}
	return v
}

func viewPod(pods *pod.Snapshot, p *pod.Pod) podView {
	v := viewRow(&p.Pod)
	h := p.Health()
	v.Health = &healthView{
		Status: h.Status, Reason: h.Reason, CheckedAt: timestamp(h.CheckedAt), Since: timestamp(h.Since),
		Versions: viewVersions(h.Versions[pod.Compute], h.Versions[pod.Volume]), CircuitsOpen: []string{}, BelowCeiling: []string{},
	}
	for _, s := range pods.BelowCeiling(p) {
		v.Health.BelowCeiling = append(v.Health.BelowCeiling, s.String())
	}
	for _, s := range []pod.Service{pod.Compute, pod.Volume, pod.Network, pod.Image} {
		if p.CircuitOpen(s) {
			v.Health.CircuitsOpen = append(v.Health.CircuitsOpen, s.String())
		}
	}
	urls := p.Endpoints()
	v.Endpoints = &endpointsView{urls[pod.Compute.String()], urls[pod.Volume.String()], urls[pod.Network.String()],
		urls[pod.Image.String()]}
	return v
}

func viewVersions(compute, volume microversion.Range) versionsView {
	return versionsView{Compute: compute.String(), Volume: volume.String()}
}

// timestamp is a point in time in UTC, in seconds, as Nova shows it; nil when not known.
func timestamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339)
	return &s
}
