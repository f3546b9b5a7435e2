package store

// ResourceType says what kind of thing a routing is about. The numbers are stored: append only, never reuse.
type ResourceType int16

// The resource types that have routings.
const (
	Server        ResourceType = 1
	Volume        ResourceType = 2
	Snapshot      ResourceType = 3
	Backup        ResourceType = 4
	Attachment    ResourceType = 5
	Group         ResourceType = 6
	GroupSnapshot ResourceType = 7
	Transfer      ResourceType = 8
	Message       ResourceType = 9
	Image         ResourceType = 10
	Network       ResourceType = 11
	Subnet        ResourceType = 12
	Port          ResourceType = 13
	Router        ResourceType = 14
	SecurityGroup ResourceType = 15
	ServerGroup   ResourceType = 16
	Aggregate     ResourceType = 17
	Hypervisor    ResourceType = 18
	Service       ResourceType = 19 // of Nova: nova-compute on one host
	Migration     ResourceType = 20
)

var resourceTypeNames = map[ResourceType]string{
	Server: "server", Volume: "volume", Snapshot: "snapshot", Backup: "backup", Attachment: "attachment",
	Group: "group", GroupSnapshot: "group_snapshot", Transfer: "transfer", Message: "message", Image: "image",
	Network: "network", Subnet: "subnet", Port: "port", Router: "router", SecurityGroup: "security_group",
	ServerGroup: "server_group", Aggregate: "aggregate", Hypervisor: "hypervisor", Service: "service", Migration: "migration",
}

var resourceTypes = func() map[string]ResourceType {
	m := make(map[string]ResourceType, len(resourceTypeNames))
	for t, name := range resourceTypeNames {
		m[name] = t
	}
	return m
}()

// String returns the name that the Admin API uses, such as "server" or "security_group".
func (t ResourceType) String() string { return resourceTypeNames[t] }

// ParseResourceType is the inverse of String.
func ParseResourceType(name string) (ResourceType, bool) {
	t, ok := resourceTypes[name]
	return t, ok
}
