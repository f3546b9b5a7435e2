package nic

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// The kinds of jobs that free ports in a pod.
const (
	DeviceJob = "device"        // all of a device: a server that is gone, or a boot of which nobody knows
	DetachJob = "detached_port" // one that a server gives back
	IdleJob   = "idle_port"     // one that no server was seen to use
)

// Free is the handler of jobs of DeviceJob, with the resource "<device id>/<number of the pod>", and of the others, with that of a port. Who
// has a port only its pod knows: its Nova writes the server into the port, and takes it out again when the server is gone or the port
// detached. Ports that were made for the server are deleted then, those that the user made are free. While the pod still uses them it
// is an error, but for IdleJob, which nobody waits for; so it is while the pod is disabled, and says nothing.
func (s *Service) Free(ctx context.Context, job store.NewJob) error {
	id, num, _ := strings.Cut(job.Resource, "/")
	podNum, err := strconv.ParseInt(num, 10, 32)
	if err != nil {
		return fmt.Errorf("job %s %s: the resource is not <id>/<number of the pod>", job.Kind, job.Resource)
	}
	if p := s.Realizer.Pods.Snapshot().ByNum(int32(podNum)); p != nil && !p.Serves() {
		return &pod.UnavailableError{Pod: p.Name(), Service: pod.Network, Reason: "it is disabled"}
	}
	query := deviceQuery(id)
	if job.Kind != DeviceJob {
		query = store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{{Attr: "id", Values: []any{id}}}}
	}
	ports, err := s.Store.Reader().List(ctx, query)
	if err != nil || len(ports) == 0 {
		return err
	}
	rows, err := s.portsIn(ctx, ports, int32(podNum))
	if err != nil {
		return err
	}
	live, err := s.Realizer.LivePorts(ctx, slices.Collect(maps.Keys(rows)))
	if err != nil {
		return err
	}
	used, err := s.release(ctx, ports, rows, live)
	if err == nil && used > 0 && job.Kind != IdleJob {
		err = fmt.Errorf("%d ports are still in use in their pod, or may be soon", used)
	}
	return err
}

// portsIn returns what ports are in a pod, by their ids.
func (s *Service) portsIn(ctx context.Context, ports []*store.Object, podNum int32) (map[string]store.Realization, error) {
	var ids []string
	for _, p := range ports {
		ids = append(ids, p.ID)
	}
	rows, err := s.Store.Reader().Realizations(ctx, portsQuery(podNum, ids...))
	byID := map[string]store.Realization{}
	for _, row := range rows {
		byID[row.TopID] = row
	}
	return byID, err
}

// portsQuery selects what ports are in a pod, or in any if that is 0. What only stands for them is not them.
func portsQuery(podNum int32, ids ...string) store.RealizationQuery {
	shadow := false
	return store.RealizationQuery{Kind: store.KindPort, TopIDs: append([]string{}, ids...), PodNum: podNum, Shadow: &shadow}
}

// release makes ports at the top agree with what their pod says of them, and returns how many are in use there, or may be soon.
func (s *Service) release(ctx context.Context, ports []*store.Object, rows map[string]store.Realization,
	live map[string]realize.LivePort) (used int, err error) {
	young := s.Now().Add(-s.Doubt)
	var made []string
	for _, port := range ports {
		row, here := rows[port.ID]
		state, there := live[port.ID]
		device, now := text(port, "device_id"), state.DeviceID
		switch {
		case !here, device == "":
		case !there && row.Detail[realize.Adopted] == true: // its pod's Nova had made it
			made = append(made, port.ID)
		case now == device, now == "" && isUnderway(device) && port.UpdatedAt.After(young):
			used++
		case now == "" && row.Detail[ephemeral] == true:
			made = append(made, port.ID)
		default:
			if err := s.setPortDevice(ctx, port.ID, device, state); err != nil {
				return used, err
			}
		}
	}
	return used, s.free(ctx, made)
}

// setPortDevice gives one port to the device that its pod says, if it is still the former's. One that is free has the dns_name that Nova
// left it, unless the user has set another meanwhile.
func (s *Service) setPortDevice(ctx context.Context, id, from string, now realize.LivePort) error {
	return s.Store.InTx(ctx, func(tx store.Tx) error {
		port, err := tx.Get(ctx, store.KindPort, id)
		if err != nil || text(port, "device_id") != from {
			return err
		}
		port.Attrs["device_id"] = now.DeviceID
		if now.DeviceID == "" {
			port.Attrs["device_owner"] = ""
			if now.DNSName != nil && now.Named == text(port, store.AttrNamed) {
				port.Attrs["dns_name"] = now.DNSName
			}
		}
		return tx.Update(ctx, port)
	})
}

// Gone asks for the ports of a server to be freed as soon as its pod lets go of them. now tells to wait for one look.
func (s *Service) Gone(ctx context.Context, serverID string, podNum int32, now bool) error {
	ports, err := s.Store.Reader().List(ctx, deviceQuery(serverID))
	if err != nil || len(ports) == 0 {
		return err
	}
	job := deviceJob(serverID, ports[0].ProjectID, podNum)
	if now {
		return s.RunNow(ctx, job)
	}
	return s.Store.InTx(ctx, func(tx store.Tx) error { return tx.Enqueue(ctx, job) })
}

// Detached asks for a port of the top to be freed as soon as its pod lets go of it.
func (s *Service) Detached(ctx context.Context, portID string, podNum int32) error {
	port, err := s.Store.Reader().Get(ctx, store.KindPort, portID)
	if err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx store.Tx) error { return tx.Enqueue(ctx, portJob(DetachJob, port, podNum)) })
}

// recent tells whether a port was changed so lately that the boot it is in may be under way.
func (s *Service) recent(port *store.Object) bool {
	return port.UpdatedAt.After(s.Now().Add(-s.BootTimeout))
}

// Idle asks for a port to be freed that is a server's at the top, and which nothing uses in the pod where it is. So are ports whose
// process was killed between the end of a server and the note of it, and those of servers that were deleted in the pod. Boots that are
// under way are left to Sweep.
func (s *Service) Idle(ctx context.Context, tx store.Tx, port *store.Object, podNum int32) error {
	device, owner := text(port, "device_id"), text(port, "device_owner")
	if device == "" || isUnderway(device) || !strings.HasPrefix(owner, "compute:") || s.recent(port) {
		return nil
	}
	return tx.Enqueue(ctx, portJob(IdleJob, port, podNum))
}

func portJob(kind string, port *store.Object, podNum int32) store.NewJob {
	return store.NewJob{Kind: kind, Resource: port.ID + "/" + strconv.Itoa(int(podNum)), ProjectID: port.ProjectID, PodNum: podNum}
}

func deviceJob(device, projectID string, podNum int32) store.NewJob {
	return store.NewJob{Kind: DeviceJob, Resource: device + "/" + strconv.Itoa(int(podNum)), ProjectID: projectID, PodNum: podNum}
}

// Sweep enqueues jobs for boots that nobody takes care of any more: the process that had them was killed.
func (s *Service) Sweep(ctx context.Context) error {
	ports, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindPort,
		Filters: []store.Filter{{Attr: "device_id", Op: store.HasPrefix, Values: []any{underway}}}})
	if err != nil {
		return err
	}
	ports = slices.DeleteFunc(ports, s.recent)
	if len(ports) == 0 {
		return nil
	}
	rows, err := s.portsIn(ctx, ports, 0)
	if err != nil {
		return err
	}
	var unplaced []string
	err = s.Store.InTx(ctx, func(tx store.Tx) error {
		unplaced = nil
		for _, p := range ports {
			row, ok := rows[p.ID]
			if !ok {
				unplaced = append(unplaced, p.ID)
				continue
			}
			if err := tx.Enqueue(ctx, deviceJob(text(p, "device_id"), p.ProjectID, row.PodNum)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.free(ctx, unplaced) // a boot that got no further than making them: given ports are claimed with their realization
}
