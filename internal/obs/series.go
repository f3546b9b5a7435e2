package obs

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// series finds the counter and the histogram of the same labels in one look: Prometheus hashes all of them anew for each of the two.
type series struct {
	counts *prometheus.CounterVec
	took   *prometheus.HistogramVec

	mu    sync.RWMutex
	known map[labels]pair
}

// labels are the values of up to four labels; those that the metrics do not have are "".
type labels [4]string

type pair struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// observe counts something that took some time, under the first n labels.
func (s *series) observe(l labels, n int, took time.Duration) {
	s.mu.RLock()
	p, ok := s.known[l]
	s.mu.RUnlock()
	if !ok {
		p = s.add(l, n)
	}
	p.count.Inc()
	p.took.Observe(took.Seconds())
}

func (s *series) add(l labels, n int) pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := pair{s.counts.WithLabelValues(l[:n]...), s.took.WithLabelValues(l[:n]...)}
	if s.known == nil {
		s.known = map[labels]pair{}
	}
	s.known[l] = p
	return p
}

// forget deletes what has that value as its first label.
func (s *series) forget(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.known, func(l labels, _ pair) bool { return l[0] == value })
	s.counts.DeletePartialMatch(prometheus.Labels{name: value})
	s.took.DeletePartialMatch(prometheus.Labels{name: value})
}
