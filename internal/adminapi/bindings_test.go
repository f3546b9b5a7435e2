package adminapi

import (
	"strings"
	"testing"
)

func TestBindings_SetShowListDelete_MoveAProject(t *testing.T) {
	g := newRig(t)
	g.register()
	one, two := g.rows()["pod1"], g.rows()["pod2"]
	type answer struct {
		Binding struct {
			ProjectID string `json:"project_id"`
			PodID     string `json:"pod_id"`
			Region    string `json:"region_name"`
		}
	}
	bind := func(project, pod string) (a answer) {
		g.ok("PUT", "/v1.0/bindings/"+project, `{"binding": {"pod_id": "`+pod+`"}}`, &a)
		return a
	}
	if a := bind("p", one.ID); a.Binding.PodID != one.ID || a.Binding.Region != "pod1" || a.Binding.ProjectID != "p" {
		t.Errorf("bound: %+v", a)
	}
	bind("q", one.ID)
	bind("p", two.ID)
	var shown answer
	g.ok("GET", "/v1.0/bindings/p", "", &shown)
	if shown.Binding.PodID != two.ID {
		t.Errorf("shown after a second PUT: %+v", shown)
	}
	for query, want := range map[string]string{"": "p q", "?pod_id=" + one.ID: "q", "?limit=1": "p", "?marker=p": "q", "?pod_id=none": ""} {
		var page struct {
			Bindings []struct {
				ProjectID string `json:"project_id"`
			}
			Links []link `json:"bindings_links"`
		}
		g.ok("GET", "/v1.0/bindings"+query, "", &page)
		var projects []string
		for _, b := range page.Bindings {
			projects = append(projects, b.ProjectID)
		}
		if got := strings.Join(projects, " "); got != want {
			t.Errorf("GET /v1.0/bindings%s: %q, want %q", query, got, want)
		}
		if (len(page.Links) > 0) != (query == "?limit=1") {
			t.Errorf("GET /v1.0/bindings%s: links %v", query, page.Links)
		}
	}
	g.ok("DELETE", "/v1.0/bindings/p", "", &struct{}{})
	for call, want := range map[[3]string]int{
		{"GET", "/v1.0/bindings/p", ""}:                                   404,
		{"DELETE", "/v1.0/bindings/p", ""}:                                404,
		{"PUT", "/v1.0/bindings/p", `{"binding": {"pod_id": "none"}}`}:    404,
		{"PUT", "/v1.0/bindings/p", `{"binding": {}}`}:                    400,
		{"PUT", "/v1.0/bindings/p", `{"binding": {"region": "pod1"}}`}:    400,
		{"GET", "/v1.0/bindings?limit=0", ""}:                             400,
		{"GET", "/v1.0/bindings?region_name=pod1", ""}:                    400,
		{"POST", "/v1.0/bindings", `{"binding": {"pod_id": "whatever"}}`}: 405,
	} {
		if status, text := g.call(call[0], call[1], call[2]); status != want {
			t.Errorf("%s: %d %s, want %d", call, status, text, want)
		}
	}
}
