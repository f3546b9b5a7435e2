package api

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEngine_RequestsThatNeutronWasAsked_HaveItsAnswers asks the engine what a real Neutron was asked.
func TestEngine_RequestsThatNeutronWasAsked_HaveItsAnswers(t *testing.T) {
	data, err := os.ReadFile("testdata/neutron.txt")
	if err != nil {
		t.Fatal(err)
	}
	asked, f := 0, newFixture(t)
	for block := range strings.SplitSeq(string(data), "\n\n") {
		request, answer, ok := strings.Cut(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(request, "#") || !ok {
			continue
		}
		asked++
		parts := append(strings.SplitN(request, " ", 3), "")
		w := f.call("demo", parts[0], parts[1], parts[2])
		status, body, _ := strings.Cut(answer, " ")
		var got, want any
		if json.Unmarshal(w.Body.Bytes(), &got) != nil || json.Unmarshal([]byte(body), &want) != nil {
			t.Errorf("%s: not JSON: %s\nwant %s", request, w.Body, body)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" || status != strconv.Itoa(w.Code) {
			t.Errorf("%s: status %d, want %s\n%s", request, w.Code, status, diff)
		}
	}
	if asked < 70 {
		t.Errorf("only %d requests", asked)
	}
}
