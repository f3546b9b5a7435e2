package docs

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/gateway/cinder"
	"github.com/tricircle/tricircle/internal/gateway/nova"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

var update = flag.Bool("update", false, "write served.md anew")

const servedPage = "served.md"

// TestServed_Page_IsWhatGatewaysDo asks gateways that have no pods for every call of their tables. What is not served is 501;
// anything else fails later, for want of pods.
func TestServed_Page_IsWhatGatewaysDo(t *testing.T) {
	var page strings.Builder
	page.WriteString(`# What the gateways serve today

Made from the route tables by ` + "`go test ./docs -update`" + `; a test compares it with what the gateways answer. The tables themselves, with
microversions and notes, are ` + "[nova/routes.go](../internal/gateway/nova/routes.go)" + ` and
` + "[cinder/routes.go](../internal/gateway/cinder/routes.go)" + `; how the services behave is in [api](api/README.md).
`)
	compute := func(public func(*http.Request) string, ceiling func() microversion.Version) (*gateway.Service, error) {
		return nova.Service(public, ceiling, nil)
	}
	writeServed(t, &page, "Compute", compute)
	writeServed(t, &page, "Block storage", cinder.Service)
	if *update {
		if err := os.WriteFile(servedPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, servedPage), page.String()); diff != "" {
		t.Errorf("%s is out of date; run: go test ./docs -update\n%s", servedPage, diff)
	}
}

// order is that of the table.
var order = []gateway.Class{gateway.ByID, gateway.ByRef, gateway.ByAZ, gateway.FanOutMerge, gateway.TopOwned, gateway.FanOutSum,
	gateway.TopStatic, gateway.AdminScopedPod, gateway.DeprecatedProxy, gateway.Unsupported}

type describe = func(func(*http.Request) string, func() microversion.Version) (*gateway.Service, error)

func writeServed(t *testing.T, page *strings.Builder, title string, of describe) {
	t.Helper()
	public := func(*http.Request) string { return "http://top" }
	service, err := of(public, func() microversion.Version { return microversion.Version{} })
	if err != nil {
		t.Fatal(err)
	}
	g := podless(t, service, public)
	calls, served := map[gateway.Class]int{}, map[gateway.Class]int{}
	var total, totalServed int
	var refused []string
	for r := range service.Table.All() {
		calls[r.Class]++
		total++
		if status := ask(g, service, r); status != http.StatusNotImplemented {
			served[r.Class]++
			totalServed++
			continue
		}
		refused = append(refused, "    "+r.String())
	}
	fmt.Fprintf(page, "\n## %s\n\n%d of %d calls.\n\n| class | calls | served | by |\n|---|---|---|---|\n", title, totalServed, total)
	for _, class := range order {
		if n := calls[class]; n > 0 {
			fmt.Fprintf(page, "| %s | %d | %d | %s |\n", class, n, served[class], class.Meaning())
			total -= n
		}
	}
	if total != 0 {
		t.Errorf("%s: %d calls are of a class without a meaning here", title, total)
	}
	slices.SortFunc(refused, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
	if len(refused) > 0 {
		fmt.Fprintf(page, "\nNot served (501):\n\n%s\n", strings.Join(refused, "\n"))
	}
}

func pathOf(call string) string { return strings.Join(strings.Fields(call)[1:], " ") + call }

// owner lets everybody in as an administrator, so that no call is refused for who makes it.
type owner struct{}

const project = "0123456789abcdef0123456789abcdef"

func (owner) Validate(context.Context, string) (*identity.Caller, error) {
	return &identity.Caller{UserID: "owner", ProjectID: project, Roles: []string{"admin"}}, nil
}

func podless(t *testing.T, service *gateway.Service, public func(*http.Request) string) http.Handler {
	t.Helper()
	s := sqltest.Open(t, sqltest.InMemory, time.Now)
	log := slog.New(slog.DiscardHandler)
	pods := pod.NewRegistry(pod.Options{Store: s, Log: log})
	g, err := gateway.New(gateway.Options{Service: service, Pods: pods, Routing: routing.NewTable(s, pods, 10, log),
		Validator: owner{}, Public: public, ListTimeout: time.Minute, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// ask makes the call of a row, at the first microversion that has it, and returns the status of the answer.
func ask(g http.Handler, service *gateway.Service, r *gateway.Route) int {
	path := service.Prefix + parameter.ReplaceAllString(r.Path, "11111111-2222-4333-8444-555555555555")
	var body io.Reader = http.NoBody
	if r.Action != "" {
		body = strings.NewReader(fmt.Sprintf("{%q: null}", r.Action))
	}
	req := httptest.NewRequest(r.Method, path, body)
	req.Header.Set("X-Auth-Token", "token")
	if !r.Min.IsZero() {
		req.Header.Set("OpenStack-API-Version", service.Versions.Name+" "+r.Min.String())
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, req)
	return w.Code
}
