package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// zoneInfo is one zone as Nova and Cinder list it. Nova adds hosts: null for users, and for administrators, in the detailed
// list, what runs where.
type zoneInfo struct {
	Name  string    `json:"zoneName"`
	State zoneState `json:"zoneState"`
	Hosts *hosts    `json:"hosts,omitempty"`
}

type zoneState struct {
	Available bool `json:"available"`
}

// hosts maps a host to what Nova says of its services. A nil map is null.
type hosts map[string]json.RawMessage

// ListZones answers the availability zone list, short or detailed: the zones of the top, each available when it is in any
// pod that serves it, with the hosts of all of them. The zones of a pod that does not answer are there, and not available.
func (c *Call) ListZones() error {
	pods := c.Pods.Serving()
	answers := make([]*Answer, len(pods))
	missing := c.Everywhere(pods, func(i int, p *pod.Pod) (err error) {
		answers[i], err = c.Do(c.Context(), p, Request{Method: http.MethodGet, Path: c.Path})
		return err
	})
	zones := map[string]*zoneInfo{}
	for _, p := range c.Pods.All() {
		for _, z := range p.Zones {
			zones[z.Name] = &zoneInfo{Name: z.Name}
		}
	}
	for i, p := range pods {
		switch a := answers[i]; {
		case a == nil:
		case a.Status == http.StatusForbidden:
			return c.Reply(p, a)
		default:
			if err := addZones(zones, p, a); err != nil {
				missing = append(missing, p.Name())
			}
		}
	}
	if len(missing) > 0 {
		c.W.Header().Set(missingHeader, strings.Join(missing, ", "))
	}
	info := slices.SortedFunc(maps.Values(zones), func(a, b *zoneInfo) int { return strings.Compare(a.Name, b.Name) })
	return c.WriteJSON(http.StatusOK, map[string]any{"availabilityZoneInfo": info})
}

// addZones merges what one pod says into zones.
func addZones(zones map[string]*zoneInfo, p *pod.Pod, a *Answer) error {
	var doc struct {
		Info []zoneInfo `json:"availabilityZoneInfo"`
	}
	if err := json.Unmarshal(a.Body, &doc); err != nil || !a.OK() {
		return badGateway(p, err, "does not list its availability zones")
	}
	showsHosts := bytes.Contains(a.Body, []byte(`"hosts"`))
	for _, from := range doc.Info {
		name := p.TopZone(from.Name)
		z := zones[name]
		if z == nil {
			z = &zoneInfo{Name: name}
			zones[name] = z
		}
		z.State.Available = z.State.Available || from.State.Available
		if showsHosts && z.Hosts == nil {
			z.Hosts = new(hosts)
		}
		if from.Hosts == nil {
			continue
		}
		if *z.Hosts == nil {
			*z.Hosts = hosts{}
		}
		for host, services := range *from.Hosts {
			(*z.Hosts)[p.TopHost(host)] = services
		}
	}
	return nil
}

// WithZone puts a zone, in a pod's words, into a request body; "", which is any zone of the pod, takes the member out.
func WithZone(body []byte, podZone string, path ...string) ([]byte, error) {
	edit := func() ([]byte, error) { return jsonx.Set(body, jsonx.Quote(nil, podZone), path...) }
	if podZone == "" {
		edit = func() ([]byte, error) { return jsonx.Delete(body, path...) }
	}
	edited, err := edit()
	if err != nil {
		return nil, fault.BadRequest("Malformed request body")
	}
	return edited, nil
}

// TranslateZone puts a filter by zone into a pod's words; false when the pod does not serve the zone.
func TranslateZone(p *pod.Pod, params url.Values, zone string) bool {
	name, ok := p.PodZone(zone)
	if params.Del("availability_zone"); ok && name != "" {
		params.Set("availability_zone", name)
	}
	return ok
}

// Everywhere calls f for every pod in parallel and returns the names of those for which it failed.
func (c *Call) Everywhere(pods []*pod.Pod, f func(i int, p *pod.Pod) error) (missing []string) {
	errs := make(chan string, len(pods))
	for i, p := range pods {
		go func() {
			if err := f(i, p); err != nil {
				c.Log.InfoContext(c.Context(), "a pod is missing from an answer", "pod", p.Name(), "error", err)
				errs <- p.Name()
				return
			}
			errs <- ""
		}()
	}
	for range pods {
		if name := <-errs; name != "" {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// WriteJSON answers with a document that the top has made itself.
func (c *Call) WriteJSON(status int, doc any) error {
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(doc); err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(status)
	_, _ = c.W.Write(bytes.TrimSpace(out.Bytes()))
	return nil
}
