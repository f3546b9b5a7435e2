package store

import (
	"slices"
	"strconv"
	"time"
)

// Realization is the fact, or the wish, that an object of the top exists in a pod.
type Realization struct {
	Kind      ObjectKind
	TopID     string
	PodNum    int32
	BottomID  string    // its id in the pod; "" until it is made
	Revision  int64     // of the object when it was last made equal; 0 if never
	DeletedAt time.Time // tombstone: since when it should be gone from the pod; zero if it should be there
	// NetworkID is a port's network, at the top; "" for anything else. Shadow tells that it is no port but stands for one that is in
	// another pod. Due tells that it, or what follows from it, may not be as it should: who sees to that clears it.
	NetworkID   string
	Shadow, Due bool
	// Detail is what those who realize this kind must know besides, JSON values as in Object.Attrs: what must be known when the object
	// is gone from the top, for example.
	Detail    map[string]any
	CreatedAt time.Time // chosen by the store, like UpdatedAt
	UpdatedAt time.Time
}

// The kinds of jobs about shadows. Those of other realizations are called as what they realize.
const (
	JobMembers = "members" // which shadows the ports of a network need, and where; the resource is its id
	JobShadows = "shadows" // makes the shadows on a network in a pod: "<network id>/<pod number>"
)

// Job is the job that makes a realization fact. projectID is that of the object.
func (r *Realization) Job(projectID string) NewJob {
	num := strconv.Itoa(int(r.PodNum))
	if r.Shadow { // of all projects that use the network
		return NewJob{Kind: JobShadows, Resource: r.NetworkID + "/" + num, PodNum: r.PodNum}
	}
	return NewJob{Kind: string(r.Kind), Resource: r.TopID + "/" + num, ProjectID: projectID, PodNum: r.PodNum}
}

// DetailGroups is the member of a port's Detail with the security groups in the pod, by their ids, that it is or was a member of.
const DetailGroups = "groups"

// JoinGroups notes of what a port is, or is to be, in a pod that it is a member of its security groups there: these must hear of it when it
// has gone, also if it never came. Groups that it has left stay noted until they have.
func (r *Realization) JoinGroups(port *Object) {
	groups, _ := r.Detail[DetailGroups].([]any)
	groups = slices.Clone(groups)
	more, _ := port.Attrs["security_groups"].([]any)
	for _, id := range more {
		if !slices.Contains(groups, id) {
			groups = append(groups, id)
		}
	}
	if r.Detail == nil {
		r.Detail = map[string]any{}
	}
	r.Detail[DetailGroups] = groups
}

// MembersJob is the job that finds out which shadows the ports of a network need.
func MembersJob(networkID string) NewJob { return NewJob{Kind: JobMembers, Resource: networkID} }

// RealizationQuery selects realizations. Zero fields do not restrict.
type RealizationQuery struct {
	Kind      ObjectKind
	TopIDs    []string
	PodNum    int32
	BottomIDs []string
	Deleted   *bool // only tombstones, or none
	NetworkID string
	Shadow    *bool // only shadows, or none
	Due       bool  // only those that are due
	// After continues a walk: only those behind this kind, top id and pod.
	After *RealizationKey
	Limit int
}

// RealizationKey is what no two realizations share.
type RealizationKey struct {
	Kind   ObjectKind
	TopID  string
	PodNum int32
}

// Key is the key of a realization.
func (r *Realization) Key() RealizationKey { return RealizationKey{r.Kind, r.TopID, r.PodNum} }
