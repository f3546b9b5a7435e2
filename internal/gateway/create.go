package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// Placement gathers what binds a new resource to a pod, and picks one. The zero value is not usable: see NewPlacement.
type Placement struct {
	call  *Call
	bound *pod.Pod                    // by a reference to something that is in one pod
	why   string                      // what bound it
	zone  []*pod.Pod                  // pods that serve the zone asked for; nil when none was
	what  string                      // something that the request refers to and that cannot be everywhere
	fits  func([]*pod.Pod) []*pod.Pod // leaves the pods where what can be; nil if it can be everywhere
}

// NewPlacement starts with every pod possible.
func (c *Call) NewPlacement() *Placement { return &Placement{call: c} }

// Bind restricts the placement to the pod of a resource that the request refers to. what names it in the error that a
// contradiction gives: "volume 1234".
func (pl *Placement) Bind(p *pod.Pod, what string) error {
	if pl.bound != nil && pl.bound != p {
		return fault.BadRequest("%s is in another pod (%s) than %s (%s); one server or volume cannot use both.",
			what, p.ZoneNames(), pl.why, pl.bound.ZoneNames())
	}
	pl.bound, pl.why = p, what
	return nil
}

// BindTo is Bind for the pod that holds a resource.
func (pl *Placement) BindTo(typ store.ResourceType, id string) error {
	p, err := pl.call.PodOf(typ, id)
	if err != nil {
		return err
	}
	return pl.Bind(p, typ.String()+" "+id)
}

// BindToKnown is BindTo for what the routing table knows. Anything else binds nothing.
func (pl *Placement) BindToKnown(typ store.ResourceType, id string) error {
	p, err := pl.call.Routing.Known(pl.call.Context(), typ, id)
	if p == nil || err != nil {
		return nil
	}
	return pl.Bind(p, typ.String()+" "+id)
}

// BindToHost is Bind for a host in the form "<host>.<pod>", in which the top shows hosts to administrators. It returns the pod's
// own name for it. A name that ends in no pod is returned as it is, and binds nothing.
func (pl *Placement) BindToHost(name string) (bare string, err error) {
	p, bare := pl.call.Pods.SplitHost(name)
	if p == nil {
		return name, nil
	}
	return bare, pl.Bind(p, "host "+name)
}

// Bound returns the pod that references have bound the placement to, or nil.
func (pl *Placement) Bound() *pod.Pod { return pl.bound }

// Zone restricts the placement to the pods that serve a zone. It returns false when no pod does.
func (pl *Placement) Zone(name string) bool {
	pl.zone = pl.call.Pods.Zone(name)
	return len(pl.zone) > 0
}

// Within restricts the placement to the pods that fits leaves, which are those where what can be. Unlike a zone it does not say where
// the project wants to be.
func (pl *Placement) Within(fits func([]*pod.Pod) []*pod.Pod, what string) {
	pl.fits, pl.what = fits, what
}

// Pods returns where the resource may be created, best first. It is not empty unless err is set.
func (pl *Placement) Pods() ([]*pod.Pod, error) {
	pods, err := pl.eligible()
	if err != nil || pl.fits == nil {
		return pods, err
	}
	if pods = pl.fits(pods); len(pods) == 0 {
		return nil, fault.BadRequest("%s cannot be where the server is to be.", pl.what)
	}
	return pods, nil
}

func (pl *Placement) eligible() ([]*pod.Pod, error) {
	eligible := pl.call.Eligible()
	if pl.zone != nil {
		eligible = slices.DeleteFunc(eligible, func(p *pod.Pod) bool { return !slices.Contains(pl.zone, p) })
	}
	switch {
	case pl.bound != nil && pl.zone != nil && !slices.Contains(pl.zone, pl.bound):
		return nil, fault.BadRequest("%s is in %s, outside the availability zone that was asked for.", pl.why, pl.bound.ZoneNames())
	case pl.bound != nil && !pl.bound.Accepts():
		return nil, fault.Unavailable(nil, "%s is in pod %s, which takes nothing new at the moment: it is %s.",
			pl.why, pl.bound.Name(), pl.bound.State)
	case pl.bound != nil:
		return []*pod.Pod{pl.bound}, nil
	case len(eligible) == 0 && pl.zone != nil && !pl.zone[0].Accepts():
		return nil, fault.Unavailable(nil, "Pod %s, which serves the availability zone, takes nothing new at the moment: it is %s.",
			pl.zone[0].Name(), pl.zone[0].State)
	case len(eligible) == 0 && pl.zone != nil:
		return nil, pl.call.noneOf(pl.zone)
	case len(eligible) == 0:
		return nil, pl.call.noneOf(pl.call.Pods.All())
	}
	return eligible, nil
}

// Create runs a creation in the first of Pods that takes it. A project that has not said where it wants to be is bound to
// that pod, so that what it creates next finds there what it created first.
func (pl *Placement) Create(cr Creation) (*pod.Pod, *Answer, error) {
	pods, err := pl.Pods()
	if err != nil {
		return nil, nil, err
	}
	passedOver := false // a pod, for something that the request asks for: that says where it wants to be, too
	if elsewhere := cr.Elsewhere; elsewhere != nil {
		cr.Elsewhere = func(a *Answer) bool {
			lacks := elsewhere(a)
			passedOver = passedOver || lacks
			return lacks
		}
	}
	p, a, err := pl.call.create(pods, cr)
	if err == nil && a.OK() && pl.bound == nil && pl.zone == nil && !passedOver {
		pl.call.Routing.Settle(context.WithoutCancel(pl.call.Context()), pl.call.Caller.ProjectID, p)
	}
	return p, a, err
}

// Creation is one attempt to create something in a pod that has no field to find it again by.
type Creation struct {
	// Within is how long all of it may take, in whatever pods; 0 leaves that to the deadlines of calls. What is sent by then and not
	// answered counts as a lost reply.
	Within time.Duration
	// Send creates in a pod; it sends exactly one request that may have an effect.
	Send func(ctx context.Context, p *pod.Pod) (*Answer, error)
	// Elsewhere reports whether an answer refuses for want of something that another pod may have, and has made nothing. The next pod
	// is tried then; if all refuse, the first refusal stands. May be nil.
	Elsewhere func(a *Answer) bool
	// Born records what a confirmed creation has made. Nil: the resource that the answer shows.
	Born func(ctx context.Context, p *pod.Pod, a *Answer)
	// Name, in the client's project, is what the new resource can be recognised by after a lost reply.
	Name string
	// LookUp returns, of what the pod shows under Name, what is not older than since. It is asked after a lost reply.
	LookUp func(ctx context.Context, p *pod.Pod, since time.Duration) ([]Found, error)
}

// Found is a resource that may be the one whose creation was not confirmed.
type Found struct {
	Routing store.Routing
	Answer  *Answer // what the client would have got
}

// lookUpAfter are the pauses before each look for a resource after a lost reply: the pod may still be at it.
var lookUpAfter = []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second}

// create runs a creation in the first of pods that takes it. A request that certainly never left is tried at the next pod;
// one that may have arrived is never sent again: the pod is asked for what came of it, and a new resource that nobody has
// claimed is adopted. The work goes on when the client hangs up, so that its outcome is recorded.
func (c *Call) create(pods []*pod.Pod, cr Creation) (*pod.Pod, *Answer, error) {
	ctx := context.WithoutCancel(c.Context())
	within, cancel := ctx, context.CancelFunc(func() {})
	if cr.Within > 0 {
		within, cancel = context.WithTimeout(ctx, cr.Within)
	}
	defer cancel()
	var failure error
	var refuser *pod.Pod
	var refusal *Answer
	for _, p := range pods {
		expected := c.creates.expect(p, c.Caller.ProjectID)
		defer expected()
		leave := c.creates.enter(p, c.Caller.ProjectID, cr.Name)
		start := c.Now()
		a, err := cr.Send(within, p)
		if err == nil && a.OK() && !shows(a.Body) {
			err = c.rubbish(p, http.MethodPost, nil, "answered success without telling what it created")
		}
		if err == nil && cr.Born != nil {
			cr.Born(ctx, p, a)
		} else if err == nil {
			c.recordBirth(ctx, p, a)
		}
		leave() // not before it is recorded, or another create of that name might take it for its own
		unavailable, ok := errors.AsType[*pod.UnavailableError](err)
		switch {
		case err == nil && cr.Elsewhere != nil && cr.Elsewhere(a):
			if refuser == nil {
				refuser, refusal = p, a
			}
			continue
		case err == nil:
			return p, a, nil
		case !ok:
			return p, nil, err
		case unavailable.Sent:
			a, err = c.adopt(within, p, cr, start, err)
			return p, a, err
		}
		failure = err
		if within.Err() != nil {
			break
		}
		c.Log.WarnContext(ctx, "a pod could not take a create; the next one is tried, if there is one", "pod", p.Name(), "name", cr.Name, "error", err)
	}
	if failure != nil {
		return nil, nil, failure // rather than a refusal: a pod that cannot be asked may have what others lack
	}
	return refuser, refusal, nil
}

// shows reports whether the answer to a creation tells what was created: the resource, or a reservation of several servers.
func shows(body []byte) bool {
	if _, ok := routing.Shown(body, 0, ""); ok {
		return true
	}
	_, ok := jsonx.String(body, "reservation_id")
	return ok
}

// Earliest is the time on a pod's clock before which nothing was made by a request that was sent since ago. The Date of an answer
// tells the clock; it is cut to whole seconds, as creation times are.
func (c *Call) Earliest(a *Answer, since time.Duration) time.Time {
	now, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		now = c.Now()
	}
	return now.Add(-since - 2*time.Second)
}

// adopt looks for what a lost reply was about, for as long as a list may take: a pod that lost one reply may give no other.
func (c *Call) adopt(ctx context.Context, p *pod.Pod, cr Creation, start time.Time, lost error) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.ListTimeout)
	defer cancel()
	for _, pause := range lookUpAfter {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, unconfirmed(p, cr.Name, lost)
		}
		found, err := c.look(ctx, p, cr, start)
		if err != nil {
			lost = err
			continue
		}
		for _, f := range found {
			claimed, err := c.Routing.Claim(ctx, f.Routing)
			if err != nil {
				return nil, unconfirmed(p, cr.Name, err)
			}
			if claimed {
				c.Log.InfoContext(ctx, "adopted after a lost reply", "pod", p.Name(), "type", f.Routing.Type.String(), "id", f.Routing.TopID)
				return f.Answer, nil
			}
		}
	}
	return nil, unconfirmed(p, cr.Name, lost)
}

// look is LookUp at a moment at which all others who create under the same name have had their replies, or theirs would look like
// ours.
func (c *Call) look(ctx context.Context, p *pod.Pod, cr Creation, start time.Time) (found []Found, err error) {
	for quiet := false; !quiet && err == nil && ctx.Err() == nil; {
		found = nil
		quiet = c.creates.whileQuiet(ctx, p, c.Caller.ProjectID, cr.Name, func() {
			found, err = cr.LookUp(ctx, p, c.Now().Sub(start))
		})
		if !quiet {
			found = nil
		}
	}
	return found, err
}

func unconfirmed(p *pod.Pod, name string, lost error) error {
	f := fault.Unavailable(lost, "Pod %s did not confirm the creation of %q, and shows nothing new of that name. "+
		"It may still appear: look before trying again.", p.Name(), name)
	if e, ok := errors.AsType[*pod.UnavailableError](lost); ok && e.RetryAfter > 0 {
		f.RetryAfter = e.RetryAfter
	}
	return f
}

// inflight counts the creates that are under way in this process.
type inflight struct {
	mu       sync.Mutex
	names    map[string]*underway // by pod, project and name
	expected map[string]int       // that may yet have to look for what they made, by pod and project
}

// underway is what goes on under one name.
type underway struct {
	busy    int           // creates that wait for a reply
	idle    chan struct{} // closed when the last of them is answered; nil if none waits
	lookers int           // who look for what a lost reply was about
	begun   int           // creates, from the first of all these on
}

func newInflight() inflight {
	return inflight{names: map[string]*underway{}, expected: map[string]int{}}
}

// expect says that something new may appear in a project of a pod, whose creator has not heard of it yet, until done is called.
func (f *inflight) expect(p *pod.Pod, project string) (done func()) {
	k := inflightKey(p, project, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected[k]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.expected[k]--; f.expected[k] == 0 {
			delete(f.expected, k)
		}
	}
}

// expects reports whether a row that a list shows may be what somebody is about to look for.
func (f *inflight) expects(p *pod.Pod, project string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.expected) > 0 && f.expected[inflightKey(p, project, "")] > 0
}

func inflightKey(p *pod.Pod, project, name string) string { return p.ID + "|" + project + "|" + name }

// enter says that a create waits for its reply, until leave is called.
func (f *inflight) enter(p *pod.Pod, project, name string) (leave func()) {
	k := inflightKey(p, project, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.at(k)
	u.begun++
	if u.busy++; u.busy == 1 {
		u.idle = make(chan struct{})
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if u.busy--; u.busy == 0 {
			close(u.idle)
			u.idle = nil
		}
		f.forget(k, u)
	}
}

// whileQuiet calls find once no create of that name waits for its reply. It returns false if that did not come about, or if one has
// begun meanwhile, so that what was found may be its.
func (f *inflight) whileQuiet(ctx context.Context, p *pod.Pod, project, name string, find func()) bool {
	k := inflightKey(p, project, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.at(k)
	u.lookers++
	defer func() { u.lookers--; f.forget(k, u) }()
	for u.idle != nil {
		idle := u.idle
		f.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if ctx.Err() != nil {
			return false
		}
	}
	begun := u.begun
	func() {
		f.mu.Unlock()
		defer f.mu.Lock()
		find()
	}()
	return u.begun == begun
}

func (f *inflight) at(k string) *underway {
	u := f.names[k]
	if u == nil {
		u = &underway{}
		f.names[k] = u
	}
	return u
}

func (f *inflight) forget(k string, u *underway) {
	if u.busy == 0 && u.lookers == 0 {
		delete(f.names, k)
	}
}
