package gateway_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

// server is a server as a pod has it.
type server struct {
	id, name string
	created  int     // seconds
	task     *string // null when nothing is going on
	power    int
	index    int // launch_index, which Nova does not show
	pod      int // its pod's number in the order of registration
	deleted  bool
}

var epoch = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func (s server) createdAt() string {
	return epoch.Add(time.Duration(s.created) * time.Second).Format(time.RFC3339)
}

func (s server) json(region string) string {
	status := "ACTIVE"
	if s.deleted {
		status = "DELETED"
	}
	doc, err := json.Marshal(map[string]any{
		"id": s.id, "status": status, "name": s.name, "created": s.createdAt(), "tenant_id": project, "user_id": user,
		"OS-EXT-STS:task_state": s.task, "OS-EXT-STS:power_state": s.power,
		"links": []map[string]string{{"rel": "self", "href": "http://" + region + ".compute/v2.1/servers/" + s.id}},
	})
	if err != nil {
		return err.Error()
	}
	return string(doc)
}

// novaPod lists servers exactly as Nova does: sort keys with uuid behind them, limit, marker and next link.
type novaPod struct {
	podtest.Pod
	maxLimit int // of the pod; 1000 if zero
	collation

	mu      sync.Mutex
	servers []server
	create  podtest.Handler // of POST /servers
}

func newNovaPod(region string, servers ...server) *novaPod {
	p := &novaPod{Pod: podtest.Pod{Region: region}, servers: servers}
	p.Compute = p.handle
	return p
}

// set replaces what the pod has.
func (p *novaPod) set(servers []server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers = servers
}

func (p *novaPod) add(s server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers = append(p.servers, s)
}

func (p *novaPod) handle(req *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(req.URL.Path, "/"+project)
	if req.Method == http.MethodPost && path == "/servers" {
		return p.create(req)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch id, one := strings.CutPrefix(path, "/servers/"); {
	case id == "detail":
		return p.list(req)
	case one:
		i := slices.IndexFunc(p.servers, func(s server) bool { return s.id == id && !s.deleted })
		if i < 0 {
			return podtest.JSON(http.StatusNotFound, `{"itemNotFound": {"code": 404, "message": "Instance `+id+` could not be found."}}`)(req)
		}
		if req.Method == http.MethodDelete {
			p.servers[i].deleted = true
			return podtest.Status(http.StatusNoContent)(req)
		}
		return podtest.JSON(http.StatusOK, `{"server": `+p.servers[i].json(p.Region)+`}`)(req)
	}
	return podtest.Status(http.StatusNotFound)(req)
}

func (p *novaPod) list(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	name, err := regexp.Compile(q.Get("name"))
	if err != nil {
		return podtest.Status(http.StatusBadRequest)(req)
	}
	rows := slices.Clone(p.servers)
	slices.SortStableFunc(rows, order(q["sort_key"], q["sort_dir"], p.collation))
	from := 0
	if marker := q.Get("marker"); marker != "" {
		from = 1 + slices.IndexFunc(rows, func(s server) bool { return s.id == marker })
		if from == 0 {
			return podtest.JSON(http.StatusBadRequest, `{"badRequest": {"code": 400, "message": "marker [`+marker+`] not found"}}`)(req)
		}
	}
	rows = slices.DeleteFunc(rows[from:], func(s server) bool { return s.deleted && !q.Has("changes-since") || !name.MatchString(s.name) })
	limit := cmp.Or(p.maxLimit, 1000)
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		limit = min(limit, n)
	}
	links := ""
	if limit == 0 {
		rows = nil
	} else if len(rows) >= limit {
		rows = rows[:limit]
		links = fmt.Sprintf(`, "servers_links": [{"rel": "next", "href": "http://%s.compute/v2.1/servers?marker=%s"}]`, p.Region, rows[limit-1].id)
	}
	shown := make([]string, len(rows))
	for i, s := range rows {
		shown[i] = s.json(p.Region)
	}
	return podtest.JSON(http.StatusOK, `{"servers": [`+strings.Join(shown, ", ")+`]`+links+`}`)(req)
}

// collation is how the pod's database sorts; the zero value is MySQL's way.
type collation struct {
	nullLast bool // which the top notices
	byCase   bool // which it does not
}

// order compares servers as Nova's database does, with uuid behind the keys.
func order(keys, dirs []string, how collation) func(a, b server) int {
	if len(keys) == 0 {
		keys = []string{"created_at"}
	}
	keys, dirs = complete(keys, dirs)
	return byKeys(keys, dirs, how)
}

// complete puts uuid behind the keys, and its direction behind those that there are; the rest get the first direction, descending if
// there is none (nova/compute/instance_list.py, InstanceSortContext; nova/db/utils.py, process_sort_params).
func complete(keys, dirs []string) (allKeys, allDirs []string) {
	keys, dirs = slices.Clone(keys), slices.Clone(dirs)
	if len(dirs) == 0 {
		dirs = []string{"desc"}
	}
	if !slices.Contains(keys, "uuid") {
		keys, dirs = append(keys, "uuid"), append(dirs, "asc")
	}
	for len(dirs) < len(keys) {
		dirs = append(dirs, dirs[0])
	}
	return keys, dirs
}

func byKeys(keys, dirs []string, how collation) func(a, b server) int {
	return func(a, b server) int {
		for i, key := range keys {
			dir := dirs[i]
			c := compare(key, a, b, how)
			if dir == "desc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	}
}

func compare(key string, a, b server, how collation) int {
	switch key {
	case "created_at":
		return cmp.Compare(a.created, b.created)
	case "display_name":
		if how.byCase {
			return cmp.Compare(a.name, b.name)
		}
		return cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
	case "power_state":
		return cmp.Compare(a.power, b.power)
	case "launch_index":
		return cmp.Compare(a.index, b.index)
	case "task_state":
		return compareNull(a.task, b.task, how.nullLast)
	}
	return cmp.Compare(a.id, b.id) // uuid
}

func compareNull(a, b *string, nullLast bool) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) != nullLast {
			return -1
		}
		return 1
	}
	return cmp.Compare(*a, *b)
}
