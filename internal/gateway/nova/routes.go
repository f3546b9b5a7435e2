package nova

import (
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// The words of the tables.
const (
	static      = gateway.TopStatic
	byAZ        = gateway.ByAZ
	byID        = gateway.ByID
	byRef       = gateway.ByRef
	merge       = gateway.FanOutMerge
	sum         = gateway.FanOutSum
	owned       = gateway.TopOwned
	admin       = gateway.AdminScopedPod
	proxy       = gateway.DeprecatedProxy
	unsupported = gateway.Unsupported

	server = store.Server
	volume = store.Volume

	aggregate  = store.Aggregate
	hypervisor = store.Hypervisor
	service    = store.Service
)

type (
	refs   = []gateway.Ref
	places = []gateway.Place
)

func ref(t store.ResourceType, path ...string) gateway.Ref { return gateway.Ref{Type: t, Path: path} }

// Places in requests.
var (
	inPath  = gateway.InPath
	inQuery = gateway.InQuery
	inBody  = gateway.InBody
)

func v(minor int) microversion.Version { return microversion.Version{Major: 2, Minor: minor} }

// Roots are the paths outside /v2.1, and that prefix itself, without a token but for the calls below /v2. Here paths are absolute.
var Roots = []gateway.Route{
	{Method: "GET", Path: "/", Class: static, Note: "v2.0 comes first; any other unversioned path: 300 with choices"},
	{Method: "GET", Path: "/v2.1", Class: static, Note: "as /v2.1/, without a redirect"},
	{Method: "*", Path: "/v2/{rest...}", Class: static, Note: "the version document at /v2/; below, Routes as of 2.1, without microversions"},
}

// Routes is every call below /v2.1[/{project_id}].
var Routes = gateway.Rows(current, proxies, dropped)

// current is the API as it is: nova/api/openstack/compute/routes.py up to 2.104. A row without Min is from 2.1 on.
//
// Calls of class owned, about what all pods must agree on, are executed as any-pod until the top owns these things.
var current = map[string]gateway.Route{
	// Versions and extensions.
	"GET    /":                {Class: static, Note: "the version document"},
	"GET    /versions/{id}":   {Class: static},
	"GET    /extensions":      {Class: static, Note: "frozen since 2016, so every pod has the same"},
	"GET    /extensions/{id}": {Class: static},

	// Servers.
	"GET    /servers":        {Class: merge, Hosts: places{inQuery("host"), inQuery("node")}, Note: "rows lack the sort key: pods are asked for the detail"},
	"POST   /servers":        {Class: byAZ, Handler: "boot", Note: "volumes, ports, group, hints, zone and host name the pod, and must agree"},
	"GET    /servers/detail": {Class: merge, Hosts: places{inQuery("host"), inQuery("node")}, Note: "created_at desc, uuid asc; from 2.69 a bare list has minimal rows of pods that are down"},
	"GET    /servers/{id}":   {Class: byID, Type: server, Handler: "server", Note: "links, zone, host names; 503 while the pod is down, from 2.69 too"},
	"PUT    /servers/{id}":   {Class: byID, Type: server, Note: "as GET"},
	"DELETE /servers/{id}":   {Class: byID, Type: server, Handler: "server", Note: "the routing stays, marked, for changes-since and instance actions"},

	// Server actions.
	"POST   /servers/{id}/action confirmResize":       {Class: byID, Type: server},
	"POST   /servers/{id}/action revertResize":        {Class: byID, Type: server},
	"POST   /servers/{id}/action reboot":              {Class: byID, Type: server},
	"POST   /servers/{id}/action resize":              {Class: byID, Type: server, Note: "flavorRef must be in the pod; stays in the pod"},
	"POST   /servers/{id}/action rebuild":             {Class: byID, Type: server, Note: "imageRef and key_name must be in the pod"},
	"POST   /servers/{id}/action createImage":         {Class: byID, Type: server, Note: "an image is born: see Location, from 2.45 image_id"},
	"POST   /servers/{id}/action os-start":            {Class: byID, Type: server},
	"POST   /servers/{id}/action os-stop":             {Class: byID, Type: server},
	"POST   /servers/{id}/action trigger_crash_dump":  {Class: byID, Type: server, Min: v(17)},
	"POST   /servers/{id}/action injectNetworkInfo":   {Class: byID, Type: server},
	"POST   /servers/{id}/action os-resetState":       {Class: byID, Type: server},
	"POST   /servers/{id}/action changePassword":      {Class: byID, Type: server, Note: "adminPass is never logged"},
	"POST   /servers/{id}/action os-getConsoleOutput": {Class: byID, Type: server},
	"POST   /servers/{id}/action createBackup":        {Class: byID, Type: server, Note: "as createImage; rotates the images of the pod only"},
	"POST   /servers/{id}/action restore":             {Class: byID, Type: server, Note: "needs the routing of the deleted server"},
	"POST   /servers/{id}/action forceDelete":         {Class: byID, Type: server, Handler: "server", Note: "as DELETE"},
	"POST   /servers/{id}/action evacuate":            {Class: byID, Type: server, Hosts: places{inBody("evacuate", "host")}, Note: "inside the pod; host unqualified"},
	"POST   /servers/{id}/action addFloatingIp":       {Class: byID, Type: server, Max: v(43), Note: "Neutron's work, in the pod"},
	"POST   /servers/{id}/action removeFloatingIp":    {Class: byID, Type: server, Max: v(43), Note: "Neutron's work, in the pod"},
	"POST   /servers/{id}/action lock":                {Class: byID, Type: server},
	"POST   /servers/{id}/action unlock":              {Class: byID, Type: server},
	"POST   /servers/{id}/action migrate":             {Class: byID, Type: server, Hosts: places{inBody("migrate", "host")}, Note: "inside the pod; host unqualified"},
	"POST   /servers/{id}/action os-migrateLive":      {Class: byID, Type: server, Hosts: places{inBody("os-migrateLive", "host")}, Note: "inside the pod; host unqualified"},
	"POST   /servers/{id}/action addFixedIp":          {Class: byID, Type: server, Max: v(43), Handler: "fixedIP", Note: "addresses of ports of the top are the top's"},
	"POST   /servers/{id}/action removeFixedIp":       {Class: byID, Type: server, Max: v(43), Handler: "fixedIP", Note: "as addFixedIp"},
	"POST   /servers/{id}/action pause":               {Class: byID, Type: server},
	"POST   /servers/{id}/action unpause":             {Class: byID, Type: server},
	"POST   /servers/{id}/action os-getVNCConsole":    {Class: byID, Type: server, Max: v(5), Note: "the URL of the pod's own proxy"},
	"POST   /servers/{id}/action os-getSPICEConsole":  {Class: byID, Type: server, Max: v(5), Note: "the URL of the pod's own proxy"},
	"POST   /servers/{id}/action os-getSerialConsole": {Class: byID, Type: server, Max: v(5), Note: "the URL of the pod's own proxy"},
	"POST   /servers/{id}/action rescue":              {Class: byID, Type: server, Note: "rescue_image_ref must be in the pod"},
	"POST   /servers/{id}/action unrescue":            {Class: byID, Type: server},
	"POST   /servers/{id}/action addSecurityGroup":    {Class: byID, Type: server, Handler: "group", Note: "memberships of ports of the top are the top's; else by name, as ids differ from pod to pod"},
	"POST   /servers/{id}/action removeSecurityGroup": {Class: byID, Type: server, Handler: "group", Note: "as addSecurityGroup"},
	"POST   /servers/{id}/action shelve":              {Class: byID, Type: server, Note: "an image named <server>-shelved is born"},
	"POST   /servers/{id}/action shelveOffload":       {Class: byID, Type: server},
	"POST   /servers/{id}/action unshelve":            {Class: byID, Type: server, Handler: "unshelve", Hosts: places{inBody("unshelve", "host")}, Note: "its zone must be of the same pod"},
	"POST   /servers/{id}/action suspend":             {Class: byID, Type: server},
	"POST   /servers/{id}/action resume":              {Class: byID, Type: server},

	// What belongs to a server.
	"GET    /servers/{server_id}/diagnostics":              {Class: byID, Type: server},
	"GET    /servers/{server_id}/ips":                      {Class: byID, Type: server, Note: "keys are network names"},
	"GET    /servers/{server_id}/ips/{id}":                 {Class: byID, Type: server, Note: "id is a network name"},
	"GET    /servers/{server_id}/metadata":                 {Class: byID, Type: server},
	"POST   /servers/{server_id}/metadata":                 {Class: byID, Type: server},
	"PUT    /servers/{server_id}/metadata":                 {Class: byID, Type: server},
	"GET    /servers/{server_id}/metadata/{id}":            {Class: byID, Type: server},
	"PUT    /servers/{server_id}/metadata/{id}":            {Class: byID, Type: server},
	"DELETE /servers/{server_id}/metadata/{id}":            {Class: byID, Type: server},
	"GET    /servers/{server_id}/os-instance-actions":      {Class: byID, Type: server, Note: "of deleted servers too, from 2.21"},
	"GET    /servers/{server_id}/os-instance-actions/{id}": {Class: byID, Type: server, Note: "id is the pod's request id; host qualified"},
	"GET    /servers/{server_id}/os-server-password":       {Class: byID, Type: server},
	"DELETE /servers/{server_id}/os-server-password":       {Class: byID, Type: server},
	"POST   /servers/{server_id}/remote-consoles":          {Class: byID, Type: server, Min: v(6), Note: "the URL of the pod's own proxy"},
	"GET    /servers/{server_id}/tags":                     {Class: byID, Type: server, Min: v(26)},
	"PUT    /servers/{server_id}/tags":                     {Class: byID, Type: server, Min: v(26)},
	"DELETE /servers/{server_id}/tags":                     {Class: byID, Type: server, Min: v(26)},
	"GET    /servers/{server_id}/tags/{id}":                {Class: byID, Type: server, Min: v(26)},
	"PUT    /servers/{server_id}/tags/{id}":                {Class: byID, Type: server, Min: v(26), Note: "201 with Location, or 204"},
	"DELETE /servers/{server_id}/tags/{id}":                {Class: byID, Type: server, Min: v(26)},
	"GET    /servers/{server_id}/topology":                 {Class: byID, Type: server, Min: v(78)},

	// Network interfaces and security groups of a server.
	"GET    /servers/{server_id}/os-interface":       {Class: byID, Type: server, Handler: "interfaces", Note: "net_id, port_id and subnet_id are the top's, for what is its"},
	"POST   /servers/{server_id}/os-interface":       {Class: byID, Type: server, Handler: "attachNIC", Note: "a port of the top is made, and realized in the pod"},
	"GET    /servers/{server_id}/os-interface/{id}":  {Class: byID, Type: server, Handler: "interfaces", Note: "id is a port's, the top's if it is its"},
	"DELETE /servers/{server_id}/os-interface/{id}":  {Class: byID, Type: server, Handler: "detachNIC", Note: "id is a port's, the top's if it is its"},
	"GET    /servers/{server_id}/os-security-groups": {Class: byID, Type: server, Handler: "serverGroups", Note: "groups and rules are the top's, for ports that are its"},

	// Volumes and shares of a server. They are in its pod.
	"GET    /servers/{server_id}/os-volume_attachments":      {Class: byID, Type: server},
	"POST   /servers/{server_id}/os-volume_attachments":      {Class: byRef, Type: server, Handler: "attach", Note: "server and volume in one pod, else 400"},
	"GET    /servers/{server_id}/os-volume_attachments/{id}": {Class: byID, Type: server, Note: "id is the volume"},
	"PUT    /servers/{server_id}/os-volume_attachments/{id}": {Class: byRef, Type: server, Handler: "attach", Note: "another volumeId is a swap, in one pod"},
	"DELETE /servers/{server_id}/os-volume_attachments/{id}": {Class: byID, Type: server, Note: "id is the volume"},
	"GET    /servers/{server_id}/shares":                     {Class: byID, Type: server, Min: v(97)},
	"POST   /servers/{server_id}/shares":                     {Class: byID, Type: server, Min: v(97), Note: "the share is of the pod's Manila"},
	"GET    /servers/{server_id}/shares/{id}":                {Class: byID, Type: server, Min: v(97)},
	"DELETE /servers/{server_id}/shares/{id}":                {Class: byID, Type: server, Min: v(97)},

	// Migrations of a server. The integer ids are encoded like those of /os-migrations.
	"GET    /servers/{server_id}/migrations":                            {Class: byID, Type: server, Min: v(23), Note: "hosts qualified"},
	"GET    /servers/{server_id}/migrations/{id}":                       {Class: byID, Type: server, Min: v(23), IntegerID: "id"},
	"DELETE /servers/{server_id}/migrations/{id}":                       {Class: byID, Type: server, Min: v(24), IntegerID: "id"},
	"POST   /servers/{server_id}/migrations/{id}/action force_complete": {Class: byID, Type: server, Min: v(22), IntegerID: "id"},

	// The old name of /servers.
	"GET    /os-volumes_boot":                                {Class: merge, Max: v(102), Hosts: places{inQuery("host"), inQuery("node")}, Note: "these are /servers by their old name, up to 2.102"},
	"POST   /os-volumes_boot":                                {Class: byAZ, Max: v(102), Handler: "boot"},
	"GET    /os-volumes_boot/detail":                         {Class: merge, Max: v(102), Hosts: places{inQuery("host"), inQuery("node")}},
	"GET    /os-volumes_boot/{id}":                           {Class: byID, Type: server, Max: v(102)},
	"PUT    /os-volumes_boot/{id}":                           {Class: byID, Type: server, Max: v(102)},
	"DELETE /os-volumes_boot/{id}":                           {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action confirmResize":      {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action revertResize":       {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action reboot":             {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action resize":             {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action rebuild":            {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action createImage":        {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action os-start":           {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action os-stop":            {Class: byID, Type: server, Max: v(102)},
	"POST   /os-volumes_boot/{id}/action trigger_crash_dump": {Class: byID, Type: server, Min: v(17), Max: v(102)},

	// Flavors.
	"GET    /flavors":                                 {Class: owned},
	"POST   /flavors":                                 {Class: owned, Note: "ids come from the client, so one flavor has one id in all pods"},
	"GET    /flavors/detail":                          {Class: owned},
	"GET    /flavors/{id}":                            {Class: owned},
	"PUT    /flavors/{id}":                            {Class: owned, Min: v(55), Note: "only the description"},
	"DELETE /flavors/{id}":                            {Class: owned},
	"POST   /flavors/{id}/action addTenantAccess":     {Class: owned},
	"POST   /flavors/{id}/action removeTenantAccess":  {Class: owned},
	"GET    /flavors/{flavor_id}/os-extra_specs":      {Class: owned},
	"POST   /flavors/{flavor_id}/os-extra_specs":      {Class: owned, Note: "from 2.86 the pod validates known specs"},
	"GET    /flavors/{flavor_id}/os-extra_specs/{id}": {Class: owned},
	"PUT    /flavors/{flavor_id}/os-extra_specs/{id}": {Class: owned},
	"DELETE /flavors/{flavor_id}/os-extra_specs/{id}": {Class: owned},
	"GET    /flavors/{flavor_id}/os-flavor-access":    {Class: owned},

	// Key pairs.
	"GET    /os-keypairs":      {Class: owned},
	"POST   /os-keypairs":      {Class: owned, Note: "without public_key (below 2.92) a private key is made, once, never per pod"},
	"GET    /os-keypairs/{id}": {Class: owned, Note: "id is the name"},
	"DELETE /os-keypairs/{id}": {Class: owned},

	// Server groups.
	"GET    /os-server-groups":      {Class: owned, Note: "members are those of all pods"},
	"POST   /os-server-groups":      {Class: owned, Note: "one group here, one per pod on first use"},
	"GET    /os-server-groups/{id}": {Class: owned},
	"DELETE /os-server-groups/{id}": {Class: owned},

	// Availability zones.
	"GET    /os-availability-zone":        {Class: merge, Handler: "zones", Note: "the zone map; available if any pod says so"},
	"GET    /os-availability-zone/detail": {Class: admin, Handler: "zones", Note: "hosts qualified"},

	// Limits, quotas and usage.
	"GET    /limits":                           {Class: sum, Note: "limits are those of one pod, until the top owns quotas"},
	"GET    /os-instance_usage_audit_log":      {Class: sum},
	"GET    /os-instance_usage_audit_log/{id}": {Class: sum, Note: "id is a quoted time stamp"},
	"GET    /os-quota-class-sets/{id}":         {Class: owned},
	"PUT    /os-quota-class-sets/{id}":         {Class: owned},
	"GET    /os-quota-sets/{id}":               {Class: owned},
	"PUT    /os-quota-sets/{id}":               {Class: owned, Note: "without force not below the usage of all pods"},
	"DELETE /os-quota-sets/{id}":               {Class: owned},
	"GET    /os-quota-sets/{id}/detail":        {Class: sum, Note: "limits are those of one pod, until the top owns quotas"},
	"GET    /os-quota-sets/{id}/defaults":      {Class: owned},
	"GET    /os-simple-tenant-usage":           {Class: sum, Handler: "usage", Note: "pods in fixed order; 503 when one is down: it is for bills"},
	"GET    /os-simple-tenant-usage/{id}":      {Class: sum, Handler: "usage"},

	// Aggregates, for administrators. Ids say the pod, hosts are qualified by it.
	"GET    /os-aggregates":                          {Class: admin, Note: "integer ids encoded, hosts qualified"},
	"POST   /os-aggregates":                          {Class: admin, Zones: places{inBody("aggregate", "availability_zone")}, Note: "the pod by availability_zone; without, or with a new one, that of the project"},
	"GET    /os-aggregates/{id}":                     {Class: admin, Type: aggregate, IntegerID: "id"},
	"PUT    /os-aggregates/{id}":                     {Class: admin, Type: aggregate, IntegerID: "id", Zones: places{inBody("aggregate", "availability_zone")}, Note: "availability_zone may not be another pod's"},
	"DELETE /os-aggregates/{id}":                     {Class: admin, Type: aggregate, IntegerID: "id"},
	"POST   /os-aggregates/{id}/action add_host":     {Class: admin, Type: aggregate, IntegerID: "id", Hosts: places{inBody("add_host", "host")}},
	"POST   /os-aggregates/{id}/action remove_host":  {Class: admin, Type: aggregate, IntegerID: "id", Hosts: places{inBody("remove_host", "host")}},
	"POST   /os-aggregates/{id}/action set_metadata": {Class: admin, Type: aggregate, IntegerID: "id", Zones: places{inBody("set_metadata", "metadata", "availability_zone")}, Note: "availability_zone as in PUT"},
	"POST   /os-aggregates/{id}/images":              {Class: admin, Min: v(81), Type: aggregate, IntegerID: "id", Note: "images must be in the pod"},

	// Hosts, hypervisors, services and migrations, for administrators. Names of hosts are qualified by the pod.
	"GET    /os-hosts":                    {Class: admin, Max: v(42), Zones: places{inQuery("zone")}},
	"GET    /os-hosts/{id}":               {Class: admin, Max: v(42), Hosts: places{inPath("id")}},
	"PUT    /os-hosts/{id}":               {Class: admin, Max: v(42), Hosts: places{inPath("id")}},
	"GET    /os-hosts/{id}/reboot":        {Class: admin, Max: v(42), Hosts: places{inPath("id")}, Note: "a GET with effects: never repeated"},
	"GET    /os-hosts/{id}/shutdown":      {Class: admin, Max: v(42), Hosts: places{inPath("id")}, Note: "a GET with effects: never repeated"},
	"GET    /os-hosts/{id}/startup":       {Class: admin, Max: v(42), Hosts: places{inPath("id")}, Note: "a GET with effects: never repeated"},
	"GET    /os-hypervisors":              {Class: admin, Hosts: places{inQuery("hypervisor_hostname_pattern")}, Note: "id asc in a pod, pods in order; ids are integers below 2.53"},
	"GET    /os-hypervisors/detail":       {Class: admin, Hosts: places{inQuery("hypervisor_hostname_pattern")}},
	"GET    /os-hypervisors/statistics":   {Class: sum, Max: v(87), Note: "every counter is a sum"},
	"GET    /os-hypervisors/{id}":         {Class: admin, Type: hypervisor, IntegerID: "id"},
	"GET    /os-hypervisors/{id}/search":  {Class: admin, Max: v(52), Hosts: places{inPath("id")}, Note: "id is a pattern: all pods; 404 when none matches"},
	"GET    /os-hypervisors/{id}/servers": {Class: admin, Max: v(52), Hosts: places{inPath("id")}, Note: "id is a pattern: all pods"},
	"GET    /os-hypervisors/{id}/uptime":  {Class: admin, Max: v(87), Type: hypervisor, IntegerID: "id"},
	"GET    /os-migrations":               {Class: admin, Hosts: places{inQuery("host"), inQuery("source_compute")}, Note: "created_at desc, id desc from 2.59; integer ids encoded"},
	"GET    /os-services":                 {Class: admin, Hosts: places{inQuery("host")}, Note: "not paged; zones and hosts; from 2.69 a down pod shows its computes as UNKNOWN"},
	"PUT    /os-services/{id}":            {Class: admin, Type: service, Hosts: places{inBody("host")}, Note: "below 2.53 id is an action and the body names the host"},
	"DELETE /os-services/{id}":            {Class: admin, Type: service, IntegerID: "id"},

	// Calls of other services.
	"POST   /os-assisted-volume-snapshots":      {Class: byRef, Handler: "assisted", Note: "called by Cinder's file drivers; the volume names the pod"},
	"DELETE /os-assisted-volume-snapshots/{id}": {Class: byRef, Handler: "assisted", Note: "the volume is in the query, in delete_info"},
	"GET    /os-console-auth-tokens/{id}":       {Class: merge, Handler: "first", Note: "nobody knows whose it is: the first pod that does"},
	"POST   /os-server-external-events":         {Class: byRef, Handler: "externalEvents", Note: "split by server_uuid, put together in order"},
}
