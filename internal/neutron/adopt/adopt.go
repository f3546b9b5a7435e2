// Package adopt makes the top the owner of networks that a pod has already, with the servers on them: network, subnets, ports and
// the security groups of the ports become objects of the top, under the ids that they have in the pod, and realizations say
// that they are what the pod has. Whoever stored such an id, as Nova does, can go on using it.
//
// It reads the pod and writes rows, all of a network in one transaction, and changes nothing in the pod: that is done by the jobs
// that make objects of the top equal in pods. So it can be cut off anywhere and run again, and a second run takes in what is new.
//
// It must not depend on the API, nor on who runs jobs.
package adopt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// Options is what an Adopter works with. All are required.
type Options struct {
	Store  store.Objects
	Pods   realize.Pods
	Token  func(context.Context) (string, error) // of the service user
	Types  *typedriver.Drivers
	RunNow func(context.Context, store.NewJob) error // runs a job, or waits for who runs it
}

// Adopter adopts networks. Safe for concurrent use.
type Adopter struct{ Options }

// New returns an Adopter.
func New(o Options) *Adopter { return &Adopter{o} }

// ErrNoNetwork is returned for a network that the pod does not have.
var ErrNoNetwork = errors.New("the pod has no such network")

// RefusedError says why a network cannot be adopted, and what to do about it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refuse(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// Step is one thing that an adoption does.
type Step struct {
	Kind store.ObjectKind
	ID   string // in the pod
	Name string
	What string // "becomes the top's", or what else
}

// Report is what an adoption has done, or would do.
type Report struct {
	TopID     string
	Name      string
	ProjectID string
	Type      string // network type at the top: "vlan", "flat" or "local"
	Spans     bool   // whether other pods may use the network
	Steps     []Step // none if there was nothing to do
	Pending   string // why the pod's network has not been marked yet; its job goes on trying. "" if it has
}

// Adopt adopts a network of a pod, by its id there. If the top has adopted it already, what has come to it in the pod since is adopted.
// With dryRun it only says what it would do. Errors are ErrNoNetwork, a *RefusedError, or those of a pod that does not answer.
func (a *Adopter) Adopt(ctx context.Context, p *pod.Pod, id string, dryRun bool) (*Report, error) {
	report, err := a.once(ctx, p, id, dryRun)
	if err != nil || dryRun {
		return report, err
	}
	// From here on the pod gives out no address of a network that others may use; what it gave out meanwhile is seen by a second look.
	if err := a.RunNow(ctx, realize.Job(store.KindNetwork, report.TopID, report.ProjectID, p.Num)); err != nil {
		report.Pending = err.Error()
		return report, nil
	}
	if !report.Spans {
		return report, nil
	}
	more, err := a.once(ctx, p, id, false)
	if err != nil {
		return nil, err
	}
	report.Steps = append(report.Steps, more.Steps...)
	return report, nil
}

// errDryRun undoes a transaction.
var errDryRun = errors.New("nothing is kept of a dry run")

// once looks at the pod and writes down what the top does not know.
func (a *Adopter) once(ctx context.Context, p *pod.Pod, id string, dryRun bool) (*Report, error) {
	seen, err := a.look(ctx, p, id)
	if err != nil {
		return nil, err
	}
	var adopted *adoption
	err = a.Store.InTx(ctx, func(tx store.Tx) error {
		adopted = &adoption{Adopter: a, pod: p, sight: seen, tx: tx, added: map[string]bool{}}
		if err := adopted.run(ctx); err != nil {
			return err
		}
		if dryRun {
			return errDryRun
		}
		return tx.Enqueue(ctx, adopted.jobs...)
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return &adopted.report, nil
}

// The states of a Candidate.
const (
	Free    = "free"    // it can be adopted
	Adopted = "adopted" // the top has adopted it
	Made    = "made"    // the top has made it
)

// Candidate is a network of a pod.
type Candidate struct {
	ID, Name, ProjectID string
	Type, Physical      string // as the pod has it: "geneve", "vlan"...
	Segment             int64  // 0 for none
	External, Shared    bool
	State               string
	TopID               string // "" of those that are free
}

// Candidates lists the networks of a pod, of one project or of all if that is "", in the order of names.
func (a *Adopter) Candidates(ctx context.Context, p *pod.Pod, projectID string) ([]Candidate, error) {
	query := url.Values{}
	if projectID != "" {
		query.Set("project_id", projectID)
	}
	networks, err := southbound.NewNeutron(p, a.Token).List(ctx, southbound.Networks, query)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range networks {
		ids = append(ids, n.ID())
	}
	known, err := realizations(ctx, a.Store.Reader(), p.Num, ids)
	if err != nil {
		return nil, err
	}
	all := make([]Candidate, len(networks))
	for i, n := range networks {
		segment, _ := n["provider:segmentation_id"].(float64)
		all[i] = Candidate{ID: n.ID(), Name: n.Text("name"), ProjectID: n.Text("project_id"), Type: n.Text("provider:network_type"),
			Physical: n.Text("provider:physical_network"), Segment: int64(segment), External: n["router:external"] == true,
			Shared: n["shared"] == true, State: Free}
		if row, ours := known[n.ID()]; ours {
			all[i].TopID, all[i].State = row.TopID, Made
			if row.Detail[realize.Adopted] == true {
				all[i].State = Adopted
			}
		}
	}
	slices.SortFunc(all, func(x, y Candidate) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	return all, nil
}

// realizations returns what the top knows of objects of a pod, by their ids there.
func realizations(ctx context.Context, from store.Reader, podNum int32, ids []string) (map[string]store.Realization, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := from.Realizations(ctx, store.RealizationQuery{PodNum: podNum, BottomIDs: ids})
	known := make(map[string]store.Realization, len(rows))
	for _, row := range rows {
		known[row.BottomID] = row
	}
	return known, err
}
