// Package config is what an operator can set: one typed struct per section of the INI file, read from files, environment
// and flags, checked as a whole, and printed as a sample that is never out of date, as it is made from the same tags.
//
// It opens no connection and starts nothing; of ours it imports only obs.
package config

import (
	"log/slog"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
)

// The roles of a process, as in [DEFAULT] roles. The listening ones have a section of the same name.
const (
	RoleAll      = "all"
	RoleAdminAPI = "admin-api"
	RoleNovaGW   = "nova-gw"
	RoleCinderGW = "cinder-gw"
	RoleNeutron  = "neutron"
	RoleXJob     = "xjob"
)

// Config is the whole configuration. Its fields are the sections; see their tags for names, defaults and meanings.
type Config struct {
	Default  Default  `cfg:"DEFAULT"`
	Database Database `cfg:"database"`
	Keystone Keystone `cfg:"keystone"`
	Ops      Ops      `cfg:"ops"`
	AdminAPI Listener `cfg:"admin-api" defaults:"listen=0.0.0.0:19999"`
	NovaGW   Listener `cfg:"nova-gw" defaults:"listen=0.0.0.0:8774"`
	CinderGW Listener `cfg:"cinder-gw" defaults:"listen=0.0.0.0:8776"`
	Neutron  Listener `cfg:"neutron" defaults:"listen=0.0.0.0:9696"`
	Networks Networks `cfg:"networks"`
	Quotas   Quotas   `cfg:"quotas"`
	Policy   Policy   `cfg:"oslo_policy"`
	Pod      Pod      `cfg:"pod"`
	Routing  Routing  `cfg:"routing"`
	List     List     `cfg:"list"`
	XJob     XJob     `cfg:"xjob"`
	Bus      Bus      `cfg:"bus"`

	origins map[name]string // of what is not a default
	strays  []Problem       // met while loading, for Check
}

// Default is the section [DEFAULT].
type Default struct {
	RegionName   string        `cfg:"region_name" default:"RegionOne" help:"Region of the top: where clients find its endpoints in the catalog of Keystone. The regions of the pods are registered by the Admin API."`
	Roles        []string      `cfg:"roles" default:"all" choices:"all,admin-api,nova-gw,cinder-gw,neutron,xjob" help:"What this process serves. neutron is not part of all: it needs [networks]."`
	LogLevel     slog.Level    `cfg:"log_level" default:"info" choices:"debug,info,warn,error" help:"Least level of the lines that are logged."`
	LogFormat    string        `cfg:"log_format" default:"auto" choices:"auto,json,text" help:"Form of log lines, which go to stderr. auto is text on a terminal, else json."`
	DrainTimeout time.Duration `cfg:"drain_timeout" default:"30s" min:"0s" help:"How long a process that was told to stop lets requests finish."`
	MaxBodySize  int64         `cfg:"max_body_size" default:"114688" min:"0" help:"Largest body of a request, in bytes, like max_request_body_size of [oslo_middleware]. 0 is no limit."`
	ProxyHeaders bool          `cfg:"enable_proxy_headers_parsing" default:"false" help:"Believe X-Forwarded-Proto, -Host and -Prefix when links are made. Only if a proxy in front always sets them; a public_endpoint goes first."`
}

// Database is the section [database].
type Database struct {
	Connection obs.Secret `cfg:"connection" default:"sqlite:///var/lib/tricircle/tricircle.db" secret:"true" help:"sqlite:///absolute/path for one machine, postgres://user:password@host/name for several."`
}

// Keystone is the section [keystone]: the identity service that the top and the pods share.
type Keystone struct {
	AuthURL            URL           `cfg:"auth_url" default:"http://127.0.0.1:5000/v3" help:"Address of Keystone for this process, with /v3."`
	WWWAuthenticateURI URL           `cfg:"www_authenticate_uri" default:"" help:"Address of Keystone for users, told in each 401. If empty it is auth_url."`
	Username           string        `cfg:"username" default:"" help:"Service user, who validates tokens and reads the catalog. Needs the role service or admin."`
	Password           obs.Secret    `cfg:"password" default:"" secret:"true" help:"Password of the service user."`
	ProjectName        string        `cfg:"project_name" default:"service" help:"Project of the service user."`
	UserDomainName     string        `cfg:"user_domain_name" default:"Default" help:"Domain of the service user."`
	ProjectDomainName  string        `cfg:"project_domain_name" default:"Default" help:"Domain of the service user's project."`
	CAFile             string        `cfg:"cafile" default:"" help:"PEM bundle that Keystone's certificate is verified by. The system's if empty."`
	Interface          string        `cfg:"interface" default:"public" choices:"public,internal,admin" help:"Which endpoints of the pods are used out of the catalog."`
	TokenCacheTime     time.Duration `cfg:"token_cache_time" default:"60s" min:"0s" help:"How long a validated token is believed, so for how long at most a revoked one still works."`
	TokenNegativeTime  time.Duration `cfg:"token_negative_cache_time" default:"10s" min:"0s" help:"How long a refused token stays refused without asking again."`
	Timeout            time.Duration `cfg:"timeout" default:"10s" min:"1ms" help:"Deadline of one call to Keystone."`
}

// Ops is the section [ops]: the listener for operators.
type Ops struct {
	Listen Address `cfg:"listen" default:"127.0.0.1:19998" help:"host:port of /healthz, /readyz, /metrics and /debug/pprof, which ask for no token."`
}

// Listener is the section of a role that listens: [admin-api], [nova-gw], [cinder-gw], [neutron].
type Listener struct {
	Listen         Address `cfg:"listen" help:"host:port to listen on."`
	PublicEndpoint URL     `cfg:"public_endpoint" default:"" help:"Address of this API for users, without version: the links in answers begin with it. If empty they begin with the address of the request."`
	CertFile       string  `cfg:"cert_file" default:"" help:"PEM certificate and chain. With key_file, the listener speaks TLS. Read again when it changes."`
	KeyFile        string  `cfg:"key_file" default:"" help:"PEM key of cert_file."`
}

// Networks is the section [networks]: what networks that the top makes are made of. The keys are those of Neutron's ML2.
type Networks struct {
	ProjectTypes []string `cfg:"project_network_types" default:"vlan" help:"Types of the networks that users make without naming one (local, vlan, vxlan), in the order in which they are tried."`
	FlatNetworks []string `cfg:"flat_networks" default:"" help:"Physical networks on which administrators may make flat networks; * is any."`
	VLANRanges   []string `cfg:"network_vlan_ranges" default:"" help:"Physical networks that join the pods, with the VLANs that the top gives out: bridge:2001:3000. Without a range only administrators use it, by naming the VLAN."`
	VNIRanges    []string `cfg:"vni_ranges" default:"" help:"VXLAN ids that the top gives out: 10000:19999. Something must carry VXLAN between the pods."`
	PhysicalMTU  int      `cfg:"global_physnet_mtu" default:"1500" min:"68" help:"MTU of what joins the pods."`
	DNSDomain    string   `cfg:"dns_domain" default:"openstacklocal." help:"Domain of the names of ports. Unless it is changed ports have no names of their own. Give it the dns_domain of the pods' Neutron, which should be one."`
	// BootTimeout is what processes that serve nova-gw and those that serve xjob must agree on.
	BootTimeout time.Duration `cfg:"boot_timeout" default:"10m" min:"1ms" help:"How long a boot may take until its pod has given the server its ports. After that ports that no server has in the pod are freed: their boot was cut off, or the server is gone."`
}

// Quotas is the section [quotas]: how many objects a project may have unless the quota API says otherwise. -1 is no limit. Keys
// and defaults are Neutron's.
type Quotas struct {
	Network           int `cfg:"quota_network" default:"100" min:"-1" help:"Networks of a project."`
	Subnet            int `cfg:"quota_subnet" default:"100" min:"-1" help:"Subnets of a project."`
	SubnetPool        int `cfg:"quota_subnetpool" default:"-1" min:"-1" help:"Subnet pools of a project."`
	Port              int `cfg:"quota_port" default:"500" min:"-1" help:"Ports of a project."`
	Router            int `cfg:"quota_router" default:"10" min:"-1" help:"Routers of a project."`
	FloatingIP        int `cfg:"quota_floatingip" default:"50" min:"-1" help:"Floating IPs of a project."`
	SecurityGroup     int `cfg:"quota_security_group" default:"10" min:"-1" help:"Security groups of a project."`
	SecurityGroupRule int `cfg:"quota_security_group_rule" default:"100" min:"-1" help:"Rules of all security groups of a project."`
	RBACPolicy        int `cfg:"quota_rbac_policy" default:"10" min:"-1" help:"RBAC policies of a project."`
	Trunk             int `cfg:"quota_trunk" default:"-1" min:"-1" help:"Trunks of a project."`
}

// Policy is the section [oslo_policy].
type Policy struct {
	File string `cfg:"policy_file" default:"" help:"YAML file with rules, in oslo.policy's language, that go before Neutron's defaults in the networking API. Read at the start."`
}

// Pod is the section [pod]: how pods are called, the same for all.
type Pod struct {
	Timeout         time.Duration `cfg:"timeout" default:"60s" min:"1ms" help:"Deadline of one call to a pod."`
	ListTimeout     time.Duration `cfg:"list_timeout" default:"40s" min:"1ms" help:"Deadline of a list over all pods. A pod that has not answered by then is missing in it."`
	ConnectTimeout  time.Duration `cfg:"connect_timeout" default:"3s" min:"1ms" help:"Deadline of a connection, and again of TLS."`
	MaxConcurrent   int           `cfg:"max_concurrent" default:"256" min:"1" help:"Calls to one service of a pod at a time. Further ones wait a while and are then answered 503."`
	MaxFanOut       int           `cfg:"max_fan_out" default:"2048" min:"1" help:"Calls to pods at a time by requests that go to all pods, such as lists, all pods together. Further requests wait in order, 45 seconds at most. With max_concurrent it bounds open files and memory."`
	BreakerFailures int           `cfg:"breaker_failures" default:"5" min:"1" help:"Failed calls in a row after which a pod is not called."`
	BreakerDelay    time.Duration `cfg:"breaker_delay" default:"10s" min:"1ms" help:"How long it is not called, before one call tries again."`
	ProbeInterval   time.Duration `cfg:"probe_interval" default:"10s" min:"1ms" help:"Time between two health probes of a pod."`
	ReloadInterval  time.Duration `cfg:"reload_interval" default:"5s" min:"1ms" help:"Time after which a change of pods or of the AZ map is known to all processes."`
	CAFile          string        `cfg:"cafile" default:"" help:"PEM bundle that the pods' certificates are verified by. The system's if empty."`
	Insecure        bool          `cfg:"insecure" default:"false" help:"Do not verify the pods' certificates."`
}

// Routing is the section [routing].
type Routing struct {
	CacheSize int `cfg:"cache_size" default:"200000" min:"1" help:"Routings kept in memory."`
}

// List is the section [list].
type List struct {
	Partial string `cfg:"partial" default:"allow" choices:"allow,fail" help:"When a pod does not answer a list: allow answers with what the others have, fail answers 503."`
}

// XJob is the section [xjob]: jobs, which do what takes longer than a request. Most of it is for the role xjob.
type XJob struct {
	Workers       int           `cfg:"workers" default:"32" min:"1" help:"Jobs that this process runs at a time."`
	PodLimit      int           `cfg:"pod_limit" default:"8" min:"1" help:"Jobs about one pod that this process runs at a time."`
	Lease         time.Duration `cfg:"lease" default:"30s" min:"1s" help:"How long a job whose process has died stays where it is. The clocks of the machines must differ by far less."`
	PollInterval  time.Duration `cfg:"poll_interval" default:"5s" min:"1ms" help:"Time between two looks for jobs that no message has told of."`
	RetryFirst    time.Duration `cfg:"retry_first" default:"1s" min:"1ms" help:"Pause after the first failure of a job. It doubles with each further one."`
	RetryMax      time.Duration `cfg:"retry_max" default:"1m" min:"1ms" help:"Longest pause after a failure."`
	MaxAttempts   int           `cfg:"max_attempts" default:"12" min:"1" help:"Failures after which a job is parked until somebody asks for it again. That a pod or Keystone cannot be reached is none."`
	Timeout       time.Duration `cfg:"timeout" default:"10m" min:"1s" help:"Deadline of one run of a job."`
	AuditInterval time.Duration `cfg:"audit_interval" default:"1h" min:"1ms" help:"Time between two looks at all that is in pods: so long at most a change stands that somebody else makes there."`
	History       time.Duration `cfg:"history" default:"168h" min:"0s" help:"How long jobs are shown after their end."`
}

// Bus is the section [bus]: how processes tell each other that there are jobs.
type Bus struct {
	Driver          string     `cfg:"driver" default:"inproc" choices:"inproc,nats,embedded" help:"inproc is for one process; nats is a client of NATS servers; embedded is a NATS server in each process, which find each other by cluster_peers. Messages only save time: without them jobs begin after [xjob] poll_interval."`
	Servers         obs.Secret `cfg:"servers" default:"" secret:"true" help:"For nats: nats://user:password@host:4222 or tls://..., several separated by commas."`
	CAFile          string     `cfg:"cafile" default:"" help:"For nats: PEM bundle that the servers' certificates are verified by. The system's if empty."`
	ClusterListen   Address    `cfg:"cluster_listen" default:"0.0.0.0:6222" help:"For embedded: host:port for the other processes."`
	ClusterPeers    string     `cfg:"cluster_peers" default:"" help:"For embedded: host:port of some of the other processes, separated by commas; they tell of the rest. It may be the same everywhere."`
	ClusterPassword obs.Secret `cfg:"cluster_password" default:"" secret:"true" help:"For embedded: what the processes know each other by, the same for all."`
}

// Serves tells whether this process has a role. RoleNeutron must be named: it is not part of all.
func (c *Config) Serves(role string) bool {
	return slices.Contains(c.Default.Roles, RoleAll) && role != RoleNeutron || slices.Contains(c.Default.Roles, role)
}
