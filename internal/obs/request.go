package obs

import (
	"context"
	"log/slog"
	"sync"

	"github.com/google/uuid"
)

// HeaderRequestID carries request ids: inbound the client's global id, outbound the service's own
// (oslo_middleware/request_id.py).
const HeaderRequestID = "X-Openstack-Request-Id"

// severalPods is the pod of a request that went to more than one.
const severalPods = "several"

// idForm is ID_FORMAT of oslo_middleware/request_id.py (as of Zed), with x for a lower-case hexadecimal digit.
const idForm = "req-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

type contextKey int

const (
	recordKey contextKey = iota
	podKey
)

// record is what becomes known of one request. It is shared by all contexts derived from that of WithRequestID, because
// the access log and the metrics, which are outermost, must tell what the handlers inside learned.
type record struct {
	local, global string

	mu                          sync.Mutex
	project, user, route, onPod string
}

// NewRequestID makes a random request id in OpenStack's form, req-<uuid>.
func NewRequestID() string { return "req-" + uuid.NewString() }

// ValidRequestID tells whether id has the form that services accept as a global request id; they ignore others.
func ValidRequestID(id string) bool {
	if len(id) != len(idForm) {
		return false
	}
	for i := range len(id) {
		c, isDigit := id[i], '0' <= id[i] && id[i] <= '9' || 'a' <= id[i] && id[i] <= 'f'
		if idForm[i] == 'x' && !isDigit || idForm[i] != 'x' && idForm[i] != c {
			return false
		}
	}
	return true
}

// WithRequestID begins a request (or a job): local is our id of it, global the one that the client sent, or "".
func WithRequestID(ctx context.Context, local, global string) context.Context {
	return context.WithValue(ctx, recordKey, &record{local: local, global: global})
}

// RequestID is our id of the request, or "" outside of one.
func RequestID(ctx context.Context) string { return recordOf(ctx).local }

// GlobalRequestID is the id that the client sent, or "".
func GlobalRequestID(ctx context.Context) string { return recordOf(ctx).global }

// SetCaller notes who makes the request. Outside of a request there is nothing to note it in, and it does nothing.
func SetCaller(ctx context.Context, projectID, userID string) {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.project, r.user = projectID, userID
}

// SetRoute notes the name of the route that matched, a member of a small fixed set: it becomes a metric label.
func SetRoute(ctx context.Context, route string) {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.route = route
}

// Route is what SetRoute noted, or "".
func Route(ctx context.Context) string {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.route
}

// WithPod returns a context whose log lines name the pod, and notes the pod in the request: a request that asked several
// is logged as such in the end, while the lines of each branch still name their own.
func WithPod(ctx context.Context, pod string) context.Context {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onPod == "" || r.onPod == pod {
		r.onPod = pod
	} else {
		r.onPod = severalPods
	}
	return context.WithValue(ctx, podKey, pod)
}

// recordOf never returns nil: outside of a request it is a fresh record that nobody will read.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey).(*record); ok {
		return r
	}
	return &record{}
}

// field is something that the context tells of a request.
type field struct{ key, value string }

// fields are what lines say besides their own attributes; what is not known is "".
func fields(ctx context.Context) [5]field {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	pod, ok := ctx.Value(podKey).(string)
	if !ok {
		pod = r.onPod
	}
	return [...]field{{KeyRequestID, r.local}, {KeyGlobalRequestID, r.global}, {KeyProjectID, r.project}, {KeyUserID, r.user}, {KeyPod, pod}}
}

func addAttrs(ctx context.Context, to *slog.Record) {
	var room [5]slog.Attr
	as := room[:0]
	for _, f := range fields(ctx) {
		if f.value != "" {
			as = append(as, slog.String(f.key, f.value))
		}
	}
	to.AddAttrs(as...)
}
