package store

// NewJob asks for a job. Kind and Resource together say what is to be done; asking twice is asking once.
type NewJob struct {
	Kind      string // "network", "port", "security_group"
	Resource  string // what it is about, in the words of its kind: "<top id>/<pod number>"
	ProjectID string // who may see the job; "" for nobody but administrators
	PodNum    int32  // the pod that it works on, for limits per pod; 0 for none
}
