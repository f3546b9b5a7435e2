// Package realize makes what the top owns exist in pods, be equal there, or be gone: networks with their subnets, security
// groups with their rules, ports, trunks, and shadows of ports that are in other pods. What should be where is a realization in the
// store; the functions here read it, observe the pod, and make the smallest change. They may run twice, late, or again after
// a crash: the result is the same. Everything is found again by a find-key in its description before it is made, and nothing
// is deleted that does not carry one.
//
// It must not depend on the API or on what runs it: jobs call it, see xjob.
package realize

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// Pods says which pods there are.
type Pods interface{ Snapshot() *pod.Snapshot }

// Options is what a Realizer works with. All are required.
type Options struct {
	Store store.Objects
	Pods  Pods
	Token func(context.Context) (string, error) // of the service user
	// Reserve returns the addresses of a subnet that a pod may use for itself, of which it allots some if there are none.
	Reserve func(ctx context.Context, tx store.Tx, subnet *store.Object, podNum int32) ([]string, error)
	// Idle is told of each port that is in a pod and used by nothing there, as often as it is looked at.
	Idle  func(ctx context.Context, tx store.Tx, port *store.Object, podNum int32) error
	Now   func() time.Time
	Doubt time.Duration // how long a request to which there was no answer may still be carried out
}

// Realizer makes objects in pods. Safe for concurrent use; of one object in one pod only one call should run at a time.
type Realizer struct{ Options }

// New returns a Realizer.
func New(o Options) *Realizer { return &Realizer{o} }

// UnmadeError says that something else must be made in a pod first, or be gone from it, for which there is a job.
type UnmadeError struct{ Job store.NewJob }

func (e *UnmadeError) Error() string { return "waits for " + e.Job.Kind + " " + e.Job.Resource }

// Key is the find-key of an object of the top: the description of what is made of it in pods.
func Key(kind store.ObjectKind, id string) string { return "tricircle:" + string(kind) + ":" + id }

// Members of a realization's detail that say of what was adopted that the pod had it before the top: see package adopt.
const (
	// Adopted is set on all of it. A port that is adopted and gone from the pod is gone: its server went with it, or its router.
	Adopted = "adopted"
	// Follows is set on ports that the pod's own services have, such as its routers: the top shows them and changes nothing.
	Follows = "follows"
	// OwnPools is set on subnets that keep their allocation pools in the pod, as their network can be in no other.
	OwnPools = "own_pools"
)

func adopted(row store.Realization) bool { return row.Detail[Adopted] == true }

// Job is the job that realizes an object in a pod. Of subnets there are none: they go with their network.
func Job(kind store.ObjectKind, id, projectID string, podNum int32) store.NewJob {
	return (&store.Realization{Kind: kind, TopID: id, PodNum: podNum}).Job(projectID)
}

// Run does what a job of Job says.
func (r *Realizer) Run(ctx context.Context, job store.NewJob) error {
	if job.Kind == store.JobMembers {
		return r.Members(ctx, job.Resource)
	}
	id, num, _ := strings.Cut(job.Resource, "/")
	podNum, err := strconv.ParseInt(num, 10, 32)
	if err != nil {
		return fmt.Errorf("job %s %s: the resource is not <id>/<number of the pod>", job.Kind, job.Resource)
	}
	for look := 1; ; look++ {
		err := r.once(ctx, job.Kind, id, int32(podNum))
		if outdated := errors.Is(err, errOutdated) || southbound.Refused(err, http.StatusPreconditionFailed); !outdated || look == maxLooks {
			return err
		}
	}
}

// maxLooks is how often a run begins anew because what it saw has changed before it was done.
const maxLooks = 3

func (r *Realizer) once(ctx context.Context, kind, id string, podNum int32) error {
	switch kind {
	case string(store.KindNetwork):
		return r.Network(ctx, id, podNum)
	case string(store.KindSecurityGroup):
		return r.SecurityGroup(ctx, id, podNum)
	case string(store.KindPort):
		return r.Port(ctx, id, podNum)
	case string(store.KindTrunk):
		return r.Trunk(ctx, id, podNum)
	case store.JobShadows:
		return r.Shadows(ctx, id, podNum)
	}
	return fmt.Errorf("job %s %s/%d: nothing of that kind is realized in pods", kind, id, podNum)
}

// target is an object in a pod, as a run finds it.
type target struct {
	*Realizer
	row     store.Realization
	top     *store.Object // nil if it should not be in the pod
	pod     *pod.Pod
	neutron *southbound.Neutron
}

// target returns what a run is about, or nil if that is nothing: no realization is wanted or left, or its pod is no more.
func (r *Realizer) target(ctx context.Context, kind store.ObjectKind, id string, podNum int32) (*target, error) {
	row, err := r.row(ctx, r.Store.Reader(), kind, id, podNum)
	if row == nil || err != nil {
		return nil, err
	}
	p := r.Pods.Snapshot().ByNum(podNum)
	if p == nil {
		return nil, r.Store.InTx(ctx, func(tx store.Tx) error { return forget(ctx, tx, *row) })
	}
	if !p.Serves() {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pod.Network, Reason: "it is disabled"}
	}
	t := &target{Realizer: r, row: *row, pod: p, neutron: southbound.NewNeutron(p, r.Token)}
	if row.DeletedAt.IsZero() {
		t.top, err = r.Store.Reader().Get(ctx, kind, id)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	return t, err
}

// row returns a realization, or nil if there is none.
func (r *Realizer) row(ctx context.Context, from store.Reader, kind store.ObjectKind, id string, podNum int32) (*store.Realization, error) {
	rows, err := from.Realizations(ctx, store.RealizationQuery{Kind: kind, TopIDs: []string{id}, PodNum: podNum})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// forget deletes a realization, and with that of a network those of its subnets.
func forget(ctx context.Context, tx store.Tx, row store.Realization) error {
	if err := forgetSubnets(ctx, tx, row, nil); err != nil {
		return err
	}
	return tx.DeleteRealization(ctx, row.Kind, row.TopID, row.PodNum)
}

// Members of a realization's detail, for objects of which it is not known what came of making them.
const (
	sentMember = "sent" // since before a create was sent, until the id is known: true, or sentAgain
	goneMember = "gone" // the time since which the object that should not be there is not
	lateMember = "late" // the time since which the object is there, while a create of it that was sent before may still arrive
)

// sentAgain says that a create was sent although another may still arrive: Neutron allows two networks, or groups, of one name.
const sentAgain = "again"

// sending notes that a create is about to be sent: it may arrive although no answer does, also when this process is no more. before is what
// was noted of earlier ones.
func (t *target) sending(ctx context.Context) (before any, err error) {
	err = t.noteSent(ctx, func(detail map[string]any) {
		before = detail[sentMember]
		if detail[sentMember] = true; before != nil {
			detail[sentMember] = sentAgain
		}
		delete(detail, goneMember)
	})
	return before, err
}

// refused takes back what sending has noted: the pod has answered that it makes nothing.
func (t *target) refused(ctx context.Context, before any) error {
	return t.noteSent(ctx, func(detail map[string]any) {
		if detail[sentMember] = before; before == nil {
			delete(detail, sentMember)
		}
	})
}

func (t *target) noteSent(ctx context.Context, note func(detail map[string]any)) error {
	return t.Store.InTx(ctx, func(tx store.Tx) error {
		row, err := t.Realizer.row(ctx, tx, t.row.Kind, t.row.TopID, t.row.PodNum)
		if row == nil || err != nil {
			return err
		}
		was := *row
		row.Detail = merge(row.Detail, nil)
		note(row.Detail)
		return putChanged(ctx, tx, []store.Realization{was}, *row)
	})
}

// errDoubt keeps a realization until what was sent for it cannot arrive any more.
var errDoubt = errors.New("it is not there, but a request to make it that had no answer may still be carried out; it is looked for again")

// doubtful tells whether what is not there may still be made by a request of which nothing was heard, and notes since when it is not
// there. found tells that it still was just now.
func (r *Realizer) doubtful(row *store.Realization, found bool) bool {
	if row.Detail[sentMember] == nil && row.Detail[lateMember] == nil {
		return false
	}
	if row.Detail[goneMember] == nil || found {
		row.Detail[goneMember] = r.stamp()
		return true
	}
	return !r.past(row.Detail[goneMember])
}

// stamp is the time, as details have it.
func (r *Realizer) stamp() string { return r.Now().Format(time.RFC3339Nano) }

// past tells whether what might still have been carried out at a time cannot be any more.
func (r *Realizer) past(stamp any) bool {
	text, _ := stamp.(string)
	since, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && !r.Now().Before(since.Add(r.Doubt))
}

// remove makes the object be gone from the pod: only what carries its find-key, or was adopted, is ours to delete. Then the
// realization is forgotten, unless it was wanted again meanwhile, or may still be made by a request of which nothing was heard. more, if
// not nil, runs in the same transaction, with the row as it is by then.
func (t *target) remove(ctx context.Context, c southbound.Collection, more func(context.Context, store.Tx, *store.Realization) error) error {
	bottom, err := t.neutron.Find(ctx, c, "", Key(t.row.Kind, t.row.TopID))
	if err == nil && bottom == nil && adopted(t.row) { // it has not got its key yet
		bottom, err = t.neutron.Get(ctx, c, t.row.BottomID)
	}
	if err == nil && bottom != nil {
		err = t.neutron.Delete(ctx, c, bottom.ID())
	}
	if err != nil {
		return err
	}
	doubt := false
	err = t.Store.InTx(ctx, func(tx store.Tx) error {
		doubt = false
		row, err := t.Realizer.row(ctx, tx, t.row.Kind, t.row.TopID, t.row.PodNum)
		if row == nil || err != nil {
			return err
		}
		if more != nil {
			if err := more(ctx, tx, row); err != nil {
				return err
			}
		}
		if revived := row.DeletedAt.IsZero() && !t.row.DeletedAt.IsZero(); revived {
			return nil
		}
		if doubt = t.doubtful(row, bottom != nil); doubt {
			return tx.PutRealization(ctx, *row)
		}
		return forget(ctx, tx, *row)
	})
	if err == nil && doubt {
		err = errDoubt
	}
	return err
}

// made notes what an object is in the pod. Whether it should be there may have changed during the run, and stays as it is.
// more, if not nil, runs in the same transaction, and may change the row, which is as it was before.
func (t *target) made(ctx context.Context, bottomID string, more func(tx store.Tx, row *store.Realization) error) error {
	return t.Store.InTx(ctx, func(tx store.Tx) error {
		row, err := t.Realizer.row(ctx, tx, t.row.Kind, t.row.TopID, t.row.PodNum)
		if row == nil || err != nil {
			return err
		}
		was := *row
		was.Detail = maps.Clone(row.Detail)
		if more != nil {
			if err := more(tx, row); err != nil {
				return err
			}
		}
		row.BottomID, row.Revision = bottomID, t.top.Revision
		if row.Detail[sentMember] == sentAgain {
			row.Detail[lateMember] = t.stamp()
		} else if late := t.row.Detail[lateMember]; late == row.Detail[lateMember] && t.past(late) { // ensure has just looked
			delete(row.Detail, lateMember)
		}
		delete(row.Detail, sentMember)
		return putChanged(ctx, tx, []store.Realization{was}, *row)
	})
}

// putChanged stores those of some realizations that do not say what they said: most runs change nothing, and to write it would collide
// with who changes the object.
func putChanged(ctx context.Context, tx store.Tx, known []store.Realization, rows ...store.Realization) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row store.Realization) bool {
		return slices.ContainsFunc(known, func(was store.Realization) bool {
			return was.Kind == row.Kind && was.TopID == row.TopID && was.PodNum == row.PodNum && was.BottomID == row.BottomID &&
				was.Revision == row.Revision && was.DeletedAt.Equal(row.DeletedAt) && was.NetworkID == row.NetworkID &&
				was.Shadow == row.Shadow && was.Due == row.Due && same("detail", merge(was.Detail, nil), merge(row.Detail, nil))
		})
	})
	return tx.PutRealization(ctx, rows...)
}

// attributes are what an object should have in a pod.
type attributes struct {
	born southbound.Object // given when it is made
	kept southbound.Object // the same, and made equal afterwards
	// known are made equal where the pod's Neutron has such attributes, which not all have.
	known southbound.Object
	// plain, if not nil, makes an object as observed comparable with kept.
	plain func(observed southbound.Object)
}

// ensure makes an object of the pod be there, have its find-key, and be equal. bottomID is its id if it is known. It returns nil for
// what is gone from the pod for good.
func (t *target) ensure(ctx context.Context, c southbound.Collection, key, bottomID string, a attributes) (bottom southbound.Object, err error) {
	if bottomID != "" {
		bottom, err = t.neutron.Get(ctx, c, bottomID)
	}
	switch {
	case err != nil:
		return nil, err
	case bottom != nil && t.row.Detail[lateMember] != nil:
		err = t.neutron.RemoveOthers(ctx, c, t.top.ProjectID, key, bottomID)
	case bottom == nil && c == southbound.Ports && adopted(t.row):
		return nil, nil
	case bottom == nil:
		bottom, err = t.findOrCreate(ctx, c, key, merge(a.born, a.kept))
	}
	if err != nil {
		return nil, err
	}
	if a.plain != nil {
		a.plain(bottom)
	}
	wanted := merge(a.kept, southbound.Object{"description": key})
	for name, value := range a.known {
		if _, has := bottom[name]; has {
			wanted[name] = value
		}
	}
	if change := difference(wanted, bottom); len(change) > 0 {
		return t.update(ctx, c, bottom, change, t.top)
	}
	return bottom, nil
}

// findOrCreate returns what was made under a find-key, and makes it if it is not there.
func (t *target) findOrCreate(ctx context.Context, c southbound.Collection, key string, attrs southbound.Object) (southbound.Object, error) {
	found, err := t.neutron.Find(ctx, c, attrs.Text("project_id"), key)
	if found != nil || err != nil {
		return found, err
	}
	before, err := t.sending(ctx)
	if err != nil {
		return nil, err
	}
	made, err := t.neutron.CreateAs(ctx, c, key, attrs)
	if refusal, ok := errors.AsType[*southbound.Refusal](err); ok && refusal.Status < http.StatusInternalServerError {
		if err := t.refused(ctx, before); err != nil {
			return nil, err
		}
		err = t.inTheWay(ctx, c, refusal, attrs)
	}
	return made, err
}

// errOutdated says that what a run has read is not so any more: what is wanted, or what kept the pod from making it.
var errOutdated = errors.New("it has changed meanwhile")

// update changes what is in the pod into what is wanted, if both are still what they were when they were read: another runner may have been
// at it, to whom this one has lost its lease. The pod compares its side.
func (t *target) update(ctx context.Context, c southbound.Collection, observed, change southbound.Object, wanted *store.Object) (southbound.Object, error) {
	if err := t.still(ctx, wanted); err != nil {
		return nil, err
	}
	updated, err := t.neutron.Update(ctx, c, observed, change)
	if refusal, ok := errors.AsType[*southbound.Refusal](err); ok {
		err = t.inTheWay(ctx, c, refusal, merge(observed, change))
	}
	return updated, err
}

// still returns nil if an object of the top is what it was when it was read.
func (t *target) still(ctx context.Context, wanted *store.Object) error {
	now, err := t.Store.Reader().Get(ctx, wanted.Kind, wanted.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && now.Revision != wanted.Revision {
		return errOutdated
	}
	return err
}

// merge returns what is in either, the second overriding the first.
func merge[M ~map[string]any](a, b M) M {
	all := make(M, len(a)+len(b))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// difference returns the attributes that are not observed as they should be.
func difference(wanted, observed southbound.Object) southbound.Object {
	change := southbound.Object{}
	for name, value := range wanted {
		if !same(name, value, observed[name]) {
			change[name] = value
		}
	}
	return change
}

// same compares two values of an attribute. Only where order has a meaning it counts.
func same(name string, a, b any) bool {
	return bytes.Equal(canonical(a, name != "dns_nameservers"), canonical(b, name != "dns_nameservers"))
}

// canonical is JSON in which equal values are equal texts.
func canonical(v any, unordered bool) []byte {
	text, _ := json.Marshal(v) // it came from JSON
	var list []json.RawMessage
	if !unordered || json.Unmarshal(text, &list) != nil || list == nil {
		return text
	}
	slices.SortFunc(list, func(a, b json.RawMessage) int { return cmp.Compare(string(a), string(b)) })
	text, _ = json.Marshal(list)
	return text
}

// pick returns some attributes of an object, those that it has and that are not empty texts or null.
func pick(o *store.Object, names ...string) southbound.Object {
	some := southbound.Object{}
	for _, name := range names {
		if v := o.Attrs[name]; v != nil && v != "" {
			some[name] = v
		}
	}
	return some
}

// text is an attribute that is a string, or "".
func text(o *store.Object, name string) string {
	s, _ := o.Attrs[name].(string)
	return s
}

// texts is an attribute that is a list of strings.
func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, x := range list {
		if s, ok := x.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// anys is the inverse of texts.
func anys(list []string) []any {
	all := make([]any, len(list))
	for i, s := range list {
		all[i] = s
	}
	return all
}

// equal is a filter for one value.
func equal(attr string, values ...any) store.Filter { return store.Filter{Attr: attr, Values: values} }

// idsOf are the ids of objects.
func idsOf(objects []*store.Object) []string {
	ids := make([]string, len(objects))
	for i, o := range objects {
		ids[i] = o.ID
	}
	return ids
}

// live selects realizations that should be there.
func live(q store.RealizationQuery) store.RealizationQuery {
	no := false
	q.Deleted = &no
	return q
}
