package cli

import (
	"encoding/json"
	"strings"
)

// pod is what tables show of a pod.
type pod struct {
	ID     string `json:"pod_id"`
	Region string `json:"region_name"`
	DC     string `json:"dc_name"`
	State  string `json:"state"`
	Zones  []zone `json:"availability_zones"` // none: the top
	Health struct {
		Status   string   `json:"status"`
		Reason   string   `json:"reason"`
		Since    string   `json:"since"`
		Versions versions `json:"versions"`
		Open     []string `json:"circuits_open"`
		Below    []string `json:"below_ceiling"`
	} `json:"health"`
	Endpoints struct {
		Compute string `json:"compute"`
		Volume  string `json:"volume"`
		Network string `json:"network"`
		Image   string `json:"image"`
	} `json:"endpoints"`
	Created string `json:"created_at"`
	Updated string `json:"updated_at"`
}

type zone struct {
	Name    string `json:"az_name"`
	PodName string `json:"pod_az_name"`
}

type versions struct {
	Compute string `json:"compute"`
	Volume  string `json:"volume"`
}

// zones is "az1=nova, az2"; a zone that stands for all of the pod has no name of the pod's.
func (p pod) zones() string {
	if len(p.Zones) == 0 {
		return "(the top)"
	}
	var names []string
	for _, z := range p.Zones {
		names = append(names, strings.TrimSuffix(z.Name+"="+z.PodName, "="))
	}
	return strings.Join(names, ", ")
}

// health is the status, with what else an operator must know of a pod that answers.
func (p pod) health() string {
	if len(p.Health.Below) > 0 {
		return p.Health.Status + ", below ceiling"
	}
	return p.Health.Status
}

// podColumns are those of a list.
var podColumns = []column[pod]{
	{"REGION", func(p pod) string { return p.Region }},
	{"ZONES", pod.zones},
	{"DC", func(p pod) string { return p.DC }},
	{"STATE", func(p pod) string { return p.State }},
	{"HEALTH", pod.health},
	{"COMPUTE", func(p pod) string { return p.Health.Versions.Compute }},
	{"VOLUME", func(p pod) string { return p.Health.Versions.Volume }},
	{"ID", func(p pod) string { return p.ID }},
}

// detailColumns show one pod.
var detailColumns = append(podColumns[:len(podColumns):len(podColumns)], []column[pod]{
	{"HEALTH REASON", func(p pod) string { return p.Health.Reason }},
	{"HEALTH SINCE", func(p pod) string { return p.Health.Since }},
	{"CIRCUITS OPEN", func(p pod) string { return strings.Join(p.Health.Open, ", ") }},
	{"BELOW CEILING", func(p pod) string { return strings.Join(p.Health.Below, ", ") }},
	{"COMPUTE URL", func(p pod) string { return p.Endpoints.Compute }},
	{"VOLUME URL", func(p pod) string { return p.Endpoints.Volume }},
	{"NETWORK URL", func(p pod) string { return p.Endpoints.Network }},
	{"IMAGE URL", func(p pod) string { return p.Endpoints.Image }},
	{"CREATED", func(p pod) string { return p.Created }},
	{"UPDATED", func(p pod) string { return p.Updated }},
}...)

// decodeAll takes what tables show out of what the API answered.
func decodeAll[T any](raws []json.RawMessage) (all []T, err error) {
	for _, raw := range raws {
		var t T
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}
