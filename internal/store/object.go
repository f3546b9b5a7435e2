package store

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// ErrStale is returned (possibly wrapped) by an update of an object that has changed since it was read.
var ErrStale = errors.New("changed meanwhile")

// InUseError is returned when something cannot be deleted because another thing refers to it.
type InUseError struct {
	Kind ObjectKind
	ID   string
}

func (e *InUseError) Error() string {
	return string(e.Kind) + " " + e.ID + " is in use: delete what refers to it first"
}

// ObjectKind says what kind of thing of the networking API an object is. The values are stored.
type ObjectKind string

// The kinds of objects that the top owns.
const (
	KindNetwork           ObjectKind = "network"
	KindSubnet            ObjectKind = "subnet"
	KindPort              ObjectKind = "port"
	KindSubnetPool        ObjectKind = "subnetpool"
	KindAddressScope      ObjectKind = "address_scope"
	KindAddressGroup      ObjectKind = "address_group"
	KindSecurityGroup     ObjectKind = "security_group"
	KindSecurityGroupRule ObjectKind = "security_group_rule"
	KindDefaultRule       ObjectKind = "default_security_group_rule" // of no project: what rules of new groups are made from
	KindRBACPolicy        ObjectKind = "rbac_policy"
	KindTrunk             ObjectKind = "trunk"
	KindQuota             ObjectKind = "quota" // one object per project that has limits of its own
)

// Object is one thing that the top owns: a network, a port, a quota.
//
// Attrs are the attributes by the names of the API ("admin_state_up", "provider:network_type", "fixed_ips"), without those
// that are fields here: id, project_id, revision_number, created_at, updated_at. Values are those of JSON: nil, bool, string,
// int64, float64, []any, map[string]any. Whole numbers come back as int64 to the last digit; any integer type may be put in.
//
// Some attributes are also kept where filters and constraints find them, by Insert and Update: "name" of all kinds; "tags"
// ([]any of strings) of all kinds; "security_groups" (ids), "network_id", "device_id", "device_owner" and "mac_address" of
// ports; "network_id" and "subnetpool_id" of subnets; "address_scope_id" of subnet pools; "router:external" of networks;
// "security_group_id", "remote_group_id" and "remote_address_group_id" of rules; "port_id" of trunks; "object_type", "object_id", "action" and
// "target_project" of RBAC policies. Addresses of ports are claimed one by one: see Tx.ClaimAddress.
type Object struct {
	Kind      ObjectKind
	ID        string // UUID in canonical form
	ProjectID string // Keystone project id; "" for what belongs to no project
	Revision  int64  // revision_number
	CreatedAt time.Time
	UpdatedAt time.Time
	Attrs     map[string]any
}

// InOnePod tells of a network whether it can be in one pod only: an overlay of a pod's own, or what leads out of one.
func (o *Object) InOnePod() bool {
	return o.Attrs["provider:network_type"] == "local" || o.Attrs["router:external"] == true
}

// Attributes of ports that tell of trunks. The API has them the other way round, as attributes of trunks; here they make sure that a port
// is in one trunk only, and cost those nothing who have none.
const (
	AttrTrunk     = "trunk_id"   // the id of the trunk of which a port is the parent
	AttrSubportOf = "subport_of" // the id of the trunk of which it is a subport
)

// AttrNamed is the attribute of a port that says by which change a user has set its dns_name last: another id each time, and none if nobody
// has. The pod of the port gets the name once, for its Nova writes there, too.
const AttrNamed = "named_by"

// Op says how a filter compares.
type Op int

// The ways to compare. All but Equal and NotEqual are for strings; AtLeast is for times and numbers too.
const (
	Equal     Op = iota // to one of the values
	NotEqual            // to all of the values; what has no value is not equal to any
	Contains            // one of the values as a part
	HasPrefix           // one of the values
	AtLeast             // one of the values, or more
)

// Filter is a condition on one attribute. Values are as in Object.Attrs: a bool for "admin_state_up", an integer for "mtu", nil
// for what is null. Times are time.Time; Equal compares them by the second, as the API shows them. A value of another type
// than the attribute's matches nothing. No values match nothing, or, with NotEqual, everything.
//
// Beside the attributes of the object itself (and "id", "project_id", "revision_number", "created_at", "updated_at"):
// "fixed_ips.ip_address" and "fixed_ips.subnet_id" of ports (several such filters hold for one and the same address);
// "security_groups" of ports; "shared" (bool) of networks, subnet pools, address scopes and security groups: an RBAC policy
// shares the object with ObjectQuery.VisibleTo, or with every project.
type Filter struct {
	Attr   string
	Op     Op
	Values []any
}

// SortKey is one term of an order. What has no value comes first, or last if Desc.
type SortKey struct {
	Attr string
	Desc bool
}

// ObjectQuery selects objects of a kind. Zero fields do not restrict.
type ObjectQuery struct {
	Kind    ObjectKind
	Filters []Filter // all of them hold
	// VisibleTo is a project: objects of its own; what RBAC policies share with it; external networks shared with it;
	// subnets of networks that are shared with it; all ports on its own networks; all rules of its own security groups;
	// all default rules.
	VisibleTo string

	TagsAll, TagsAny       []string // has all of them; has one of them
	NotTagsAll, NotTagsAny []string // lacks one of them; lacks all of them

	Sort    []SortKey // ends with "id", ascending, unless it is among the keys
	Limit   int       // at most this many; 0 means no bound
	Marker  string    // id of an object: only those behind it in the order, or before it if Reverse
	Reverse bool      // the last ones rather than the first ones; the order of the result is the same
}

// Reader reads what the top owns. No rows is not an error, unless a call says so.
type Reader interface {
	// Get returns an object, or ErrNotFound, also for an id that is no UUID.
	Get(ctx context.Context, kind ObjectKind, id string) (*Object, error)
	// List returns the objects of a query, in its order, by one statement. A marker that does not exist is ErrNotFound.
	List(ctx context.Context, q ObjectQuery) ([]*Object, error)
	// Count returns how many objects match a query, whatever its order, limit and marker.
	Count(ctx context.Context, q ObjectQuery) (int, error)

	// Addresses returns addresses in ascending order of subnet and address.
	Addresses(ctx context.Context, q AddressQuery) ([]Address, error)
	// CountAddresses returns the number of addresses in use in each of the subnets; those without any are left out.
	CountAddresses(ctx context.Context, subnetIDs []string) (map[string]int, error)
	// Segments returns segments in ascending order of type, physical network and id.
	Segments(ctx context.Context, q SegmentQuery) ([]Segment, error)
	// DefaultGroup returns the id of the default security group of a project, or ErrNotFound.
	DefaultGroup(ctx context.Context, projectID string) (string, error)
	// Realizations returns realizations in ascending order of kind, top id and pod.
	Realizations(ctx context.Context, q RealizationQuery) ([]Realization, error)
	// HasMembers tells whether a port in a security group is, or should be, in a pod. Shadows do not count.
	HasMembers(ctx context.Context, groupID string, podNum int32) (bool, error)
	// MemberNetworks returns the ids of the networks of all ports in some security groups.
	MemberNetworks(ctx context.Context, groupIDs []string) ([]string, error)
}

// Tx is a write transaction. It is valid in the function that it was passed to, for one goroutine. It reads what it has written.
type Tx interface {
	Reader

	// Insert stores a new object and sets its times. The revision is stored as given. It fails with a *ConflictError, after
	// which the transaction may go on: Field is "id", or "mac_address" (of a port, in its network), "port_id" (of a trunk),
	// "project_id" (of a quota), "rbac_policy" (all of type, object, action and target). What it refers to must exist when the transaction ends.
	Insert(ctx context.Context, o *Object) error
	// Update stores o if what is stored has still o.Revision, or fails with ErrStale; then it sets o.Revision to the next
	// number, and o.UpdatedAt, until the transaction fails. Kind, id, project and creation time are never changed. It fails with
	// ErrNotFound, and with a *ConflictError like Insert.
	Update(ctx context.Context, o *Object) error
	// Delete forgets an object, its tags, the addresses of a port, the segment of a network, the rules of a security group and
	// what pods had reserved in a subnet. It fails with ErrNotFound, or, if another object or a port's address refers to it,
	// with an *InUseError. Realizations stay.
	Delete(ctx context.Context, kind ObjectKind, id string) error

	// ClaimAddress takes an address, and reports false if somebody has it.
	ClaimAddress(ctx context.Context, a Address) (bool, error)
	// ReleaseAddress gives an address back; one that nobody has is not an error.
	ReleaseAddress(ctx context.Context, subnetID string, ip netip.Addr) error

	// ClaimSegment takes a segment, and reports false if somebody has it.
	ClaimSegment(ctx context.Context, s Segment) (bool, error)
	// ReleaseSegments gives back the segments of a network.
	ReleaseSegments(ctx context.Context, networkID string) error

	// SetDefaultGroup makes a security group the default of a project. It fails with a *ConflictError with the Field
	// "default_group" if there is one, after which the transaction may go on.
	SetDefaultGroup(ctx context.Context, projectID, groupID string) error

	// PutRealization inserts or replaces realizations, each of another object or pod, by one statement; their times are the store's.
	PutRealization(ctx context.Context, rows ...Realization) error
	// DeleteRealization forgets a realization; one that is not there is not an error.
	DeleteRealization(ctx context.Context, kind ObjectKind, topID string, podNum int32) error

	// Enqueue asks for jobs, which begin after the transaction. A job that waits already is not doubled; one that runs will
	// run once more.
	Enqueue(ctx context.Context, jobs ...NewJob) error

	// Touch makes this transaction, or another one that changes, touches or deletes one of these objects at the same time, run again, so
	// that one of them sees what the other has done. It is for what is noted about objects elsewhere. Ids that are not there are passed over.
	Touch(ctx context.Context, kind ObjectKind, ids ...string) error

	// Serialize makes transactions that name the same key run one after the other, for rules over many rows, such as subnets
	// that must not overlap. Call it before reading what the rule is about.
	Serialize(ctx context.Context, key string) error
}

// Objects keeps what the top owns.
type Objects interface {
	// InTx runs f in a write transaction, and again when it collided with another: f must have no effect elsewhere, and
	// return the errors of tx (wrapped or not). If f returns an error nothing was written, and the error is returned.
	InTx(ctx context.Context, f func(tx Tx) error) error
	// Reader reads what is committed, each call for itself.
	Reader() Reader
}
