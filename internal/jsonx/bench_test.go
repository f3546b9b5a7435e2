package jsonx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// server is a row of Nova's GET /servers/detail at microversion 2.90, of about 1.7 kB.
const server = `{"id": "%[1]s", "name": "web-%[2]d", "status": "ACTIVE", "tenant_id": "6f70656e737461636b20697320676f6f",
"user_id": "d0c1f4a2e8b94b7f9a3c5e6d7f8a9b0c", "metadata": {"role": "web", "href": "http://user.data/", "unit": "%[2]d"},
"hostId": "3d8f1ad57a3c2b3f0f1b5f4c0e8a5d6c7b8a9f0e1d2c3b4a59687766", "image": {"id": "70a599e0-31e7-49b7-b260-868f441e862b",
"links": [{"rel": "bookmark", "href": "http://pod1.example.org:8774/images/70a599e0-31e7-49b7-b260-868f441e862b"}]},
"flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs":
{"hw:mem_page_size": "small"}}, "created": "2026-11-%02[3]dT09:12:44Z", "updated": "2026-11-22T06:27:%02[4]dZ",
"addresses": {"private": [{"version": 4, "addr": "192.168.1.30", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr":
"00:0c:29:0d:11:74"}, {"version": 6, "addr": "fd00::1e", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr":
"00:0c:29:0d:11:74"}]}, "accessIPv4": "", "accessIPv6": "", "links": [{"rel": "self", "href":
"http://pod1.example.org:8774/v2.1/servers/%[1]s"}, {"rel": "bookmark", "href":
"http://pod1.example.org:8774/servers/%[1]s"}], "OS-DCF:diskConfig": "AUTO", "progress": 0,
"OS-EXT-AZ:availability_zone": "nova", "pinned_availability_zone": null, "config_drive": "", "key_name": "mine",
"OS-SRV-USG:launched_at": "2026-11-22T06:27:30.000000", "OS-SRV-USG:terminated_at": null, "security_groups":
[{"name": "default"}], "OS-EXT-SRV-ATTR:hostname": "web-%[2]d", "os-extended-volumes:volumes_attached":
[{"id": "2ad4a8b1-5f1a-4b44-9d28-6f1e29eecd4a", "delete_on_termination": false}], "OS-EXT-STS:task_state": null,
"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1, "locked": false, "locked_reason": null,
"description": "caf\u00e9 %[2]d", "tags": ["a", "b"], "trusted_image_certificates": null, "server_groups": []}`

// page is a list answer with rows servers.
func page(number, rows int) []byte {
	servers := make([]string, rows)
	for i := range servers {
		n := number*rows + i
		id := fmt.Sprintf("9f3c2a10-0000-4000-8000-%012d", n)
		servers[i] = fmt.Sprintf(strings.ReplaceAll(server, "\n", ""), id, n, 1+n%28, n%60)
	}
	return []byte(`{"servers": [` + strings.Join(servers, ", ") + `], "servers_links": []}`)
}

// fourPages is what four pods answer.
func fourPages() (pages [][]byte) {
	for n := range 4 {
		pages = append(pages, page(n, 250))
	}
	return pages
}

var links = NewRules(linkRules)

// linkRules take the top's address as context.
var linkRules = map[string]Rule[string]{
	"href": {String: func(top, s string) (string, bool) {
		path, ok := strings.CutPrefix(s, "http://pod1.example.org:8774/")
		return top + path, ok
	}},
	"OS-EXT-AZ:availability_zone": {String: func(_, s string) (string, bool) { return "az1", s == "nova" }},
	"metadata":                    {Opaque: true},
	"extra_specs":                 {Opaque: true},
}

const top = "https://top.example.org/compute/"

// compare measures ours, and reports how many times longer theirs takes. Both handle all pages once.
func compare(b *testing.B, pages [][]byte, ours, theirs func(page []byte) error) {
	each := func(do func([]byte) error) {
		for _, p := range pages {
			if err := do(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	const runs = 3
	began := time.Now()
	for range runs {
		each(theirs)
	}
	slow := time.Since(began) / runs
	b.ReportAllocs()
	b.SetBytes(int64(len(bytes.Join(pages, nil))))
	for b.Loop() {
		each(ours)
	}
	b.ReportMetric(float64(slow)/(float64(b.Elapsed())/float64(b.N)), "x-encoding/json")
}

func BenchmarkRewrite_Links(b *testing.B) {
	var out []byte
	compare(b, fourPages(), func(page []byte) (err error) {
		out, err = links.Rewrite(top, out[:0], page)
		return err
	}, func(page []byte) error {
		var doc any
		if err := json.Unmarshal(page, &doc); err != nil {
			return err
		}
		rewriteMaps(doc)
		_, err := json.Marshal(doc)
		return err
	})
}

// rewriteMaps does to a decoded document what the rules links do to its text.
func rewriteMaps(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			rewriteMaps(element)
		}
	case map[string]any:
		for name, member := range value {
			rule := linkRules[name]
			if s, ok := member.(string); ok && rule.String != nil {
				if edited, ok := rule.String(top, s); ok {
					value[name] = edited
				}
			} else if !rule.Opaque {
				rewriteMaps(member)
			}
		}
	}
}

func BenchmarkRewrite_NothingToEdit(b *testing.B) {
	var out []byte
	compare(b, fourPages(), func(page []byte) (err error) {
		out, err = new(Rules[struct{}]).Rewrite(struct{}{}, out[:0], page)
		return err
	}, func(page []byte) error {
		var doc any
		if err := json.Unmarshal(page, &doc); err != nil {
			return err
		}
		_, err := json.Marshal(doc)
		return err
	})
}

// BenchmarkRows_SortKeys is what the merge of a list does with each pod's answer; the rival does it with maps.
func BenchmarkRows_SortKeys(b *testing.B) {
	paths := [][]string{{"created"}, {"id"}, {"image", "id"}}
	var keys [][]byte
	compare(b, fourPages(), func(page []byte) error {
		rows := NewRows(bytes.NewReader(page), "servers", 1<<20)
		for {
			row, err := rows.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			keys = Fields(keys[:0], row, paths)
		}
	}, func(page []byte) error {
		var doc struct{ Servers []map[string]any }
		if err := json.Unmarshal(page, &doc); err != nil {
			return err
		}
		for _, row := range doc.Servers {
			if _, err := json.Marshal(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkFields_OneRow(b *testing.B) {
	row, err := NewRows(bytes.NewReader(page(0, 1)), "servers", 1<<20).Next()
	if err != nil {
		b.Fatal(err)
	}
	paths := [][]string{{"created"}, {"id"}, {"image", "id"}}
	var keys [][]byte
	compare(b, [][]byte{bytes.Clone(row)}, func(row []byte) error {
		keys = Fields(keys[:0], row, paths)
		return nil
	}, func(row []byte) error {
		var keys struct {
			Created, ID string
			Image       struct{ ID string }
		}
		return json.Unmarshal(row, &keys)
	})
}
