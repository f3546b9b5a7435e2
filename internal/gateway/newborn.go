package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
)

// Newborn describes what a call creates, so that it can be found by its name after a lost reply. What a service shows in the answer
// to the creation alone, such as the key of a transfer, is lost with the reply: who needs it is not helped by adoption.
type Newborn struct {
	Body   string   // member of the request that has the name; Member if empty
	Member string   // of the answer: "volume"
	List   string   // where pods show all of them with names and creation times: "/volumes/detail"
	Rows   string   // member of the list; Member + "s" if empty
	Given  string   // member of the request with the name; "name" if empty
	Called string   // member of a row with the name; "name" if empty
	Whole  bool     // the list knows no filter by name and no limit
	Brief  []string // members that the answer to the creation has; nil for all
	Status int      // of that answer; 202 if zero
}

// NameIn returns the name that a request gives to what it creates, without spaces around it, as Cinder keeps it; "" if it has none.
func (n *Newborn) NameIn(body []byte) string {
	name, _ := jsonx.String(body, cmp.Or(n.Body, n.Member), cmp.Or(n.Given, "name"))
	return strings.TrimSpace(name)
}

// LookUp finds what is of that name and the pod made within since, by the pod's own clock. No filter finds what has no name, so then
// the newest are looked through.
func (n *Newborn) LookUp(ctx context.Context, c *Call, p *pod.Pod, name string, since time.Duration) ([]Found, error) {
	query := url.Values{}
	if !n.Whole {
		query.Set("limit", "100")
	}
	if name != "" && !n.Whole {
		query.Set("name", name)
	}
	a, err := c.Do(ctx, p, Request{Method: http.MethodGet, Path: n.List, Query: query.Encode()})
	if err != nil {
		return nil, err
	}
	rows, err := n.rows(a)
	if err != nil {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Sent: true, Err: err,
			Reason: "does not list " + n.List + ": answered " + strconv.Itoa(a.Status)}
	}
	earliest := c.Earliest(a, since)
	var found []Found
	for _, row := range rows {
		r, ok := routing.Shown(n.answer(row), p.Num, c.Caller.ProjectID)
		called, _ := jsonx.String(row, cmp.Or(n.Called, "name"))
		user, said := jsonx.String(row, "user_id")
		if !ok || strings.TrimSpace(called) != name || said && user != c.Caller.UserID || r.CreatedAt.Before(earliest) {
			continue
		}
		if n.Brief != nil {
			row = jsonx.Keep(nil, row, n.Brief...)
		}
		found = append(found, Found{Routing: r, Answer: &Answer{Status: cmp.Or(n.Status, http.StatusAccepted),
			Header: http.Header{"Content-Type": {"application/json"}}, Body: n.answer(row)}})
	}
	return found, nil
}

func (n *Newborn) rows(a *Answer) (rows []json.RawMessage, err error) {
	if !a.OK() {
		return nil, errors.New("no list")
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		return nil, err
	}
	return rows, json.Unmarshal(doc[cmp.Or(n.Rows, n.Member+"s")], &rows)
}

// answer is a row of a list as the answer to a creation.
func (n *Newborn) answer(row []byte) []byte {
	return slices.Concat([]byte(`{"`+n.Member+`": `), row, []byte(`}`))
}

// bear sends a call that creates a newborn to the pod that it must be in, and gives the client the answer.
func (c *Call) bear(p *pod.Pod, n *Newborn) error {
	name := n.NameIn(c.Body)
	_, a, err := c.create([]*pod.Pod{p}, Creation{
		Name: name,
		Send: func(ctx context.Context, p *pod.Pod) (*Answer, error) {
			r, err := c.requestFor(p, c.Body)
			if err != nil {
				return nil, err
			}
			return c.Do(ctx, p, r)
		},
		LookUp: func(ctx context.Context, p *pod.Pod, since time.Duration) ([]Found, error) {
			return n.LookUp(ctx, c, p, name, since)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}
