package simcloud

import (
	"crypto/ed25519"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// What Nova has beside servers and flavors: key pairs, server groups, zones, limits, quotas, services.

type keypair struct {
	user, name, kind, publicKey, privateKey, fingerprint string
	created                                              time.Time
}

func (n *compute) keypair(user, name string) *keypair {
	return first(n.keypairs, func(k *keypair) bool { return k.user == user && k.name == name })
}

func (k *keypair) render(c *call) {
	c.body.str("name", k.name)
	c.body.str("public_key", k.publicKey)
	c.body.str("fingerprint", k.fingerprint)
	if c.at(2) {
		c.body.str("type", k.kind)
	}
}

func (n *compute) listKeypairs(c *call) error {
	c.body.obj()
	c.body.arr("keypairs")
	for _, k := range n.keypairs {
		if k.user != c.tok.user.id {
			continue
		}
		c.body.obj()
		c.body.obj("keypair")
		k.render(c)
		c.body.endObj()
		c.body.endObj()
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

// createKeypair answers 200 and the private key it made; with a public key given, 201 from 2.2.
func (n *compute) createKeypair(c *call) error {
	var b struct {
		Name, Type string
		PublicKey  string `json:"public_key"`
	}
	if err := c.decodeIn("keypair", &b); err != nil {
		return err
	}
	if b.Name == "" {
		return tooShort("name")
	}
	if n.keypair(c.tok.user.id, b.Name) != nil {
		return fault.Conflict("Key pair '%s' already exists.", b.Name)
	}
	k := &keypair{
		user: c.tok.user.id, name: b.Name, kind: "ssh", publicKey: b.PublicKey, created: c.cloud.opts.Now().UTC(),
	}
	if b.Type != "" {
		k.kind = b.Type
	}
	if k.publicKey == "" {
		k.generate(c.cloud.opts.NewID())
	}
	fields := strings.Fields(k.publicKey)
	if len(fields) < 2 {
		return fault.BadRequest("Keypair data is invalid: failed to generate fingerprint")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return fault.BadRequest("Keypair data is invalid: failed to generate fingerprint")
	}
	k.fingerprint = fingerprint(raw)
	n.keypairs = append(n.keypairs, k)
	if c.at(2) {
		c.status = http.StatusCreated
	}
	c.body.obj()
	c.body.obj("keypair")
	if k.privateKey != "" {
		c.body.str("private_key", k.privateKey)
	}
	k.render(c)
	c.body.str("user_id", k.user)
	c.body.endObj()
	c.body.endObj()
	return nil
}

// generate makes a key from a seed. It protects nothing: there is no machine to log in to.
func (k *keypair) generate(seed string) {
	private := ed25519.NewKeyFromSeed([]byte(compactID(seed)))
	public := private.Public().(ed25519.PublicKey)
	blob := binary.BigEndian.AppendUint32(nil, 11)
	blob = append(blob, "ssh-ed25519"...)
	blob = binary.BigEndian.AppendUint32(blob, uint32(len(public)))
	blob = append(blob, public...)
	k.publicKey = "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob) + " Generated-by-Nova"
	k.privateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private.Seed()}))
}

func fingerprint(raw []byte) string {
	const hexDigits = "0123456789abcdef"
	sum := md5.Sum(raw)
	out := make([]byte, 0, 3*len(sum))
	for _, b := range sum {
		out = append(out, hexDigits[b>>4], hexDigits[b&15], ':')
	}
	return string(out[:len(out)-1])
}

func (n *compute) ownKeypair(c *call) (*keypair, error) {
	k := n.keypair(c.tok.user.id, c.arg[0])
	if k == nil {
		return nil, fault.NotFound("Keypair %s not found for user %s", c.arg[0], c.tok.user.id)
	}
	return k, nil
}

func (n *compute) showKeypair(c *call) error {
	k, err := n.ownKeypair(c)
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.obj("keypair")
	k.render(c)
	c.body.str("user_id", k.user)
	c.body.time("created_at", k.created, micro)
	c.body.yes("deleted", false)
	c.body.null("deleted_at")
	c.body.num("id", 1+slices.Index(n.keypairs, k))
	c.body.null("updated_at")
	c.body.endObj()
	c.body.endObj()
	return nil
}

func (n *compute) deleteKeypair(c *call) error {
	k, err := n.ownKeypair(c)
	if err != nil {
		return err
	}
	n.keypairs = slices.DeleteFunc(n.keypairs, func(x *keypair) bool { return x == k })
	c.status = http.StatusAccepted
	if c.at(2) {
		c.status = http.StatusNoContent
	}
	return nil
}

type serverGroup struct {
	id, name, project, user, policy string
	members                         []string
}

func (n *compute) group(id string) *serverGroup {
	return first(n.groups, func(g *serverGroup) bool { return g.id == id })
}

// renderGroup: "policies" became "policy" in 2.64.
func renderGroup(c *call, g *serverGroup) {
	d := c.body
	d.obj()
	d.str("id", g.id)
	d.str("name", g.name)
	if c.at(64) {
		d.str("policy", g.policy)
		d.raw("rules", "{}")
	} else {
		d.strs("policies", []string{g.policy})
		d.raw("metadata", "{}")
	}
	d.strs("members", g.members)
	if c.at(13) {
		d.str("project_id", g.project)
		d.str("user_id", g.user)
	}
	d.endObj()
}

func (n *compute) listGroups(c *call) error {
	c.body.obj()
	c.body.arr("server_groups")
	for _, g := range n.groups {
		if g.project == c.tok.projectID() || c.tok.admin() && c.isTrue("all_projects") {
			renderGroup(c, g)
		}
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (n *compute) createGroup(c *call) error {
	var b struct {
		Name, Policy string
		Policies     []string
	}
	if err := c.decodeIn("server_group", &b); err != nil {
		return err
	}
	if b.Policy == "" && len(b.Policies) == 1 && !c.at(64) {
		b.Policy = b.Policies[0]
	}
	if !slices.Contains([]string{"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}, b.Policy) {
		return fault.BadRequest("Invalid input for field/attribute policy. Value: %s.", b.Policy)
	}
	g := &serverGroup{c.cloud.opts.NewID(), b.Name, c.tok.projectID(), c.tok.user.id, b.Policy, nil}
	n.groups = append(n.groups, g)
	return member(c, "server_group", g, renderGroup)
}

func (n *compute) ownGroup(c *call) (*serverGroup, error) {
	g := n.group(c.arg[0])
	if g == nil || g.project != c.tok.projectID() && !c.tok.admin() {
		return nil, fault.NotFound("Instance group %s could not be found.", c.arg[0])
	}
	return g, nil
}

func (n *compute) showGroup(c *call) error {
	g, err := n.ownGroup(c)
	if err != nil {
		return err
	}
	return member(c, "server_group", g, renderGroup)
}

func (n *compute) deleteGroup(c *call) error {
	g, err := n.ownGroup(c)
	if err != nil {
		return err
	}
	n.groups = slices.DeleteFunc(n.groups, func(x *serverGroup) bool { return x == g })
	c.status = http.StatusNoContent
	return nil
}

// listZones: with /detail, which is for administrators, also the hosts.
func (n *compute) listZones(c *call) error {
	detail := strings.HasSuffix(c.r.URL.Path, "/detail")
	if detail {
		if err := c.policy("os_compute_api:os-availability-zone:detail"); err != nil {
			return err
		}
	}
	now := c.cloud.opts.Now().UTC().Format(micro)
	zone := func(name string, binary string, hosts ...string) map[string]any {
		z := map[string]any{"zoneName": name, "zoneState": map[string]bool{"available": true}, "hosts": nil}
		if detail {
			all := map[string]any{}
			for _, h := range hosts {
				all[h] = map[string]any{binary: map[string]any{"available": true, "active": true, "updated_at": now}}
			}
			z["hosts"] = all
		}
		return z
	}
	zones := []any{zone(n.pod.Zone, "nova-compute", n.hosts...)}
	if detail {
		zones = append(zones, zone("internal", "nova-scheduler", n.pod.Region))
	}
	c.body.obj()
	c.body.value("availabilityZoneInfo", zones)
	c.body.endObj()
	return nil
}

func (n *compute) listExtensions(c *call) error {
	*c.body = append(*c.body, `{"extensions": []}`...)
	return nil
}

// quota is one resource of Nova's quotas. Some are not shown any more from a microversion on.
type quota struct {
	name, limitName string
	limit, gone     int
	used            func(usage) int
	usedName        string
}

var novaQuotas = []quota{
	{"cores", "maxTotalCores", 200, 0, func(u usage) int { return u.cores }, "totalCoresUsed"},
	{"fixed_ips", "", -1, 36, nil, ""},
	{"floating_ips", "maxTotalFloatingIps", -1, 36, func(usage) int { return 0 }, "totalFloatingIpsUsed"},
	{"injected_file_content_bytes", "maxPersonalitySize", 10240, 57, nil, ""},
	{"injected_file_path_bytes", "", 255, 57, nil, ""},
	{"injected_files", "maxPersonality", 5, 57, nil, ""},
	{"instances", "maxTotalInstances", 100, 0, func(u usage) int { return u.servers }, "totalInstancesUsed"},
	{"key_pairs", "maxTotalKeypairs", 100, 0, nil, ""},
	{"metadata_items", "maxServerMeta", 128, 0, nil, ""},
	{"ram", "maxTotalRAMSize", 512000, 0, func(u usage) int { return u.ram }, "totalRAMUsed"},
	{"security_group_rules", "maxSecurityGroupRules", -1, 36, nil, ""},
	{"security_groups", "maxSecurityGroups", -1, 36, func(usage) int { return 0 }, "totalSecurityGroupsUsed"},
	{"server_group_members", "maxServerGroupMembers", 10, 0, nil, ""},
	{"server_groups", "maxServerGroups", 10, 0, func(u usage) int { return u.groups }, "totalServerGroupsUsed"},
}

type usage struct{ servers, cores, ram, groups int }

// usage counts what a project has. Untouched generated servers all have the first flavor and need not be looked at.
func (n *compute) usage(project string) usage {
	var u usage
	add := func(f *flavor, times int) {
		u.servers += times
		u.cores += times * f.VCPUs
		u.ram += times * f.RAM
	}
	if project == stableDemoProject && n.servers.gen.n > 0 {
		add(n.tiny, n.servers.gen.n-len(n.servers.touched))
	}
	for _, s := range n.servers.byID {
		if s.project == project && !s.isDeleted() {
			add(s.flavor, 1)
		}
	}
	for _, g := range n.groups {
		if g.project == project {
			u.groups++
		}
	}
	return u
}

func (n *compute) showLimits(c *call) error {
	u := n.usage(c.tok.projectID())
	absolute := map[string]int{}
	for _, q := range novaQuotas {
		if q.gone != 0 && c.at(q.gone) {
			continue
		}
		if q.limitName != "" {
			absolute[q.limitName] = q.limit
		}
		if q.used != nil {
			absolute[q.usedName] = q.used(u)
		}
	}
	if !c.at(39) {
		absolute["maxImageMeta"] = 128
	}
	c.body.obj()
	c.body.value("limits", map[string]any{"rate": []string{}, "absolute": absolute})
	c.body.endObj()
	return nil
}

func (n *compute) showQuota(c *call) error {
	project := c.arg[0]
	if project != c.tok.projectID() && !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
	}
	detail := strings.HasSuffix(c.r.URL.Path, "/detail")
	u := n.usage(project)
	d := c.body
	d.obj()
	d.obj("quota_set")
	d.str("id", project)
	for _, q := range novaQuotas {
		if q.gone != 0 && c.at(q.gone) {
			continue
		}
		if !detail {
			d.num(q.name, q.limit)
			continue
		}
		used := 0
		if q.used != nil {
			used = q.used(u)
		}
		d.value(q.name, map[string]int{"limit": q.limit, "in_use": used, "reserved": 0})
	}
	d.endObj()
	d.endObj()
	return nil
}
