package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newPod() *cobra.Command {
	o := &operator{}
	return o.flags(group("pod", "Manage pods", newPodCreate(o), newPodSet(o), newPodList(o), newPodDelete(o), newPodCheck(o),
		onPod(o, "show", "Show a pod", func(ctx context.Context, api *client, p pod) (json.RawMessage, error) {
			return api.pod(ctx, http.MethodGet, "/"+p.ID, nil)
		}),
		setState(o, "enable", "Let a pod get new resources; it is checked first", "enabled"),
		setState(o, "drain", "Let a pod serve what it has and get nothing new", "draining"),
		setState(o, "disable", "Do not call a pod at all", "disabled")))
}

// podFlags are what create and set can say of a pod.
type podFlags struct {
	region, azName, podAZName, dcName, state string
	zones                                    []string
}

func (f *podFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.region, "region", "", "region of the pod in Keystone")
	cmd.Flags().StringVar(&f.azName, "az-name", "", "availability zone as users see it, if the pod has one")
	cmd.Flags().StringVar(&f.podAZName, "pod-az-name", "", "the zone as the pod calls it (default: all of the pod)")
	cmd.Flags().StringArrayVar(&f.zones, "zone", nil, "zone=pod's zone, may be repeated; instead of --az-name")
	cmd.Flags().StringVar(&f.dcName, "dc-name", "", "data center, for your information")
	cmd.Flags().StringVar(&f.state, "state", "", "enabled, draining or disabled")
	cmd.MarkFlagsMutuallyExclusive("zone", "az-name")
	cmd.MarkFlagsMutuallyExclusive("zone", "pod-az-name")
}

// body has what was given on the command line, and nothing else.
func (f *podFlags) body(cmd *cobra.Command) map[string]any {
	pod := map[string]any{}
	for flag, member := range map[string]struct{ name, value string }{
		"region": {"region_name", f.region}, "az-name": {"az_name", f.azName}, "pod-az-name": {"pod_az_name", f.podAZName},
		"dc-name": {"dc_name", f.dcName}, "state": {"state", f.state},
	} {
		if cmd.Flags().Changed(flag) {
			pod[member.name] = member.value
		}
	}
	if cmd.Flags().Changed("zone") {
		var zones []zone
		for _, z := range f.zones {
			name, podName, _ := strings.Cut(z, "=")
			zones = append(zones, zone{name, podName})
		}
		pod["availability_zones"] = zones
	}
	return map[string]any{"pod": pod}
}

func newPodCreate(o *operator) *cobra.Command {
	var f podFlags
	var top bool
	cmd := &cobra.Command{
		Use:   "create --region REGION (--az-name ZONE [--pod-az-name ZONE] | --zone ZONE[=POD'S ZONE]...)",
		Short: "Register a pod; it is checked first", Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		Example: "  tricircle pod create --region site1 --az-name az1 --pod-az-name nova\n" +
			"  tricircle pod create --region site2 --zone az2a=room1 --zone az2b=room2",
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if !top && f.azName == "" && len(f.zones) == 0 {
				return usagef("a pod needs --az-name or --zone")
			}
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			raw, err := api.pod(cmd.Context(), http.MethodPost, "", f.body(cmd))
			if err != nil {
				return err
			}
			return o.showPod(cmd, raw)
		}),
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&top, "top", false, "register the top itself, which has no zone, as Tricircle did; not needed")
	_ = cmd.MarkFlagRequired("region") // it is there
	return cmd
}

func newPodSet(o *operator) *cobra.Command {
	var f podFlags
	cmd := onPod(o, "set", "Change what the flags name of a pod; it is checked first", nil)
	cmd.RunE = runOnPod(o, func(ctx context.Context, api *client, p pod) (json.RawMessage, error) {
		return api.pod(ctx, http.MethodPut, "/"+p.ID, f.body(cmd))
	})
	f.register(cmd)
	cmd.MarkFlagsOneRequired("region", "az-name", "pod-az-name", "zone", "dc-name", "state")
	return cmd
}

func setState(o *operator, use, short, state string) *cobra.Command {
	return onPod(o, use, short, func(ctx context.Context, api *client, p pod) (json.RawMessage, error) {
		return api.pod(ctx, http.MethodPut, "/"+p.ID, map[string]any{"pod": map[string]string{"state": state}})
	})
}

// podOperation does something with a pod and returns how it is then.
type podOperation func(context.Context, *client, pod) (json.RawMessage, error)

// onPod makes a command that does something with the pod it is given by id or region.
func onPod(o *operator, use, short string, do podOperation) *cobra.Command {
	return &cobra.Command{
		Use: use + " POD", Short: short, Long: short + ". POD is an id or a region.", Args: cobra.ExactArgs(1),
		RunE: runOnPod(o, do),
	}
}

func runOnPod(o *operator, do podOperation) func(*cobra.Command, []string) error {
	return action(func(cmd *cobra.Command, args []string) error {
		api, p, err := o.connectTo(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		raw, err := do(cmd.Context(), api, p)
		if err != nil {
			return err
		}
		return o.showPod(cmd, raw)
	})
}

// connectTo also finds the pod that a person means.
func (o *operator) connectTo(ctx context.Context, name string) (*client, pod, error) {
	api, err := o.connect(ctx)
	if err != nil {
		return nil, pod{}, err
	}
	p, err := api.findPod(ctx, name)
	return api, p, err
}

func (c *client) findPod(ctx context.Context, name string) (pod, error) {
	raws, err := c.pods(ctx)
	if err != nil {
		return pod{}, err
	}
	all, err := decodeAll[pod](raws)
	for _, p := range all {
		if p.ID == name || p.Region == name {
			return p, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("there is no pod %q (tricircle pod list shows all)", name)
	}
	return pod{}, err
}

func (c *client) pods(ctx context.Context) ([]json.RawMessage, error) {
	var answer struct {
		Pods []json.RawMessage `json:"pods"`
	}
	err := c.call(ctx, http.MethodGet, "/pods", nil, &answer)
	return answer.Pods, err
}

// pod makes a request that answers one pod.
func (c *client) pod(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var answer struct {
		Pod json.RawMessage `json:"pod"`
	}
	err := c.call(ctx, method, "/pods"+path, body, &answer)
	return answer.Pod, err
}

func (o *operator) showPod(cmd *cobra.Command, raw json.RawMessage) error {
	var p pod
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	return o.format.write(cmd, raw, newCard(p, detailColumns))
}

func newPodList(o *operator) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List pods", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			raws, err := api.pods(cmd.Context())
			if err != nil {
				return err
			}
			pods, err := decodeAll[pod](raws)
			if err != nil {
				return err
			}
			return o.format.write(cmd, raws, newGrid(pods, podColumns))
		}),
	}
}

func newPodDelete(o *operator) *cobra.Command {
	return &cobra.Command{
		Use: "delete POD", Short: "Forget a pod and its routings; nothing in the pod is touched", Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, p, err := o.connectTo(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var nothing struct{}
			return api.call(cmd.Context(), http.MethodDelete, "/pods/"+p.ID, nil, &nothing)
		}),
	}
}

// podCheck is the outcome of a check.
type podCheck struct {
	OK       bool     `json:"ok"`
	Reason   string   `json:"reason"`
	Versions versions `json:"versions"`
	Duration int      `json:"duration_ms"`
}

func newPodCheck(o *operator) *cobra.Command {
	return &cobra.Command{
		Use: "check POD", Short: "Try now whether a pod can serve; fails if it cannot", Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, p, err := o.connectTo(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var answer struct {
				Check podCheck `json:"check"`
			}
			if err := api.call(cmd.Context(), http.MethodPost, "/pods/"+p.ID+"/check", nil, &answer); err != nil {
				return err
			}
			if err := o.format.write(cmd, answer.Check, newCard(answer.Check, checkColumns)); err != nil {
				return err
			}
			if !answer.Check.OK {
				return errors.New(answer.Check.Reason)
			}
			return nil
		}),
	}
}

var checkColumns = []column[podCheck]{
	{"OK", func(c podCheck) string { return strconv.FormatBool(c.OK) }},
	{"REASON", func(c podCheck) string { return c.Reason }},
	{"COMPUTE", func(c podCheck) string { return c.Versions.Compute }},
	{"VOLUME", func(c podCheck) string { return c.Versions.Volume }},
	{"MILLISECONDS", func(c podCheck) string { return strconv.Itoa(c.Duration) }},
}
