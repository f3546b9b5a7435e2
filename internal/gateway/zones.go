package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/pod"
)

// zoneInfo is one zone as Nova and Cinder list it; Nova adds hosts, which is null for users.
type zoneInfo struct {
	Name  string `json:"zoneName"`
	State struct {
		Available bool `json:"available"`
	} `json:"zoneState"`
	Hosts json.RawMessage `json:"hosts,omitempty"`
}

// ListZones answers the availability zone list: the zones of the top, each available when it is in any pod that serves it.
// The zones of a pod that does not answer are there, and not available.
func (c *Call) ListZones() error {
	available := map[string]bool{}
	for _, p := range c.Pods.All() {
		for _, z := range p.Zones {
			available[z.Name] = available[z.Name] || false
		}
	}
	pods := c.Pods.Serving()
	lists := make([][]zoneInfo, len(pods))
	missing := c.Everywhere(pods, func(i int, p *pod.Pod) error {
		a, err := c.Do(c.Context(), p, Request{Method: http.MethodGet, Path: c.Path})
		if err != nil {
			return err
		}
		var doc struct {
			Info []zoneInfo `json:"availabilityZoneInfo"`
		}
		if err := json.Unmarshal(a.Body, &doc); err != nil || !a.OK() {
			return badGateway(p, err, "does not list its availability zones")
		}
		lists[i] = doc.Info
		return nil
	})
	var hosts json.RawMessage
	for i, list := range lists {
		for _, z := range list {
			hosts = z.Hosts
			if name := pods[i].TopZone(z.Name); z.State.Available {
				available[name] = true
			}
		}
	}
	if len(missing) > 0 {
		c.W.Header().Set(missingHeader, strings.Join(missing, ", "))
	}
	return c.replyZones(available, hosts)
}

func (c *Call) replyZones(available map[string]bool, hosts json.RawMessage) error {
	var info []zoneInfo
	for name, up := range available {
		z := zoneInfo{Name: name, Hosts: hosts}
		z.State.Available = up
		info = append(info, z)
	}
	slices.SortFunc(info, func(a, b zoneInfo) int { return strings.Compare(a.Name, b.Name) })
	return c.WriteJSON(http.StatusOK, map[string]any{"availabilityZoneInfo": info})
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
