package app

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/faults.md anew")

const faultPage = "../../docs/faults.md"

const faultIntro = `# What clients get from sick pods

Made by ` + "`go test ./internal/app -run Faults -update`" + `, which lets the whole top work over two simulated pods, the second of which falls ill
when clients ask for something in it; without ` + "`-update`" + ` the test compares. Every row is played for servers and for volumes. What clients
were told is compared with what the pods have and with every request that they got: nothing was lost, nothing was done twice, nobody
waited longer than a deadline, the first pod answered meanwhile as fast as ever, and when the second was well again the top listed
exactly what both have. What the rules are is in [merge.md](api/merge.md), sections 5 and 6, and in
[ADR 7](adr/0007-lost-replies.md).

- 503 means that the pod did not answer as its service does, 502 that it did and that the answer is of no use. Both name the pod. A 503
  says when to come back: when the pod said, or after 10 seconds.
- What the service itself answers is the client's, be it 429 with its Retry-After, or 500. Such a 500 leaves open what was done,
  as it does in a single OpenStack.
- A change is sent once. Was it perhaps carried out, then the client is told to look before trying again. A creation is looked up in
  the pod by the top itself, and the client gets what was found; if the pod does not say, the client is told to look.
- A list names pods that are missing in ` + "`X-Tricircle-Missing-Pods`" + `. A list by name may be asked to learn whether something exists, so
  there a pod that is missing is an error.
- An answer without a request id is none of the service's: a load balancer's page or 404 says nothing about servers. With one it is
  believed, and what is only forwarded is not decoded: JSON of another shape than the client expects goes to the client, except that
  a list leaves the pod out, and a creation is looked up.

"At the deadline" is ` + "`[pod] timeout` or `list_timeout`" + `. Everything else is answered at once, but for creations that are looked up in vain, which
takes seven seconds. Where a cell is empty the fault hits only changes.

`

// compareFaultPage compares docs/faults.md with what has just happened.
func compareFaultPage(t *testing.T, results [2][]*scene) {
	t.Helper()
	page := renderFaults(results)
	if *update {
		if err := os.WriteFile(faultPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(faultPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(old), page); diff != "" {
		t.Errorf("%s is out of date; if this is what clients should get run: go test ./internal/app -run Faults -update\n%s", faultPage, diff)
	}
}

func renderFaults(results [2][]*scene) string {
	var page strings.Builder
	page.WriteString(faultIntro)
	table := func(columns []string, of func(outcome) string) {
		fmt.Fprintf(&page, "| the pod | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		for _, s := range sicknesses {
			fmt.Fprintf(&page, "| %s |", s.name)
			for _, o := range columns {
				fmt.Fprintf(&page, " %s |", both(results, s.name, o, of))
			}
			page.WriteByte('\n')
		}
	}
	page.WriteString("## Answers\n\n")
	table(operations, func(o outcome) string { return o.cell })
	page.WriteString("\n## Effects\n\n")
	table(operations[:3], func(o outcome) string { return o.effect })
	page.WriteString("\n## Texts\n\n")
	for _, text := range texts(results) {
		fmt.Fprintf(&page, "- %s\n", text)
	}
	return page.String()
}

// both is the cell of a table: one text if it is the same for servers and volumes.
func both(results [2][]*scene, name, operation string, of func(outcome) string) string {
	var cells [2]string
	for i, scenes := range results {
		for _, s := range scenes {
			if got, ok := s.got[operation]; ok && s.name == name {
				cells[i] = of(got)
			}
		}
	}
	if cells[0] == cells[1] {
		return cells[0]
	}
	return "servers: " + cells[0] + "; volumes: " + cells[1]
}

// texts are the different things that clients are told, in the words for servers.
func texts(results [2][]*scene) (all []string) {
	service := strings.NewReplacer("its volume service", "its compute service", "The request you have made requires authentication.", "")
	for _, scenes := range results {
		for _, s := range scenes {
			for _, got := range s.got {
				if got.text != "" {
					all = append(all, service.Replace(got.text))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
}
