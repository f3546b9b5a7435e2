package simcloud

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
)

type serverBody struct {
	Name           *string
	FlavorRef      any
	ImageRef       string
	Networks       json.RawMessage
	Zone           string `json:"availability_zone"`
	Host           string
	MinCount       any           `json:"min_count"`
	MaxCount       any           `json:"max_count"`
	Reservation    bool          `json:"return_reservation_id"`
	BlockDevices   []blockDevice `json:"block_device_mapping_v2"`
	Metadata       map[string]string
	Key            string                  `json:"key_name"`
	SecurityGroups []struct{ Name string } `json:"security_groups"`
	AdminPass      string
	UserData       string `json:"user_data"`
	Description    string
	Tags           []string
	Hostname       string
	DiskConfig     string `json:"OS-DCF:diskConfig"`
	ConfigDrive    any    `json:"config_drive"`
	AccessIPv4     string
	AccessIPv6     string

	// Accepted, and without effect here.
	Personality    any
	BlockDeviceOld any `json:"block_device_mapping"`
	TrustedCerts   any `json:"trusted_image_certificates"`
	Hypervisor     any `json:"hypervisor_hostname"`
}

type blockDevice struct {
	UUID                string
	SourceType          string `json:"source_type"`
	DestinationType     string `json:"destination_type"`
	BootIndex           any    `json:"boot_index"`
	DeleteOnTermination bool   `json:"delete_on_termination"`
	VolumeSize          any    `json:"volume_size"`
}

// root tells whether the device is the one to boot from.
func (b *blockDevice) root() bool {
	v, ok := integer(b.BootIndex)
	return ok && v == 0
}

// integer reads a number that may be written as a string.
func integer(v any) (int, bool) {
	var n int
	switch v := v.(type) {
	case float64:
		return int(v), v == float64(int(v))
	case string:
		_, err := fmt.Sscanf(v, "%d", &n)
		return n, err == nil
	}
	return 0, false
}

func tooShort(field string) error {
	return fault.BadRequest("Invalid input for field/attribute %s. Value: . '' is too short", field)
}

// boot is a checked request for servers.
type boot struct {
	serverBody
	raw      json.RawMessage
	flavor   *flavor
	min, max int
	nets     []netRequest
	group    *serverGroup
	volumes  []*attachment // prepared, not yet attached
}

func (n *compute) createServer(c *call) error {
	b, err := n.checkBoot(c)
	if err != nil {
		return err
	}
	reservation := "r-" + compactID(c.cloud.opts.NewID())[:8]
	var made []*server
	for i := range b.max {
		s, err := n.boot(c, b, reservation, i)
		if err != nil {
			for _, s := range made {
				n.destroy(c, s)
			}
			return err
		}
		made = append(made, s)
	}
	c.status = http.StatusAccepted
	d := c.body
	d.obj()
	defer d.endObj()
	if b.Reservation {
		d.str("reservation_id", reservation)
		return nil
	}
	s := made[0]
	c.w.Header().Set("Location", c.prefix+"/servers/"+s.id)
	d.obj("server")
	d.str("id", s.id)
	c.writeLinks("servers", s.id)
	d.str("OS-DCF:diskConfig", s.diskConfig)
	d.arr("security_groups")
	for _, name := range s.groups {
		d.obj()
		d.str("name", name)
		d.endObj()
	}
	d.endArr()
	d.str("adminPass", s.adminPass)
	d.endObj()
	return nil
}

func (n *compute) checkBoot(c *call) (*boot, error) {
	b := &boot{}
	var hints struct {
		Group string
	}
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if b.raw = body["server"]; b.raw == nil {
		return nil, fault.BadRequest("'server' is a required property")
	}
	if err := strict("server", b.raw, &b.serverBody); err != nil {
		return nil, err
	}
	if raw := cmp.Or(string(body["os:scheduler_hints"]), string(body["OS-SCH-HNT:scheduler_hints"])); raw != "" {
		if err := json.Unmarshal([]byte(raw), &hints); err != nil {
			return nil, fault.BadRequest("Invalid input for field/attribute os:scheduler_hints. Value: %s.", raw)
		}
	}
	if hints.Group != "" {
		if b.group = n.group(hints.Group); b.group == nil {
			return nil, fault.BadRequest("Instance group %s could not be found.", hints.Group)
		}
	}
	for _, check := range []func(*call, *boot) error{
		n.checkRequired, n.checkCounts, n.checkZone, n.checkFlavor, n.checkImage, n.checkKey, n.checkNetworks, n.checkVolumes,
	} {
		if err := check(c, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (n *compute) checkRequired(c *call, b *boot) error {
	required := func(name string) error {
		return fault.BadRequest("Invalid input for field/attribute server. Value: %s. '%s' is a required property",
			b.raw, name)
	}
	switch {
	case b.Name == nil:
		return required("name")
	case *b.Name == "":
		return tooShort("name")
	case b.FlavorRef == nil:
		return required("flavorRef")
	case b.Networks == nil && c.at(37):
		return required("networks")
	case len(*b.Name) > 255:
		return fault.BadRequest("Invalid input for field/attribute name. Value: %s. '%s' is too long", *b.Name, *b.Name)
	}
	return nil
}

func (n *compute) checkCounts(_ *call, b *boot) error {
	count := func(name string, v any, absent int) (int, error) {
		if v == nil {
			return absent, nil
		}
		i, ok := integer(v)
		if !ok || i < 1 {
			return 0, fault.BadRequest("Invalid input for field/attribute %s. Value: %v. %v is less than the minimum of 1", name, v, v)
		}
		return i, nil
	}
	var err error
	if b.min, err = count("min_count", b.MinCount, 1); err != nil {
		return err
	}
	if b.max, err = count("max_count", b.MaxCount, b.min); err != nil {
		return err
	}
	if b.min > b.max {
		return fault.BadRequest("min_count must be <= max_count")
	}
	return nil
}

// checkZone reads zone, zone:host and zone:host:node. A host may be forced by an administrator only.
func (n *compute) checkZone(c *call, b *boot) error {
	zone, host, forced := strings.Cut(b.Zone, ":")
	if forced && !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
	}
	if zone != "" && zone != n.pod.Zone {
		return fault.BadRequest("The requested availability zone is not available")
	}
	host, _, _ = strings.Cut(host, ":")
	if b.Host = cmp.Or(host, b.Host); b.Host != "" && n.computeOn(b.Host) == nil {
		return fault.BadRequest("Compute host %s could not be found.", b.Host)
	}
	return nil
}

func (n *compute) checkFlavor(_ *call, b *boot) error {
	id := asString(b.FlavorRef)
	// Old clients send a link.
	id = id[strings.LastIndex(id, "/")+1:]
	if b.flavor = n.flavor(id); b.flavor == nil {
		return fault.BadRequest("Flavor %s could not be found.", id)
	}
	return nil
}

func (n *compute) checkImage(c *call, b *boot) error {
	fromVolume := slices.ContainsFunc(b.BlockDevices, func(d blockDevice) bool { return d.root() })
	if b.ImageRef == "" {
		if !fromVolume {
			return fault.BadRequest("Missing imageRef attribute")
		}
		return nil
	}
	if uuid.Validate(b.ImageRef) != nil {
		return fault.BadRequest("Invalid input for field/attribute imageRef. Value: %s. '%s' is not valid under any of the "+
			"given schemas", b.ImageRef, b.ImageRef)
	}
	if !c.cloud.glance.usable(c.tok, b.ImageRef) {
		return fault.BadRequest("Can not find requested image")
	}
	return nil
}

func (n *compute) checkKey(c *call, b *boot) error {
	if b.Key != "" && n.keypair(c.tok.user.id, b.Key) == nil {
		return fault.BadRequest("Invalid key_name provided.")
	}
	if b.UserData != "" {
		if _, err := base64.StdEncoding.DecodeString(b.UserData); err != nil {
			return fault.BadRequest("Invalid input for field/attribute user_data. Value: %s. '%s' is not a 'base64'",
				b.UserData, b.UserData)
		}
	}
	return nil
}

// netRequest is one entry of "networks".
type netRequest struct {
	UUID    string
	Port    string
	FixedIP string `json:"fixed_ip"`
}

// checkNetworks resolves "networks": absent (before 2.37) or "auto" is every network that the project can use, if it is
// one; "none" is none.
func (n *compute) checkNetworks(c *call, b *boot) error {
	var word string
	switch {
	case len(b.Networks) == 0 || string(b.Networks) == "null":
		word = "auto"
	case b.Networks[0] == '"':
		word = strings.Trim(string(b.Networks), `"`)
	default:
		if err := json.Unmarshal(b.Networks, &b.nets); err != nil {
			return fault.BadRequest("Invalid input for field/attribute networks. Value: %s.", b.Networks)
		}
	}
	switch word {
	case "", "none":
	case "auto":
		found := n.pod.network.usable(c.tok)
		if len(found) > 1 {
			return fault.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
		}
		for _, id := range found {
			b.nets = append(b.nets, netRequest{UUID: id})
		}
	default:
		return fault.BadRequest("Invalid input for field/attribute networks. Value: %s.", b.Networks)
	}
	for _, g := range b.SecurityGroups {
		if !n.pod.network.hasGroup(c.tok, g.Name) {
			return fault.BadRequest("Unable to find security_group with name or id '%s'", g.Name)
		}
	}
	for _, r := range b.nets {
		if err := n.pod.network.canPlug(c.tok, r); err != nil {
			return err
		}
	}
	return nil
}

// checkVolumes looks at what the server is to be given beside its image.
func (n *compute) checkVolumes(c *call, b *boot) error {
	for _, dev := range b.BlockDevices {
		size, _ := integer(dev.VolumeSize)
		a := &attachment{deleteWithServer: dev.DeleteOnTermination, root: dev.root()}
		switch dev.SourceType {
		case "volume":
			v, err := n.pod.volume.attachable(c.tok, dev.UUID)
			if err != nil && a.root && fault.From(err).Err == errNoVolume {
				return fault.BadRequest("Block Device Mapping is Invalid: failed to get volume %s.", dev.UUID)
			}
			if err != nil {
				return err
			}
			if a.root && !v.bootable {
				return fault.BadRequest("Block Device %s is not bootable.", dev.UUID)
			}
			a.volume = v.id
		case "image", "snapshot", "blank":
			if dev.DestinationType != "volume" {
				continue
			}
			if err := n.pod.volume.checkSource(c.tok, dev); err != nil {
				return err
			}
			a.source, a.size = &dev, max(size, 1)
		default:
			return fault.BadRequest("Block Device Mapping is Invalid: Invalid source_type field")
		}
		b.volumes = append(b.volumes, a)
	}
	if b.max > 1 && slices.ContainsFunc(b.volumes, func(a *attachment) bool { return a.volume != "" }) {
		return fault.BadRequest("Cannot attach one or more volumes to multiple instances")
	}
	return nil
}

// boot makes one server of the request. What it refers to was checked.
func (n *compute) boot(c *call, b *boot, reservation string, index int) (*server, error) {
	now := c.cloud.opts.Now().UTC()
	s := &server{
		id: c.cloud.opts.NewID(), name: *b.Name, description: b.Description, project: c.tok.projectID(), user: c.tok.user.id,
		created: now.Truncate(time.Second), updated: now, activeAt: now.Add(c.cloud.opts.BootDelay), state: "active",
		flavor: b.flavor, image: b.ImageRef, key: b.Key, userData: b.UserData, metadata: b.Metadata, tags: b.Tags,
		reservation: reservation, launchIndex: index, diskConfig: cmp.Or(b.DiskConfig, "MANUAL"),
		configDrive: b.ConfigDrive == true || b.ConfigDrive == "true" || b.ConfigDrive == "True",
		forced:      b.Host,
		accessIPv4:  b.AccessIPv4, accessIPv6: b.AccessIPv6, adminPass: b.AdminPass,
	}
	if b.max > 1 {
		s.name = fmt.Sprintf("%s-%d", *b.Name, index+1)
	}
	if !c.at(19) {
		s.description = s.name
	}
	s.launched = s.activeAt
	s.hostname = cmp.Or(b.Hostname, strings.ToLower(s.name))
	s.adminPass = cmp.Or(s.adminPass, compactID(c.cloud.opts.NewID())[:12])
	for _, g := range b.SecurityGroups {
		s.groups = append(s.groups, g.Name)
	}
	if s.groups == nil {
		s.groups = defaultGroups
	}
	nets := b.nets
	if n.pod.network.misnames(s, nets) {
		s.state, nets = "error", nil
	}
	if err := n.pod.network.plug(c.tok, s, nets); err != nil {
		return nil, err
	}
	n.booted++
	s.number = n.servers.gen.n + n.booted
	for _, a := range b.volumes {
		own := *a
		n.pod.volume.connect(c, s, &own)
	}
	if b.group != nil {
		s.serverGroup = b.group.id
		b.group.members = append(b.group.members, s.id)
	}
	s.record(c, "create")
	n.servers.add(s)
	return s, nil
}
