package obs

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// buckets of all durations, in seconds: from an answer out of a cache to the deadline of a call to a pod.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// knownMethods keeps a label bounded that clients could otherwise make up.
var knownMethods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodOptions: true,
}

// Metrics are the metrics of one process, in a registry of their own. Labels are bounded by what is configured (roles,
// routes, pods), never by what is stored or sent: an id is never a label.
type Metrics struct {
	registry    *prometheus.Registry
	http, pods  series // requests, and calls to pods
	podHealth   *prometheus.GaugeVec
	breakerOpen *prometheus.GaugeVec
	podTooOld   *prometheus.GaugeVec
	jobs        *prometheus.GaugeVec
	jobRuns     *prometheus.CounterVec
	jobTook     *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them, with those of the Go runtime, the process and the build.
func NewMetrics() *Metrics {
	httpLabels, podLabels := []string{"role", "route", "method", "code"}, []string{"pod", "service", "class"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		http: series{counts: counter("tricircle_http_requests_total", "Requests answered, by class of status (2xx...).", httpLabels),
			took: histogram("tricircle_http_request_duration_seconds", "Time to answer a request.", httpLabels)},
		pods: series{counts: counter("tricircle_pod_requests_total", "Calls to pods, by class of outcome.", podLabels),
			took: histogram("tricircle_pod_request_duration_seconds", "Time of a call to a pod.", podLabels)},
		podHealth:   gauge("tricircle_pod_health", "1 if the last probe of the pod succeeded, else 0."),
		breakerOpen: gauge("tricircle_pod_breaker_open", "1 while the pod's circuit breaker refuses calls, else 0."),
		podTooOld:   gauge("tricircle_pod_below_ceiling", "1 while the pod does not know microversions that clients are told of, else 0."),
	}
	m.jobs = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tricircle_jobs", Help: "Live jobs, by state."}, []string{"kind", "state"})
	m.jobRuns = counter("tricircle_job_runs_total", "Runs of jobs in this process, by outcome.", []string{"kind", "outcome"})
	m.jobTook = histogram("tricircle_job_run_duration_seconds", "Time of a run of a job.", []string{"kind"})
	m.registry.MustRegister(m.jobs, m.jobRuns, m.jobTook, m.http.counts, m.http.took, m.pods.counts, m.pods.took, m.podHealth, m.breakerOpen, m.podTooOld,
		buildInfo(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels []string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, labels []string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func gauge(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"pod"})
}

func buildInfo() prometheus.Collector {
	labels := prometheus.Labels{"version": "unknown", "revision": "unknown", "goversion": "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"], labels["goversion"] = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tricircle_build_info", ConstLabels: labels,
		Help: "1, labelled with the version of the program, of its source and of Go."}, func() float64 { return 1 })
}

// ObserveHTTP counts a request that a role answered. Route is a name of the role's route table; "" is counted as none.
func (m *Metrics) ObserveHTTP(role, route, method string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	if !knownMethods[method] {
		method = "other"
	}
	m.http.observe(labels{role, route, method, StatusClass(status)}, 4, took)
}

// ObservePod counts a call to a pod. Service is the service type (compute, volumev3, network...), class the StatusClass of
// the pod's answer, or a word for why there was none (timeout, refused...).
func (m *Metrics) ObservePod(pod, service, class string, took time.Duration) {
	m.pods.observe(labels{pod, service, class}, 3, took)
}

// SetPodHealth tells the outcome of the last probe of a pod.
func (m *Metrics) SetPodHealth(pod string, healthy bool) {
	m.podHealth.WithLabelValues(pod).Set(oneIf(healthy))
}

// SetBreakerOpen tells whether a pod's circuit breaker refuses calls.
func (m *Metrics) SetBreakerOpen(pod string, open bool) {
	m.breakerOpen.WithLabelValues(pod).Set(oneIf(open))
}

// SetPodBelowCeiling tells whether a pod does not know microversions that clients are told of.
func (m *Metrics) SetPodBelowCeiling(pod string, below bool) {
	m.podTooOld.WithLabelValues(pod).Set(oneIf(below))
}

// ObserveJob counts a run of a job. Kind and outcome are of the few that package xjob knows.
func (m *Metrics) ObserveJob(kind, outcome string, took time.Duration) {
	m.jobRuns.WithLabelValues(kind, outcome).Inc()
	m.jobTook.WithLabelValues(kind).Observe(took.Seconds())
}

// JobCount is how many live jobs of a kind are in a state.
type JobCount struct {
	Kind, State string
	N           int64
}

// SetJobs tells how many live jobs there are. Those of a kind and state that is not among them are none.
func (m *Metrics) SetJobs(counts []JobCount) {
	m.jobs.Reset()
	for _, c := range counts {
		m.jobs.WithLabelValues(c.Kind, c.State).Set(float64(c.N))
	}
}

// ForgetPod drops all series of a pod that was removed, so that no alert stays on it.
func (m *Metrics) ForgetPod(pod string) {
	m.pods.forget("pod", pod)
	of := prometheus.Labels{"pod": pod}
	m.podHealth.DeletePartialMatch(of)
	m.breakerOpen.DeletePartialMatch(of)
	m.podTooOld.DeletePartialMatch(of)
}

// Registry is where other packages register collectors of their own.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

var statusClasses = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// StatusClass is 1xx to 5xx for an HTTP status, and other for a number that is none.
func StatusClass(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return statusClasses[status/100-1]
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
