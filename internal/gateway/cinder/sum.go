package cinder

import "github.com/tricircle/tricircle/internal/gateway"

// sums are Cinder's answers with numbers of all pods (docs/api/cinder.tsv, fan-out-sum). Limits are those of one pod, until the top
// owns quotas.
var sums = map[string]*gateway.Sum{
	"/limits":          {Member: "limits", Add: []string{"absolute/total*Used"}, LastKnown: true},
	"/volumes/summary": {Member: "volume-summary", Add: []string{"total_*"}, Unite: []string{"metadata/*"}},
}

// quotaUsage has numbers per volume type, which not all pods need to have.
var quotaUsage = &gateway.Sum{
	Member: "quota_set", Add: []string{"*/in_use", "*/reserved"}, Unite: []string{"*"}, LastKnown: true,
}

// quota is GET /os-quota-sets/{id}: limits, which are any pod's, or with the parameter "usage" also what is used of them.
func quota(c *gateway.Call) error {
	if c.Query.Has("usage") {
		return c.Sum(quotaUsage)
	}
	return c.AnyPod()
}
