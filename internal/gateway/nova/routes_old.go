package nova

import (
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/store"
)

const snapshot = store.Snapshot

// proxies are the calls that Nova passes to other services for clients below 2.36 or 2.39. Volumes and snapshots are where they are;
// networks and security groups are the top's if it has a networking service; the rest is as in any pod until the top owns it.
var proxies = map[string]gateway.Route{
	// Images.
	"GET    /images":                          {Class: proxy, Max: v(35), Note: "Glance, as it was before 2.36"},
	"GET    /images/detail":                   {Class: proxy, Max: v(35)},
	"GET    /images/{id}":                     {Class: proxy, Max: v(35)},
	"DELETE /images/{id}":                     {Class: proxy, Max: v(35)},
	"GET    /images/{image_id}/metadata":      {Class: proxy, Max: v(38)},
	"POST   /images/{image_id}/metadata":      {Class: proxy, Max: v(38)},
	"PUT    /images/{image_id}/metadata":      {Class: proxy, Max: v(38)},
	"GET    /images/{image_id}/metadata/{id}": {Class: proxy, Max: v(38)},
	"PUT    /images/{image_id}/metadata/{id}": {Class: proxy, Max: v(38)},
	"DELETE /images/{image_id}/metadata/{id}": {Class: proxy, Max: v(38)},

	// Networks, addresses and security groups.
	"GET    /os-floating-ip-pools":         {Class: proxy, Max: v(35), Note: "Neutron, as it was before 2.36"},
	"GET    /os-floating-ips":              {Class: proxy, Max: v(35)},
	"POST   /os-floating-ips":              {Class: proxy, Max: v(35)},
	"GET    /os-floating-ips/{id}":         {Class: proxy, Max: v(35)},
	"DELETE /os-floating-ips/{id}":         {Class: proxy, Max: v(35)},
	"GET    /os-networks":                  {Class: proxy, Handler: "networks", Max: v(35), Note: "the top's, if it has the role neutron; security groups, too"},
	"GET    /os-networks/{id}":             {Class: proxy, Handler: "network", Max: v(35)},
	"POST   /os-security-group-rules":      {Class: proxy, Handler: "createRule", Max: v(35)},
	"DELETE /os-security-group-rules/{id}": {Class: proxy, Handler: "deleteRule", Max: v(35)},
	"GET    /os-security-groups":           {Class: proxy, Handler: "groups", Max: v(35)},
	"POST   /os-security-groups":           {Class: proxy, Handler: "createGroup", Max: v(35)},
	"GET    /os-security-groups/{id}":      {Class: proxy, Handler: "groupByID", Max: v(35)},
	"PUT    /os-security-groups/{id}":      {Class: proxy, Handler: "updateGroup", Max: v(35)},
	"DELETE /os-security-groups/{id}":      {Class: proxy, Handler: "deleteGroup", Max: v(35)},
	"GET    /os-tenant-networks":           {Class: proxy, Handler: "projectNetworks", Max: v(35)},
	"GET    /os-tenant-networks/{id}":      {Class: proxy, Handler: "projectNetwork", Max: v(35)},

	// Volumes and snapshots.
	"GET    /os-snapshots":        {Class: proxy, Max: v(35)},
	"POST   /os-snapshots":        {Class: proxy, Refs: refs{ref(volume, "snapshot", "volume_id")}, Max: v(35)},
	"GET    /os-snapshots/detail": {Class: proxy, Max: v(35)},
	"GET    /os-snapshots/{id}":   {Class: proxy, Type: snapshot, Max: v(35)},
	"DELETE /os-snapshots/{id}":   {Class: proxy, Type: snapshot, Max: v(35)},
	"GET    /os-volumes":          {Class: proxy, Max: v(35), Note: "Cinder, as it was before 2.36"},
	"POST   /os-volumes":          {Class: proxy, Handler: "createVolume", Max: v(35), Note: "the pod by snapshot_id or availability_zone"},
	"GET    /os-volumes/detail":   {Class: proxy, Max: v(35)},
	"GET    /os-volumes/{id}":     {Class: proxy, Type: volume, Max: v(35)},
	"DELETE /os-volumes/{id}":     {Class: proxy, Type: volume, Max: v(35)},

	// Bare metal.
	"GET    /os-baremetal-nodes":                              {Class: proxy, Max: v(35), Note: "Ironic, as it was before 2.36; writes are 400 always"},
	"POST   /os-baremetal-nodes":                              {Class: proxy, Max: v(35)},
	"GET    /os-baremetal-nodes/{id}":                         {Class: proxy, Max: v(35)},
	"DELETE /os-baremetal-nodes/{id}":                         {Class: proxy, Max: v(35)},
	"POST   /os-baremetal-nodes/{id}/action add_interface":    {Class: proxy, Max: v(35)},
	"POST   /os-baremetal-nodes/{id}/action remove_interface": {Class: proxy, Max: v(35)},
}

// dropped are the calls that Nova still routes, to say that they are gone: 410 Gone, but where a note says otherwise.
var dropped = map[string]gateway.Route{
	// Actions and parts of servers.
	"POST   /servers/{id}/action resetNetwork":          {Class: unsupported, Removed: "23.0.0"},
	"POST   /servers/{id}/action os-getRDPConsole":      {Class: unsupported, Removed: "29.0.0", Note: "Nova: 400 up to 2.5, 404 from 2.6"},
	"GET    /servers/{server_id}/consoles":              {Class: unsupported, Removed: "21.0.0"},
	"POST   /servers/{server_id}/consoles":              {Class: unsupported, Removed: "21.0.0"},
	"GET    /servers/{server_id}/consoles/{id}":         {Class: unsupported, Removed: "21.0.0"},
	"DELETE /servers/{server_id}/consoles/{id}":         {Class: unsupported, Removed: "21.0.0"},
	"GET    /servers/{server_id}/os-virtual-interfaces": {Class: unsupported, Removed: "18.0.0"},

	// Cells and agents.
	"GET    /os-agents":                {Class: unsupported, Removed: "22.0.0"},
	"POST   /os-agents":                {Class: unsupported, Removed: "22.0.0"},
	"PUT    /os-agents/{id}":           {Class: unsupported, Removed: "22.0.0"},
	"DELETE /os-agents/{id}":           {Class: unsupported, Removed: "22.0.0"},
	"POST   /os-cells":                 {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells":                 {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells/capacities":      {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells/detail":          {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells/info":            {Class: unsupported, Removed: "20.0.0"},
	"POST   /os-cells/sync_instances":  {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells/{id}":            {Class: unsupported, Removed: "20.0.0"},
	"PUT    /os-cells/{id}":            {Class: unsupported, Removed: "20.0.0"},
	"DELETE /os-cells/{id}":            {Class: unsupported, Removed: "20.0.0"},
	"GET    /os-cells/{id}/capacities": {Class: unsupported, Removed: "20.0.0"},

	// Certificates and VPNs.
	"POST   /os-certificates":      {Class: unsupported, Removed: "16.0.0"},
	"GET    /os-certificates/{id}": {Class: unsupported, Removed: "16.0.0"},
	"GET    /os-cloudpipe":         {Class: unsupported, Removed: "16.0.0"},
	"POST   /os-cloudpipe":         {Class: unsupported, Removed: "16.0.0"},
	"PUT    /os-cloudpipe/{id}":    {Class: unsupported, Removed: "16.0.0"},

	// Networking by nova-network.
	"GET    /os-fixed-ips/{id}":                            {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-fixed-ips/{id}/action reserve":             {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-fixed-ips/{id}/action unreserve":           {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-floating-ip-dns":                           {Class: unsupported, Removed: "18.0.0"},
	"PUT    /os-floating-ip-dns/{id}":                      {Class: unsupported, Removed: "18.0.0"},
	"DELETE /os-floating-ip-dns/{id}":                      {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-floating-ip-dns/{domain_id}/entries/{id}":  {Class: unsupported, Removed: "18.0.0"},
	"PUT    /os-floating-ip-dns/{domain_id}/entries/{id}":  {Class: unsupported, Removed: "18.0.0"},
	"DELETE /os-floating-ip-dns/{domain_id}/entries/{id}":  {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-floating-ips-bulk":                         {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-floating-ips-bulk":                         {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-floating-ips-bulk/{id}":                    {Class: unsupported, Removed: "18.0.0"},
	"PUT    /os-floating-ips-bulk/{id}":                    {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-fping":                                     {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-fping/{id}":                                {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-networks":                                  {Class: unsupported, Removed: "21.0.0"},
	"POST   /os-networks/add":                              {Class: unsupported, Removed: "21.0.0"},
	"DELETE /os-networks/{id}":                             {Class: unsupported, Removed: "21.0.0"},
	"POST   /os-networks/{id}/action disassociate":         {Class: unsupported, Removed: "21.0.0"},
	"POST   /os-networks/{id}/action disassociate_host":    {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-networks/{id}/action disassociate_project": {Class: unsupported, Removed: "18.0.0"},
	"POST   /os-networks/{id}/action associate_host":       {Class: unsupported, Removed: "18.0.0"},
	"GET    /os-security-group-default-rules":              {Class: unsupported, Removed: "21.0.0"},
	"POST   /os-security-group-default-rules":              {Class: unsupported, Removed: "21.0.0"},
	"GET    /os-security-group-default-rules/{id}":         {Class: unsupported, Removed: "21.0.0"},
	"DELETE /os-security-group-default-rules/{id}":         {Class: unsupported, Removed: "21.0.0"},
	"POST   /os-tenant-networks":                           {Class: unsupported, Removed: "21.0.0"},
	"DELETE /os-tenant-networks/{id}":                      {Class: unsupported, Removed: "21.0.0"},
}
