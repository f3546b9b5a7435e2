package store

import "time"

// Realization is the fact, or the wish, that an object of the top exists in a pod.
type Realization struct {
	Kind      ObjectKind
	TopID     string
	PodNum    int32
	BottomID  string    // its id in the pod; "" until it is made
	Revision  int64     // of the object when it was last made equal; 0 if never
	DeletedAt time.Time // tombstone: since when it should be gone from the pod; zero if it should be there
	// Detail is what those who realize this kind must know besides, JSON values as in Object.Attrs: that a port is a shadow,
	// for example, or what must be known when the object is gone from the top.
	Detail    map[string]any
	CreatedAt time.Time // chosen by the store, like UpdatedAt
	UpdatedAt time.Time
}

// RealizationQuery selects realizations. Zero fields do not restrict.
type RealizationQuery struct {
	Kind      ObjectKind
	TopIDs    []string
	PodNum    int32
	BottomIDs []string
	Deleted   *bool // only tombstones, or none
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
