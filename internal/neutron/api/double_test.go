package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// database is a real store that runs each transaction twice, as after a collision: what a first run does outside of it must
// not show. It counts the statements that read outside of transactions.
type database struct {
	*sqlstore.Store
	statements int
}

func openDatabase(t testing.TB, now func() time.Time) *database {
	t.Helper()
	return &database{Store: sqltest.Open(t, sqltest.InMemory, now)}
}

var errCollision = errors.New("collided with another transaction")

func (d *database) InTx(ctx context.Context, f func(store.Tx) error) error {
	err := d.Store.InTx(ctx, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errCollision
	})
	if !errors.Is(err, errCollision) {
		return err
	}
	return d.Store.InTx(ctx, f)
}

func (d *database) Reader() store.Reader { return counting{d.Store.Reader(), d} }

type counting struct {
	store.Reader
	d *database
}

func (c counting) List(ctx context.Context, q store.ObjectQuery) ([]*store.Object, error) {
	c.d.statements++
	return c.Reader.List(ctx, q)
}

func (c counting) Count(ctx context.Context, q store.ObjectQuery) (int, error) {
	c.d.statements++
	return c.Reader.Count(ctx, q)
}

// objects are all objects of a kind, in order of their ids.
func (f *fixture) objects(kind store.ObjectKind) []*store.Object {
	f.t.Helper()
	all, err := f.Store.Reader().List(f.t.Context(), store.ObjectQuery{Kind: kind})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

// object is the network with that id.
func (f *fixture) object(id string) *store.Object {
	f.t.Helper()
	o, err := f.Store.Reader().Get(f.t.Context(), store.KindNetwork, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return o
}

// share lets a project use a network.
func (f *fixture) share(network, project string) {
	f.t.Helper()
	err := f.Store.InTx(f.t.Context(), func(tx store.Tx) error {
		return tx.Insert(f.t.Context(), &store.Object{Kind: store.KindRBACPolicy, ID: "1" + network[1:], Attrs: map[string]any{
			"object_type": "network", "object_id": network, "action": "access_as_shared", "target_project": project}})
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// isShared tells whether a network is shared with a project.
func isShared(c *Call, r store.Reader, o *store.Object) (bool, error) {
	n, err := r.Count(c.Context(), store.ObjectQuery{Kind: o.Kind, VisibleTo: c.ProjectID(), Filters: []store.Filter{
		{Attr: "id", Values: []any{o.ID}}, {Attr: "shared", Values: []any{true}}}})
	return n > 0, err
}
