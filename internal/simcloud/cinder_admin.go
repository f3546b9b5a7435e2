package simcloud

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// blockService is one process of a pod's Cinder, as administrators see it: named by host and binary.
type blockService struct {
	id            int // inside the pod
	binary, host  string
	cluster       string // of cinder-volume; volumes belong to it too
	disabled      bool
	reason        string // why it is disabled
	frozen        bool
	activeBackend string // after a failover
	level         string // of its logs
}

// blockServices are what each pod runs. The one backend is in a cluster, as an active-active one is.
func blockServices(region string) []*blockService {
	return []*blockService{
		{id: 1, binary: "cinder-backup", host: region, level: "INFO"},
		{id: 2, binary: "cinder-volume", host: region + "@file", cluster: region + "-cluster@file", level: "INFO"},
		{id: 3, binary: "cinder-scheduler", host: region, level: "INFO"},
	}
}

// backend is the pod's cinder-volume.
func (v *volume) backend() *blockService { return v.services[1] }

// poolName is what volumes of the pod have for a host.
func (v *volume) poolName() string { return v.backend().host + "#file" }

func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}

// onHost tells whether a filter by host lets s through: a host stands for its backends too.
func (s *blockService) onHost(host string) bool {
	return s.host == host || strings.HasPrefix(s.host, host+"@")
}

// serves is onHost for a name that may be that of a cluster.
func (s *blockService) serves(hostOrCluster string) bool {
	return s.onHost(hostOrCluster) || s.cluster != "" && s.cluster == hostOrCluster
}

func (v *volume) listServices(c *call) error {
	if err := c.policy("volume_extension:services:index"); err != nil {
		return err
	}
	d, host, binary := c.body, c.query.Get("host"), c.query.Get("binary")
	d.obj()
	d.arr("services")
	for _, s := range v.services {
		if host != "" && !s.onHost(host) || binary != "" && s.binary != binary {
			continue
		}
		v.renderService(c, s)
	}
	d.endArr()
	d.endObj()
	return nil
}

func (v *volume) renderService(c *call, s *blockService) {
	d := c.body
	d.obj()
	d.str("binary", s.binary)
	d.str("host", s.host)
	d.str("zone", v.pod.Zone)
	d.str("status", state(s.disabled))
	d.str("state", "up")
	d.time("updated_at", c.cloud.opts.Now(), micro)
	isVolume := s.binary == "cinder-volume"
	if isVolume && c.at(49) {
		d.str("backend_state", "up")
	}
	if c.at(7) {
		d.orNull("cluster", s.cluster)
	}
	d.orNull("disabled_reason", s.reason)
	if isVolume {
		d.str("replication_status", "disabled")
		d.orNull("active_backend_id", s.activeBackend)
		d.yes("frozen", s.frozen)
	}
	d.endObj()
}

// serviceOrder names a service, and what is to be done with it.
type serviceOrder struct {
	Host, Cluster, Server, Binary, Service string
	Reason                                 string `json:"disabled_reason"`
	BackendID                              string `json:"backend_id"`
	Prefix, Level                          string
}

// updateService is PUT /os-services/{what} (cinder/api/contrib/services.py).
func (v *volume) updateService(c *call) error {
	if err := c.policy("volume_extension:services:update"); err != nil {
		return err
	}
	var b serviceOrder
	if err := c.decode(&b); err != nil {
		return err
	}
	switch what := c.arg[0]; {
	case what == "enable", what == "disable", what == "disable-log-reason":
		return v.enableService(c, what, &b)
	case what == "freeze", what == "thaw", what == "failover_host", what == "failover" && c.at(26):
		return v.changeBackend(c, what, &b)
	case what == "get-log" && c.at(32):
		return v.getLogs(c, &b)
	case what == "set-log" && c.at(32):
		return v.setLogs(c, &b)
	}
	return fault.BadRequest("Invalid input received: Unknown action")
}

func (v *volume) enableService(c *call, what string, b *serviceOrder) error {
	binary := cmp.Or(b.Binary, b.Service)
	if binary == "" {
		return fault.BadRequest("{'host': '%s'} is not valid under any of the given schemas", b.Host)
	}
	if b.Host == "" {
		return fault.BadRequest("Invalid input received: Host field is missing.")
	}
	s := first(v.services, func(s *blockService) bool { return s.host == b.Host && s.binary == binary })
	if s == nil {
		return fault.NotFound("Service %s could not be found on host %s.", binary, b.Host)
	}
	s.disabled = what != "enable"
	d := c.body
	d.obj()
	if what == "disable-log-reason" {
		s.reason = b.Reason
		d.orNull("disabled_reason", b.Reason)
	}
	d.yes("disabled", s.disabled)
	d.str("host", b.Host)
	d.str("service", b.Service)
	d.str("binary", b.Binary)
	d.str("status", state(s.disabled))
	d.endObj()
	return nil
}

// oneOfHostAndCluster is cinder/api/common.py, get_cluster_host.
func oneOfHostAndCluster(host, cluster string) error {
	if (host == "") == (cluster == "") {
		return fault.BadRequest("Invalid input received: One and only one of cluster and host must be set.")
	}
	return nil
}

func (v *volume) changeBackend(c *call, what string, b *serviceOrder) error {
	if err := oneOfHostAndCluster(b.Host, b.Cluster); err != nil {
		return err
	}
	s := v.backend()
	if b.Host != "" && s.host != b.Host {
		return fault.BadRequest("No service found with host=%s", b.Host)
	}
	if b.Cluster != "" && s.cluster != b.Cluster {
		return fault.BadRequest("No service found with cluster=%s", b.Cluster)
	}
	switch what {
	case "freeze", "thaw":
		s.frozen = what == "freeze"
	default:
		s.activeBackend = b.BackendID
	}
	c.accepted()
	return nil
}

// logging are the services that a request for log levels is about.
func (v *volume) logging(b *serviceOrder) []*blockService {
	return slices.DeleteFunc(slices.Clone(v.services), func(s *blockService) bool {
		return b.Server != "" && !s.serves(b.Server) || b.Binary != "" && b.Binary != "*" && b.Binary != s.binary
	})
}

func (v *volume) getLogs(c *call, b *serviceOrder) error {
	d := c.body
	d.obj()
	d.arr("log_levels")
	for _, s := range v.logging(b) {
		d.obj()
		d.str("host", s.host)
		d.str("binary", s.binary)
		d.pairs("levels", map[string]string{cmp.Or(b.Prefix, "cinder.service"): s.level})
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

func (v *volume) setLogs(c *call, b *serviceOrder) error {
	level := strings.ToUpper(b.Level)
	if !slices.Contains([]string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}, level) {
		return fault.BadRequest("Invalid input received: %s is not a valid log level.", b.Level)
	}
	for _, s := range v.logging(b) {
		s.level = level
	}
	c.accepted()
	return nil
}

func (v *volume) listHosts(c *call) error {
	if err := c.policy("volume_extension:hosts"); err != nil {
		return err
	}
	d, zone := c.body, c.query.Get("zone")
	d.obj()
	d.arr("hosts")
	for _, s := range v.services {
		if s.disabled || zone != "" && zone != v.pod.Zone {
			continue
		}
		d.obj()
		d.str("host_name", s.host)
		d.str("service", s.binary)
		d.str("zone", v.pod.Zone)
		d.str("service-status", "available")
		d.str("service-state", "enabled")
		d.time("last-update", c.cloud.opts.Now(), micro)
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

// showHost finds a host with or without its backend, and repeats it as it was given.
func (v *volume) showHost(c *call) error {
	if err := c.policy("volume_extension:hosts"); err != nil {
		return err
	}
	if !v.backend().onHost(c.arg[0]) {
		return fault.NotFound("Service cinder-volume could not be found on host %s.", c.arg[0])
	}
	d := c.body
	d.obj()
	d.arr("host")
	d.obj()
	d.obj("resource")
	d.str("host", c.arg[0])
	d.str("project", "(total)")
	for _, count := range []string{"volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb"} {
		d.str(count, "0")
	}
	d.endObj()
	d.endObj()
	d.endArr()
	d.endObj()
	return nil
}

// updateHost finds out too late that nobody has implemented it (cinder/volume/api.py, HostAPI).
func (v *volume) updateHost(c *call) error {
	if !c.tok.admin() {
		return fault.Forbidden("User does not have admin privileges")
	}
	if !slices.ContainsFunc(v.services, func(s *blockService) bool { return s.host == c.arg[0] && !s.disabled }) {
		return fault.NotFound("Host %s could not be found.", c.arg[0])
	}
	var b map[string]string
	if err := c.decode(&b); err != nil {
		return err
	}
	for key, value := range b {
		switch {
		case key != "status":
			return fault.BadRequest("Invalid update setting: '%s'", key)
		case value != "enable" && value != "disable":
			return fault.BadRequest("Invalid status: '%s'", value)
		}
	}
	return fault.New(http.StatusInternalServerError, "The server has either erred or is incapable of performing the requested operation.")
}

func (v *volume) listPools(c *call) error {
	if err := c.policy("scheduler_extension:scheduler_stats:get_pools"); err != nil {
		return err
	}
	d, name := c.body, c.query.Get("name")
	d.obj()
	d.arr("pools")
	if !c.at(28) || name == "" || name == v.poolName() {
		d.obj()
		d.str("name", v.poolName())
		if c.isTrue("detail") {
			d.value("capabilities", map[string]any{
				"pool_name": "file", "volume_backend_name": "file", "total_capacity_gb": 10000, "free_capacity_gb": 10000,
				"storage_protocol": "local", "vendor_name": "Open Source", "driver_version": "1.0", "host": v.backend().host,
			})
		}
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

func (v *volume) showCapabilities(c *call) error {
	if err := c.policy("volume_extension:capabilities"); err != nil {
		return err
	}
	s := v.backend()
	if !s.serves(c.arg[0]) {
		return fault.NotFound("Can't find service: %s", c.arg[0])
	}
	d := c.body
	d.obj()
	d.str("namespace", "OS::Storage::Capabilities::"+s.host)
	d.str("vendor_name", "Open Source")
	d.str("volume_backend_name", "file")
	d.null("pool_name")
	d.str("driver_version", "1.0")
	d.str("storage_protocol", "local")
	d.value("replication_targets", []string{})
	d.value("properties", map[string]any{"qos": map[string]string{"title": "QoS", "type": "boolean"}})
	d.endObj()
	return nil
}

// renderCluster writes the cluster of the pod's backend, of which the administrator may see a summary or all.
func (v *volume) renderCluster(c *call, detail bool) {
	d, s := c.body, v.backend()
	d.obj()
	d.str("name", s.cluster)
	d.str("binary", s.binary)
	d.str("state", "up")
	d.str("status", state(s.disabled))
	if c.at(26) {
		d.str("replication_status", "disabled")
	}
	if detail {
		d.num("num_hosts", 1)
		d.num("num_down_hosts", 0)
		d.time("last_heartbeat", c.cloud.opts.Now(), micro)
		d.orNull("disabled_reason", s.reason)
	}
	d.endObj()
}

func (v *volume) listClusters(c *call) error {
	if err := c.policy("clusters:get_all"); err != nil {
		return err
	}
	d, name := c.body, c.query.Get("name")
	d.obj()
	d.arr("clusters")
	if name == "" || name == v.backend().cluster {
		v.renderCluster(c, strings.HasSuffix(c.r.URL.Path, "/detail"))
	}
	d.endArr()
	d.endObj()
	return nil
}

func noCluster(name string) error {
	return fault.NotFound("Cluster {'binary': 'cinder-volume', 'name': '%s'} could not be found.", name)
}

func (v *volume) showCluster(c *call) error {
	if err := c.policy("clusters:get"); err != nil {
		return err
	}
	if c.arg[0] != v.backend().cluster {
		return noCluster(c.arg[0])
	}
	return v.answerCluster(c, true)
}

func (v *volume) answerCluster(c *call, detail bool) error {
	c.body.obj()
	c.body.key("cluster")
	v.renderCluster(c, detail)
	c.body.endObj()
	return nil
}

func (v *volume) updateCluster(c *call) error {
	if err := c.policy("clusters:update"); err != nil {
		return err
	}
	var b struct {
		Name   string
		Reason string `json:"disabled_reason"`
	}
	if err := c.decode(&b); err != nil {
		return err
	}
	if b.Name == "" {
		return fault.BadRequest("'name' is a required property")
	}
	s := v.backend()
	if b.Name != s.cluster {
		return noCluster(b.Name)
	}
	s.disabled, s.reason = c.arg[0] == "disable", b.Reason
	return v.answerCluster(c, false)
}

// cleanUp is POST /workers/cleanup: every service that a request is about is said to be at it. What it would clean, work left by
// processes that died, there never is.
func (v *volume) cleanUp(c *call) error {
	if err := c.policy("workers:cleanup"); err != nil {
		return err
	}
	var b struct {
		Host       string
		Cluster    string `json:"cluster_name"`
		Binary     string
		ServiceID  int    `json:"service_id"`
		ResourceID string `json:"resource_id"`
	}
	if err := c.decode(&b); err != nil {
		return err
	}
	if b.ResourceID != "" && b.Host == "" && b.Cluster == "" && b.ServiceID == 0 {
		return fault.BadRequest("Invalid input received: ('There is no resource with UUID %%s pending cleanup.', '%s')", b.ResourceID)
	}
	d := c.body
	d.obj()
	d.arr("cleaning")
	for _, s := range v.services {
		if s.binary == "cinder-backup" || b.Host != "" && !s.onHost(b.Host) || b.Cluster != "" && s.cluster != b.Cluster ||
			b.Binary != "" && s.binary != b.Binary || b.ServiceID != 0 && b.ServiceID != s.id {
			continue
		}
		d.obj()
		d.num("id", s.id)
		d.str("host", s.host)
		d.str("binary", s.binary)
		d.orNull("cluster_name", s.cluster)
		d.endObj()
	}
	d.endArr()
	d.arr("unavailable")
	d.endArr()
	d.endObj()
	c.status = http.StatusAccepted
	return nil
}
