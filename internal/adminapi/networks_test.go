package adminapi

import (
	"strings"
	"testing"
)

func TestNetworks_TopWithoutNetworking_SaysSo(t *testing.T) {
	g := newRig(t)
	g.register()
	for method, body := range map[string]string{"GET": "", "POST": `{"network": {"id": "x"}}`} {
		if status, answer := g.call(method, "/v1.0/pods/"+podID(1)+"/networks", body); status != 409 || !strings.Contains(answer, "[networks]") {
			t.Errorf("%s: %d %s", method, status, answer)
		}
	}
	for _, body := range []string{"", "{}", `{"network": {}}`, `{"network": {"id": "x", "dryrun": true}}`} {
		if status, answer := g.call("POST", "/v1.0/pods/"+podID(1)+"/networks", body); status != 400 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
