package nova

import (
	"encoding/json"
	"fmt"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// sums are Nova's answers with numbers of all pods (docs/api/nova.tsv, fan-out-sum). Limits are those of one pod, until the top
// owns quotas.
var sums = map[string]*gateway.Sum{
	"/limits":                           {Member: "limits", Add: []string{"absolute/total*Used"}, LastKnown: true},
	"/os-quota-sets/{id}/detail":        {Member: "quota_set", Add: []string{"*/in_use", "*/reserved"}, LastKnown: true},
	"/os-hypervisors/statistics":        {Member: "hypervisor_statistics", Add: []string{"*"}},
	"/os-instance_usage_audit_log":      auditLog("instance_usage_audit_logs"),
	"/os-instance_usage_audit_log/{id}": auditLog("instance_usage_audit_log"),
}

// auditLog is the log of the tasks that count what ran on each host (nova/api/openstack/compute/instance_usage_audit_log.py).
func auditLog(member string) *gateway.Sum {
	return &gateway.Sum{
		Member: member, Add: []string{"num_hosts*", "total_*"}, Unite: []string{"hosts_not_run", "log/*"},
		Adapt: qualifyAudit, Finish: auditStatus,
	}
}

// qualifyAudit names hosts as the top does. In "log" they are names of members.
func qualifyAudit(p *pod.Pod, object []byte) ([]byte, error) {
	var audit struct {
		NotRun []string                   `json:"hosts_not_run"`
		Log    map[string]json.RawMessage `json:"log"`
	}
	if err := json.Unmarshal(object, &audit); err != nil {
		return nil, err
	}
	for i, host := range audit.NotRun {
		audit.NotRun[i] = p.TopHost(host)
	}
	log := make(map[string]json.RawMessage, len(audit.Log))
	for host, entry := range audit.Log {
		log[p.TopHost(host)] = entry
	}
	for name, value := range map[string]any{"hosts_not_run": audit.NotRun, "log": log} {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if object, err = jsonx.Set(object, raw, name); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// auditStatus says in words what the numbers say.
func auditStatus(object []byte) ([]byte, error) {
	var audit struct {
		Hosts  int `json:"num_hosts"`
		Done   int `json:"num_hosts_done"`
		Errors int `json:"total_errors"`
	}
	if err := json.Unmarshal(object, &audit); err != nil {
		return nil, err
	}
	hosts := "ALL"
	if audit.Done != audit.Hosts {
		hosts = fmt.Sprintf("%d of %d", audit.Done, audit.Hosts)
	}
	return jsonx.Set(object, fmt.Appendf(nil, `"%s hosts done. %d errors."`, hosts, audit.Errors), "overall_status")
}
