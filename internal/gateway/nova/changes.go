package nova

import (
	"slices"
	"strings"
	"unicode"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
)

type change = gateway.Change

// shown are the changes to a server in answers (nova/api/openstack/compute/rest_api_version_history.rst). Members that Nova shows
// only if there is something to show, or only to some, such as host_status of 2.16, need nothing.
var shown = []change{
	{Since: v(3)},
	{Since: v(9), Member: []string{"locked"}, Neutral: "false"},
	{Since: v(19), Member: []string{"description"}, Neutral: "null"},
	{Since: v(26), Member: []string{"tags"}, Neutral: "[]"},
	{Since: v(47)}, // the flavor whole in place of its id
	{Since: v(63), Member: []string{"trusted_image_certificates"}, Neutral: "null"},
	{Since: v(73), Member: []string{"locked_reason"}, Neutral: "null"},
	{Since: v(90), Member: []string{"OS-EXT-SRV-ATTR:hostname"}, Derive: hostname},
	{Since: v(96), Member: []string{"pinned_availability_zone"}, Neutral: "null"},
	{Since: v(98), Member: []string{"image", "properties"}, Neutral: "{}"},
	{Since: v(100), Member: []string{"scheduler_hints"}, Neutral: "{}"},
}

// alone is what only the answer to GET /servers/{id} has: which groups the server is in, nobody else knows.
var alone = []change{{Since: v(71)}}

// filters are what server lists can be asked for.
var filters = []change{
	{Since: v(5), Params: []string{"ip6"}},
	{Since: v(26), Params: []string{"tags", "tags-any", "not-tags", "not-tags-any"}},
	{Since: v(38), Params: []string{"status"}},
	{Since: v(66), Params: []string{"changes-before"}},
	{Since: v(73), Params: []string{"locked", "sort_key=locked"}},
	{Since: v(83), Params: []string{"availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at",
		"power_state", "task_state", "vm_state", "progress", "user_id"}},
	{Since: v(90), Params: []string{"hostname"}},
}

// unchanged are calls that mean the same in every microversion that has them.
var unchanged = []string{
	"GET /os-availability-zone",
	"DELETE /servers/{id}",
	"GET /servers/{server_id}/ips", "GET /servers/{server_id}/ips/{id}",
	"GET /servers/{server_id}/metadata", "POST /servers/{server_id}/metadata", "PUT /servers/{server_id}/metadata",
	"GET /servers/{server_id}/metadata/{id}", "PUT /servers/{server_id}/metadata/{id}", "DELETE /servers/{server_id}/metadata/{id}",
	"GET /servers/{server_id}/tags", "PUT /servers/{server_id}/tags", "DELETE /servers/{server_id}/tags",
	"GET /servers/{server_id}/tags/{id}", "PUT /servers/{server_id}/tags/{id}", "DELETE /servers/{server_id}/tags/{id}",
	"GET /servers/{server_id}/topology", "GET /servers/{server_id}/os-security-groups",
	"GET /servers/{server_id}/os-server-password", "DELETE /servers/{server_id}/os-server-password",
	"DELETE /servers/{server_id}/os-interface/{id}", "DELETE /servers/{server_id}/os-volume_attachments/{id}",
}

// steady are the actions on a server of which the same is true. In others there is something new to ask for, such as the reason
// of a lock.
var steady = []string{"confirmResize", "revertResize", "reboot", "os-start", "os-stop", "trigger_crash_dump", "os-resetState",
	"changePassword", "os-getConsoleOutput", "restore", "forceDelete", "unlock", "pause", "unpause", "suspend", "resume", "unrescue",
	"addSecurityGroup", "removeSecurityGroup", "shelve", "shelveOffload"}

// changes is what the engine may ask of a pod below the ceiling.
func changes() map[string][]change {
	all := map[string][]change{
		"GET /servers":                          filters,
		"GET /servers/detail":                   slices.Concat(shown, filters),
		"GET /servers/{id}":                     slices.Concat(shown, alone),
		"GET /servers/{server_id}/diagnostics":  {{Since: v(48)}},
		"GET /servers/{server_id}/os-interface": {{Since: v(70)}},
	}
	for _, call := range unchanged {
		all[call] = nil
	}
	for _, action := range steady {
		all["POST /servers/{id}/action "+action] = nil
	}
	return all
}

// hostname is what Nova calls a server's guest that was given no name of its own (nova/utils.py, sanitize_hostname).
func hostname(server []byte) string {
	name, _ := jsonx.String(server, "name")
	read := 0
	name = strings.Map(func(r rune) rune {
		if r > unicode.MaxLatin1 {
			return -1
		}
		switch read++; {
		case read > 63:
			return -1
		case strings.ContainsRune(" _.", r):
			return '-'
		case r == '-', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, name)
	if name = strings.Trim(name, "-"); name == "" {
		id, _ := jsonx.String(server, "id")
		name = "Server-" + id
	}
	return string(jsonx.Quote(nil, name))
}
