package simcloud

import (
	"strconv"
	"time"
)

// The owner of everything that was not made by the API, and the image of its servers.
var (
	stableDemoProject = stableHex("project demo")
	stableDemoUser    = stableHex("user demo")
	stableCirros      = stableUUID("image cirros")
)

// generatedState is the vm_state of untouched server i: one of ten is stopped.
func generatedState(i int) string {
	if i%10 == 9 {
		return "stopped"
	}
	return "active"
}

// appendName appends the name of generated server i.
func (n *compute) appendName(b []byte, i int) []byte {
	return appendNumbered(append(append(b, "vm-"...), n.pod.Region...), i)
}

func appendNumbered(b []byte, i int) []byte {
	b = append(b, '-')
	for limit := 1_000_000; limit > 1 && i < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(i), 10)
}

// generate makes server i, which is a function of the pod and i alone.
func (n *compute) generate(i int) *server {
	created := time.Unix(n.servers.gen.created(i), 0).UTC()
	id := n.servers.gen.id(i)
	name := string(n.appendName(nil, i))
	return &server{
		id: id, name: name, hostname: name, project: stableDemoProject, user: stableDemoUser,
		created: created, updated: created.Add(5 * time.Second), launched: created.Add(5 * time.Second),
		state: generatedState(i), flavor: n.tiny, image: stableCirros, number: i + 1,
		reservation: "r-" + id[:8], diskConfig: "MANUAL", groups: defaultGroups,
		nics: []*nic{n.pod.network.generatedNIC(i)},
	}
}

var defaultGroups = []string{"default"}

// adopt gives a generated server, which is stored from now on, the port that was generated with it.
func (n *compute) adopt(s *server) {
	for _, x := range s.nics {
		n.pod.network.adopt(s, x)
	}
}
