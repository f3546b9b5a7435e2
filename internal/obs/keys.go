package obs

// The attribute keys of log lines. One word for one thing in every package, so that a query finds all of it.
const (
	KeyRequestID       = "request_id"        // ours: req-<uuid>
	KeyGlobalRequestID = "global_request_id" // the one that the client sent
	KeyProjectID       = "project_id"
	KeyUserID          = "user_id"
	KeyPod             = "pod"
	KeyRole            = "role"  // of the process: nova-gw, cinder-gw, admin-api...
	KeyRoute           = "route" // name of the matched route, never the path
	KeyMethod          = "method"
	KeyPath            = "path"
	KeyQuery           = "query"
	KeyStatus          = "status"
	KeyBytes           = "bytes"       // of the reply's body
	KeyDuration        = "duration_ms" // float
	KeyRemote          = "remote"
	KeyError           = "error"
	KeyStack           = "stack"
)
