package pod

import "strings"

// Hosts of different pods may have the same name, so the top shows "<host>.<pod>". Cinder's hosts and clusters name a backend and
// a pool behind that, "<host>@<backend>#<pool>"; there the pod stands with the host: "<host>.<pod>@<backend>#<pool>".

// TopHost returns the name by which the top shows a host, or cluster, of the pod. There is none for "".
func (p *Pod) TopHost(name string) string {
	if name == "" {
		return ""
	}
	host, backend := cutBackend(name)
	return host + "." + p.RegionName + backend
}

// SplitHost is the inverse of TopHost: it returns the pod, and the pod's own name for the host. Names of pods may have dots: the
// longest that fits counts. The pod is nil when name ends in none.
func (s *Snapshot) SplitHost(name string) (p *Pod, host string) {
	qualified, backend := cutBackend(name)
	for _, q := range s.pods {
		bare, ok := strings.CutSuffix(qualified, "."+q.RegionName)
		if ok && bare != "" && (p == nil || len(q.RegionName) > len(p.RegionName)) {
			p, host = q, bare+backend
		}
	}
	return p, host
}

func cutBackend(name string) (host, backend string) {
	if i := strings.IndexAny(name, "@#"); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// idBits are the bits of an integer id that are the pod's own. What is above is the pod's number, which has 15 bits, so that the
// whole is one of the integers that every JSON parser keeps exactly (below 2^53).
const idBits = 32

// TopInteger returns the id by which the top shows something that the pod calls by a small integer of its own. An id that leaves
// no room, or is none, is shown as it is; ok is false then.
func (p *Pod) TopInteger(id int64) (encoded int64, ok bool) {
	if id <= 0 || id >= 1<<idBits {
		return id, false
	}
	return int64(p.Num)<<idBits | id, true
}

// SplitInteger is the inverse of TopInteger. The pod is nil when the id names none.
func (s *Snapshot) SplitInteger(encoded int64) (p *Pod, id int64) {
	if encoded < 1<<idBits || encoded>>idBits > 1<<15 {
		return nil, 0
	}
	return s.ByNum(int32(encoded >> idBits)), encoded & (1<<idBits - 1)
}
