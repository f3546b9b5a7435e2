package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newJob() *cobra.Command {
	o := &operator{}
	return o.flags(group("job", "Look at jobs, the work that is done in pods after a request, and mend what does not get done",
		newJobList(o), newJobShow(o),
		onJob(o, "redo ID", "Run a job as soon as possible, its failures forgotten", http.MethodPut, ""),
		onJob(o, "cancel ID", "End a job undone; one that runs is asked to stop", http.MethodPost, "/cancel")))
}

// job is what tables show of a job.
type job struct {
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Project  string            `json:"project_id"`
	Resource map[string]string `json:"resource"`
	State    string            `json:"state"`
	Region   string            `json:"region_name"`
	Attempts int               `json:"attempts"`
	Cause    string            `json:"cause"`
	Owner    string            `json:"owner"`
	Updated  string            `json:"timestamp"`
	Created  string            `json:"created_at"`
	Started  string            `json:"started_at"`
	Ended    string            `json:"ended_at"`
	RunAt    string            `json:"run_at"`
}

// about is the resource in one line.
func (j job) about() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(j.Resource)) {
		if name != "pod_id" || j.Region == "" { // the pod has a column
			parts = append(parts, strings.TrimSuffix(name, "_id")+" "+j.Resource[name])
		}
	}
	return strings.Join(parts, ", ")
}

var (
	jobColumns = []column[job]{
		{"ID", func(j job) string { return j.ID }},
		{"TYPE", func(j job) string { return j.Type }},
		{"ABOUT", job.about},
		{"POD", func(j job) string { return j.Region }},
		{"STATE", func(j job) string { return j.State }},
		{"ATTEMPTS", func(j job) string { return strconv.Itoa(j.Attempts) }},
		{"CHANGED", func(j job) string { return j.Updated }},
		{"CAUSE", func(j job) string { return j.Cause }},
	}
	jobDetails = append(slices.Clip(jobColumns),
		column[job]{"PROJECT", func(j job) string { return j.Project }},
		column[job]{"CREATED", func(j job) string { return j.Created }},
		column[job]{"STARTED", func(j job) string { return j.Started }},
		column[job]{"ENDED", func(j job) string { return j.Ended }},
		column[job]{"RUNS NEXT", func(j job) string { return j.RunAt }},
		column[job]{"OWNER", func(j job) string { return j.Owner }})
)

// watching are the flags of commands that go on telling what changes.
type watching struct {
	on       bool
	interval time.Duration
}

func (w *watching) flags(cmd *cobra.Command, until string) {
	cmd.Flags().BoolVarP(&w.on, "watch", "w", false, "go on and print a line for each change, until "+until)
	cmd.Flags().DurationVar(&w.interval, "interval", time.Second, "how often --watch looks")
}

// pause waits for the next look. It returns false when the command is to end.
func (w *watching) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(w.interval):
		return true
	}
}

// line prints a change: for programs the job as it is, for people its columns.
func (o *operator) line(cmd *cobra.Command, raw json.RawMessage, j job) {
	if o.format == asJSON {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", raw)
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s  %-6s  %-16s  %-9s  attempts %d  %s  %s  %s\n", j.Updated, j.ID, j.Type, j.State, j.Attempts, j.about(),
		j.Region, j.Cause)
}

func newJobList(o *operator) *cobra.Command {
	var typ, project, podName, state string
	var limit int
	var marker int64
	var watch watching
	cmd := &cobra.Command{
		Use: "list", Short: "List jobs, those that ended lately too, the latest first", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || watch.interval <= 0 {
				return usagef("--limit and --interval must be more than nothing")
			}
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if podName != "" {
				p, err := api.findPod(cmd.Context(), podName)
				if err != nil {
					return err
				}
				query.Set("pod_id", p.ID)
			}
			if marker > 0 {
				query.Set("marker", strconv.FormatInt(marker, 10))
			}
			for name, value := range map[string]string{"type": typ, "project_id": project, "state": state} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if watch.on {
				return o.watchJobs(cmd, api, query, &watch)
			}
			return o.listJobs(cmd, api, query)
		}),
	}
	cmd.Flags().StringVar(&typ, "type", "", "only of this type: network, port, security_group...")
	cmd.Flags().StringVar(&state, "state", "", "only queued, running, waiting, parked, done or cancelled ones")
	cmd.Flags().StringVar(&project, "project", "", "only of the project with this id")
	cmd.Flags().StringVar(&podName, "pod", "", "only of the pod with this id or region")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most as many")
	cmd.Flags().Int64Var(&marker, "marker", 0, "only what comes after this job")
	watch.flags(cmd, "it is interrupted")
	return cmd
}

// jobs gets a page.
func (c *client) jobs(ctx context.Context, query url.Values) (raws []json.RawMessage, rows []job, more bool, err error) {
	var page struct {
		Jobs  []json.RawMessage `json:"jobs"`
		Links []json.RawMessage `json:"jobs_links"`
	}
	if err := c.call(ctx, http.MethodGet, "/jobs?"+query.Encode(), nil, &page); err != nil {
		return nil, nil, false, err
	}
	rows, err = decodeAll[job](page.Jobs)
	return page.Jobs, rows, len(page.Links) > 0, err
}

// listJobs says on standard error where to go on if there are more.
func (o *operator) listJobs(cmd *cobra.Command, api *client, query url.Values) error {
	raws, rows, more, err := api.jobs(cmd.Context(), query)
	if err != nil {
		return err
	}
	if err := o.format.write(cmd, raws, newGrid(rows, jobColumns)); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "There may be more: --marker %s continues here.\n", rows[len(rows)-1].ID)
	}
	return nil
}

// watchJobs prints what the list has, the oldest first, and then what changes in it.
func (o *operator) watchJobs(cmd *cobra.Command, api *client, query url.Values, watch *watching) error {
	seen := map[string]string{}
	for {
		raws, rows, _, err := api.jobs(cmd.Context(), query)
		if cmd.Context().Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		now := make(map[string]string, len(rows))
		for i, j := range slices.Backward(rows) {
			now[j.ID] = string(raws[i])
			if seen[j.ID] != now[j.ID] {
				o.line(cmd, raws[i], j)
			}
		}
		seen = now
		if !watch.pause(cmd.Context()) {
			return nil
		}
	}
}

func newJobShow(o *operator) *cobra.Command {
	var watch watching
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a job", Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if watch.interval <= 0 {
				return usagef("--interval must be more than nothing")
			}
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			if watch.on {
				return o.watchJob(cmd, api, args[0], &watch)
			}
			return o.doJob(cmd, api, http.MethodGet, args[0], "")
		}),
	}
	watch.flags(cmd, "the job ends or is parked; fails unless it is done")
	return cmd
}

// watchJob prints each change of a job until it is done, or will not be by itself.
func (o *operator) watchJob(cmd *cobra.Command, api *client, id string, watch *watching) error {
	last := ""
	for {
		raw, j, err := api.job(cmd.Context(), http.MethodGet, id, "")
		if err != nil {
			return err
		}
		if string(raw) != last {
			o.line(cmd, raw, j)
		}
		last = string(raw)
		switch j.State {
		case "done":
			return nil
		case "parked", "cancelled":
			return fmt.Errorf("job %s is %s: %s", j.ID, j.State, j.Cause)
		}
		if !watch.pause(cmd.Context()) {
			return cmd.Context().Err()
		}
	}
}

// job makes a request about one.
func (c *client) job(ctx context.Context, method, id, what string) (raw json.RawMessage, j job, err error) {
	var answer struct {
		Job json.RawMessage `json:"job"`
	}
	if err := c.call(ctx, method, "/jobs/"+url.PathEscape(id)+what, nil, &answer); err != nil {
		return nil, job{}, err
	}
	err = json.Unmarshal(answer.Job, &j)
	return answer.Job, j, err
}

// doJob makes a request about a job, and prints the job.
func (o *operator) doJob(cmd *cobra.Command, api *client, method, id, what string) error {
	raw, j, err := api.job(cmd.Context(), method, id, what)
	if err != nil {
		return err
	}
	return o.format.write(cmd, raw, newCard(j, jobDetails))
}

// onJob makes a command that does something to a job.
func onJob(o *operator, use, short, method, what string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			return o.doJob(cmd, api, method, args[0], what)
		}),
	}
}
