// Package store says what Tricircle remembers: pods, their availability zones, routings, bindings of projects, settings, jobs, and
// the objects of the networking API that the top owns. It holds row types and the narrow interfaces that the rest of the program
// is written against.
//
// It imports nothing of ours, and no database: the SQL lives in store/sqlstore, and the conformance suite that every
// implementation must pass in store/storetest.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is returned (possibly wrapped) when a row that a call names does not exist.
var ErrNotFound = errors.New("not found")

// ConflictError is returned when a write would break a uniqueness rule.
type ConflictError struct {
	Field string // what clashes, in the words of the Admin API: "pod_id", "region_name", "az_name", "pod_az_name"
	Value string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %q is already in use", e.Field, e.Value)
}

// PodState is what the operator wants of a pod. Whether the pod answers is another matter: see pod.Health.
type PodState string

// The states of a pod. A draining pod serves what it holds and gets nothing new; a disabled one is not called at all.
const (
	PodEnabled  PodState = "enabled"
	PodDraining PodState = "draining"
	PodDisabled PodState = "disabled"
)

// Zone maps one availability zone of the top to one of a pod.
type Zone struct {
	Name    string // as users see it (az_name)
	PodName string // as the pod calls it (pod_az_name); "" stands for every zone of the pod
}

// Pod is one bottom OpenStack, or, with no zones, the top itself as Tricircle's Admin API knows it.
type Pod struct {
	Num        int32  // small code used in routing rows; chosen by CreatePod, never used again
	ID         string // UUID, chosen by the caller
	RegionName string // unique; the pod's region in Keystone
	DCName     string
	State      PodState
	Zones      []Zone // in the order given; names and pod names are each unique within a pod
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// IsTop reports whether the row describes the top rather than a pod.
func (p *Pod) IsTop() bool { return len(p.Zones) == 0 }

// Pods keeps the registered pods.
type Pods interface {
	// ListPods returns all pods ordered by Num.
	ListPods(ctx context.Context) ([]Pod, error)
	// CreatePod stores p and returns it with Num, CreatedAt and UpdatedAt, which are the store's. It fails with a
	// *ConflictError for "pod_id" or "region_name" (taken), for "az_name" when p is the top and another top exists, and
	// for "az_name" or "pod_az_name" when two zones of p share it.
	CreatePod(ctx context.Context, p Pod) (Pod, error)
	// UpdatePod replaces everything but Num, ID and CreatedAt of the pod with p.ID; UpdatedAt is the store's. It fails
	// like CreatePod, and with ErrNotFound.
	UpdatePod(ctx context.Context, p Pod) error
	// DeletePod forgets the pod, or fails with ErrNotFound. Its routings are left to PurgeRoutings; until then they are
	// still returned, and callers must ignore those whose PodNum is no pod's.
	DeletePod(ctx context.Context, id string) error
}

// Routing is the fact that a resource lives in a pod. The table is a cache of the truth: it can be rebuilt from the pods.
type Routing struct {
	ID        int64        // row number; chosen by the store
	Type      ResourceType // what the resource is
	TopID     string       // UUID in canonical form (lower case, dashes)
	BottomID  string       // UUID in the pod; equal to TopID where ids pass through
	PodNum    int32
	ProjectID string    // Keystone project id; "" when not known
	CreatedAt time.Time // creation of the resource in the pod, microseconds; zero when not known
	UpdatedAt time.Time // last change of this row
	DeletedAt time.Time // since when the resource is known to be gone from the pod, microseconds; zero when it is not
}

// RoutingFilter selects routings. Zero fields do not restrict.
type RoutingFilter struct {
	TopID     string
	BottomID  string
	Type      ResourceType
	PodNum    int32
	ProjectID string
	Limit     int   // at most this many rows; 0 means no bound
	Marker    int64 // only rows with a smaller ID
}

// SeekPoint is a place in a list ordered by creation time.
type SeekPoint struct {
	Type       ResourceType
	PodNum     int32
	ProjectID  string // "" matches every project
	CreatedAt  time.Time
	TopID      string
	Descending bool // order of the time: newest first
	IDsAscend  bool // order of ids created in the same instant
}

// Routings keeps what lives where.
type Routings interface {
	// LookupRouting returns the rows of one resource: one for most, one per pod for what is realized in several.
	// No rows is not an error.
	LookupRouting(ctx context.Context, t ResourceType, topID string) ([]Routing, error)
	// PutRoutings inserts rows, or fills in project, bottom id and creation time of rows that are there already
	// (same type, top id and pod); a "" or zero value in the argument leaves the stored one. Only DeletedAt is
	// always taken over: zero means that the resource is there. ID and UpdatedAt are the store's; a row that learns
	// nothing new keeps its UpdatedAt. Ids that are not UUIDs are refused. One transaction, a bounded number of
	// statements however many rows.
	PutRoutings(ctx context.Context, rows []Routing) error
	// ClaimRouting inserts r unless the resource already has a routing in that pod, and reports whether it did.
	// Of several concurrent claims exactly one succeeds. What is claimed is there, whatever its DeletedAt.
	ClaimRouting(ctx context.Context, r Routing) (bool, error)
	// GetRouting returns the row with that ID, or ErrNotFound.
	GetRouting(ctx context.Context, id int64) (Routing, error)
	// ListRoutings returns matching rows, highest ID first.
	ListRoutings(ctx context.Context, f RoutingFilter) ([]Routing, error)
	// LiveRoutings returns up to limit rows of a pod whose resources are not known to be deleted, newest first: those of
	// unknown creation time, which were made lately, before the others. projectID "" stands for all projects, and types
	// other than Server may be slow: both are for the rare case.
	LiveRoutings(ctx context.Context, t ResourceType, podNum int32, projectID string, limit int) ([]Routing, error)
	// SeekRouting returns the top id of the last row at or before p in list order, for which the creation time is
	// known; ok is false when there is none.
	SeekRouting(ctx context.Context, p SeekPoint) (topID string, ok bool, err error)
	// PurgeRoutings deletes up to limit rows of a pod and returns how many there were.
	PurgeRoutings(ctx context.Context, podNum int32, limit int) (int, error)
}

// Binding says which pod a project's new resources go to when a request does not say it.
type Binding struct {
	ProjectID string
	PodNum    int32
	CreatedAt time.Time // of the binding to any pod
	UpdatedAt time.Time // of the binding to this one
}

// Bindings keeps one binding for each project that has created something without saying where. They go with their pod.
type Bindings interface {
	// GetBinding returns the binding of a project, or ErrNotFound.
	GetBinding(ctx context.Context, projectID string) (Binding, error)
	// BindProject binds a project that has no binding yet, and returns the one in force: of several at once the first wins.
	// It fails with ErrNotFound if it would be to a pod that is not there.
	BindProject(ctx context.Context, projectID string, podNum int32) (Binding, error)
	// RebindProject binds a project whatever it was bound to, and returns the binding. It fails like BindProject.
	RebindProject(ctx context.Context, projectID string, podNum int32) (Binding, error)
	// UnbindProject forgets the binding of a project, or fails with ErrNotFound.
	UnbindProject(ctx context.Context, projectID string) error
	// ListBindings returns up to limit bindings ordered by project, those behind after; podNum 0 stands for all pods.
	ListBindings(ctx context.Context, podNum int32, after string, limit int) ([]Binding, error)
}

// Settings keeps the few values that an operator changes while the program runs, such as microversion ceilings.
type Settings interface {
	// GetSetting returns "" for a name that was never set.
	GetSetting(ctx context.Context, name string) (string, error)
	PutSetting(ctx context.Context, name, value string) error
}

// Store is the whole of it.
type Store interface {
	Pods
	Routings
	Bindings
	Settings
	Jobs
	Objects
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}
