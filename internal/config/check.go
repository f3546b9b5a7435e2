package config

import (
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Severity tells whether a process should start in spite of a Problem.
type Severity int

// The severities.
const (
	Warning Severity = iota
	Error
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is something that each setting allows by itself, and that is wrong or doubtful nevertheless.
type Problem struct {
	Severity Severity
	Where    string // the setting, "[section] key", or the environment variable
	Text     string
}

func (p Problem) String() string { return p.Severity.String() + ": " + p.Where + ": " + p.Text }

// Check looks at the settings together, and at the files that they name. It talks to nobody.
func (c *Config) Check() []Problem {
	ps := problems(slices.Clone(c.strays))
	c.checkDatabase(&ps)
	c.checkKeystone(&ps)
	c.checkListeners(&ps)
	c.checkPod(&ps)
	c.checkJobs(&ps)
	return ps
}

type problems []Problem

func (ps *problems) add(s Severity, where, text string) { *ps = append(*ps, Problem{s, where, text}) }

func (ps *problems) addUnreadable(where, file string) {
	if file == "" {
		return
	}
	f, err := os.Open(file)
	if err != nil {
		ps.add(Error, where, err.Error())
		return
	}
	_ = f.Close()
}

func (c *Config) checkDatabase(ps *problems) {
	const where = "[database] connection"
	u, err := url.Parse(string(c.Database.Connection))
	switch {
	case err != nil: // the error would repeat the password
		ps.add(Error, where, "is not a URL")
	case u.Scheme == "sqlite":
		if u.Host != "" || u.Path == "" {
			ps.add(Error, where, "sqlite needs an absolute path after three slashes: sqlite:///path")
		}
		if !slices.Contains(c.Default.Roles, RoleAll) {
			ps.add(Warning, where, "[DEFAULT] roles splits the roles, but an SQLite file serves one machine and one "+
				"writer at a time; use PostgreSQL")
		}
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		ps.add(Error, where, "begins with neither sqlite:// nor postgres://")
	}
}

func (c *Config) checkKeystone(ps *problems) {
	k := c.Keystone
	for _, needed := range []struct{ key, value string }{
		{"auth_url", string(k.AuthURL)}, {"username", k.Username}, {"password", string(k.Password)},
		{"project_name", k.ProjectName}, {"user_domain_name", k.UserDomainName}, {"project_domain_name", k.ProjectDomainName},
	} {
		if needed.value == "" {
			ps.add(Error, "[keystone] "+needed.key, "is missing; without the service user no token can be validated")
		}
	}
	if k.AuthURL != "" && !strings.HasSuffix(string(k.AuthURL), "/v3") {
		ps.add(Warning, "[keystone] auth_url", "does not end with /v3, the only version of the API that is spoken")
	}
	ps.addUnreadable("[keystone] cafile", k.CAFile)
}

func (c *Config) checkListeners(ps *problems) {
	taken := map[Address]string{c.Ops.Listen: "[ops]"}
	if host, _, err := net.SplitHostPort(string(c.Ops.Listen)); err == nil && !isLoopback(host) {
		ps.add(Warning, "[ops] listen", "is open to other machines, and /debug/pprof asks for no token; keep others out "+
			"by a firewall")
	}
	for _, l := range []struct {
		role string
		Listener
	}{{RoleAdminAPI, c.AdminAPI}, {RoleNovaGW, c.NovaGW}, {RoleCinderGW, c.CinderGW}, {RoleNeutron, c.Neutron}} {
		if !c.Serves(l.role) {
			continue
		}
		section := "[" + l.role + "]"
		if other, ok := taken[l.Listen]; ok {
			ps.add(Error, section+" listen", "is the address of "+other+" too")
		}
		taken[l.Listen] = section
		if (l.CertFile == "") != (l.KeyFile == "") {
			ps.add(Error, section+" cert_file", "TLS needs both cert_file and key_file")
		}
		ps.addUnreadable(section+" cert_file", l.CertFile)
		ps.addUnreadable(section+" key_file", l.KeyFile)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) checkPod(ps *problems) {
	p := c.Pod
	if p.Insecure {
		ps.add(Warning, "[pod] insecure", "the users' tokens go to whoever answers in a pod's place")
	}
	if p.ConnectTimeout > p.Timeout {
		ps.add(Warning, "[pod] connect_timeout", "is longer than [pod] timeout, which ends the call first")
	}
	if p.ListTimeout > p.Timeout {
		ps.add(Warning, "[pod] list_timeout", "is longer than [pod] timeout, which ends each call first")
	}
	ps.addUnreadable("[pod] cafile", p.CAFile)
}

func (c *Config) checkJobs(ps *problems) {
	b := c.Bus
	switch {
	case b.Driver == "inproc" && !slices.Contains(c.Default.Roles, RoleAll) && !strings.HasPrefix(string(c.Database.Connection), "sqlite:"):
		ps.add(Warning, "[bus] driver", "inproc tells nobody else of jobs, which then begin after [xjob] poll_interval; use nats or embedded")
	case b.Driver == "nats" && b.Servers == "":
		ps.add(Error, "[bus] servers", "is missing; the driver nats needs to know where the servers are")
	case b.Driver == "embedded" && b.ClusterPeers == "":
		ps.add(Warning, "[bus] cluster_peers", "is empty: this process joins no other, unless one of those joins it")
	case b.Driver == "embedded" && b.ClusterPassword == "":
		ps.add(Warning, "[bus] cluster_password", "is empty: whoever reaches cluster_listen may send messages, and so make work, if no harm")
	}
	ps.addUnreadable("[bus] cafile", b.CAFile)
	if c.XJob.RetryFirst > c.XJob.RetryMax {
		ps.add(Warning, "[xjob] retry_first", "is longer than retry_max, which goes before it")
	}
}
