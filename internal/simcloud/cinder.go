package simcloud

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

const cinderMax = 70 // Zed; see SetRelease

// volume is the Cinder of one pod.
type volume struct {
	pod         *Pod
	serviceID   string
	volumes     *ledger[*disk]
	snapshots   []*snapshot // newest first
	backups     []*backup   // newest first
	attachments []*attachment
	services    []*blockService
	transfers   []*transfer // newest first, and so are the others
	messages    []*message
	groups      []*volumeGroup

	groupSnapshots []*groupSnapshot
	groupTypes     []*groupType

	unmanaged []unmanaged
}

// disk is a volume. (The service is called volume in the catalog, hence the name.)
type disk struct {
	id, name, description string
	project, user         string
	created, updated      time.Time
	size                  int
	status                string
	snapshotID, sourceID  string
	image                 string // it was made from
	group                 string
	bootable, multiattach bool
	readonly              bool
	metadata              map[string]string
	deleted               bool
	attachments           []*attachment
}

func (v *disk) identity() (int64, string) { return v.created.Unix(), v.id }

// attachment connects a volume with a server; both services see it.
type attachment struct {
	id, volume, server, device, bdm string
	project                         string
	attached                        time.Time
	root, deleteWithServer          bool
	// Of an attachment that was made by Cinder's API: it is not complete yet, and the connector is known.
	reserved, connected bool
	// Of an attachment that is only requested: the volume has yet to be made.
	source *blockDevice
	size   int
}

func newVolume(p *Pod) *volume {
	v := &volume{pod: p, serviceID: stableUUID(p.Region + " cinder-volume"), services: blockServices(p.Region), groupTypes: newGroupTypes(p)}
	o := p.cloud.opts
	gen := newSeries(seedOf(p.Region+" volumes"), o.Volumes, o.Now())
	// Of volumes made in the same second, Cinder lists the greater id first.
	v.volumes = newLedger(gen, v.generate, func(a, b string) int { return strings.Compare(b, a) })
	return v
}

// generate makes volume i.
func (v *volume) generate(i int) *disk {
	created := time.Unix(v.volumes.gen.created(i), 0).UTC()
	return &disk{
		id: v.volumes.gen.id(i), name: string(v.appendName(nil, i)), project: stableDemoProject, user: stableDemoUser,
		created: created, updated: created.Add(time.Second), size: 1 + i%4, status: "available",
	}
}

func (v *volume) appendName(b []byte, i int) []byte {
	return appendNumbered(append(append(b, "volume-"...), v.pod.Region...), i)
}

var cinderRoutes = newRouter([]route[*volume]{
	{"GET", "volumes", 0, (*volume).listVolumes},
	{"GET", "volumes/detail", 0, (*volume).listVolumes},
	{"GET", "volumes/summary", 12, (*volume).summary},
	{"POST", "volumes", 0, (*volume).createVolume},
	{"GET", "volumes/{}", 0, (*volume).showVolume},
	{"PUT", "volumes/{}", 0, (*volume).updateVolume},
	{"DELETE", "volumes/{}", 0, (*volume).deleteVolume},
	{"POST", "volumes/{}/action", 0, (*volume).act},
	{"GET", "volumes/{}/metadata", 0, (*volume).showMetadata},
	{"POST", "volumes/{}/metadata", 0, (*volume).mergeMetadata},
	{"PUT", "volumes/{}/metadata", 0, (*volume).replaceMetadata},
	{"GET", "volumes/{}/metadata/{}", 0, (*volume).showMeta},
	{"PUT", "volumes/{}/metadata/{}", 0, (*volume).setMeta},
	{"DELETE", "volumes/{}/metadata/{}", 0, (*volume).deleteMeta},
	{"GET", "snapshots", 0, (*volume).listSnapshots},
	{"GET", "snapshots/detail", 0, (*volume).listSnapshots},
	{"POST", "snapshots", 0, (*volume).createSnapshot},
	{"GET", "snapshots/{}", 0, (*volume).showSnapshot},
	{"PUT", "snapshots/{}", 0, (*volume).updateSnapshot},
	{"DELETE", "snapshots/{}", 0, (*volume).deleteSnapshot},
	{"GET", "backups", 0, (*volume).listBackups},
	{"GET", "backups/detail", 0, (*volume).listBackups},
	{"POST", "backups", 0, (*volume).createBackup},
	{"GET", "backups/{}", 0, (*volume).showBackup},
	{"POST", "backups/{}/restore", 0, (*volume).restoreBackup},
	{"POST", "backups/import_record", 0, (*volume).importBackup},
	{"GET", "backups/{}/export_record", 0, (*volume).exportBackup},
	{"POST", "snapshots/{}/action", 0, (*volume).actOnSnapshot},
	{"DELETE", "backups/{}", 0, (*volume).deleteBackup},
	{"GET", "attachments", 27, (*volume).listAttachments},
	{"GET", "attachments/detail", 27, (*volume).listAttachments},
	{"POST", "attachments", 27, (*volume).createAttachment},
	{"GET", "attachments/{}", 27, (*volume).showAttachment},
	{"PUT", "attachments/{}", 27, (*volume).updateAttachment},
	{"DELETE", "attachments/{}", 27, (*volume).deleteAttachment},
	{"POST", "attachments/{}/action", 44, (*volume).completeAttachment},
	{"GET", "os-volume-transfer", 0, (*volume).listTransfers},
	{"GET", "os-volume-transfer/detail", 0, (*volume).listTransfers},
	{"POST", "os-volume-transfer", 0, (*volume).createTransfer},
	{"GET", "os-volume-transfer/{}", 0, (*volume).showTransfer},
	{"DELETE", "os-volume-transfer/{}", 0, (*volume).deleteTransfer},
	{"POST", "os-volume-transfer/{}/accept", 0, (*volume).acceptTransfer},
	{"GET", "volume-transfers", 0, (*volume).listTransfers},
	{"GET", "volume-transfers/detail", 0, (*volume).listTransfers},
	{"POST", "volume-transfers", 0, (*volume).createTransfer},
	{"GET", "volume-transfers/{}", 0, (*volume).showTransfer},
	{"DELETE", "volume-transfers/{}", 0, (*volume).deleteTransfer},
	{"POST", "volume-transfers/{}/accept", 0, (*volume).acceptTransfer},
	{"GET", "messages", 3, (*volume).listMessages},
	{"GET", "messages/{}", 3, (*volume).showMessage},
	{"DELETE", "messages/{}", 3, (*volume).deleteMessage},
	{"GET", "groups", 13, (*volume).listGroups},
	{"GET", "groups/detail", 13, (*volume).listGroups},
	{"POST", "groups", 13, (*volume).createGroup},
	{"POST", "groups/action", 14, (*volume).copyGroup},
	{"GET", "groups/{}", 13, (*volume).showGroup},
	{"PUT", "groups/{}", 13, (*volume).updateGroup},
	{"POST", "groups/{}/action", 13, (*volume).actOnGroup},
	{"GET", "group_snapshots", 14, (*volume).listGroupSnapshots},
	{"GET", "group_snapshots/detail", 14, (*volume).listGroupSnapshots},
	{"POST", "group_snapshots", 14, (*volume).createGroupSnapshot},
	{"GET", "group_snapshots/{}", 14, (*volume).showGroupSnapshot},
	{"DELETE", "group_snapshots/{}", 14, (*volume).deleteGroupSnapshot},
	{"GET", "cgsnapshots", 0, (*volume).listGroupSnapshots},
	{"GET", "cgsnapshots/detail", 0, (*volume).listGroupSnapshots},
	{"POST", "cgsnapshots", 0, (*volume).createGroupSnapshot},
	{"GET", "cgsnapshots/{}", 0, (*volume).showGroupSnapshot},
	{"DELETE", "cgsnapshots/{}", 0, (*volume).deleteGroupSnapshot},
	{"GET", "consistencygroups", 0, (*volume).listGroups},
	{"GET", "consistencygroups/detail", 0, (*volume).listGroups},
	{"POST", "consistencygroups", 0, (*volume).createGroup},
	{"POST", "consistencygroups/create_from_src", 0, (*volume).copyGroup},
	{"GET", "consistencygroups/{}", 0, (*volume).showGroup},
	{"PUT", "consistencygroups/{}", 0, (*volume).updateGroup},
	{"PUT", "consistencygroups/{}/update", 0, (*volume).updateGroup},
	{"POST", "consistencygroups/{}/delete", 0, (*volume).deleteOlder},
	{"GET", "group_types", 11, (*volume).listGroupTypes},
	{"POST", "group_types", 11, (*volume).createGroupType},
	{"GET", "types", 0, (*volume).listTypes},
	{"GET", "types/{}", 0, (*volume).showType},
	{"GET", "types/{}/extra_specs", 0, (*volume).showTypeSpecs},
	{"GET", "limits", 0, (*volume).showLimits},
	{"GET", "os-quota-sets/{}", 0, (*volume).showQuota},
	{"GET", "os-quota-sets/{}/defaults", 0, (*volume).showQuota},
	{"GET", "os-availability-zone", 0, (*volume).listZones},
	{"GET", "os-services", 0, (*volume).listServices},
	{"PUT", "os-services/{}", 0, (*volume).updateService},
	{"GET", "os-hosts", 0, (*volume).listHosts},
	{"GET", "os-hosts/{}", 0, (*volume).showHost},
	{"PUT", "os-hosts/{}", 0, (*volume).updateHost},
	{"GET", "scheduler-stats/get_pools", 0, (*volume).listPools},
	{"GET", "capabilities/{}", 0, (*volume).showCapabilities},
	{"GET", "clusters", 7, (*volume).listClusters},
	{"GET", "clusters/detail", 7, (*volume).listClusters},
	{"GET", "clusters/{}", 7, (*volume).showCluster},
	{"PUT", "clusters/{}", 7, (*volume).updateCluster},
	{"POST", "workers/cleanup", 24, (*volume).cleanUp},
	{"GET", "manageable_volumes", 8, (*volume).listManageable},
	{"GET", "manageable_volumes/detail", 8, (*volume).listManageable},
	{"POST", "manageable_volumes", 8, (*volume).manageVolume},
	{"GET", "os-volume-manage", 0, (*volume).listManageable},
	{"GET", "os-volume-manage/detail", 0, (*volume).listManageable},
	{"POST", "os-volume-manage", 0, (*volume).manageVolume},
	{"GET", "manageable_snapshots", 8, (*volume).listManageable},
	{"GET", "manageable_snapshots/detail", 8, (*volume).listManageable},
	{"POST", "manageable_snapshots", 8, (*volume).manageSnapshot},
	{"GET", "os-snapshot-manage", 0, (*volume).listManageable},
	{"GET", "os-snapshot-manage/detail", 0, (*volume).listManageable},
	{"POST", "os-snapshot-manage", 0, (*volume).manageSnapshot},
	{"GET", "extensions", 0, (*volume).listExtensions},
})

func (v *volume) serve(w http.ResponseWriter, r *http.Request) {
	c := v.pod.cloud.newCall(w, r)
	defer c.release()
	base := "http://" + r.Host
	version, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h := w.Header()
	h["X-Openstack-Request-Id"] = []string{c.requestID}
	if version == "" {
		h["X-Compute-Request-Id"] = []string{c.requestID}
		c.status = http.StatusMultipleChoices
		cinderVersions(c, base, v.newest())
		return
	}
	if !c.authenticate() {
		return
	}
	if r.URL.Path == "/v3" {
		h["Content-Type"], h["Location"] = []string{"text/plain; charset=utf8"}, []string{base + "/v3/"}
		w.WriteHeader(http.StatusFound)
		return
	}
	project, path := cutProject(rest)
	isRoot := version == "v3" && strings.Trim(rest, "/") == "" && r.Method == http.MethodGet
	rt := cinderRoutes.find(r.Method, path, &c.arg)
	if !isRoot && (version != "v3" || rt == nil) {
		fault.NoRoute(w, r)
		return
	}
	h["X-Compute-Request-Id"] = []string{c.requestID}
	c.prefix, c.bookmark = base+"/v3", base
	if project != "" {
		c.prefix, c.bookmark = c.prefix+"/"+project, c.bookmark+"/"+project
	}
	err := c.cinderVersion(v.newest())
	if err == nil && isRoot {
		cinderVersions(c, base, v.newest())
		return
	}
	if err == nil && project != "" && project != c.tok.projectID() {
		err = fault.BadRequest("Malformed request url")
	}
	if err == nil && c.minor < rt.min {
		err = fault.NotFound("The resource could not be found.")
	}
	if err == nil {
		err = v.pod.locked(c, func() error { return rt.serve(v, c) })
	}
	if err != nil {
		fault.Write(w, fault.Cinder, err)
		return
	}
	c.send()
}

// cinderVersion reads the microversion: the first element of OpenStack-API-Version that names the service counts
// (cinder/api/openstack/wsgi.py, set_api_version_request).
func (c *call) cinderVersion(newest int) error {
	asked := "3.0"
	if header := strings.Join(c.r.Header.Values("OpenStack-API-Version"), ","); header != "" {
		entry := first(strings.Split(header, ","), func(e string) bool { return strings.Contains(e, "volume") })
		words := strings.Fields(entry)
		if len(words) != 2 {
			return fault.BadRequest("The server could not comply with the request since it is either malformed or " +
				"otherwise incorrect.")
		}
		asked = words[1]
	}
	minor, err := parseMinor(asked, 3, 0, newest)
	if err != nil && fault.From(err).Status == http.StatusBadRequest {
		return err
	}
	if err == nil {
		asked = "3." + strconv.Itoa(minor)
	}
	c.minor = minor
	h := c.w.Header()
	h["Openstack-Api-Version"] = []string{"volume " + asked}
	h["Vary"] = []string{"OpenStack-API-Version"}
	return err
}

func cinderVersions(c *call, base string, newest int) {
	h := c.w.Header()
	h["Openstack-Api-Version"] = []string{"volume 3.0"}
	h["Vary"] = []string{"OpenStack-API-Version"}
	d := c.body
	d.obj()
	d.arr("versions")
	d.obj()
	d.str("id", "v3.0")
	d.str("status", "CURRENT")
	d.str("version", "3."+strconv.Itoa(newest))
	d.str("min_version", "3.0")
	d.str("updated", "2022-08-31T00:00:00Z")
	d.arr("links")
	d.obj()
	d.str("rel", "describedby")
	d.str("type", "text/html")
	d.str("href", "https://docs.openstack.org/")
	d.endObj()
	d.link("self", base, "/v3/")
	d.endArr()
	d.raw("media-types", `[{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}]`)
	d.endObj()
	d.endArr()
	d.endObj()
	c.send()
}

// errNoVolume marks that a volume does not exist.
var errNoVolume = errors.New("no such volume")

func noVolume(id string) error {
	e := fault.NotFound("Volume %s could not be found.", id)
	e.Err = errNoVolume
	return e
}

// get returns a volume that the caller may see.
func (v *volume) get(t *token, id string) (*disk, error) {
	x, ok := v.volumes.get(id)
	if !ok || x.deleted || x.project != t.projectID() && !t.admin() {
		return nil, noVolume(id)
	}
	return x, nil
}

// changing is get for calls that change the volume.
func (v *volume) changing(t *token, id string) (*disk, error) {
	if _, err := v.get(t, id); err != nil {
		return nil, err
	}
	x, _, _ := v.volumes.touch(id)
	return x, nil
}

// attachable returns a volume that Nova may attach. Nova says 400 where it does not exist.
func (v *volume) attachable(t *token, id string) (*disk, error) {
	x, err := v.changing(t, id)
	if err != nil {
		e := fault.BadRequest("%s", fault.From(err).Message)
		e.Err = errNoVolume
		return nil, e
	}
	if x.status == "available" || x.multiattach && x.status == "in-use" {
		return x, nil
	}
	if len(x.attachments) > 0 {
		return nil, fault.BadRequest("Invalid volume: volume %s is already attached to instances: %s", id, x.attachments[0].server)
	}
	return nil, fault.BadRequest("Invalid volume: volume '%s' status must be 'available'. Currently in '%s' status.", id, x.status)
}

// connect attaches a volume to s, making it first if a asks for that.
func (v *volume) connect(c *call, s *server, a *attachment) {
	now := c.cloud.opts.Now().UTC()
	if a.source != nil {
		x := v.newDisk(c, a.size)
		switch a.source.SourceType {
		case "image":
			x.image, x.bootable = a.source.UUID, true
		case "snapshot":
			x.snapshotID, x.bootable = a.source.UUID, true
		}
		v.volumes.add(x)
		a.volume, a.source = x.id, nil
	}
	x, _, _ := v.volumes.touch(a.volume)
	a.id, a.bdm = c.cloud.opts.NewID(), c.cloud.opts.NewID()
	a.server, a.project, a.attached = s.id, x.project, now
	a.device = cmp.Or(a.device, nextDevice(s, a.root))
	x.status, x.updated = "in-use", now
	x.attachments = append(x.attachments, a)
	s.volumes = append(s.volumes, a)
	v.attachments = append(v.attachments, a)
}

// nextDevice names the first free disk of a server; the first letter is that of the root disk.
func nextDevice(s *server, root bool) string {
	for letter := byte('a'); letter <= 'z'; letter++ {
		name := "/dev/sd" + string(letter)
		if letter == 'a' && !root || slices.ContainsFunc(s.volumes, func(a *attachment) bool { return a.device == name }) {
			continue
		}
		return name
	}
	return "/dev/sdaa"
}

// release ends an attachment, and deletes the volume where that was asked for at the boot.
func (v *volume) release(a *attachment) {
	gone := func(x *attachment) bool { return x == a }
	v.attachments = slices.DeleteFunc(v.attachments, gone)
	x, _, ok := v.volumes.touch(a.volume)
	if !ok {
		return
	}
	x.attachments = slices.DeleteFunc(x.attachments, gone)
	x.updated = v.pod.cloud.opts.Now().UTC()
	if len(x.attachments) == 0 {
		x.status = "available"
		x.deleted = x.deleted || a.deleteWithServer
	}
}

// checkSource checks what a volume of a boot request is to be made from.
func (v *volume) checkSource(t *token, dev blockDevice) error {
	switch dev.SourceType {
	case "image":
		if !v.pod.cloud.glance.usable(t, dev.UUID) {
			return fault.BadRequest("Image %s could not be found.", dev.UUID)
		}
	case "snapshot":
		if v.snapshot(t, dev.UUID) == nil {
			return fault.BadRequest("Snapshot %s could not be found.", dev.UUID)
		}
	}
	return nil
}
