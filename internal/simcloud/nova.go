package simcloud

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

const (
	novaMin = 1
	novaMax = 93 // Zed; see SetRelease
)

// compute is the Nova of one pod.
type compute struct {
	pod      *Pod
	servers  *ledger[*server]
	booted   int     // servers created by the API, for instance names
	tiny     *flavor // of all generated servers
	flavors  []*flavor
	keypairs []*keypair
	groups   []*serverGroup

	hosts      []string   // that servers are placed on
	processes  []*process // that run there, and others
	aggregates []*aggregate
	aggregated int          // the last id of one
	migrations []*migration // oldest first
}

func newCompute(p *Pod) *compute {
	tiny := &flavor{ID: "1", Name: "m1.tiny", RAM: 512, Disk: 1, VCPUs: 1, public: true}
	small := &flavor{ID: "2", Name: "m1.small", RAM: 2048, Disk: 20, VCPUs: 1, public: true}
	n := &compute{pod: p, tiny: tiny, aggregated: 1, flavors: []*flavor{tiny, small}}
	n.processes = processes(p)
	for _, s := range n.computes() {
		n.hosts = append(n.hosts, s.host)
	}
	n.aggregates = []*aggregate{firstAggregate(p, n.hosts)}
	o := p.cloud.opts
	gen := newSeries(seedOf(p.Region+" servers"), o.Servers, o.Now())
	n.servers = newLedger(gen, n.generate, strings.Compare)
	return n
}

var novaRoutes = newRouter([]route[*compute]{
	{"GET", "servers", 0, (*compute).listServers},
	{"GET", "servers/detail", 0, (*compute).listServers},
	{"POST", "servers", 0, (*compute).createServer},
	{"GET", "servers/{}", 0, (*compute).showServer},
	{"PUT", "servers/{}", 0, (*compute).updateServer},
	{"DELETE", "servers/{}", 0, (*compute).deleteServer},
	{"POST", "servers/{}/action", 0, (*compute).act},
	{"GET", "servers/{}/metadata", 0, (*compute).showMetadata},
	{"POST", "servers/{}/metadata", 0, (*compute).mergeMetadata},
	{"PUT", "servers/{}/metadata", 0, (*compute).replaceMetadata},
	{"GET", "servers/{}/metadata/{}", 0, (*compute).showMeta},
	{"PUT", "servers/{}/metadata/{}", 0, (*compute).setMeta},
	{"DELETE", "servers/{}/metadata/{}", 0, (*compute).deleteMeta},
	{"GET", "servers/{}/tags", 26, (*compute).listTags},
	{"PUT", "servers/{}/tags", 26, (*compute).replaceTags},
	{"DELETE", "servers/{}/tags", 26, (*compute).deleteTags},
	{"GET", "servers/{}/tags/{}", 26, (*compute).checkTag},
	{"PUT", "servers/{}/tags/{}", 26, (*compute).addTag},
	{"DELETE", "servers/{}/tags/{}", 26, (*compute).deleteTag},
	{"GET", "servers/{}/ips", 0, (*compute).listIPs},
	{"GET", "servers/{}/ips/{}", 0, (*compute).showIPs},
	{"GET", "servers/{}/os-interface", 0, (*compute).listInterfaces},
	{"POST", "servers/{}/os-interface", 0, (*compute).attachInterface},
	{"DELETE", "servers/{}/os-interface/{}", 0, (*compute).detachInterface},
	{"GET", "servers/{}/os-security-groups", 0, (*compute).listSecurityGroups},
	{"GET", "servers/{}/os-volume_attachments", 0, (*compute).listAttachments},
	{"POST", "servers/{}/os-volume_attachments", 0, (*compute).attach},
	{"GET", "servers/{}/os-volume_attachments/{}", 0, (*compute).showAttachment},
	{"DELETE", "servers/{}/os-volume_attachments/{}", 0, (*compute).detach},
	{"GET", "servers/{}/os-instance-actions", 0, (*compute).listActions},
	{"GET", "servers/{}/os-instance-actions/{}", 0, (*compute).showAction},
	{"GET", "flavors", 0, (*compute).listFlavors},
	{"GET", "flavors/detail", 0, (*compute).listFlavors},
	{"POST", "flavors", 0, (*compute).createFlavor},
	{"GET", "flavors/{}", 0, (*compute).showFlavor},
	{"DELETE", "flavors/{}", 0, (*compute).deleteFlavor},
	{"GET", "flavors/{}/os-extra_specs", 0, (*compute).showExtraSpecs},
	{"POST", "flavors/{}/os-extra_specs", 0, (*compute).createExtraSpecs},
	{"GET", "os-keypairs", 0, (*compute).listKeypairs},
	{"POST", "os-keypairs", 0, (*compute).createKeypair},
	{"GET", "os-keypairs/{}", 0, (*compute).showKeypair},
	{"DELETE", "os-keypairs/{}", 0, (*compute).deleteKeypair},
	{"GET", "os-availability-zone", 0, (*compute).listZones},
	{"GET", "os-availability-zone/detail", 0, (*compute).listZones},
	{"GET", "limits", 0, (*compute).showLimits},
	{"GET", "os-quota-sets/{}", 0, (*compute).showQuota},
	{"GET", "os-quota-sets/{}/defaults", 0, (*compute).showQuota},
	{"GET", "os-quota-sets/{}/detail", 0, (*compute).showQuota},
	{"GET", "os-simple-tenant-usage", 0, (*compute).listUsages},
	{"GET", "os-simple-tenant-usage/{}", 0, (*compute).showUsage},
	{"GET", "os-hypervisors", 0, (*compute).listHypervisors},
	{"GET", "os-hypervisors/detail", 0, (*compute).listHypervisors},
	{"GET", "os-hypervisors/statistics", 0, (*compute).showStatistics},
	{"GET", "os-hypervisors/{}", 0, (*compute).showHypervisor},
	{"GET", "os-hypervisors/{}/uptime", 0, (*compute).showUptime},
	{"GET", "os-hypervisors/{}/search", 0, (*compute).searchHypervisors},
	{"GET", "os-hypervisors/{}/servers", 0, (*compute).searchHypervisors},
	{"GET", "os-hosts", 0, (*compute).listHosts},
	{"GET", "os-hosts/{}", 0, (*compute).showHost},
	{"PUT", "os-hosts/{}", 0, (*compute).updateHost},
	{"GET", "os-hosts/{}/reboot", 0, (*compute).powerHost},
	{"GET", "os-hosts/{}/shutdown", 0, (*compute).powerHost},
	{"GET", "os-hosts/{}/startup", 0, (*compute).powerHost},
	{"GET", "os-aggregates", 0, (*compute).listAggregates},
	{"POST", "os-aggregates", 0, (*compute).createAggregate},
	{"GET", "os-aggregates/{}", 0, (*compute).showAggregate},
	{"PUT", "os-aggregates/{}", 0, (*compute).updateAggregate},
	{"DELETE", "os-aggregates/{}", 0, (*compute).deleteAggregate},
	{"POST", "os-aggregates/{}/action", 0, (*compute).actOnAggregate},
	{"POST", "os-aggregates/{}/images", 81, (*compute).cacheImages},
	{"GET", "os-migrations", 0, (*compute).listMigrations},
	{"GET", "servers/{}/migrations", 23, (*compute).listServerMigrations},
	{"GET", "servers/{}/migrations/{}", 23, (*compute).showServerMigration},
	{"DELETE", "servers/{}/migrations/{}", 24, (*compute).endServerMigration},
	{"POST", "servers/{}/migrations/{}/action", 22, (*compute).endServerMigration},
	{"GET", "os-instance_usage_audit_log", 0, (*compute).showAuditLog},
	{"GET", "os-instance_usage_audit_log/{}", 0, (*compute).showAuditLog},
	{"GET", "os-server-groups", 0, (*compute).listGroups},
	{"POST", "os-server-groups", 0, (*compute).createGroup},
	{"GET", "os-server-groups/{}", 0, (*compute).showGroup},
	{"DELETE", "os-server-groups/{}", 0, (*compute).deleteGroup},
	{"GET", "os-services", 0, (*compute).listServices},
	{"PUT", "os-services/{}", 0, (*compute).updateService},
	{"DELETE", "os-services/{}", 0, (*compute).deleteService},
	{"GET", "extensions", 0, (*compute).listExtensions},
	{"GET", "os-volumes", 0, (*compute).listProxied},
	{"GET", "os-volumes/detail", 0, (*compute).listProxied},
	{"POST", "os-volumes", 0, (*compute).createProxied},
	{"GET", "os-volumes/{}", 0, (*compute).showProxied},
	{"DELETE", "os-volumes/{}", 0, func(n *compute, c *call) error { return n.pod.volume.deleteVolume(c) }},
	{"GET", "os-snapshots", 0, (*compute).listProxied},
	{"GET", "os-snapshots/detail", 0, (*compute).listProxied},
	{"POST", "os-snapshots", 0, (*compute).createProxiedSnapshot},
	{"GET", "os-snapshots/{}", 0, (*compute).showProxiedSnapshot},
	{"DELETE", "os-snapshots/{}", 0, func(n *compute, c *call) error { return n.pod.volume.deleteSnapshot(c) }},
	{"POST", "os-server-external-events", 0, (*compute).externalEvents},
	{"GET", "os-console-auth-tokens/{}", 0, (*compute).consoleToken},
})

func (n *compute) serve(w http.ResponseWriter, r *http.Request) {
	c := n.pod.cloud.newCall(w, r)
	defer c.release()
	base := "http://" + r.Host
	version, rest, more := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if rest == "" && (version == "" || version == "v2.1" || version == "v2") && r.Method == http.MethodGet {
		novaVersions(c, base, version, n.newest())
		return
	}
	w.Header()["X-Openstack-Request-Id"] = []string{c.requestID}
	w.Header()["X-Compute-Request-Id"] = []string{c.requestID}
	if !c.authenticate() {
		return
	}
	project, path := cutProject(rest)
	rt := novaRoutes.find(r.Method, path, &c.arg)
	if version != "v2.1" && version != "v2" || !more || rt == nil {
		fault.NoRoute(w, r)
		return
	}
	c.prefix, c.bookmark = base+"/"+version, base
	if project != "" {
		c.prefix, c.bookmark = c.prefix+"/"+project, c.bookmark+"/"+project
	}
	var err error
	if c.minor = novaMin; version == "v2.1" { // below /v2 the headers mean nothing
		err = c.novaVersion(n.newest())
	}
	if err == nil && project != "" && project != c.tok.projectID() {
		err = fault.BadRequest("Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'",
			project, c.tok.projectID())
	}
	if err == nil && c.minor < rt.min {
		err = fault.NotFound("The resource could not be found.")
	}
	if err == nil {
		err = n.pod.locked(c, func() error { return rt.serve(n, c) })
	}
	if err != nil {
		fault.Write(w, fault.Nova, err)
		return
	}
	c.send()
}

// locked runs a handler under the lock that its method needs. Nothing is written to the client meanwhile.
func (p *Pod) locked(c *call, serve func() error) error {
	if c.reads() {
		p.mu.RLock()
		defer p.mu.RUnlock()
	} else {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	return serve()
}

// novaVersion reads the microversion and sets the headers of the answer. The last "compute" in OpenStack-API-Version
// wins over the older header (microversion_parse.get_version).
func (c *call) novaVersion(newest int) error {
	asked := "2.1"
	if v := c.r.Header.Get("X-OpenStack-Nova-API-Version"); v != "" {
		asked = strings.TrimSpace(v[strings.LastIndex(v, ",")+1:])
	}
	entries := strings.Split(strings.Join(c.r.Header.Values("OpenStack-API-Version"), ","), ",")
	for i := len(entries) - 1; i >= 0; i-- {
		if service, v, ok := strings.Cut(strings.TrimSpace(entries[i]), " "); ok && strings.EqualFold(service, "compute") {
			asked = strings.TrimSpace(v)
			break
		}
	}
	minor, err := parseMinor(asked, 2, novaMin, newest)
	if err != nil && fault.From(err).Status == http.StatusBadRequest {
		return err
	}
	if asked == "latest" || err == nil {
		asked = "2." + strconv.Itoa(minor)
	}
	c.minor = minor
	h := c.w.Header()
	h["Openstack-Api-Version"] = []string{"compute " + asked}
	h["X-Openstack-Nova-Api-Version"] = []string{asked}
	h["Vary"] = []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}
	return err
}

func novaVersions(c *call, base, version string, newest int) {
	d := c.body
	d.obj()
	switch version {
	case "":
		d.arr("versions")
		novaVersionEntry(d, base, "v2", false, newest)
		novaVersionEntry(d, base, "v2.1", false, newest)
		d.endArr()
	default:
		d.key("version")
		novaVersionEntry(d, base, version, true, newest)
		h := c.w.Header()
		h["X-Openstack-Request-Id"] = []string{c.requestID}
		h["X-Compute-Request-Id"] = []string{c.requestID}
		if version == "v2.1" {
			h["Openstack-Api-Version"] = []string{"compute 2.1"}
			h["X-Openstack-Nova-Api-Version"] = []string{"2.1"}
			h["Vary"] = []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}
		}
	}
	d.endObj()
	c.send()
}

func novaVersionEntry(d *doc, base, version string, described bool, newest int) {
	d.obj()
	if version == "v2" {
		d.str("id", "v2.0")
		d.str("status", "SUPPORTED")
		d.str("version", "")
		d.str("min_version", "")
		d.str("updated", "2011-01-21T11:33:21Z")
	} else {
		d.str("id", "v2.1")
		d.str("status", "CURRENT")
		d.str("version", "2."+strconv.Itoa(newest))
		d.str("min_version", "2."+strconv.Itoa(novaMin))
		d.str("updated", "2013-07-23T11:33:21Z")
	}
	d.arr("links")
	d.link("self", base, "/", version, "/")
	if !described {
		d.endArr()
		d.endObj()
		return
	}
	d.obj()
	d.str("rel", "describedby")
	d.str("type", "text/html")
	d.str("href", "http://docs.openstack.org/")
	d.endObj()
	d.endArr()
	d.raw("media-types", `[{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]`)
	d.endObj()
}

// hostID is what users see of a host (nova/utils.py, generate_hostid).
func hostID(project, host string) string {
	sum := sha256.Sum224([]byte(project + host))
	return hex.EncodeToString(sum[:])
}

// visible returns a server that the caller may see. Deleted ones exist for lists only.
func (n *compute) visible(c *call) (*server, error) {
	s, ok := n.servers.get(c.arg[0])
	if !ok || s.isDeleted() || s.project != c.tok.projectID() && !c.tok.admin() {
		return nil, noInstance(c.arg[0])
	}
	return s, nil
}

// changing is visible for calls that change the server.
func (n *compute) changing(c *call) (*server, error) {
	if _, err := n.visible(c); err != nil {
		return nil, err
	}
	s, first, _ := n.servers.touch(c.arg[0])
	if first {
		n.adopt(s)
	}
	return s, nil
}

func noInstance(id string) error { return fault.NotFound("Instance %s could not be found.", id) }
