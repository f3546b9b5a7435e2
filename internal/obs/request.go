package obs

import (
	"context"
	"log/slog"
	"regexp"
	"sync"

	"github.com/google/uuid"
)

// HeaderRequestID carries request ids: inbound the client's global id, outbound the service's own
// (oslo_middleware/request_id.py).
const HeaderRequestID = "X-Openstack-Request-Id"

// severalPods is the pod of a request that went to more than one.
const severalPods = "several"

// idFormat is ID_FORMAT of oslo_middleware/request_id.py (as of Zed).
var idFormat = regexp.MustCompile(`^req-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$`)

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
func ValidRequestID(id string) bool { return idFormat.MatchString(id) }

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

func addAttrs(ctx context.Context, to *slog.Record) {
	r := recordOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	pod, ok := ctx.Value(podKey).(string)
	if !ok {
		pod = r.onPod
	}
	var room [5]slog.Attr
	as := room[:0]
	for _, a := range [...]slog.Attr{
		slog.String(KeyRequestID, r.local), slog.String(KeyGlobalRequestID, r.global),
		slog.String(KeyProjectID, r.project), slog.String(KeyUserID, r.user), slog.String(KeyPod, pod),
	} {
		if a.Value.String() != "" {
			as = append(as, a)
		}
	}
	to.AddAttrs(as...)
}
