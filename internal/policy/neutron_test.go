package policy

import (
	"os"
	"strings"
	"testing"
)

// person is who asks, in these tests.
func person(project string, roles ...string) *Credentials {
	return &Credentials{UserID: "u", ProjectID: project, Roles: roles}
}

var people = map[string]*Credentials{
	"admin":    person("ops", "admin", "manager", "member", "reader"),
	"service":  person("services", "service"),
	"manager":  person("p", "manager", "member", "reader"),
	"member":   person("p", "member", "reader"),
	"reader":   person("p", "reader"),
	"stranger": person("q", "member", "reader"),
	"nobody":   person("p"),
}

// TestNeutron_DefaultRules_AreThoseOfTheTable asks each line of testdata/neutron.txt: a rule, what is known of the object, and who
// may; whoever is not named may not.
func TestNeutron_DefaultRules_AreThoseOfTheTable(t *testing.T) {
	e, err := New(Neutron(), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/neutron.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		parts := strings.Split(line, "|")
		if len(parts) != 3 {
			t.Fatalf("%s: not three parts", line)
		}
		rule, attrs := strings.TrimSpace(parts[0]), map[string]any{}
		if !e.Has(rule) {
			t.Errorf("%s: no such rule", rule)
		}
		for pair := range strings.FieldsSeq(parts[1]) {
			name, value, _ := strings.Cut(pair, "=")
			if attrs[name] = value; value == "True" || value == "False" {
				attrs[name] = value == "True"
			}
		}
		may := strings.Fields(parts[2])
		for name, who := range people {
			want := strings.Contains(" "+strings.Join(may, " ")+" ", " "+name+" ")
			if got, err := e.Allows(rule, who, targetOf(attrs)); got != want || err != nil {
				t.Errorf("%s, %s: %s may: %v, %v; want %v", rule, strings.TrimSpace(parts[1]), name, got, err, want)
			}
		}
	}
	if lines < 30 {
		t.Errorf("only %d lines", lines)
	}
}

func TestNeutron_Overrides_ReplaceRulesAndWhatRefersToThem(t *testing.T) {
	e, err := New(Neutron(), map[string]string{"admin_only": "role:operator", "create_network": "!"})
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]bool{"create_network:shared": true, "create_network": false, "update_quota": true} {
		if got, _ := e.Allows(rule, person("x", "operator"), NoTarget); got != want {
			t.Errorf("%s: got %v", rule, got)
		}
	}
}
