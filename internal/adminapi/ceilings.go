package adminapi

import (
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
)

// ceilings are the highest microversions that the top advertises, such as "2.93"; empty until the first pod joins.
type ceilings struct {
	Compute string `json:"compute"`
	Volume  string `json:"volume"`
}

type ceilingsAnswer struct {
	Ceilings ceilings `json:"ceilings"`
}

func (a *api) showCeilings(r *http.Request) (any, error) {
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	return ceilingsAnswer{ceilings{pods.Ceiling(pod.Compute).String(), pods.Ceiling(pod.Volume).String()}}, nil
}

// setCeilings changes those that the body names.
func (a *api) setCeilings(r *http.Request) (any, error) {
	var body struct {
		Ceilings *ceilings `json:"ceilings"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Ceilings == nil {
		return nil, fault.BadRequest("The body of the request has no member ceilings.")
	}
	wanted, err := body.Ceilings.parse()
	if err != nil {
		return nil, err
	}
	if _, err := a.current(r); err != nil {
		return nil, err
	}
	for _, s := range []pod.Service{pod.Compute, pod.Volume} {
		v, ok := wanted[s]
		if !ok {
			continue
		}
		if err := a.Pods.SetCeiling(r.Context(), s, v); err != nil {
			return nil, err
		}
		a.Log.InfoContext(r.Context(), "ceiling set", "service", s, "version", v)
	}
	return a.showCeilings(r)
}

func (c *ceilings) parse() (map[pod.Service]microversion.Version, error) {
	out := map[pod.Service]microversion.Version{}
	for s, text := range map[pod.Service]string{pod.Compute: c.Compute, pod.Volume: c.Volume} {
		if text == "" {
			continue
		}
		v, err := microversion.Parse(text)
		if err != nil {
			return nil, fault.BadRequest("The ceiling of %s: %v.", s, err)
		}
		out[s] = v
	}
	return out, nil
}
