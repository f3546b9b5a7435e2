package simcloud

import (
	"encoding/json"

	"github.com/tricircle/tricircle/internal/fault"
)

// What moves servers between the hosts of the pod.

// otherHost is where the scheduler takes a server whose host is to be left: to the next that is not disabled.
func (n *compute) otherHost(from string) (string, error) {
	for _, s := range n.computes() {
		if s.host != from && !s.disabled && !s.forcedDown {
			return s.host, nil
		}
	}
	return "", fault.BadRequest("No valid host was found. There are not enough hosts available.")
}

// destination reads the host of an action: the one that is named, or any other.
func (n *compute) destination(named, from string) (string, error) {
	if named == "" {
		return n.otherHost(from)
	}
	if n.computeOn(named) == nil {
		return "", fault.BadRequest("Compute host %s could not be found.", named)
	}
	return named, nil
}

func (n *compute) migrateLive(c *call, s *server, raw json.RawMessage) error {
	var b struct {
		Host           string
		BlockMigration any  `json:"block_migration"`
		DiskOverCommit any  `json:"disk_over_commit"`
		Force          bool `json:"force"`
	}
	if err := strict("os-migrateLive", raw, &b); err != nil {
		return err
	}
	from := n.hostOf(s, c.cloud.opts.Now())
	dest, err := n.destination(b.Host, from)
	switch {
	case err != nil:
		return err
	case dest == from && !c.at(34):
		return fault.BadRequest("Unable to migrate instance (%s) to current host (%s).", s.id, from)
	case dest == from: // asked too late to say so
		n.migrate(c, s, liveMigration, dest, "error", 0)
	default:
		n.migrate(c, s, liveMigration, dest, "completed", c.cloud.opts.BootDelay)
	}
	return nil
}

// migrateCold leaves the server to be confirmed or reverted, as a resize does.
func (n *compute) migrateCold(c *call, s *server, raw json.RawMessage) error {
	var b struct{ Host string }
	if c.at(56) {
		if err := strict("migrate", raw, &b); err != nil {
			return err
		}
	}
	from := n.hostOf(s, c.cloud.opts.Now())
	dest, err := n.destination(b.Host, from)
	switch {
	case err != nil:
		return err
	case dest == from:
		return fault.BadRequest("Cannot migrate to the host where the server exists.")
	}
	n.migrate(c, s, "migration", dest, "finished", 0)
	s.state = "resized"
	return nil
}

// evacuate rebuilds a server elsewhere when its host is down.
func (n *compute) evacuate(c *call, s *server, raw json.RawMessage) error {
	var b struct{ Host, AdminPass string }
	if err := arguments("evacuate", raw, &b); err != nil {
		return err
	}
	from := n.hostOf(s, c.cloud.opts.Now())
	switch down := n.computeOn(from); {
	case b.Host != "" && n.computeOn(b.Host) == nil:
		return fault.NotFound("Compute host %s not found.", b.Host)
	case b.Host == from:
		return fault.BadRequest("The target host can't be the same one.")
	case down != nil && !down.forcedDown:
		return fault.BadRequest("Compute service of %s is still in use.", from)
	}
	dest, err := n.destination(b.Host, from)
	if err != nil {
		return err
	}
	n.migrate(c, s, "evacuation", dest, "done", 0)
	if c.at(14) {
		return nil
	}
	c.status = 200
	if b.AdminPass != "" {
		s.adminPass = b.AdminPass
	}
	c.body.obj()
	c.body.str("adminPass", s.adminPass)
	c.body.endObj()
	return nil
}
