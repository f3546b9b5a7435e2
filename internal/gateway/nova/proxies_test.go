package nova

import (
	"testing"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
)

func TestParseProxied_LimitAndOffset(t *testing.T) {
	for query, want := range map[string][2]int{
		"": {1000, 0}, "limit=0": {1000, 0}, "limit=7&offset=3": {7, 3}, "limit=5000": {1000, 0}, "limit=1&limit=2": {2, 0},
		"offset=99999999999999999999": {1000, maxOffset}, "marker=x&nope=1": {1000, 0},
	} {
		q, err := parseProxied(call(query))
		if err != nil || [2]int{q.Limit, q.Offset} != want {
			t.Errorf("%s: got %+v, %v, want %v", query, q, err, want)
		}
	}
	for query, want := range map[string]string{
		"limit=":    "400 Invalid input for query parameters limit. Value: . '' is too short",
		"offset=-1": "400 Invalid input for query parameters offset. Value: -1. '-1' does not match '^[0-9]*$'",
	} {
		if _, err := parseProxied(call(query)); err == nil || fault.From(err).Error() != want {
			t.Errorf("%s: got %v, want %s", query, err, want)
		}
	}
}

func TestReadEvents_WhatNovaWouldRefuseIsLeftToIt(t *testing.T) {
	const good = `{"server_uuid": "00000000-0000-4000-8000-000000000001", "name": "network-changed", "status": "completed", "tag": "x"}`
	for body, want := range map[string]int{
		`{"events": [` + good + `]}`: 1, `{"events": [` + good + `, ` + good + `]}`: 2,
		``: 0, `{`: 0, `[]`: 0, `{}`: 0, `{"events": []}`: 0, `{"events": {}}`: 0, `{"events": [1]}`: 0, `{"events": [null]}`: 0,
		`{"events": [` + good + `], "x": 1}`:                                                                              0,
		`{"events": [` + good + `, {"name": "network-changed"}]}`:                                                         0,
		`{"events": [{"server_uuid": "x", "name": "network-changed"}]}`:                                                   0,
		`{"events": [{"server_uuid": "00000000-0000-4000-8000-000000000001", "name": "nope"}]}`:                           0,
		`{"events": [{"server_uuid": "00000000-0000-4000-8000-000000000001", "name": "volume-extended"}]}`:                0, // since 2.51
		`{"events": [{"server_uuid": "00000000-0000-4000-8000-000000000001", "name": "network-changed", "status": "x"}]}`: 0,
		`{"events": [{"server_uuid": "00000000-0000-4000-8000-000000000001", "name": "network-changed", "code": 1}]}`:     0,
	} {
		events, ok := readEvents(&gateway.Call{Body: []byte(body), Version: v(50)})
		if len(events) != want || ok != (want > 0) {
			t.Errorf("%s: got %d events, %v", body, len(events), ok)
		}
	}
}
