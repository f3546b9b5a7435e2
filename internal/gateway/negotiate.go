package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

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
	// Loose is how Cinder reads the header: the first entry that has Name anywhere counts, and there must be one. Otherwise, as
	// Nova reads it, the last entry counts that is for Name, in any case of letters.
	Loose bool
	// Unannounced are versions that an answer does not name although it refuses them: those of the API's own past
	// (cinder/api/openstack/wsgi.py, _is_legacy_endpoint).
	Unannounced []microversion.Version

	said []http.Header // what headers say of versions, by their minor: each call says it twice
}

// prepare fills in said.
func (n *Negotiation) prepare() {
	for minor := len(n.said); minor <= n.Known.Minor; minor++ {
		n.said = append(n.said, n.saying(microversion.Version{Major: n.Min.Major, Minor: minor}))
	}
}

// saying returns headers that name a version. They must not be changed.
func (n *Negotiation) saying(v microversion.Version) http.Header {
	if v.Major == n.Min.Major && v.Minor < len(n.said) {
		return n.said[v.Minor]
	}
	text := v.String()
	h := http.Header{versionKey: {n.Name + " " + text}}
	if n.Legacy != "" {
		h.Set(n.Legacy, text)
	}
	return h
}

// versionHeader is spelled for people, versionKey as net/http does.
const (
	versionHeader = "OpenStack-API-Version"
	versionKey    = "Openstack-Api-Version"
)

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
	text, asked, err := n.requested(h)
	if err != nil {
		return microversion.Version{}, err
	}
	if !asked {
		return n.Min, nil
	}
	offered := n.Advertised(ceiling)
	if text == "latest" {
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

// requested returns what the headers say about the service's version, if they do.
func (n *Negotiation) requested(h http.Header) (text string, asked bool, err error) {
	header := strings.Join(h[versionKey], ",")
	switch {
	case n.Loose && len(h[versionKey]) > 0:
		text, err = n.firstEntry(header)
		return text, true, err
	case n.Loose:
		return "", false, nil
	}
	for more := true; more; {
		var entry string
		header, entry, more = cutLast(header, ',')
		if text, asked = n.read(entry); asked {
			return text, true, nil
		}
	}
	if older := h.Values(n.Legacy); len(older) > 0 {
		entries := strings.Split(strings.Join(older, ","), ",")
		return strings.TrimSpace(entries[len(entries)-1]), true, nil
	}
	return "", false, nil
}

// cutLast returns what is before and behind the last separator; false if there is none, and all of s is behind it.
func cutLast(s string, separator byte) (before, behind string, ok bool) {
	i := strings.LastIndexByte(s, separator)
	return s[:max(i, 0)], s[i+1:], i >= 0
}

// read returns what an entry says behind the name of the service; false if it is for another one.
func (n *Negotiation) read(entry string) (text string, ok bool) {
	entry = strings.TrimSpace(entry)
	end := strings.IndexFunc(entry, unicode.IsSpace)
	if end < 0 || !strings.EqualFold(entry[:end], n.Name) {
		return "", false
	}
	return strings.TrimSpace(entry[end:]), true
}

// firstEntry reads the header as Cinder does. An entry that is not two words is a 500 there, and 400 here.
func (n *Negotiation) firstEntry(header string) (string, error) {
	for e := range strings.SplitSeq(header, ",") {
		if words := strings.Fields(e); strings.Contains(e, n.Name) && len(words) == 2 {
			return words[1], nil
		} else if strings.Contains(e, n.Name) {
			break
		}
	}
	return "", fault.BadRequest("The server could not comply with the request since it is either malformed or otherwise incorrect.")
}

// announce tells the client what version its answer is in.
func (n *Negotiation) announce(h http.Header, v microversion.Version) {
	if slices.Contains(n.Unannounced, v) {
		return
	}
	n.impose(h, v)
	h["Vary"] = []string{versionHeader}
	if n.Legacy != "" {
		h["Vary"] = append(h["Vary"], n.Legacy)
	}
}

// impose asks a pod for exactly that version, in place of whatever the client sent.
func (n *Negotiation) impose(h http.Header, v microversion.Version) { maps.Copy(h, n.saying(v)) }
