package simcloud

import (
	"net/http"
	"slices"
	"sync"
)

// Request is one request that reached a pod.
type Request struct {
	Service string // "compute", "volume" or "network"
	Method  string
	Path    string // with the query
	Version string // the value of OpenStack-API-Version
}

// journalSize is how many requests a pod remembers.
const journalSize = 512

// journal is a bounded log.
type journal struct {
	mu    sync.Mutex
	ring  []Request
	total int64
}

func (j *journal) add(service string, r *http.Request) {
	entry := Request{
		Service: service, Method: r.Method, Path: r.URL.RequestURI(), Version: r.Header.Get("OpenStack-API-Version"),
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < journalSize {
		j.ring = append(j.ring, entry)
	} else {
		j.ring[j.total%journalSize] = entry
	}
	j.total++
}

// Requests returns the latest requests, oldest first, at most 512.
func (p *Pod) Requests() []Request {
	j := &p.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < journalSize {
		return slices.Clone(j.ring)
	}
	at := j.total % journalSize
	return slices.Concat(j.ring[at:], j.ring[:at])
}

// RequestCount is the number of all requests since the start or ResetRequests.
func (p *Pod) RequestCount() int64 {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	return p.journal.total
}

// ResetRequests forgets all requests.
func (p *Pod) ResetRequests() {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	p.journal.ring, p.journal.total = nil, 0
}
