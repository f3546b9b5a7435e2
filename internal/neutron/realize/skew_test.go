package realize_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/store"
)

// interleaved is a store in which something else is done between the reads and the end of one transaction: the first of which when holds,
// once all that it does has been done.
type interleaved struct {
	store.Objects
	when func(tx store.Tx) bool
	then func()
	done bool
}

func (s *interleaved) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	return s.Objects.InTx(ctx, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		if !s.done && s.when(tx) {
			s.done = true
			s.then()
		}
		return nil
	})
}

// whileAdmitting runs all jobs, and does something else while it is noted of a group in pod 2 whether it has members there. Transactions of
// SQLite run one after the other, so it is for PostgreSQL.
func (w *world) whileAdmitting(group *store.Object, members bool, then func()) {
	w.t.Helper()
	usual := w.r
	o := usual.Options
	s := &interleaved{Objects: o.Store, when: func(tx store.Tx) bool {
		rows, err := tx.Realizations(w.t.Context(), store.RealizationQuery{Kind: group.Kind, TopIDs: []string{group.ID}, PodNum: 2})
		return err == nil && len(rows) == 1 && rows[0].Detail["has_members"] == members
	}}
	s.then = func() {
		w.r = usual
		then()
	}
	o.Store = s
	w.r = realize.New(o)
	w.drain()
	if !s.done {
		w.t.Fatal("nothing was noted of the group")
	}
}

// wantNow wants a port in a pod, and runs the jobs for it and for the members of its network, but no others.
func (w *world) wantNow(podNum int32, port *store.Object) {
	w.t.Helper()
	var jobs []store.NewJob
	w.tx(func(tx store.Tx) (err error) {
		jobs, err = realize.Want(w.t.Context(), tx, podNum, port)
		return err
	})
	due := w.due(100)
	for _, job := range append(jobs, store.MembersJob(port.Attrs["network_id"].(string))) {
		at := slices.IndexFunc(due, func(j store.Job) bool { return j.Kind == job.Kind && j.Resource == job.Resource })
		if err := w.execute(due[at]); err != nil {
			w.t.Error(err)
		}
	}
}

func TestSecurityGroup_LastMemberLeavesWhileOneComesOnAnotherNetwork_ShadowsStay(t *testing.T) {
	w := newWorldOn(t, postgres.NewDatabase(t), 2)
	_, one := w.network(2101)
	_, other := w.network(2102)
	web := w.group("web")
	w.rule(web, web, nil)
	leaves := w.port(one, "10.101.0.11", web)
	w.want(1, w.port(one, "10.101.0.10", web))
	w.want(2, leaves, w.port(other, "10.102.0.11"))
	w.remove(leaves)
	w.whileAdmitting(web, false, func() { w.wantNow(2, w.port(other, "10.102.0.12", web)) })
	w.wantShadows("one has left, one has come", shadows{}, shadows{"10.101.0.10": {"web"}})
}

func TestSecurityGroup_FirstMemberComesWhileAnotherNetworkGetsOne_BothGetShadows(t *testing.T) {
	w := newWorldOn(t, postgres.NewDatabase(t), 2)
	_, one := w.network(2101)
	_, other := w.network(2102)
	web := w.group("web")
	w.rule(web, web, nil)
	w.want(1, w.port(one, "10.101.0.10"), w.port(other, "10.102.0.10"))
	w.want(2, w.port(one, "10.101.0.11"))
	first := w.port(other, "10.102.0.12", web)
	w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 2, first); return err })
	w.whileAdmitting(web, true, func() { w.wantNow(1, w.port(one, "10.101.0.13", web)) })
	w.wantShadows("both are members", shadows{"10.102.0.12": {"web"}}, shadows{"10.101.0.13": {"web"}})
}
