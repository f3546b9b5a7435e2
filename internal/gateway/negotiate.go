package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/microversion"
)

// Negotiation is how a service speaks of microversions in headers (nova/api/openstack/wsgi.py and
// cinder/api/openstack/wsgi.py, set_api_version_request, with microversion_parse).
type Negotiation struct {
	Name   string               // in OpenStack-API-Version: "compute", "volume"
	Min    microversion.Version // also what a request without a header gets
	Known  microversion.Version // highest that the gateway can serve
	Legacy string               // older header with the bare number, or ""
	// FirstWins: of several entries for the service the first counts (Cinder), not the last (Nova), and a header without
	// an entry for the service is an error.
	FirstWins bool
}

const versionHeader = "OpenStack-API-Version"

// Advertised returns the range that clients are told, given the operator's ceiling.
func (n *Negotiation) Advertised(ceiling microversion.Version) microversion.Range {
	r := microversion.Range{Min: n.Min, Max: n.Known}
	if !ceiling.IsZero() && ceiling.Less(r.Max) {
		r.Max = ceiling
	}
	return r
}

// negotiate returns the version that a request is to be served at. "latest" is the advertised maximum. With an error it
// returns the version that was asked for, zero if that was none.
func (n *Negotiation) negotiate(h http.Header, ceiling microversion.Version) (microversion.Version, error) {
	text, err := n.requested(h)
	if err != nil {
		return microversion.Version{}, err
	}
	if text == "" {
		return n.Min, nil
	}
	offered := n.Advertised(ceiling)
	if strings.EqualFold(text, "latest") {
		return offered.Max, nil
	}
	v, err := microversion.Parse(text)
	if err != nil {
		return v, fault.BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	if !v.Within(offered.Min, offered.Max) {
		return v, fault.New(http.StatusNotAcceptable, "Version %s is not supported by the API. Minimum is %s and maximum is %s.",
			v, offered.Min, offered.Max)
	}
	return v, nil
}

// requested returns the number that the headers name, "" if they name none.
func (n *Negotiation) requested(h http.Header) (string, error) {
	if values := h.Values(versionHeader); len(values) > 0 {
		entries := strings.Split(strings.Join(values, ","), ",")
		if !n.FirstWins {
			slices.Reverse(entries)
		}
		for _, e := range entries {
			if service, number, _ := strings.Cut(strings.TrimSpace(e), " "); strings.EqualFold(service, n.Name) {
				return strings.TrimSpace(number), nil
			}
		}
		if n.FirstWins {
			return "", fault.BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", values[0])
		}
	}
	if n.Legacy != "" {
		entries := strings.Split(h.Get(n.Legacy), ",")
		return strings.TrimSpace(entries[len(entries)-1]), nil
	}
	return "", nil
}

// announce tells the client what version its answer is in.
func (n *Negotiation) announce(h http.Header, v microversion.Version) {
	h.Set(versionHeader, n.Name+" "+v.String())
	h["Vary"] = []string{versionHeader}
	if n.Legacy != "" {
		h.Set(n.Legacy, v.String())
		h["Vary"] = append(h["Vary"], n.Legacy)
	}
}

// impose asks a pod for exactly that version, in place of whatever the client sent.
func (n *Negotiation) impose(h http.Header, v microversion.Version) {
	h.Set(versionHeader, n.Name+" "+v.String())
	if n.Legacy != "" {
		h.Set(n.Legacy, v.String())
	}
}
