package nova

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// projectUsage adds what one project used in two pods.
var projectUsage = &gateway.Sum{Add: []string{"total_*"}, Unite: []string{"server_usages"}}

// usagePaging is the microversion from which usage comes in pages, which count servers rather than projects.
var usagePaging = microversion.MustParse("2.40")

// usage is GET /os-simple-tenant-usage and /os-simple-tenant-usage/{id}. As it is for bills, all pods must answer.
func usage(c *gateway.Call) error {
	params := maps.Clone(c.Query)
	oneClock(params, c.Now().UTC())
	u := &usageReport{Call: c, params: params, one: c.Params.Get("id") != "", projects: map[string]*projectRow{}}
	if c.Version.Less(usagePaging) {
		return u.all()
	}
	return u.page()
}

// Nova's forms of start and end (nova/api/openstack/compute/simple_tenant_usage.py, _parse_datetime). In both a fraction may follow.
var usageTimes = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"}

const micro = "2006-01-02T15:04:05.000000"

// oneClock gives all pods the same window of time, where each would use its own clock: for a start or end that is not given, and
// for an end that has not come yet. What is no time Nova refuses.
func oneClock(params url.Values, now time.Time) {
	parse := func(name string, missing time.Time) (time.Time, bool) {
		text := params.Get(name)
		if text == "" {
			return missing, true
		}
		for _, layout := range usageTimes {
			if t, err := time.Parse(layout, text); err == nil {
				return t, true
			}
		}
		return time.Time{}, false
	}
	start, ok := parse("start", now)
	end, okToo := parse("end", now)
	if !ok || !okToo {
		return
	}
	if params.Get("start") == "" {
		params.Set("start", start.Format(micro))
	}
	if end.After(now) && !start.After(now) {
		end = now
	}
	if start.Equal(now) && end.Equal(now) {
		end = now.Add(time.Microsecond) // Nova reads its clock twice
	}
	params.Set("end", end.Format(micro))
}

// usageReport is the answer in the making.
type usageReport struct {
	*gateway.Call
	params   url.Values // for the pods
	one      bool       // of one project
	projects map[string]*projectRow
	added    int    // rows of pods
	last     string // id of the last server
}

// projectRow is what one project used.
type projectRow struct {
	raw   []byte
	place int // in the order of the report
}

func (u *usageReport) member() string {
	if u.one {
		return "tenant_usage"
	}
	return "tenant_usages"
}

// all adds up what all pods say, below the microversion of pages.
func (u *usageReport) all() error {
	parts := u.AskAll(u.Path, u.params.Encode())
	if err := u.Complete(parts, false); err != nil {
		return err
	}
	for _, part := range parts {
		if _, _, err := u.add(part.Pod, part.Doc); err != nil {
			return err
		}
	}
	return u.reply(false)
}

// page makes one page as Nova does with its cells: pod after pod, in their fixed order, each asked for what is still missing, and
// the marker looked for in the first ones. A pod that has a next page ends ours.
func (u *usageReport) page() error {
	hide := u.showServers()
	left := maxLimit
	if limits := u.params["limit"]; len(limits) > 0 {
		if n, err := strconv.Atoi(limits[len(limits)-1]); err == nil {
			left = min(n, maxLimit)
		}
	}
	var notFound error
	more := false
	pods := u.fromMarker()
	if len(pods) == 0 {
		return u.AnyPod() // which says so
	}
	for _, p := range pods {
		doc, err := u.Ask(u.Context(), p, u.Path, u.params.Encode())
		if r, ok := errors.AsType[*gateway.Refusal](err); ok && r.Answer.Status == http.StatusBadRequest && u.params.Has("marker") {
			notFound = err
			continue
		}
		if err != nil {
			return err
		}
		notFound = nil
		var n int
		if n, more, err = u.add(p, doc); err != nil {
			return err
		}
		if left -= n; more || left <= 0 {
			break
		}
		u.params.Del("marker")
		u.params.Set("limit", strconv.Itoa(left))
	}
	if notFound != nil {
		return notFound
	}
	if hide {
		for _, r := range u.projects {
			var err error
			if r.raw, err = jsonx.Delete(r.raw, "server_usages"); err != nil {
				return err
			}
		}
	}
	return u.reply(more)
}

// showServers makes pods show the servers, by which the page is counted, and tells whether the client does not want to see them.
func (u *usageReport) showServers() (hide bool) {
	if u.one || u.params.Get("detailed") == "1" {
		return false
	}
	u.params.Set("detailed", "1")
	return true
}

// fromMarker returns the pods from that of the marker on; all if that is not known.
func (u *usageReport) fromMarker() []*pod.Pod {
	pods := u.Parties()
	if p, err := u.Routing.Known(u.Context(), store.Server, u.params.Get("marker")); err == nil && p != nil {
		return pods[max(0, slices.Index(pods, p)):]
	}
	return pods
}

// add works a pod's answer in. n is the number of servers in it, more says that there is a next page of it.
func (u *usageReport) add(p *pod.Pod, doc []byte) (n int, more bool, err error) {
	raw, _, _ := jsonx.Get(doc, u.member())
	rows, ok := [][]byte{raw}, bytes.HasPrefix(raw, []byte("{"))
	if !u.one {
		rows, ok = jsonx.Elements(raw)
	}
	if !ok {
		return 0, false, u.Absent(p, fmt.Errorf("no %q", u.member()))
	}
	for _, row := range rows {
		shown, err := u.addProject(row)
		if err != nil {
			return 0, false, u.Absent(p, err)
		}
		n += shown
	}
	_, more, _ = jsonx.Get(doc, u.member()+"_links")
	return n, more, nil
}

// addProject works in what a project used in a pod, and returns the number of servers shown. A project that is there already moves
// to the end, because clients take the last server of the last project for their marker.
func (u *usageReport) addProject(row []byte) (servers int, err error) {
	var shown struct {
		Project string `json:"tenant_id"`
		Servers []struct {
			ID string `json:"instance_id"`
		} `json:"server_usages"`
	}
	if err := json.Unmarshal(row, &shown); err != nil {
		return 0, err
	}
	if shown.Project == "" {
		return 0, nil // the one that was asked about has used nothing
	}
	if known := u.projects[shown.Project]; known != nil {
		if row, err = projectUsage.Combine(known.raw, row); err != nil {
			return 0, err
		}
	}
	u.added++
	u.projects[shown.Project] = &projectRow{row, u.added}
	for _, s := range shown.Servers {
		u.last = s.ID
	}
	return len(shown.Servers), nil
}

// reply renders the report as Nova does.
func (u *usageReport) reply(more bool) error {
	rows := slices.SortedFunc(maps.Values(u.projects), func(a, b *projectRow) int { return a.place - b.place })
	raws := make([][]byte, len(rows))
	for i, r := range rows {
		raws[i] = r.raw
	}
	usages := bytes.Join(raws, []byte(", "))
	switch {
	case !u.one:
		usages = slices.Concat([]byte("["), usages, []byte("]"))
	case len(rows) == 0:
		usages = []byte("{}")
	}
	doc := fmt.Appendf(nil, `{%q: %s`, u.member(), usages)
	if more && u.last != "" {
		query := maps.Clone(u.Query)
		query.Set("marker", u.last)
		doc = fmt.Appendf(doc, `, %q: [{"rel": "next", "href": %s}]`, u.member()+"_links", jsonx.Quote(nil, u.Link(query)))
	}
	u.ReplyJSON(append(doc, '}'))
	return nil
}
