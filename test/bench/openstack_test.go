package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAccount_Project_GoesWithItsQuotas, also where the region turns out to have no networking.
func TestAccount_Project_GoesWithItsQuotas(t *testing.T) {
	for _, test := range []struct {
		region string
		fails  bool
		want   []string // what is changed, in this order
	}{
		{"site1", false, []string{"POST /v3/projects", "PUT /v3/projects/p/users/u/roles/r", "PUT /v3/projects/p/users/u/roles/r", "PUT /v2.0/quotas/p",
			"DELETE /v2.0/quotas/p", "DELETE /v3/projects/p"}},
		{"nowhere", true, []string{"POST /v3/projects", "PUT /v3/projects/p/users/u/roles/r", "PUT /v3/projects/p/users/u/roles/r", "DELETE /v3/projects/p"}},
	} {
		t.Run(test.region, func(t *testing.T) {
			var mu sync.Mutex
			var changes []string
			s := httptest.NewUnstartedServer(nil)
			url := "http://" + s.Listener.Addr().String()
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/tokens") {
					changes = append(changes, r.Method+" "+r.URL.Path)
				}
				switch {
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				case strings.HasSuffix(r.URL.Path, "/tokens"):
					w.Header().Set("X-Subject-Token", "token")
					w.WriteHeader(http.StatusCreated)
					_, _ = fmt.Fprintf(w, `{"token": {"user": {"id": "u"}, "catalog": [{"type": "network", "endpoints": [
						{"region": "site1", "interface": "public", "url": %q}]}]}}`, url)
				case strings.HasSuffix(r.URL.Path, "/projects"):
					w.WriteHeader(http.StatusCreated)
					_, _ = fmt.Fprint(w, `{"project": {"id": "p"}}`)
				case strings.HasSuffix(r.URL.Path, "/roles"):
					_, _ = fmt.Fprint(w, `{"roles": [{"id": "r"}]}`)
				}
			})
			s.Start()
			t.Cleanup(s.Close)
			a, err := newAccount(url+"/v3", test.region)
			if (err != nil) != test.fails {
				t.Fatalf("newAccount = %v", err)
			}
			if err == nil {
				err = a.forget()
			} else if strings.Contains(err.Error(), test.region) {
				err = nil
			}
			if err != nil || !slices.Equal(changes, test.want) {
				t.Errorf("changed %q, %v; want %q", changes, err, test.want)
			}
		})
	}
}
